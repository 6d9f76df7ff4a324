"""Forgetting, every five minutes, what nobody may ask for any more."""

from runtime import idempotency, jobs
from runtime.clock import now
from runtime.database import transaction
from wallet.presenting import qr_codes
from wallet.verifying import receipts

ROUNDS = 20


@jobs.every("*/5 * * * *")
def forget_what_is_over() -> None:
    """Remove spent and expired presentations, keys of old requests and the answers kept for them, in small batches."""
    for _ in range(ROUNDS):
        with transaction() as session:
            removed = qr_codes.prune(session, now=now())
            forgotten = receipts.forget_answers(session, now=now())
        if not removed and not forgotten:
            break
    with transaction() as session:
        idempotency.prune(session, now=now())
