"""The cards that a person keeps at hand: their own choice, in their own wallet and in those of whom they act for."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import closing
from runtime.database import Base


class Favourite(Base):
    """A licence that a person wants to see first. Another who sees the same wallet has favourites of their own."""

    __tablename__ = "favourites"
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]


def kept_by(person_id: UUID | ColumnElement[UUID]) -> Select[UUID]:
    """Return the question for the licences that a person keeps at hand; some of them may lie in a wallet that they no longer see."""
    return select(Favourite.licence_id).where(Favourite.person_id == person_id)


def favourites_among(session: Session, person_id: UUID, licence_ids: Collection[UUID]) -> set[UUID]:
    """Return those of some licences that a person keeps at hand."""
    return set(session.scalars(kept_by(person_id).where(Favourite.licence_id.in_(licence_ids))))


def add(session: Session, person_id: UUID, licence_id: UUID, *, now: datetime) -> None:
    """Keep a licence at hand; once is as good as twice."""
    session.execute(insert(Favourite).values(person_id=person_id, licence_id=licence_id, at=now).on_conflict_do_nothing())


def remove(session: Session, person_id: UUID, licence_id: UUID) -> None:
    """Keep a licence at hand no longer."""
    session.execute(delete(Favourite).where(Favourite.person_id == person_id, Favourite.licence_id == licence_id))


def forget(session: Session, person_id: UUID, now: datetime) -> None:
    """Forget what a person kept at hand: their account closes."""
    session.execute(delete(Favourite).where(Favourite.person_id == person_id))


closing.on_account_close.append(forget)
