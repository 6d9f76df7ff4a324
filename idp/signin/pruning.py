"""Forgetting what is over.

Sessions past their time, empty buckets of the throttle, browsers unused for long, links that are too old, addresses that were removed,
codes and sign-ins that nobody finished, old notices, ended recoveries and spent challenges.
"""

from idp.signin import (
    alarms,
    callers,
    contacts,
    counter_codes,
    devices,
    notices,
    one_time_codes,
    passkey_challenges,
    pending,
    recovery,
    scans,
    sessions,
    throttle,
    totp,
    trusted_browsers,
)
from idp.subjects import mandate_queries, registry_answers, registry_updates
from keys import sealing
from runtime.clock import now
from runtime.jobs import every

PARTS = (
    throttle,
    devices,
    alarms,
    scans,
    contacts,
    notices,
    one_time_codes,
    pending,
    totp,
    trusted_browsers,
    passkey_challenges,
    recovery,
    counter_codes,
)


@every("23 * * * *")
def prune_signin() -> None:
    """Prune once an hour."""
    sessions.forget(lifetimes=callers.lifetimes(), now=sealing.present())
    for part in PARTS:
        part.forget(now=now())
    registry_answers.forget(now=now())
    registry_updates.forget(now=now())
    mandate_queries.forget(now=now())
