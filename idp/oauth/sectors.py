"""Sector identifier documents: proof that addresses at several hosts belong to one sector (OpenID Connect Core section 8.1).

The document is a JSON array at an https address and must name every redirect address of the client, and where its keys are if it asks people
through the back channel (CIBA Core section 4) or has no redirect address: nobody joins a sector that does not know of it. It is fetched when a
client is registered, and looked at again each day: a client whose document does not name it any more is told of in the log, and keeps its
subjects, since another `sub` would be another person to it.
"""

import json
from collections.abc import Iterable
from urllib.parse import urlsplit

import structlog
from flask import current_app
from sqlalchemy import select

from idp.oauth.client_kinds import CIBA
from idp.oauth.clients import RegisteredClient
from runtime import outbound
from runtime.database import transaction
from runtime.jobs import every
from runtime.outbound import NoAnswer
from runtime.settings import Settings

log = structlog.get_logger(__name__)
TIMEOUT, LIMIT = 3.0, 64 * 1024
HEADERS = {"Accept": "application/json"}


class NotOfTheSector(ValueError):
    """The document cannot be had, or does not name each address of the client; the message says which, and repeats nothing."""


def addresses_of(row: RegisteredClient) -> list[str]:
    """Return what a client's document must name."""
    jwks_uri: str | None = row.client_metadata.get("jwks_uri")
    if jwks_uri is None or (row.redirect_uris and CIBA not in row.grant_types):
        return list(row.redirect_uris)
    return [*row.redirect_uris, jwks_uri]


def check_document(uri: str, addresses: Iterable[str], settings: Settings) -> str:
    """Fetch the document and return the sector, its host; raises NotOfTheSector."""
    parts, needed = urlsplit(uri), set(addresses)
    if not needed:
        raise NotOfTheSector("a client of a sector has redirect_uris, or a jwks_uri, for the document to name")
    if parts.scheme != "https" and not settings.development:
        raise NotOfTheSector("sector_identifier_uri is not https")
    try:
        answer = outbound.fetch("GET", uri, headers=HEADERS, allowed=outbound.allowed_by(settings), timeout=TIMEOUT, limit=LIMIT)
        named = json.loads(answer.body) if answer.status == 200 else None
    except (NoAnswer, ValueError, RecursionError) as error:
        raise NotOfTheSector("there is no JSON behind sector_identifier_uri") from error
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise NotOfTheSector("there is no JSON array of addresses behind sector_identifier_uri")
    if not needed <= set(named):
        raise NotOfTheSector("the document behind sector_identifier_uri does not name each of redirect_uris, or not the jwks_uri")
    return parts.hostname or ""


@every("41 3 * * *")
def look_at_sectors_again() -> None:
    """Look at every document again."""
    settings: Settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        named = RegisteredClient.client_metadata["sector_identifier_uri"].astext
        found = select(RegisteredClient).where(named.is_not(None), RegisteredClient.disabled_at.is_(None))
        rows = [(row.client_id, row.client_metadata["sector_identifier_uri"], addresses_of(row)) for row in session.scalars(found)]
    for client_id, uri, addresses in rows:
        try:
            check_document(uri, addresses, settings)
        except NotOfTheSector as error:
            log.warning("a client is not of its sector any more", client=client_id, why=str(error))
