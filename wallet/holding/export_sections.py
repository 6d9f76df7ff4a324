"""What the wallet gives to a person's download of all their data: licences, and who looked at them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import export
from wallet.holding.cards import issuer_name
from wallet.holding.history import WAYS
from wallet.holding.marked_copies import copies_of
from wallet.holding.uses import uses_of
from wallet.register.licences import Licence, fields_of, licence_number_of, licences_of, type_of

MOST_COPIES, PAGE = 1000, 200


def licences(session: Session, subject_id: UUID, now: datetime) -> Iterator[dict[str, Any]]:
    """Give every licence that the person has or had, in full."""
    before = None
    while page := licences_of(session, holder_id=subject_id, before=before, limit=PAGE):
        yield from (_licence(licence, now) for licence in page)
        before = page[-1].id
        session.expunge_all()


def _licence(licence: Licence, now: datetime) -> dict[str, Any]:
    return {
        "identifier": licence.identifier,
        "type": type_of(licence).name,
        "issuer": issuer_name(licence.issuer_code),
        "licence_number": licence_number_of(licence),
        "state": licence.state_at(now).value,
        "valid_from": licence.valid_from,
        "valid_until": licence.valid_until,
        "fields": fields_of(licence),
    }


def uses(session: Session, subject_id: UUID, now: datetime) -> Iterator[dict[str, Any]]:
    """Give every look at one of them, the newest first."""
    before = None
    while page := uses_of(session, holder_id=subject_id, before=before):
        for use in page:
            seen = {"fields": use.fields, "verdict": use.verdict, "receipt": use.receipt_id, "by_representative": use.acted_by is not None}
            yield {
                "at": use.at,
                "department": issuer_name(use.department),
                "cause": use.cause,
                "way": WAYS[use.way],
                "licence": use.licence_id,
                **seen,
            }
        before = page[-1].id
        session.expunge_all()


def copies(session: Session, subject_id: UUID, now: datetime) -> Iterator[dict[str, Any]]:
    """Give the marked copies that were made of them lately, the newest first."""
    for copy in copies_of(session, holder_id=subject_id, limit=MOST_COPIES):
        yield {"licence": copy.licence_id, **copy.marking.as_json(), "link": copy.state_at(now).value, "fetched_at": copy.fetched_at}


export.sections |= {"licences": licences, "uses": uses, "marked_copies": copies}
