"""What a wallet could show to a verifier: its licences in force, and what can be stated of its holder, as candidates for a query; no licence of
another type is opened, and nothing is stated that was not asked.
"""

import base64
import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography import x509
from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from keys import paths
from keys.paths import UNREADABLE
from runtime.settings import Settings
from wallet.issuing import credentials, sd_jwt, w3c_types
from wallet.issuing.contents import type_uri
from wallet.issuing.credentials import CredentialNotFound
from wallet.presenting import statements, stating
from wallet.presenting.answering import mdocs, w3c
from wallet.presenting.dcql import Candidate, Query
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT
from wallet.register.licences import Licence, LicenceState, licences_of, type_of

MOST, MOST_QUESTIONS = 100, 32


def candidates_of(session: Session, settings: Settings, viewer: SignedIn, query: Query, *, now: datetime) -> list[Candidate]:
    """Return the licences of a wallet that a query could mean, within what its viewer may show."""
    found: list[Candidate] = _stated(session, viewer, query, now=now)
    for licence in licences_of(session, holder_id=viewer.holder_id):
        if licence.state_at(now) is LicenceState.VALID and viewer.allows_type(licence.type_code) and len(found) < MOST:
            if _is_asked(query, SD_JWT_VC, {type_uri(settings, type_of(licence))}):
                found += _candidate(session, licence, holder_id=viewer.holder_id)
            if _is_asked(query, MDOC, {type_of(licence).doctype}):
                found += _mdoc_candidate(session, settings, licence, holder_id=viewer.holder_id)
            if _is_asked(query, VC_JWT, w3c_types.names_of(type_of(licence).slug)):
                found += _w3c_candidate(session, settings, licence, holder_id=viewer.holder_id)
    return found


def _is_asked(query: Query, form: str, names: Collection[str]) -> bool:
    return any(one.format == form and one.takes_type(frozenset(names)) for one in query.credentials)


def _stated(session: Session, viewer: SignedIn, query: Query, *, now: datetime) -> list[Candidate]:
    """Return the answers to what is asked as a yes or no; of licences that the viewer may not show, none."""
    vcts = dict.fromkeys(vct for one in query.credentials if one.format == SD_JWT_VC for alternative in one.types for vct in alternative)
    asked = [question for question in map(statements.find_question, vcts) if question is not None]
    who = {"holder_id": viewer.holder_id, "person_id": viewer.subject_id}
    allowed = [one for one in asked[:MOST_QUESTIONS] if one.type_code is None or viewer.allows_type(one.type_code)]
    said = [answer for one in allowed for answer in stating.statements_of(session, one, **who, now=now)]
    return [Candidate(one, SD_JWT_VC, frozenset({one.question.vct}), one.claims) for one in said]


def _candidate(session: Session, licence: Licence, *, holder_id: UUID) -> list[Candidate]:
    try:
        text = credentials.text_of(credentials.credential_of(session, licence, holder_id=holder_id))
    except CredentialNotFound:
        return []
    parts = sd_jwt.parse(text)
    payload = sd_jwt.read_json(parts.jwt.split(".")[1])
    claims = sd_jwt.reveal(payload, parts.disclosures)
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(parts.jwt.split(".")[0] + "=="))
    return [Candidate(licence.id, SD_JWT_VC, frozenset({str(claims["vct"])}), claims, _authorities(header.get("x5c", [])))]


def _mdoc_candidate(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID) -> list[Candidate]:
    elements = mdocs.elements_of(session, settings, licence, holder_id=holder_id)
    return [Candidate(licence.id, MDOC, frozenset(elements), elements, _authorities(mdocs.chain_of(licence)))]


def _w3c_candidate(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID) -> list[Candidate]:
    claims = w3c.claims_of(session, settings, licence, holder_id=holder_id)
    return [Candidate(licence.id, VC_JWT, w3c_types.expanded(claims["type"]), claims, _authorities(mdocs.chain_of(licence)))]


def _authorities(chain: list[str]) -> frozenset[tuple[str, str]]:
    """Return the keys that vouch for the issuer, as a query names them (`aki`: OpenID4VP section 6.1.1.1)."""
    found = set()
    for encoded in chain:
        try:
            identifier = paths.read_certificate(encoded).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        except UNREADABLE:
            continue
        if identifier is not None:
            found.add(("aki", base64.urlsafe_b64encode(identifier).rstrip(b"=").decode()))
    return frozenset(found)
