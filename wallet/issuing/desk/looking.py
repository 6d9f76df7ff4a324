"""Looking for licences at the desk: by the holder's number, a licence number or an identifier, always with a cause that the holder can read.

What was found is told to `on_look`, in the same transaction: the holder's history takes it down. The ledger has it without the cause.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from idp.subjects.directory import find_subject
from idp.subjects.numbers import NumberRefused, parse_number
from runtime import ledger
from wallet.issuing.pending import ActRequestRow
from wallet.register.identifiers import MalformedIdentifier, parse_identifier
from wallet.register.licences import Licence, get_licence, newest_held, numbered, type_of

LONGEST, PAGE = 128, 30
READ_BY_SYSTEM = "复核待办业务（系统读取） Read by a system, to be approved"


@dataclass(frozen=True, slots=True)
class Look:
    """What an officer looks for, and why."""

    sought: str = field(repr=False)
    cause: str = field(repr=False)
    department: str
    officer_id: UUID


@dataclass(frozen=True, slots=True)
class Seen:
    """A licence of a holder that an officer saw, as it is told to `on_look`; or a request for one, by the id of the request."""

    holder_id: UUID
    licence_id: UUID
    department: str
    cause: str = field(repr=False)
    fields: tuple[str, ...] = ()


on_look: list[Callable[[Session, Seen, datetime], None]] = []


def find(session: Session, look: Look, *, now: datetime, after: UUID | None = None) -> tuple[list[Licence], UUID | None]:
    """Return a page of the department's own licences of a holder, or of a licence number or an identifier, and after which the next one begins.

    The newest come first. Of each that is on the page it is taken down that it was looked for.
    """
    candidates = _candidates(session, look, after=after)
    found = candidates[:PAGE]
    for licence in found:
        seen = Seen(licence.holder_id, licence.id, look.department, look.cause)
        _tell(session, seen, _officer(look.officer_id), "licence.found", type_code=licence.type_code, now=now)
    return found, found[-1].id if len(candidates) > PAGE else None


def take_down_look(session: Session, licence: Licence, *, department: str, officer_id: UUID, cause: str, now: datetime) -> None:
    """Take down that an officer had all of a licence before them."""
    seen = Seen(licence.holder_id, licence.id, department, cause, tuple(one.name for one in type_of(licence).fields))
    _tell(session, seen, _officer(officer_id), "licence.read", type_code=licence.type_code, now=now)


def take_down_request(session: Session, asked: ActRequestRow, *, named: tuple[str, ...], officer_id: UUID, cause: str, now: datetime) -> None:
    """Take down that an officer had all of a request before them, the fields `named` among it: whoever it is about can read it."""
    department = asked.department_code
    if asked.licence_id is not None:
        licence = get_licence(session, asked.licence_id)
        return take_down_look(session, licence, department=department, officer_id=officer_id, cause=cause, now=now)
    for holder_id in asked.holder_ids:
        seen = Seen(holder_id, asked.id, department, cause, named)
        _tell(session, seen, _officer(officer_id), "act-request.read", type_code=asked.type_code, now=now)
    return None


def take_down_reading(session: Session, asked: ActRequestRow, *, named: tuple[str, ...], system: str, now: datetime) -> None:
    """Take down that a system read a request whole, the fields `named` among it; the work itself is its cause."""
    licence = get_licence(session, asked.licence_id) if asked.licence_id is not None else None
    whose = [(licence.holder_id, licence.id)] if licence is not None else [(holder_id, asked.id) for holder_id in asked.holder_ids]
    for holder_id, thing in whose:
        seen = Seen(holder_id, thing, asked.department_code, READ_BY_SYSTEM, named)
        _tell(session, seen, {"system": system}, "act-request.read", type_code=asked.type_code, now=now)


def arriving(session: Session, *, department: str) -> list[Licence]:
    """Return the licences that wait for the department to take them over."""
    return list(session.scalars(select(Licence).where(Licence.transferred_to == department).order_by(Licence.changed_at).limit(50)))


def _candidates(session: Session, look: Look, *, after: UUID | None) -> list[Licence]:
    """Return what a page shows, and one more if there is more."""
    own = [Licence.issuer_code == look.department, *([Licence.id < after] if after is not None else [])]
    try:
        holder = find_subject(session, parse_number(look.sought))
    except NumberRefused:
        which = _named(look.sought)
        return list(session.scalars(select(Licence).where(which, *own).order_by(Licence.id.desc()).limit(PAGE + 1)))
    return newest_held(session, *own, holder_id=holder.id, limit=PAGE + 1) if holder is not None else []


def _named(sought: str) -> ColumnElement[bool]:
    try:
        return Licence.identifier == str(parse_identifier(sought))
    except MalformedIdentifier:
        return numbered(sought)


def _officer(officer_id: UUID) -> dict[str, str]:
    return {"officer": str(officer_id)}


def _tell(session: Session, seen: Seen, by: Mapping[str, str], act: str, *, type_code: str, now: datetime) -> None:
    about: dict[str, Any] = {"type": type_code, **by}
    ledger.record(session, act, actor=f"department:{seen.department}", object_id=seen.licence_id, subject_id=seen.holder_id, now=now, **about)
    for hear in on_look:
        hear(session, seen, now)
