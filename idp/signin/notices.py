"""What a person is told about their account: kept in the act's own transaction, shown on their pages, sent to where they are reached.

A notice is a kind and the values that fill its text (`notice_texts`); values and link rest sealed. Sending is a job for each address
(`sending`), and never fails the act. After a day nothing is sent
any more and the link is forgotten; the notice stays half a year.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notice_choices
from idp.signin.notice_texts import NOTICES, NoticeText
from keys import sealed_tables, sealing
from runtime.database import Base, prune, transaction
from runtime.ids import new_id
from runtime.jobs import defer
from runtime.languages import Text, text_of, written

SENT_WITHIN = timedelta(days=1)
KEPT = timedelta(days=180)
LATEST, PAGE = 5, 50
WHERE = "@page"  # among the values of a notice: no text has a place of that name


class Notice(Base):
    """Something that a person was told. `link_sealed` is a path of ours with a secret, until it is a day old."""

    __tablename__ = "notices"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    values_sealed: Mapped[bytes]
    link_sealed: Mapped[bytes | None]
    at: Mapped[datetime] = mapped_column(index=True)


sealed_tables.declare(Notice, sealed={"values_sealed": "values", "link_sealed": "link"})


@dataclass(frozen=True, slots=True)
class Told:
    """A notice as a page or a message gives it; `link` is a path of ours, for a message alone where it holds a secret."""

    at: datetime
    title: Text
    body: Text
    link: str | None = None
    link_text: Text | None = None
    kind: str = ""


def tell(session: Session, subject_id: UUID, kind: str, *, now: datetime, page: str | None = None, link: str | None = None, **values: Any) -> None:
    """Tell a person something, unless they muted it: keep it, and have it sent to every address at which they could be reached before.

    `kind` is one of `NOTICES`; values are texts, `Text`s, whole numbers or moments. `page` is a path of ours at which there is more, for whoever is
    signed in; `link` one that holds a secret, which messages carry in its place.
    """
    _fill(NOTICES[kind], values)
    if not notice_choices.is_wanted(session, subject_id, kind):
        return
    notice_id = new_id()
    told = {name: _plain(value) for name, value in values.items()} | ({WHERE: page} if page else {})
    notice = Notice(
        subject_id=subject_id,
        id=notice_id,
        kind=kind,
        values_sealed=_seal(json.dumps(told, ensure_ascii=False), "values", notice_id),
        link_sealed=_seal(link, "link", notice_id) if link else None,
        at=now,
    )
    session.add(notice)
    session.flush()
    defer(session, "send_notice", subject_id=str(subject_id), notice_id=str(notice_id))


def was_told(session: Session, subject_id: UUID, kind: str, *, since: datetime) -> bool:
    """Whether a person was told something of a kind since a moment."""
    return bool(session.scalar(select(exists().where(Notice.subject_id == subject_id, Notice.kind == kind, Notice.at > since))))


def latest(session: Session, subject_id: UUID, *, limit: int = LATEST) -> list[Told]:
    """Return what a person was told last, the newest first, without secrets: who reads it is in already."""
    return page_of(session, subject_id, before=None, limit=limit)[0]


def page_of(session: Session, subject_id: UUID, *, before: UUID | None, limit: int = PAGE) -> tuple[list[Told], UUID | None]:
    """Return what a person was told before some notice, the newest first, and the notice before which there is more, if there is."""
    mine = select(Notice).where(Notice.subject_id == subject_id, *([Notice.id < before] if before is not None else []))
    rows = session.scalars(mine.order_by(Notice.id.desc()).limit(limit + 1)).all()
    shown = rows[:limit]
    return [told for row in shown if (told := _told(row)) is not None], shown[-1].id if len(rows) > limit else None


def find(session: Session, subject_id: UUID, notice_id: UUID) -> Told | None:
    """Return a notice for sending, its link included; None if there is none or its kind is no longer known."""
    row = session.get(Notice, (subject_id, notice_id))
    return _told(row, with_secret=True) if row is not None else None


def forget(*, now: datetime) -> None:
    """Forget notices half a year old, and the links of those a day old."""
    prune(Notice, Notice.at < now - KEPT)
    with transaction() as session:
        session.execute(update(Notice).where(Notice.at < now - SENT_WITHIN, Notice.link_sealed.is_not(None)).values(link_sealed=None))


def _told(row: Notice, *, with_secret: bool = False) -> Told | None:
    text = NOTICES.get(row.kind)
    if text is None:
        return None
    values = json.loads(sealing.unseal(row.values_sealed, table="notices", column="values", row=row.id))
    page = values.pop(WHERE, None)
    link = sealing.unseal(row.link_sealed, table="notices", column="link", row=row.id) if with_secret and row.link_sealed else page
    return Told(row.at, text.title, _fill(text, values), link, text.link, row.kind)


def _fill(text: NoticeText, values: dict[str, Any]) -> Text:
    """Fill the body in both languages; raises KeyError where a value is missing."""
    plain = {name: _plain(value) for name, value in values.items()}
    texts = {name: text_of(value) if isinstance(value, dict) else Text(str(value), str(value)) for name, value in plain.items()}
    return Text(
        text.body.zh.format_map({name: value.zh for name, value in texts.items()}),
        text.body.en.format_map({name: value.en for name, value in texts.items()}),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return value.as_json()
    return written(value).as_json() if isinstance(value, datetime) else value


def _seal(plain: str, column: str, notice_id: UUID) -> bytes:
    return sealing.seal(plain, table="notices", column=column, row=notice_id)
