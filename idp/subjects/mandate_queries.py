"""Who asked whether somebody may act for an organisation: one row a question, for the organisation to read. The cause rests sealed."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects import directory, mandates
from idp.subjects.mandates import Mandate, NoMandate
from idp.subjects.numbers import Number
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id

TABLE = "mandate_queries"
KEPT = timedelta(days=3 * 365)


class MandateQuery(Base):
    """One question and its answer; `person_id` is None where nobody of the number was ever met."""

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID | None]
    department: Mapped[str]
    cause_sealed: Mapped[bytes]
    answer: Mapped[bool]
    at: Mapped[datetime] = mapped_column(index=True)

    @property
    def cause(self) -> str:
        """What the department gave as its reason."""
        return sealing.unseal(self.cause_sealed, table=TABLE, column="cause", row=self.id)


sealed_tables.declare(MandateQuery, row="id", sealed={"cause_sealed": "cause"})


def ask(
    session: Session,
    *,
    person: Number,
    organisation: Number,
    type_code: str | None,
    portal: str | None,
    department: str,
    client_id: str,
    cause: str,
    now: datetime,
) -> Mandate | None:
    """Return the mandate under which a person may act for an organisation now, for a type and a portal if they are named, or None.

    Whether a number is known at all is not told apart from its having no mandate. The organisation, if it was ever met, can read the question.
    """
    holder, who = directory.find_subject(session, organisation), directory.find_subject(session, person)
    found = _find(session, holder, who, now=now)
    if found is not None and not ((type_code is None or found.allows_type(type_code)) and (portal is None or found.allows_portal(portal))):
        found = None
    query_id = new_id()
    holder_id = holder.id if holder is not None and holder.kind == directory.ORGANISATION else None
    if holder_id is not None:
        sealed = sealing.seal(cause, table=TABLE, column="cause", row=query_id)
        asked = {"person_id": who.id if who else None, "department": department, "cause_sealed": sealed, "answer": found is not None}
        session.add(MandateQuery(holder_id=holder_id, id=query_id, at=now, **asked))
    said: dict[str, Any] = {"client": client_id, "answer": found is not None}
    ledger.record(session, "mandate.asked", actor=f"department:{department}", object_id=query_id, subject_id=holder_id, now=now, **said)
    return found


def queries_of(session: Session, organisation_id: UUID, *, limit: int = 50) -> list[MandateQuery]:
    """Return who asked about an organisation's mandates, the newest first."""
    return list(session.scalars(select(MandateQuery).where(MandateQuery.holder_id == organisation_id).order_by(MandateQuery.id.desc()).limit(limit)))


def forget(*, now: datetime) -> None:
    """Forget the questions of three years ago."""
    prune(MandateQuery, MandateQuery.at < now - KEPT)


def _find(session: Session, holder: directory.Subject | None, who: directory.Subject | None, *, now: datetime) -> Mandate | None:
    if holder is None or who is None or holder.kind != directory.ORGANISATION or not (holder.is_active and who.is_active):
        return None
    try:
        return mandates.check_mandate(session, person_id=who.id, organisation_id=holder.id, now=now)
    except NoMandate:
        return None
