"""Forgetting what is over: sessions past their time and empty buckets of the throttle."""

from idp.signin import callers, sessions, throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every


@every("23 * * * *")
def prune_signin() -> None:
    """Prune once an hour."""
    with transaction() as session:
        sessions.prune(session, lifetimes=callers.lifetimes(), now=now())
        throttle.prune(session, now=now())
