"""The holder's history of uses: who looked at which licence, when, why, and which fields were seen. One row a use, never changed.

Where an officer of the issuing department finds a licence in the register, that is a use, too, without a receipt.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, and_, insert, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.ids import new_id
from wallet.issuing.desk import looking, own_causes
from wallet.issuing.desk.looking import Seen
from wallet.register.licences import Licence, held_by

TABLE = "uses"


class Way(StrEnum):
    """How a licence came to be seen: shown by its holder, brought by whoever it was (a document, an offline code, a name), sent on request, drawn (on
    authority, with consent), taken as a document, copied for somebody (and that copy fetched), or found by its issuer."""

    PRESENTATION = "presentation"
    BROUGHT = "brought"
    ANSWER = "answer"
    DRAW = "draw"
    CONSENT = "consent"
    DOCUMENT = "document"
    COPY = "copy"
    COPY_FETCHED = "copy-fetched"
    REGISTER = "register"


class Use(Base):
    """One use of a licence. The cause rests sealed: officers write names into it. `verdict` is `valid` or `invalid`.

    `acted_by` is the person who showed it or had it drawn for the holder, under a mandate or as a guardian; None where that was the holder.

    Of one that is not issued yet `licence_id` is the request for it, which waits for a second officer.
    """

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    at: Mapped[datetime]
    department: Mapped[str]
    cause_sealed: Mapped[bytes]
    fields: Mapped[list[str]]
    way: Mapped[str]
    verdict: Mapped[str]
    receipt_id: Mapped[UUID | None]
    acted_by: Mapped[UUID | None]
    __table_args__ = (Index("ix_uses_licence", "holder_id", "licence_id", "id"), Index("ix_uses_receipt", "holder_id", "receipt_id"))

    @property
    def cause(self) -> str:
        """What the department gave as its reason."""
        return own_causes.shown(sealing.unseal(self.cause_sealed, table=TABLE, column="cause_sealed", row=self.id))


sealed_tables.declare(Use, sealed={"cause_sealed": "cause_sealed"})


def record_use(session: Session, **use: Any) -> None:
    """Write a use into the holder's history; takes what `row_of_use` takes."""
    session.execute(insert(Use).values(row_of_use(**use)))


def row_of_use(
    *,
    holder_id: UUID,
    licence_id: UUID,
    department: str,
    cause: str,
    fields: list[str],
    way: Way,
    verdict: str,
    receipt_id: UUID | None,
    now: datetime,
    acted_by: UUID | None = None,
) -> dict[str, Any]:
    """Return the row of a use; `fields` are the names of those that were seen, `acted_by` who acted, be it the holder."""
    use_id = new_id()
    return {
        "holder_id": holder_id,
        "id": use_id,
        "licence_id": licence_id,
        "at": now,
        "department": department,
        "cause_sealed": sealing.seal(cause, table=TABLE, column="cause_sealed", row=use_id),
        "fields": fields,
        "way": way.value,
        "verdict": verdict,
        "receipt_id": receipt_id,
        "acted_by": acted_by if acted_by != holder_id else None,
    }


def uses_of(
    session: Session,
    *,
    holder_id: UUID,
    licence_id: UUID | None = None,
    types: Collection[str] | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Use]:
    """Return the holder's uses, the newest first: of one licence, of licences of some types, older than the use `before`, each if it is given."""
    query = select(Use).where(Use.holder_id == holder_id)
    if types is not None:
        of_types = Licence.type_code.in_(types)
        query = query.where(Use.licence_id.in_(select(Licence.id).where(held_by(holder_id, of_types), of_types)))
    if licence_id is not None:
        query = query.where(Use.licence_id == licence_id)
    if before is not None:
        query = query.where(Use.id < before)
    return list(session.scalars(query.order_by(Use.id.desc()).limit(limit)))


def act_of(use: Use) -> tuple[Any, ...]:
    """Return by what the uses of one act are known: by its receipt, or else by its moment, whose it was and how."""
    return (use.receipt_id,) if use.receipt_id is not None else (use.at, use.department, use.way)


def alongside(session: Session, uses: Collection[Use], *, holder_id: UUID) -> dict[tuple[Any, ...], list[Use]]:
    """Return, by act, some uses of a holder with all others of the same acts, the oldest first: several licences are used under one code."""
    receipts, moments = {use.receipt_id for use in uses if use.receipt_id}, {use.at for use in uses if use.receipt_id is None}
    same = or_(Use.receipt_id.in_(receipts), and_(Use.receipt_id.is_(None), Use.at.in_(moments)))
    found: dict[tuple[Any, ...], list[Use]] = {act_of(use): [] for use in uses}
    for one in session.scalars(select(Use).where(Use.holder_id == holder_id, same).order_by(Use.id)) if uses else ():
        found.get(act_of(one), []).append(one)
    return found


def receipts_beyond(session: Session, receipt_ids: Collection[UUID], *, holder_id: UUID, types: Collection[str]) -> set[UUID]:
    """Return which of some receipts name a licence of the holder's that is of none of some types, too."""
    of_types = Licence.type_code.in_(types)
    within = select(Licence.id).where(held_by(holder_id, of_types), of_types)
    asked = select(Use.receipt_id).where(Use.holder_id == holder_id, Use.receipt_id.in_(receipt_ids), Use.licence_id.not_in(within))
    return {one for one in session.scalars(asked) if one is not None} if receipt_ids else set()


def take_down(session: Session, seen: Seen, now: datetime) -> None:
    """Write that an officer of the issuing department saw a licence, with the cause that they gave."""
    about = {"holder_id": seen.holder_id, "licence_id": seen.licence_id, "department": seen.department, "cause": seen.cause}
    record_use(session, **about, fields=list(seen.fields), way=Way.REGISTER, verdict="valid", receipt_id=None, now=now)


looking.on_look.append(take_down)
