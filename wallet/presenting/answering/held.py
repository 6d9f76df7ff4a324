"""What a wallet could show to a verifier: its licences in force, as candidates for a query; none of another type is opened."""

import base64
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography import x509
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from keys import paths
from keys.paths import UNREADABLE
from runtime.settings import Settings
from wallet.issuing import credentials, sd_jwt
from wallet.issuing.contents import type_uri
from wallet.issuing.credentials import CredentialNotFound
from wallet.presenting.dcql import Candidate, Query
from wallet.presenting.dcql_reading import SD_JWT_VC
from wallet.register.licences import Licence, LicenceState, licences_of, type_of

MOST = 100


def candidates_of(session: Session, settings: Settings, viewer: SignedIn, query: Query, *, now: datetime) -> list[Candidate]:
    """Return the licences of a wallet that a query could mean, within what its viewer may show."""
    found: list[Candidate] = []
    for licence in licences_of(session, holder_id=viewer.holder_id):
        if licence.state_at(now) is LicenceState.VALID and viewer.allows_type(licence.type_code) and len(found) < MOST:
            types = frozenset({type_uri(settings, type_of(licence))})
            if any(one.format == SD_JWT_VC and one.takes_type(types) for one in query.credentials):
                found += _candidate(session, licence, holder_id=viewer.holder_id)
    return found


def _candidate(session: Session, licence: Licence, *, holder_id: UUID) -> list[Candidate]:
    try:
        text = credentials.text_of(credentials.credential_of(session, licence, holder_id=holder_id))
    except CredentialNotFound:
        return []
    parts = sd_jwt.parse(text)
    payload = sd_jwt.read_json(parts.jwt.split(".")[1])
    claims = sd_jwt.reveal(payload, parts.disclosures)
    return [Candidate(licence.id, SD_JWT_VC, frozenset({str(claims["vct"])}), claims, _authorities(parts.jwt))]


def _authorities(jwt: str) -> frozenset[tuple[str, str]]:
    """Return the keys that vouch for the issuer, as a query names them (`aki`: OpenID4VP section 6.1.1.1)."""
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(jwt.split(".")[0] + "=="))
    found = set()
    for encoded in header.get("x5c", []):
        try:
            identifier = paths.read_certificate(encoded).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        except UNREADABLE:
            continue
        if identifier is not None:
            found.add(("aki", base64.urlsafe_b64encode(identifier).rstrip(b"=").decode()))
    return frozenset(found)
