"""Forgetting what is over: sessions past their time and empty buckets of the throttle."""

from idp.signin import callers, sessions, throttle
from runtime.clock import now
from runtime.jobs import every


@every("23 * * * *")
def prune_signin() -> None:
    """Prune once an hour."""
    sessions.forget(lifetimes=callers.lifetimes(), now=now())
    throttle.forget(now=now())
