"""Consent: what a holder allowed a client, remembered until they are asked for more.

A first-party portal (the government's own) asks for none, save for the full number and for licences, which a person always allows
themselves: a draw is attested as made with their consent. A portal that others can pose as is allowed nothing lastingly.

Several may consent for an organisation. A handler's consent counts for that handler alone; what its representative, a licence manager, or
a child's guardian allowed counts for everyone who acts for the same holder, as long as their own mandate stands.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import codes, refresh_tokens, scopes
from idp.oauth.apart import waiting
from idp.oauth.clients import Client
from idp.oauth.grantees import Grantee
from idp.subjects.mandates import GUARDIAN, LEGAL_REPRESENTATIVE, LICENCE_MANAGER, GivenMandate
from runtime import ledger
from runtime.database import Base

LASTING = (LEGAL_REPRESENTATIVE, LICENCE_MANAGER, GUARDIAN)
ALWAYS_ASKED = frozenset({scopes.NUMBER, scopes.LICENCES})


class Consent(Base):
    """The scopes that a holder allowed a client; `given_by` is the person, who may act for an organisation."""

    __tablename__ = "consents"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    given_by: Mapped[UUID] = mapped_column(primary_key=True)
    scopes: Mapped[list[str]]
    given_at: Mapped[datetime]


def is_given(session: Session, grantee: Grantee, client: Client, asked: Iterable[str], *, now: datetime) -> bool:
    """Whether a holder has allowed a client all that it asks, or needs not be asked."""
    if client.can_be_posed_as:
        return False
    wanted = {scope for scope in asked if scope in ALWAYS_ASKED or not client.first_party}
    return not wanted or wanted <= _allowed(session, grantee, client.client_id, now=now)


def give(session: Session, grantee: Grantee, client: Client, allowed: Iterable[str], *, now: datetime) -> None:
    """Remember that a holder allows a client some scopes, besides those of before."""
    before = session.get(Consent, (grantee.holder_id, client.client_id, grantee.person_id))
    together = sorted({*allowed, *(before.scopes if before else [])})
    values = {"scopes": together, "given_at": now}
    row = insert(Consent).values(holder_id=grantee.holder_id, client_id=client.client_id, given_by=grantee.person_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["holder_id", "client_id", "given_by"], set_=values))
    _record(session, "consent.given", grantee, client.client_id, now=now, scopes=together)


def consents_of(session: Session, holder_id: UUID) -> list[Consent]:
    """Return what a holder allowed, the newest first; what several allowed one client is one."""
    found: dict[str, Consent] = {}
    for row in session.scalars(select(Consent).where(Consent.holder_id == holder_id).order_by(Consent.given_at.desc())):
        newest = found.setdefault(row.client_id, row)
        together = sorted({*newest.scopes, *row.scopes})
        found[row.client_id] = Consent(
            holder_id=holder_id, client_id=row.client_id, given_by=newest.given_by, scopes=together, given_at=newest.given_at
        )
    return list(found.values())


def withdraw(session: Session, grantee: Grantee, client_id: str, *, now: datetime) -> None:
    """Take back what a holder allowed a client: it must ask again, and its codes and refresh families of that holder end."""
    gone = delete(Consent).where(Consent.holder_id == grantee.holder_id, Consent.client_id == client_id).returning(Consent.client_id)
    if session.scalar(gone) is None:
        return
    codes.end_codes_of(session, holder_id=grantee.holder_id, client_id=client_id, now=now)  # first: a code redeemed meanwhile has begun its family
    waiting.take_back(session, holder_id=grantee.holder_id, client_id=client_id, now=now)
    refresh_tokens.end_families_of(session, holder_id=grantee.holder_id, client_id=client_id, now=now)
    _record(session, "consent.withdrawn", grantee, client_id, now=now)


def _record(session: Session, act: str, grantee: Grantee, client_id: str, *, now: datetime, **detail: Any) -> None:
    ledger.record(session, act, actor=f"subject:{grantee.person_id}", object_id=client_id, subject_id=grantee.holder_id, now=now, **detail)


def _allowed(session: Session, grantee: Grantee, client_id: str, *, now: datetime) -> set[str]:
    counts = Consent.given_by == grantee.person_id
    if grantee.is_acting:
        counts = counts | exists().where(
            GivenMandate.holder_id == Consent.holder_id,
            GivenMandate.person_id == Consent.given_by,
            GivenMandate.role.in_(LASTING),
            GivenMandate.ended_at.is_(None),
            GivenMandate.valid_from <= now,
            or_(GivenMandate.valid_until.is_(None), GivenMandate.valid_until > now),
        )
    found = session.scalars(select(Consent.scopes).where(Consent.holder_id == grantee.holder_id, Consent.client_id == client_id, counts))
    return {scope for scopes_of_one in found for scope in scopes_of_one}
