"""Holders are told who looked at a licence of theirs, and who asks to: of a draw and a request unless they mute it, of what they showed themselves if
they want that told.

What happened is read from the sealed ledger, by its positions, so that no check at a counter waits for a message.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from idp.signin import notice_choices, notices
from idp.signin.notice_choices import CHOICES, Choice
from idp.signin.notice_texts import NOTICES, NoticeText
from runtime import jobs
from runtime.clock import now as clock_now
from runtime.database import transaction
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from wallet.holding import hearers
from wallet.holding.hearers import Hearer
from wallet.holding.licence_notices import SHOW, OutboxReader

READER = "uses"
BATCH = 500
DRAWN, SHOWN, ASKED = "licence.drawn", "licence.shown", "licence.asked"
KINDS = {"draw.made": DRAWN, "verification.made": SHOWN, "presentation.asked": ASKED}
NAMES = {DRAWN: "drawn", SHOWN: "shown", ASKED: "asked"}
NOTICES |= {
    DRAWN: NoticeText(
        Text("证照被调用", "A licence was drawn"),
        Text(
            "{department}调用了您的{type}。谁、为何、看了哪些内容，见使用记录。",
            "{department} drew your {type}. The history says why, and which fields.",
        ),
        SHOW,
    ),
    SHOWN: NoticeText(
        Text("证照被核验", "A licence was checked"),
        Text(
            "{department}核验了您的{type}。如何出示、看了哪些内容，见使用记录。",
            "{department} checked your {type}. The history says how it was shown, and which fields.",
        ),
        SHOW,
    ),
    ASKED: NoticeText(
        Text("有部门请您出示证照", "You are asked to show a licence"),
        Text(
            "{department}请您出示{type}。为何、看哪些内容，答复前会逐项列明。",
            "{department} asks for your {type}. Before you answer you see why, and which fields.",
        ),
        SHOW,
    ),
}
CHOICES["asked"] = replace(
    CHOICES["asked"],
    text=Text("有人请您确认登录、授权或出示证照", "Somebody asks you to confirm a sign-in, to allow something or to show a licence"),
    kinds=CHOICES["asked"].kinds | {ASKED},
)
CHOICES |= {
    "drawn": Choice(Text("部门调用了您的证照", "A department drew a licence of yours"), frozenset({DRAWN})),
    "shown": Choice(Text("您的证照被核验", "A licence of yours was checked"), frozenset({SHOWN}), usual=False),
}


def _has_work(now: datetime) -> ColumnElement[bool]:
    mine = select(OutboxReader.name).where(OutboxReader.name == READER)
    untold = select(LedgerEntry.id).where(LedgerEntry.position >= OutboxReader.cursor_sequence).exists()
    return or_(mine.where(untold).exists(), ~mine.exists())


@jobs.every("* * * * * */5", if_any=_has_work)
def tell_of_uses() -> None:
    """Tell holders of every use since the last time; the first time begins with what comes after it."""
    while tell(now=clock_now()) == BATCH:
        continue


def tell(*, now: datetime) -> int:
    """Write the next notices and how far that was, in one transaction; returns how many rows of the ledger that were."""
    with transaction() as session:
        end = session.scalar(select(func.max(LedgerEntry.position)))
        place = _place(session, begin=0 if end is None else end + 1)
        if place is None or end is None or end < place.cursor_sequence:
            return 0
        begin = place.cursor_sequence
        stop = min(begin + BATCH, end + 1)
        rows = select(LedgerEntry).where(LedgerEntry.position >= begin, LedgerEntry.position < stop, LedgerEntry.act.in_(KINDS))
        _tell(session, list(session.scalars(rows.where(LedgerEntry.subject_id.is_not(None)).order_by(LedgerEntry.position))), now=now)
        place.cursor_sequence = stop
    return stop - begin


def _place(session: Session, *, begin: int) -> OutboxReader | None:
    """Return where reading goes on, held until the transaction ends; None where another is reading."""
    row = insert(OutboxReader).values(name=READER, cursor_transaction=0, cursor_sequence=begin)
    session.execute(row.on_conflict_do_nothing())
    return session.get(OutboxReader, READER, with_for_update={"skip_locked": True})


def _tell(session: Session, entries: list[LedgerEntry], *, now: datetime) -> None:
    holders = {entry.subject_id for entry in entries if entry.subject_id is not None}
    hearing = {one: hearers.of_holder(session, one, now=now) for one in holders}
    people = {hearer.person_id for found in hearing.values() for hearer in found}
    wanted = {kind: notice_choices.who_want(session, people, name) for kind, name in NAMES.items()}
    for entry in entries:
        kind = KINDS[entry.act]
        assert entry.subject_id is not None
        _tell_each(session, [one for one in hearing[entry.subject_id] if one.person_id in wanted[kind]], kind, entry, now=now)


def _tell_each(session: Session, people: list[Hearer], kind: str, entry: LedgerEntry, *, now: datetime) -> None:
    codes = entry.detail.get("types") or [entry.detail.get("type")]
    names = hearers.names_of(codes[0], entry.actor.removeprefix("department:"))
    link = "/wallet/requests" if kind == ASKED else f"/wallet/history/receipts/{entry.object_id}"
    for hearer in people if names is not None else ():
        notices.tell(session, hearer.person_id, kind, now=now, page=hearer.link(link), **hearer.told(names or {}))
