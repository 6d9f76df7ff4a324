"""The worker signs the trust list anew when what it says has changed."""

from flask import current_app

from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every
from wallet.issuing import trust_list


@every("* * * * *")
def rebuild_trust_list() -> None:
    """Look whether the list still says what is so."""
    with transaction() as session:
        trust_list.rebuild(session, current_app.extensions["kabao_settings"], now=now())
