"""Forgetting, every minute, the documents of marked copies that nobody fetched in time."""

from runtime import jobs
from runtime.clock import now
from runtime.database import transaction
from wallet.holding import marked_copies

ROUNDS = 20


@jobs.every("* * * * *")
def forget_copies() -> None:
    """Forget them in small batches; what is left is for the next minute."""
    for _ in range(ROUNDS):
        with transaction() as session:
            if marked_copies.forget(session, now=now()) < marked_copies.FORGET_BATCH:
                return
