"""What is wrong with a registration, in the words of RFC 7591 section 3.2.2: each error names the member."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError, InvalidRedirectURIError
from marshmallow import ValidationError

from idp.oauth import clients, redirects, scopes, sectors
from idp.oauth.client_metadata import PAIRWISE
from idp.oauth.clients import ClientRefused, RegisteredClient
from idp.oauth.registration import policies
from idp.oauth.registration.changes import first_fault
from idp.oauth.registration.documents import WIRE_NAMES
from idp.oauth.registration.policies import NotAllowedByPolicy, Policy
from idp.oauth.sectors import NotOfTheSector
from runtime.settings import Settings
from schemas.clients import ClientSchema

REDIRECTS = "redirect_uris"


def read(unverified: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked form of what a client says of itself; raises InvalidRedirectURIError, InvalidClientMetadataError."""
    try:
        document: dict[str, Any] = ClientSchema().load(dict(unverified))
    except ValidationError as error:
        raise fault(*first_fault(error.messages)) from error
    return document


def with_defaults(document: dict[str, Any], policy: Policy) -> dict[str, Any]:
    """Return a document with what the policy gives a client that does not say: all its scopes."""
    return {"scope": scopes.scope_from(policy.scopes), **document}


def check(row: RegisteredClient, policy: Policy, settings: Settings) -> None:
    """Check a registration by the rules for all clients, by its policy, and by what holds where nobody looked at it before.

    Raises InvalidRedirectURIError, InvalidClientMetadataError.
    """
    with explained():
        clients.check(row)
        policies.check(policy, row)
    _check_sector(row, settings)


def fault(field: str, said: str) -> OAuth2Error:
    """Return the error for a member."""
    field = WIRE_NAMES.get(field, field)
    kind = InvalidRedirectURIError if field == REDIRECTS else InvalidClientMetadataError
    error: OAuth2Error = kind(f"{field}: {said}")
    return error


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the rules and the policy say into the errors of the registration endpoint."""
    try:
        yield
    except ClientRefused as error:
        raise fault(error.field or "client_metadata", error.reason.partition(": ")[2] or error.reason) from error
    except NotAllowedByPolicy as error:
        raise fault(error.field, "the policy does not allow it") from error


def _check_sector(row: RegisteredClient, settings: Settings) -> None:
    """Check that addresses at several hosts come with a document that says they belong together (OpenID Connect Registration section 5)."""
    uri = row.client_metadata.get("sector_identifier_uri")
    if uri is not None:
        try:
            sectors.check_document(uri, sectors.addresses_of(row), settings)
        except NotOfTheSector as error:
            raise InvalidClientMetadataError(f"sector_identifier_uri: {error}.") from error
    hosts = {urlsplit(uri).hostname for uri in row.redirect_uris if redirects.is_of_a_host(uri)}
    is_pairwise = row.client_metadata.get("subject_type", PAIRWISE) == PAIRWISE
    if len(hosts) > 1 and is_pairwise and "sector_identifier_uri" not in row.client_metadata:
        raise InvalidClientMetadataError("sector_identifier_uri: redirect_uris at several hosts want one.")
