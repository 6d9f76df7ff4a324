"""A client as the document that is sent and answered (RFC 7591 section 2), and as the row that is kept. Both ways, for every door."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from idp.oauth import redirects, scopes
from idp.oauth.client_kinds import AUTHORIZATION_CODE, CLIENT_SECRET_BASIC
from idp.oauth.client_metadata import NAMES, PLAIN, read_metadata
from idp.oauth.clients import ClientRefused, RegisteredClient
from idp.signin.assurance import read_level
from runtime.languages import text_of

WIRE_NAMES = {"auth_method": "token_endpoint_auth_method", "scopes": "scope", "client_secret": "token_endpoint_auth_method"}
LISTS = ("redirect_uris", "post_logout_redirect_uris", "grant_types")
CODE = ["code"]


def new_row(document: Mapping[str, Any], *, client_id: str, owner: str, now: datetime) -> RegisteredClient:
    """Return a row for a checked document; raises ClientRefused."""
    row = RegisteredClient(
        client_id=client_id, owner=owner, added_at=now, disabled_at=None, first_party=False, levels={}, secret_hash=None, client_metadata={}
    )
    fill(row, document)
    return row


def fill(row: RegisteredClient, document: Mapping[str, Any]) -> None:
    """Replace all that a client says of itself: what the document leaves out goes back to its default (RFC 7592 section 2.2).

    Raises ClientRefused for response types that do not belong to the grants.
    """
    row.name = document.get("client_name") or {"zh": row.client_id, "en": row.client_id}
    row.auth_method = document.get("token_endpoint_auth_method", CLIENT_SECRET_BASIC)
    row.grant_types = document.get("grant_types", [AUTHORIZATION_CODE])
    row.redirect_uris = document.get("redirect_uris", [])
    row.post_logout_redirect_uris = document.get("post_logout_redirect_uris", [])
    row.backchannel_logout_uri = document.get("backchannel_logout_uri")
    row.jwks = document.get("jwks")
    row.scopes = scopes.scopes_of(document.get("scope"))
    row.client_metadata = {name: document[name] for name in sorted(NAMES & set(document)) if document[name] != _default_of(name)}
    row.sector = sector_of(row)
    wanted = CODE if AUTHORIZATION_CODE in row.grant_types else []
    if document.get("response_types", wanted) != wanted:
        raise ClientRefused("response_types must be code with authorization_code, and none without it", field="response_types")


def fill_as_operator(row: RegisteredClient, document: Mapping[str, Any]) -> None:
    """Replace all that an operator says of a client; raises ClientRefused."""
    fill(row, document)
    row.owner = document["owner"]
    row.first_party = document.get("first_party", False)
    row.sector = document.get("sector") or row.sector
    levels = {scope: read_level(text) for scope, text in document.get("levels", {}).items()}
    if None in levels.values():
        raise ClientRefused("levels: such as ial3, aal2 or ial3aal2", field="levels")
    row.levels = {scope: level.as_json() for scope, level in levels.items() if level is not None}


def sector_of(row: RegisteredClient) -> str:
    """Return the sector that a client's own words put it in (OpenID Connect Core section 8.1)."""
    named = row.client_metadata.get("sector_identifier_uri")
    return (urlsplit(named).hostname if named else None) or redirects.sector_of(row.redirect_uris, client_id=row.client_id)


def document_of(row: RegisteredClient) -> dict[str, Any]:
    """Return all that is registered of a client, defaults included, in the words of RFC 7591; no secret."""
    name, kept = text_of(row.name), read_metadata(row.client_metadata)
    document: dict[str, Any] = {"client_id": row.client_id, "client_name": name.zh}
    if name.zh != name.en:
        document |= {"client_name#zh": name.zh, "client_name#en": name.en}
    document |= {
        "token_endpoint_auth_method": row.auth_method,
        "grant_types": row.grant_types,
        "response_types": CODE if AUTHORIZATION_CODE in row.grant_types else [],
        "redirect_uris": row.redirect_uris,
        "scope": scopes.scope_from(row.scopes),
    }
    optional = {"post_logout_redirect_uris": row.post_logout_redirect_uris, "backchannel_logout_uri": row.backchannel_logout_uri, "jwks": row.jwks}
    values = {field.name: getattr(kept, field.name) for field in fields(kept)}
    return document | {
        key: list(value) if isinstance(value, tuple) else value for key, value in (optional | values).items() if value not in (None, (), [])
    }


def operator_document_of(row: RegisteredClient) -> dict[str, Any]:
    """Return what an operator may read and change of a client."""
    levels = {scope: f"ial{level['ial']}aal{level['aal']}" for scope, level in row.levels.items()}
    own = {"owner": row.owner, "first_party": row.first_party, "sector": row.sector, **({"levels": levels} if levels else {})}
    return document_of(row) | own


def _default_of(name: str) -> Any:
    default = getattr(PLAIN, name)
    return list(default) if isinstance(default, tuple) else default
