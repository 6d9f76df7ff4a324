"""Holders are told of their licences: a new one, and what becomes of it, as notices of their account, within seconds of the act.

What happened is read from the outbox by a job with a place of its own, so that no act waits for a message. An organisation's notices go to whoever
represents it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices
from idp.signin.notice_choices import CHOICES, Choice
from idp.signin.notice_texts import NOTICES, NoticeText
from runtime import events, jobs
from runtime.clock import now as clock_now
from runtime.database import Base, transaction
from runtime.events import Cursor, Event
from runtime.languages import Text
from wallet.holding import hearers
from wallet.holding.hearers import Hearer

READER = "holders"
BATCH = 200
SHOW = Text("查看", "Look")
NOTICES |= {
    "licence.issued": NoticeText(
        Text("收到新证照", "A new licence"),
        Text("{department}向您签发了{type}，已放入卡包。", "{department} issued to you: {type}. It is in your wallet."),
        SHOW,
    ),
    "licence.renewed": NoticeText(
        Text("证照已换发", "A licence was renewed"),
        Text("{department}已换发您的{type}，原证照失效。", "{department} renewed your {type}; the one before has lapsed."),
        SHOW,
    ),
    "licence.changed": NoticeText(
        Text("证照已变更", "A licence was changed"),
        Text("{department}已变更您的{type}，原证照失效。", "{department} changed your {type}; the one before has lapsed."),
        SHOW,
    ),
    "licence.replaced": NoticeText(
        Text("证照已补发", "A licence was replaced"),
        Text("{department}已补发您的{type}，原证照失效。", "{department} replaced your {type}; the one before has lapsed."),
        SHOW,
    ),
    "licence.suspended": NoticeText(
        Text("证照被暂扣", "A licence was suspended"), Text("{department}暂扣了您的{type}。", "{department} suspended your {type}."), SHOW
    ),
    "licence.resumed": NoticeText(
        Text("证照已恢复", "A licence is good again"), Text("{department}恢复了您的{type}。", "{department} made your {type} good again."), SHOW
    ),
    "licence.annulled": NoticeText(
        Text("证照被撤销", "A licence was annulled"), Text("{department}撤销了您的{type}。", "{department} annulled your {type}."), SHOW
    ),
    "licence.revoked": NoticeText(
        Text("证照被吊销", "A licence was revoked"), Text("{department}吊销了您的{type}。", "{department} revoked your {type}."), SHOW
    ),
    "licence.cancelled": NoticeText(
        Text("证照已注销", "A licence was cancelled"), Text("{department}注销了您的{type}。", "{department} cancelled your {type}."), SHOW
    ),
    "licence.lapsed": NoticeText(
        Text("证照已失效", "A licence has lapsed"), Text("您的{type}（{department}）已失效。", "Your {type} ({department}) has lapsed."), SHOW
    ),
    "licence.transferred-out": NoticeText(
        Text("证照已转出", "A licence was transferred"), Text("{department}已将您的{type}转出。", "{department} transferred your {type} away."), SHOW
    ),
    "licence.due": NoticeText(
        Text("证照信息待变更", "A licence is due for change"),
        Text(
            "登记库中的姓名或号码已变化，您的{type}尚未变更，请联系{department}。",
            "The registry has another name or number than your {type}: see {department}.",
        ),
        SHOW,
    ),
}
CHOICES |= {
    "new": Choice(Text("收到新证照", "A new licence"), frozenset({"licence.issued"})),
    "changed": Choice(
        Text("证照换发、变更、暂扣、注销等", "A licence renewed, changed, suspended, cancelled and the like"),
        frozenset(kind for kind in NOTICES if kind.startswith("licence.")) - {"licence.issued"},
    ),
}


class OutboxReader(Base):
    """How far somebody has read the outbox, or the sealed ledger by its positions."""

    __tablename__ = "outbox_readers"
    name: Mapped[str] = mapped_column(primary_key=True)
    cursor_transaction: Mapped[int] = mapped_column(BigInteger)
    cursor_sequence: Mapped[int] = mapped_column(BigInteger)


def _has_work(now: datetime) -> ColumnElement[bool]:
    mine = select(OutboxReader.name).where(OutboxReader.name == READER)
    untold = events.is_behind(OutboxReader.cursor_transaction, OutboxReader.cursor_sequence)
    return or_(mine.where(untold).exists(), ~mine.exists())


@jobs.every("* * * * * *", if_any=_has_work)
def tell_holders() -> None:
    """Tell every holder what has happened to their licences since the last time; the first time begins with what comes after it."""
    while tell(now=clock_now()) == BATCH:
        continue


def tell(*, now: datetime) -> int:
    """Write the next notices and how far that was, in one transaction; returns how many events were read."""
    with transaction() as session:
        place = _place(session)
        if place is None:
            return 0
        read = list(session.scalars(events.following(Cursor(place.cursor_transaction, place.cursor_sequence)).limit(BATCH)))
        told = [event for event in read if event.kind in NOTICES and "predecessor" not in event.detail]  # of a successor they hear by the one before
        holders = hearers.holders_of(session, {UUID(event.object_id) for event in told})
        for event in told:
            for holder_id in holders.get(UUID(event.object_id), ()):
                for hearer in hearers.of_holder(session, holder_id, now=now):
                    _tell(session, hearer, event, now=now)
        if read:
            place.cursor_transaction, place.cursor_sequence = read[-1].transaction, read[-1].sequence
    return len(read)


def _place(session: Session) -> OutboxReader | None:
    """Return where reading goes on, held until the transaction ends; None where another is reading, or it was only now begun."""
    found = session.get(OutboxReader, READER, with_for_update={"skip_locked": True})
    if found is None:
        end = events.end(session)
        row = insert(OutboxReader).values(name=READER, cursor_transaction=end.transaction, cursor_sequence=end.sequence)
        session.execute(row.on_conflict_do_nothing())
    return found


def _tell(session: Session, hearer: Hearer, event: Event, *, now: datetime) -> None:
    names = hearers.names_of(event.topic, event.detail["issuer"])
    if names is not None:
        link = f"/wallet/cards/{event.detail.get('successor', event.object_id)}"
        notices.tell(session, hearer.person_id, event.kind, now=now, page=hearer.link(link), **hearer.told(names))
