"""Licences that are due for change: their holder has another name or number now, or is no more, and they still say what was so before.

Nothing is rewritten: the licence is marked, its issuer hears of it and decides. A successor is written with what is so, and is not due.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Update, case, func, select, type_coerce, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from idp.subjects import history
from idp.subjects.directory import Subject, name_of, number_of
from idp.subjects.history import Change
from idp.subjects.numbers import Number, parse_number
from runtime.languages import Text
from wallet.register.licences import Licence, LicenceState, held_by

NAME, NUMBER, ENDED = "name", "number", "ended"
DUE = {
    NAME: Text("持证人名称已变更", "The holder has another name now"),
    NUMBER: Text("持证人号码已变更", "The holder has another number now"),
    ENDED: Text("持证人已去世或注销", "The holder has died, or was dissolved"),
}
STANDING = (LicenceState.VALID.value, LicenceState.SUSPENDED.value, LicenceState.TRANSFERRED.value)


def said_of(session: Session, licence: Licence, holder: Subject) -> tuple[str, Number]:
    """Return the name and the number that a licence says of one of its holders: those of when it was issued, whatever they are now."""
    return said_with(changes_for(session, [licence], holder), licence, holder)


def changes_for(session: Session, licences: Iterable[Licence], holder: Subject) -> list[Change]:
    """Return what became of a holder, where one of some licences may say what was so before; by one question, whatever the licences."""
    return history.changes_of(session, holder.id) if any(map(_may_say_another, licences)) else []


def said_with(changes: Iterable[Change], licence: Licence, holder: Subject) -> tuple[str, Number]:
    """Return the same by what became of the holder, as it was read before for several."""
    name, number = name_of(holder), number_of(holder)
    if not _may_say_another(licence):
        return name, number
    for change in changes:
        if change.told.at <= licence.issued_at and not _is_due_since(licence, change.told.at):
            break
        if change.what == history.NAME and change.before is not None:
            name = change.before
        if change.what == history.NUMBER and change.before is not None:
            number = parse_number(change.before)
    return name, number


def _may_say_another(licence: Licence) -> bool:
    """Whether a licence may say another name or number than its holder has: it is marked so, or was over before, and nobody marks what is over."""
    return not {NAME, NUMBER}.isdisjoint(licence.due_for) or licence.state not in STANDING or licence.is_succeeded


def _is_due_since(licence: Licence, told_at: datetime) -> bool:
    """Whether a licence is due for what was told already as it was issued: both were done at the same moment."""
    return licence.due_since is not None and licence.due_since <= told_at


def issued_since(session: Session, holder_id: UUID, when: datetime) -> list[Licence]:
    """Return what of a holder's is not over and was issued since a moment."""
    return list(session.scalars(select(Licence).where(*_is_standing(holder_id), Licence.issued_at >= when).order_by(Licence.id)))


def mark_due(session: Session, holder_id: UUID, what: str, *, since: datetime, licence_id: UUID | None = None) -> list[Licence]:
    """Mark what a holder has, alone or with others, or one licence of it, as due for what changed; return those that were not marked so before."""
    marked = type_coerce([what], JSONB)
    row = _standing(holder_id).where(~Licence.due_for.contains([what]), *([] if licence_id is None else [Licence.id == licence_id]))
    row = row.values(due_for=Licence.due_for.op("||", return_type=JSONB())(marked), due_since=func.coalesce(Licence.due_since, since))
    return list(session.scalars(row.returning(Licence), execution_options={"populate_existing": True}))


def unmark_due(session: Session, holder_id: UUID, what: str) -> None:
    """Take a mark back, such as that of a death that was told by mistake."""
    rest = Licence.due_for.op("-", return_type=JSONB())(what)
    since = case((rest == type_coerce([], JSONB), None), else_=Licence.due_since)
    session.execute(_standing(holder_id).where(Licence.due_for.contains([what])).values(due_for=rest, due_since=since))


def _standing(holder_id: UUID) -> Update:
    """Return the update of what a holder has that is not over."""
    return update(Licence).where(*_is_standing(holder_id)).execution_options(synchronize_session=False)


def _is_standing(holder_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return held_by(holder_id), Licence.state.in_(STANDING), Licence.successor_id.is_(None)
