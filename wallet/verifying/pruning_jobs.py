"""Forgetting, every five minutes, what nobody may ask for any more."""

from runtime import idempotency, jobs
from runtime.clock import now
from runtime.database import transaction
from wallet.presenting import qr_codes
from wallet.presenting.answering import asked
from wallet.verifying import receipts

ROUNDS = 20


@jobs.every("*/5 * * * *")
def forget_what_is_over() -> None:
    """Remove spent and expired presentations and requests, keys of old requests and the answers kept for them, in small batches."""
    for prune in (qr_codes.prune, asked.prune, receipts.forget_answers, idempotency.prune):
        for _ in range(ROUNDS):
            with transaction() as session:
                if not prune(session, now=now()):
                    break
