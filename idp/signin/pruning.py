"""Forgetting what is over.

Sessions past their time, empty buckets of the throttle, browsers unused for long, links that are too old, addresses that were removed,
old notices, ended recoveries and spent challenges.
"""

from idp.signin import alarms, callers, contacts, devices, notices, passkey_challenges, recovery, scans, sessions, throttle
from runtime.clock import now
from runtime.jobs import every


@every("23 * * * *")
def prune_signin() -> None:
    """Prune once an hour."""
    sessions.forget(lifetimes=callers.lifetimes(), now=now())
    throttle.forget(now=now())
    devices.forget(now=now())
    alarms.forget(now=now())
    scans.forget(now=now())
    contacts.forget(now=now())
    notices.forget(now=now())
    passkey_challenges.forget(now=now())
    recovery.forget(now=now())
