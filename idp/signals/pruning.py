"""Events that nobody comes for are forgotten."""

from idp.signals import tokens
from runtime import jobs
from runtime.clock import now


@jobs.every("*/5 * * * *")
def prune_signals() -> None:
    """Forget what was kept for long enough."""
    tokens.forget(now=now())
