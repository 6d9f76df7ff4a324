"""The worker keeps to the schedule of keys, of their certificates, and of the lists of what was revoked.

By the database's clock: a worker whose own is wrong would let a key sign before others know it, or withdraw one that is still needed.
"""

import structlog
from flask import current_app

from keys import key_schedule, renewal, revocation_lists
from keys.sealing import present
from runtime.database import transaction
from runtime.jobs import every
from runtime.security_module import ModuleAway

log = structlog.get_logger(__name__)


@every("*/5 * * * *")
def keep_key_schedule() -> None:
    """Take the steps that are due."""
    with transaction() as session:
        key_schedule.advance(session, current_app.extensions["kabao_settings"], now=present())


@every("*/5 * * * *")
def keep_certificates() -> None:
    """Renew the certificates that end soon, and let their keys take over."""
    with transaction() as session:
        renewal.advance(session, current_app.extensions["kabao_settings"], now=present())


@every("*/5 * * * *")
def renew_revocation_lists() -> None:
    """Sign the roots' revocation lists anew: those that grow old, and those that lack a revocation."""
    try:
        with transaction() as session:
            revocation_lists.renew(session, current_app.extensions["kabao_settings"], now=present())
    except ModuleAway as away:
        log.error("a revocation list waits for a token", reason=away.reason)


@every("7 3 * * *")
def warn_of_certificates() -> None:
    """Say which certificates from outside end soon."""
    with transaction() as session:
        renewal.warn_of_ends(session, now=present())
