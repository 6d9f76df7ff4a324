"""The worker fetches the trust lists of other provinces, each once an hour."""

from flask import current_app

from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import every
from wallet.verifying import trust_sources
from wallet.verifying.trust_list_reading import ListRefused


@every("*/5 * * * *")
def fetch_trust_lists() -> None:
    """Fetch what is due; nobody waits for a slow answer with a transaction open."""
    with transaction() as session:
        due = trust_sources.due(session, now=now())
    for name in due:
        fetch_trust_list(name)


def fetch_trust_list(name: str) -> None:
    """Fetch one list now; raises SourceRefused for one that came as a file."""
    settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        source = trust_sources.get_source(session, name)
    try:
        token: bytes | ListRefused = trust_sources.fetch_newer(settings, source)
    except ListRefused as refused:
        token = refused
    take_trust_list(name, token)


def take_trust_list(name: str, token: bytes | ListRefused) -> None:
    """Take a list that was fetched or brought, or why there is none; raises SourceRefused if none is known by that name."""
    with transaction() as session:
        trust_sources.take(session, current_app.extensions["kabao_settings"], name, token, now=now())
