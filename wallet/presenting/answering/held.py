"""What a wallet could show to a verifier: its licences in force, and what can be stated of its holder, as candidates for a query; no licence of
another type is opened, and nothing is stated that was not asked.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from keys import paths
from runtime.settings import Settings
from wallet.issuing import credentials, sd_jwt, w3c_types
from wallet.issuing.credentials import Credential
from wallet.presenting import statements, stating
from wallet.presenting.answering import mdocs, sought, w3c
from wallet.presenting.dcql import Candidate, Query
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT
from wallet.register.licences import Licence, type_of

MOST_QUESTIONS = 32


@dataclass(frozen=True, slots=True)
class Held:
    """The candidates for a query, and the credential queries of which the wallet has more licences than were looked at."""

    candidates: list[Candidate]
    with_more: frozenset[str]


def held_for(session: Session, settings: Settings, viewer: SignedIn, query: Query, *, now: datetime, also: Collection[UUID] = ()) -> Held:
    """Return the licences of a wallet that a query could mean, within what its viewer may show; `also` are some of it that were picked before."""
    found = sought.sought_in(session, settings, viewer, query, now=now, also=also)
    given = credentials.newest_credentials(session, {one.id for one in found.licences}, holder_id=viewer.holder_id)
    candidates = _stated(session, viewer, query, now=now)
    for licence in found.licences:
        forms = {one.format for one in query.credentials if sought.is_asked(settings, one, type_of(licence))}
        if SD_JWT_VC in forms and licence.id in given:
            candidates.append(_candidate(licence, given[licence.id]))
        if MDOC in forms:
            candidates.append(_mdoc_candidate(session, settings, licence, holder_id=viewer.holder_id))
        if VC_JWT in forms:
            candidates.append(_w3c_candidate(session, settings, licence, holder_id=viewer.holder_id))
    return Held(candidates, found.with_more)


def _stated(session: Session, viewer: SignedIn, query: Query, *, now: datetime) -> list[Candidate]:
    """Return the answers to what is asked as a yes or no; of licences that the viewer may not show, none."""
    vcts = dict.fromkeys(vct for one in query.credentials if one.format == SD_JWT_VC for alternative in one.types for vct in alternative)
    asked = [question for question in map(statements.find_question, vcts) if question is not None]
    who = {"holder_id": viewer.holder_id, "person_id": viewer.subject_id}
    allowed = [one for one in asked[:MOST_QUESTIONS] if one.type_code is None or viewer.allows_type(one.type_code)]
    said = [answer for one in allowed for answer in stating.statements_of(session, one, **who, now=now)]
    return [Candidate(one, SD_JWT_VC, frozenset({one.question.vct}), one.claims) for one in said]


def _candidate(licence: Licence, credential: Credential) -> Candidate:
    parts = sd_jwt.parse(credentials.text_of(credential))
    payload = sd_jwt.read_json(parts.jwt.split(".")[1])
    claims = sd_jwt.reveal(payload, parts.disclosures)
    header = sd_jwt.read_json(parts.jwt.split(".")[0])
    return Candidate(licence.id, SD_JWT_VC, frozenset({str(claims["vct"])}), claims, paths.authorities_of(tuple(header.get("x5c", ()))))


def _mdoc_candidate(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID) -> Candidate:
    elements = mdocs.elements_of(session, settings, licence, holder_id=holder_id)
    return Candidate(licence.id, MDOC, frozenset(elements), elements, paths.authorities_of(tuple(mdocs.chain_of(licence))))


def _w3c_candidate(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID) -> Candidate:
    claims = w3c.claims_of(session, settings, licence, holder_id=holder_id)
    return Candidate(licence.id, VC_JWT, w3c_types.expanded(claims["type"]), claims, paths.authorities_of(tuple(mdocs.chain_of(licence))))
