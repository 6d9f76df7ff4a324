"""The worker signs the trust list anew when what it says has changed."""

import structlog
from flask import current_app

from keys.ring import KeyNotReady
from keys.sealing import present
from runtime.database import transaction
from runtime.jobs import every
from runtime.security_module import ModuleAway
from wallet.issuing import trust_list

log = structlog.get_logger(__name__)


@every("* * * * *")
def rebuild_trust_list() -> None:
    """Look whether the list still says what is so; a key that is not there yet (`kabao init`), or is away, is waited for."""
    try:
        with transaction() as session:
            trust_list.rebuild(session, current_app.extensions["kabao_settings"], now=present())
    except (KeyNotReady, ModuleAway) as refusal:
        log.warning("the trust list cannot be signed", reason=refusal.reason)
