"""What waits for a person's answer: requests of clients that are meant for them or for whom they act for, and the clients that they have muted.

A muted client is not told: its requests wait until they are over, like those for somebody who is not there.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.apart.waiting import ApartRequest, Kind
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.signin import notices
from idp.subjects import appointments, directory, guardians, mandates
from idp.subjects.mandates import Mandate
from runtime import jobs, ledger
from runtime.clock import now as clock_now
from runtime.database import Base, transaction

MOST = 50


class MutedClient(Base):
    """A client from which a person wants to hear nothing."""

    __tablename__ = "muted_clients"
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


def pending(session: Session, person_id: UUID, *, now: datetime) -> list[ApartRequest]:
    """Return the requests that a person may answer, the oldest first; those of clients that they muted or that are gone are left out."""
    rights = _rights(session, person_id, now=now)
    table = ApartRequest
    waits = (table.kind == Kind.BACKCHANNEL.value, table.answered_at.is_(None), table.expires_at > now, table.meant_for.in_([person_id, *rights]))
    muted = select(MutedClient.client_id).where(MutedClient.person_id == person_id)
    found = session.scalars(select(table).where(*waits, table.client_id.not_in(muted)).order_by(table.at).limit(MOST))
    return [row for row in found if find_client(row.client_id) and _may_answer(row, person_id, rights)]


def waiting_of(holders: Select[Any], person_id: ColumnElement[UUID]) -> Select[*tuple[Any, ...]]:
    """Return a select of what waits at `now`, a bound value, for some holders, a row a request; which client a person may answer is asked of each."""
    table, now = ApartRequest, bindparam("now", type_=DateTime(timezone=True))
    muted = select(MutedClient.client_id).where(MutedClient.person_id == person_id)
    unanswered = (table.kind == Kind.BACKCHANNEL.value, table.answered_at.is_(None), table.expires_at > now)
    rows = select(table.meant_for.label("holder_id"), table.client_id.label("client_id"))
    return rows.where(*unanswered, table.meant_for.is_not(None), table.meant_for.in_(holders), table.client_id.not_in(muted))


def count(session: Session, person_id: UUID, now: datetime) -> int:
    """Return how many requests wait for a person."""
    return len(pending(session, person_id, now=now))


def grantee_of(session: Session, row: ApartRequest, person_id: UUID, *, now: datetime) -> Grantee | None:
    """Return as whom a person may answer a request, or None if they may not."""
    if row.meant_for == person_id:
        return Grantee(person_id, person_id)
    if row.meant_for is None:
        return None
    try:
        mandate = mandates.check_mandate(session, person_id=person_id, organisation_id=row.meant_for, now=now)
    except mandates.NoMandate:
        return None
    return Grantee.under(mandate, person_id) if mandate.allows_portal(row.client_id) else None


def mute(session: Session, person_id: UUID, client_id: str, *, now: datetime) -> None:
    """Let a person hear nothing more from a client."""
    session.execute(insert(MutedClient).values(person_id=person_id, client_id=client_id, at=now).on_conflict_do_nothing())


def unmute(session: Session, person_id: UUID, client_id: str, *, now: datetime) -> None:
    """Let a person hear from a client again."""
    gone = delete(MutedClient).where(MutedClient.person_id == person_id, MutedClient.client_id == client_id).returning(MutedClient.client_id)
    if session.scalar(gone) is not None:
        ledger.record(session, "asking.heard_again", actor=f"subject:{person_id}", object_id=client_id, subject_id=person_id, now=now)


def muted_by(session: Session, person_id: UUID) -> list[MutedClient]:
    """Return the clients that a person has muted."""
    return list(session.scalars(select(MutedClient).where(MutedClient.person_id == person_id).order_by(MutedClient.at)))


def forget_muted(session: Session, person_id: UUID, now: datetime) -> None:
    """Forget what a person had muted: their account closes."""
    session.execute(delete(MutedClient).where(MutedClient.person_id == person_id))


@jobs.job
def tell_of_request(request_id: str) -> None:
    """Tell whom a request is meant for; whoever represents an organisation is told for it, and a guardian for a child."""
    present = clock_now()
    with transaction() as session:
        row = session.get(ApartRequest, UUID(request_id))
        client = find_client(row.client_id) if row is not None else None
        if row is None or client is None or row.meant_for is None or row.answered_at is not None or row.expires_at <= present:
            return
        if not jobs.is_first_run(session):
            return
        for person_id in _to_be_told(session, row.meant_for, now=present):
            if session.get(MutedClient, (person_id, row.client_id)) is None:
                notices.tell(session, person_id, "request-waits", now=present, page="/account/requests", portal=client.name)


def _to_be_told(session: Session, holder_id: UUID, *, now: datetime) -> list[UUID]:
    if directory.get_subject(session, holder_id).kind == directory.PERSON:
        entered = guardians.guardians_of(session, holder_id)
        return [holder_id, *dict.fromkeys(one.person_id for one in entered if one.ended_at is None and (one.valid_until or now) > now)]
    representative = appointments.find_representative(session, holder_id)
    return [representative.person_id] if representative is not None else []


def _rights(session: Session, person_id: UUID, *, now: datetime) -> dict[UUID, Mandate]:
    return {one.holder_id: one for one in mandates.acted_for(session, person_id=person_id, now=now)}


def _may_answer(row: ApartRequest, person_id: UUID, rights: dict[UUID, Mandate]) -> bool:
    return row.meant_for == person_id or (row.meant_for in rights and rights[row.meant_for].allows_portal(row.client_id))
