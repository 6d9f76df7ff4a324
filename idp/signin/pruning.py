"""Forgetting what is over: sessions past their time, empty buckets of the throttle, addresses that were removed, old notices and spent challenges."""

from idp.signin import callers, contacts, notices, passkey_challenges, sessions, throttle
from runtime.clock import now
from runtime.jobs import every


@every("23 * * * *")
def prune_signin() -> None:
    """Prune once an hour."""
    sessions.forget(lifetimes=callers.lifetimes(), now=now())
    throttle.forget(now=now())
    contacts.forget(now=now())
    notices.forget(now=now())
    passkey_challenges.forget(now=now())
