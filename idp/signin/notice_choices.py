"""Which notices a person wants: what concerns the safety of an account always comes, the rest by the person's choice.

A part that has notices which may be muted adds a `Choice`. What is muted is neither kept nor sent; whatever it would have told stands on
pages of its own anyway.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base
from runtime.languages import Text


@dataclass(frozen=True, slots=True)
class Choice:
    """Kinds of notices that are wanted or muted together; `usual`: whether whoever chose nothing gets them."""

    text: Text
    kinds: frozenset[str]
    usual: bool = True


CHOICES: dict[str, Choice] = {
    "asked": Choice(Text("有人请求您确认登录或授权", "Somebody asks you to confirm a sign-in or to allow something"), frozenset({"request-waits"})),
}


class NoticeChoice(Base):
    """What a person said of a choice; who said nothing has no row."""

    __tablename__ = "notice_choices"
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    choice: Mapped[str] = mapped_column(primary_key=True)
    is_wanted: Mapped[bool]
    at: Mapped[datetime]


def is_wanted(session: Session, person_id: UUID, kind: str) -> bool:
    """Return whether a person wants a kind of notice; one that nobody may mute costs no query."""
    name = next((name for name, choice in CHOICES.items() if kind in choice.kinds), None)
    if name is None:
        return True
    said = session.scalar(select(NoticeChoice.is_wanted).where(NoticeChoice.person_id == person_id, NoticeChoice.choice == name))
    return CHOICES[name].usual if said is None else said


def choices_of(session: Session, person_id: UUID) -> dict[str, bool]:
    """Return every choice, and whether the person wants it."""
    rows = select(NoticeChoice.choice, NoticeChoice.is_wanted).where(NoticeChoice.person_id == person_id)
    said: dict[str, bool] = dict(session.execute(rows).all())
    return {name: said.get(name, choice.usual) for name, choice in CHOICES.items()}


def choose(session: Session, person_id: UUID, wanted: Collection[str], *, now: datetime) -> None:
    """Want some, and mute all others; a name that is not known means nothing."""
    rows = [{"person_id": person_id, "choice": name, "is_wanted": name in wanted, "at": now} for name in CHOICES]
    row = insert(NoticeChoice)
    values = {"is_wanted": row.excluded.is_wanted, "at": row.excluded.at}
    session.execute(row.on_conflict_do_update(index_elements=["person_id", "choice"], set_=values), rows)


def who_want(session: Session, people: Collection[UUID], name: str) -> set[UUID]:
    """Return those of some people who want a choice, in one question."""
    rows = select(NoticeChoice.person_id, NoticeChoice.is_wanted).where(NoticeChoice.person_id.in_(people), NoticeChoice.choice == name)
    said: dict[UUID, bool] = dict(session.execute(rows).all())
    return {person_id for person_id in people if said.get(person_id, CHOICES[name].usual)}


def forget(session: Session, person_id: UUID) -> None:
    """Forget what a person chose: their account closes."""
    session.execute(delete(NoticeChoice).where(NoticeChoice.person_id == person_id))
