"""The history of an account: what the ledger holds of a person, and what they did in another's name, in words.

The ledger keeps opaque ids; `namers` holds, for an act's first word, what turns a row into the name of what it was about. A part that
knows portals, licences or organisations adds its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, text
from sqlalchemy.orm import Session

from idp.signin import assurance
from idp.signin.acts import ACTS, CONTACTS, METHODS, SOMETHING, WAYS_BACK
from runtime.languages import Text
from runtime.ledger import ABOUT_ANOTHER, CONCERNS_ANOTHER, PERSON_CONCERNED, LedgerEntry

PAGE = 40
Namer = Callable[[Session, LedgerEntry], Text | None]
UNKNOWN = Text("账号有一项变动", "Something about the account changed")
NOTHING = Text("其他", "other")
ACTORS = {
    "calendar": Text("到期", "the calendar"),
    "anyone": Text("未登录的人", "someone who was not signed in"),
    "client": Text("门户", "a portal"),
    "link": Text("通知中的链接", "a link in a notice"),
    "officer": Text("窗口工作人员", "an officer at a counter"),
    "operator": Text("运营人员", "the operator"),
    "registry": Text("登记库", "the registry"),
    "subject": Text("另一位用户", "another person"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One act in words; `by` is who did it, None where it was the person."""

    id: UUID
    at: datetime
    act: str
    sentence: Text
    by: Text | None


def history_of(session: Session, subject_id: UUID, *, before: UUID | None = None, limit: int = PAGE) -> list[Entry]:
    """Return what happened to an account, the newest first: `limit` entries, older than `before` if it is given."""
    rows = _rows(session, LedgerEntry.subject_id == subject_id, before, limit)
    rows += _rows(session, and_(LedgerEntry.actor == f"subject:{subject_id}", ABOUT_ANOTHER), before, limit)
    rows += _rows(session, and_(text(f"{PERSON_CONCERNED} = :person").bindparams(person=str(subject_id)), CONCERNS_ANOTHER), before, limit)
    newest = sorted({row.id: row for row in rows}.values(), key=lambda row: row.id, reverse=True)[:limit]
    return [_entry(session, row, subject_id) for row in newest]


def _rows(session: Session, which: ColumnElement[bool], before: UUID | None, limit: int) -> list[LedgerEntry]:
    found = select(LedgerEntry).where(which)
    if before is not None:
        found = found.where(LedgerEntry.id < before)
    return list(session.scalars(found.order_by(LedgerEntry.id.desc()).limit(limit)))


def _entry(session: Session, row: LedgerEntry, subject_id: UUID) -> Entry:
    what = _what(session, row)
    return Entry(row.id, row.recorded_at, row.act, _filled(ACTS.get(row.act, UNKNOWN), what), _by(session, row, subject_id))


def _what(session: Session, row: LedgerEntry) -> Text:
    kind = row.act.partition(".")[0]
    namer = namers.get(kind)
    return (namer(session, row) if namer else None) or SOMETHING.get(kind, NOTHING)


def _by(session: Session, row: LedgerEntry, subject_id: UUID) -> Text | None:
    kind, _, who = row.actor.partition(":")
    if kind == "subject" and who == str(subject_id):
        return None
    namer = actor_namers.get(kind)
    return (namer(who) if namer else None) or ACTORS.get(kind)


def _filled(sentence: Text, what: Text) -> Text:
    """Fill both forms each with its own; a name may hold braces, so nothing is formatted twice."""
    return Text(sentence.zh.replace("{what}", what.zh), sentence.en.replace("{what}", what.en))


def _methods(_: Session, row: LedgerEntry) -> Text | None:
    found = list(dict.fromkeys(METHODS[way] for way in _strings(row.detail.get("amr")) if way in METHODS))
    return Text("、".join(way.zh for way in found), ", ".join(way.en for way in found)) if found else None


def _way_back(_: Session, row: LedgerEntry) -> Text | None:
    return WAYS_BACK.get(str(row.detail.get("way")))


def _contact(_: Session, row: LedgerEntry) -> Text | None:
    return CONTACTS.get(str(row.detail.get("kind")))


def _level(_: Session, row: LedgerEntry) -> Text | None:
    level = row.detail.get("level")
    return assurance.NAMES.get(level) if isinstance(level, int) else None


def _strings(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


namers: dict[str, Namer] = {
    "contact": _contact,
    "identity": _level,
    "recovery": _way_back,
    "session": _methods,
}
actor_namers: dict[str, Callable[[str], Text | None]] = {}
