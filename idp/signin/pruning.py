"""Forgetting what is over: sessions, buckets of the throttle, removed addresses, old notices, ended recoveries and spent challenges."""

from idp.signin import callers, contacts, notices, passkey_challenges, recovery, sessions, throttle
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
    recovery.forget(now=now())
