"""Credentials that live in wallets elsewhere: which licence, which wallet, whose hand, which key and which place; never their text.

So that whatever happens to a licence reaches every one of them, and its holder sees who has it and can take it back. A licence lives in at
most five wallets, and in each in at most sixty credentials: a wallet that fetches more gives up its oldest ones, so that a holder
never has to help a wallet that only renews.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, and_, func, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects import mandates
from idp.subjects.mandates import GivenMandate
from keys import sealed_tables
from runtime import ledger
from runtime.database import Base
from wallet.issuing import status_lists
from wallet.issuing.status_lists import INVALID, Place
from wallet.register.licences import Licence, holder_ids_of

MOST_WALLETS, MOST_OF_WALLET = 5, 60
TAKEN_BACK, SUPERSEDED, FAILED, DELETED = "taken back", "superseded", "failed", "deleted"
MANDATE_ENDED, HOLDER_ENDED = "mandate ended", "holder ended"


class CredentialElsewhere(Base):
    """A credential. `batch_id` is what was issued together, `told` what the wallet said of it, `ended_why` one of the words above."""

    __tablename__ = "credentials_elsewhere"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    batch_id: Mapped[UUID]
    client_id: Mapped[str]
    person_id: Mapped[UUID]
    format: Mapped[str]
    key_thumbprint: Mapped[str]
    status_list: Mapped[str]
    status_index: Mapped[int]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    told: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str | None]
    __table_args__ = (
        Index("ix_credentials_elsewhere_licence", "holder_id", "licence_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_credentials_elsewhere_batch", "holder_id", "batch_id"),
        Index("ix_credentials_elsewhere_expired", "expires_at"),
    )

    @property
    def place(self) -> Place:
        """The place in the status list."""
        return Place(self.status_list, self.status_index)


sealed_tables.declare(CredentialElsewhere, left={"status_index": "a place in a status list, no index of a value"})


@dataclass(frozen=True, slots=True)
class Keeping:
    """A wallet that holds a licence: how many credentials of which forms, since when, and the newest."""

    client_id: str
    formats: tuple[str, ...]
    count: int
    since: datetime
    newest: datetime


def add(session: Session, rows: list[dict[str, Any]]) -> None:
    """Remember what was issued."""
    session.execute(insert(CredentialElsewhere), rows)


def make_room(session: Session, licence: Licence, *, holder_id: UUID, client_id: str, count: int, now: datetime) -> bool:
    """Let a wallet have some more credentials of a licence, whose row the caller has locked: its oldest go where they would be too many.

    Returns False where the licence is in as many other wallets as it may be.
    """
    live = _live(holder_id, licence.id, now=now)
    others = session.scalar(select(func.count(CredentialElsewhere.client_id.distinct())).where(*live, CredentialElsewhere.client_id != client_id))
    if (others or 0) >= MOST_WALLETS:
        return False
    mine = select(CredentialElsewhere.id).where(*live, CredentialElsewhere.client_id == client_id).order_by(CredentialElsewhere.id.desc())
    over = list(session.scalars(mine.offset(max(0, MOST_OF_WALLET - count))))
    if over:
        _end(session, holder_id, CredentialElsewhere.id.in_(over), why=SUPERSEDED, now=now)
    return True


def keepings_of(session: Session, *, holder_id: UUID, licence_id: UUID, now: datetime) -> list[Keeping]:
    """Return the wallets that hold a licence, the last that fetched it first."""
    table = CredentialElsewhere
    formats, newest = func.array_agg(table.format.distinct()), func.max(table.issued_at)
    rows = select(table.client_id, formats, func.count(), func.min(table.issued_at), newest).where(*_live(holder_id, licence_id, now=now))
    found = session.execute(rows.group_by(table.client_id).order_by(newest.desc())).all()
    return [Keeping(client_id, tuple(sorted(formats)), count, since, last) for client_id, formats, count, since, last in found]


def all_keepings_of(session: Session, *, holder_id: UUID, now: datetime, limit: int) -> list[tuple[UUID, str, datetime]]:
    """Return which licence of a holder which wallet has, and when it fetched it last; the last that was fetched first."""
    table, newest = CredentialElsewhere, func.max(CredentialElsewhere.issued_at)
    rows = select(table.licence_id, table.client_id, newest).where(*_live(holder_id, None, now=now)).group_by(table.licence_id, table.client_id)
    return [(licence_id, client_id, last) for licence_id, client_id, last in session.execute(rows.order_by(newest.desc()).limit(limit))]


def take_back(session: Session, *, holder_id: UUID, licence_id: UUID, client_id: str, person_id: UUID, now: datetime) -> int:
    """Let the holder take a licence's credentials back from a wallet, and return how many that were."""
    mine = (CredentialElsewhere.licence_id == licence_id, CredentialElsewhere.client_id == client_id)
    count = _end(session, holder_id, *mine, why=TAKEN_BACK, now=now)
    if count:
        actor, what = f"subject:{person_id}", "credential.taken-back"
        ledger.record(session, what, actor=actor, object_id=licence_id, subject_id=holder_id, now=now, client=client_id, count=count)
    return count


def end_of_hand(session: Session, *, holder_id: UUID, person_id: UUID, now: datetime) -> int:
    """End the credentials of a holder that somebody fetched who may act for it no longer, and return how many that were."""
    return _end(session, holder_id, CredentialElsewhere.person_id == person_id, why=MANDATE_ENDED, now=now)


def end_of_time(session: Session, *, now: datetime) -> int:
    """End what was fetched under mandates whose time is over by now, and return how many credentials that were. For a job."""
    over, table = mandates.outlived(now), CredentialElsewhere
    hands = (
        select(table.holder_id, table.person_id)
        .distinct()
        .join(GivenMandate, and_(GivenMandate.holder_id == table.holder_id, GivenMandate.person_id == table.person_id))
    )
    hands = hands.join(over, and_(GivenMandate.holder_id == over.c.holder_id, GivenMandate.id == over.c.id)).where(table.ended_at.is_(None))
    return sum(end_of_hand(session, holder_id=holder_id, person_id=person_id, now=now) for holder_id, person_id in session.execute(hands).all())


def end_of_holder(session: Session, *, holder_id: UUID, now: datetime) -> int:
    """End every credential of a holder who has died, or was dissolved, and return how many that were; those of the others who hold with them stay."""
    return _end(session, holder_id, why=HOLDER_ENDED, now=now)


def end_batch(session: Session, *, holder_id: UUID, batch_id: UUID, why: str, now: datetime) -> int:
    """End what was issued together, and return how many that were."""
    return _end(session, holder_id, CredentialElsewhere.batch_id == batch_id, why=why, now=now)


def places_of(session: Session, licence: Licence) -> list[Place]:
    """Return the places of a licence's credentials in wallets elsewhere, whichever of its holders fetched them; what was ended stays so."""
    holders = holder_ids_of(session, licence)
    mine = (CredentialElsewhere.holder_id.in_(holders), CredentialElsewhere.licence_id == licence.id, CredentialElsewhere.ended_at.is_(None))
    found = session.execute(select(CredentialElsewhere.status_list, CredentialElsewhere.status_index).where(*mine))
    return [Place(list_id, index) for list_id, index in found]


def _live(holder_id: UUID, licence_id: UUID | None, *, now: datetime) -> Iterable[Any]:
    table = CredentialElsewhere
    return (
        table.holder_id == holder_id,
        *([table.licence_id == licence_id] if licence_id is not None else []),
        table.ended_at.is_(None),
        table.expires_at.is_(None) | (table.expires_at > now),
    )


def _end(session: Session, holder_id: UUID, *which: Any, why: str, now: datetime) -> int:
    ended = update(CredentialElsewhere).where(CredentialElsewhere.holder_id == holder_id, CredentialElsewhere.ended_at.is_(None), *which)
    ended = ended.values(ended_at=now, ended_why=why).execution_options(synchronize_session=False)
    gone = session.execute(ended.returning(CredentialElsewhere.status_list, CredentialElsewhere.status_index)).all()
    status_lists.set_statuses(session, [Place(list_id, index) for list_id, index in gone], INVALID)
    return len(gone)
