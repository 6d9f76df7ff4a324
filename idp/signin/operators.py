"""Operators: the people who run the service, by name of their subject. Added by command alone; what they do is in the ledger as theirs.

Whoever was let back in at a counter runs it no longer, until they are added again: an officer there is no operator, and makes none.
"""

from datetime import datetime
from uuid import UUID

from flask import g, request
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices, regaining
from idp.signin.assurance import MATCHED, TWO_FACTORS
from idp.signin.callers import GoAndRaise, at_least, signed_in
from idp.signin.freshness import NotFresh
from idp.signin.recency import is_recent
from runtime import ledger
from runtime.clock import now
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal, wants_page


class NotAnOperator(NotAllowed):
    """Someone signed in who does not run the service, or who acts for somebody else just now."""

    code, status, title = "not-an-operator", 403, Text("仅限系统运营人员使用。", "This is for operators of the service.")


class NoSuchOperator(Refusal):
    """The person is no operator."""

    code, status, title = "no-such-operator", 404, Text("此人不是运营人员。", "The person is no operator.")


class Operator(Base):
    """A person who runs the service."""

    __tablename__ = "operators"
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]


def add_operator(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Let a person run the service; doing it again changes nothing."""
    row = insert(Operator).values(subject_id=subject_id, added_at=now).on_conflict_do_nothing().returning(Operator.subject_id)
    if session.execute(row).first() is not None:
        ledger.record(session, "operator.added", actor="operator", object_id=subject_id, subject_id=subject_id, now=now)


def remove_operator(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Let a person run the service no longer, from their next request on; raises NoSuchOperator."""
    if not _remove(session, subject_id, actor="operator", now=now):
        raise NoSuchOperator


def end_post(session: Session, subject_id: UUID, now: datetime) -> None:
    """Let someone who starts afresh after a counter run the service no longer, and tell them."""
    if _remove(session, subject_id, actor=f"subject:{subject_id}", now=now):
        notices.tell(session, subject_id, "operator-post-ended", now=now)


def operators(session: Session) -> list[Operator]:
    """Return every operator, the first first."""
    return list(session.scalars(select(Operator).order_by(Operator.added_at)))


def is_operator(session: Session, subject_id: UUID) -> bool:
    """Whether a person runs the service."""
    return session.get(Operator, subject_id) is not None


def _remove(session: Session, subject_id: UUID, *, actor: str, now: datetime) -> bool:
    gone = delete(Operator).where(Operator.subject_id == subject_id).returning(Operator.subject_id)
    if session.scalar(gone) is None:
        return False
    ledger.record(session, "operator.removed", actor=actor, object_id=subject_id, subject_id=subject_id, now=now)
    return True


class OperatorCaller:
    """An operator in their own name, known to the registry, who signed in by two factors."""

    name = "operator"

    def admit(self) -> None:
        """Leave who it is in `g.signed_in`; raises NotAnOperator, or leads a browser to sign in or to raise its level."""
        signed_in.admit()
        with transaction() as session:
            known = is_operator(session, g.signed_in.subject_id)
        if not known or g.signed_in.acting_for is not None:
            raise NotAnOperator("runs nothing here")
        strong.admit()


class FreshOperator:
    """An operator who has shown within the last minutes who they are: what they do here lets others in."""

    name = "operator:fresh"

    def admit(self) -> None:
        """Leave who it is in `g.signed_in`; raises what OperatorCaller does, or leads to the step-up and back to the page, or to the clients."""
        operator.admit()
        if is_recent(g.signed_in.auth_time, now=now()):
            return
        if not wants_page():
            raise NotFresh("a fresh proof is asked for")
        raise GoAndRaise(f"/signin/step-up?aal={TWO_FACTORS}{'' if request.method == 'GET' else '&next=/admin/clients'}")


strong = at_least(ial=MATCHED, aal=TWO_FACTORS)
operator = OperatorCaller()
fresh_operator = FreshOperator()
regaining.on_fresh_start.append(end_post)
