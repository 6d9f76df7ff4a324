"""Forgetting, every hour, the batches that nobody used for seven days."""

from runtime import jobs
from runtime.clock import now
from wallet.issuing import batches


@jobs.every("37 * * * *")
def forget_batches() -> None:
    """Forget old batches and what became of their lines."""
    batches.forget(now=now())
