"""What a registry that is asked over HTTP answered, kept for a while: sealed, for all processes, and found by a keyed index of the question.

It is written in a transaction of its own, as it is true whatever becomes of the request that asked. A registry's update drops it.
"""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects.numbers import Number
from keys import sealed_tables, sealing
from runtime.database import Base, prune, transaction

RECORD, REPRESENTED_BY = "record", "represented_by"


class RegistryAnswer(Base):
    """An answer to one question (`asked`) about one number."""

    __tablename__ = "registry_answers"
    question_index: Mapped[bytes] = mapped_column(primary_key=True)
    asked: Mapped[str]
    answer_sealed: Mapped[bytes]
    expires_at: Mapped[datetime] = mapped_column(index=True)


sealed_tables.declare(
    RegistryAnswer,
    row="question_index",
    sealed={"answer_sealed": "answer"},
    left={"question_index": "an answer is kept for minutes; under another key it is asked for again"},
)


def find(session: Session, asked: str, number: Number, *, now: datetime) -> str | None:
    """Return the kept answer to a question, or None."""
    wanted = RegistryAnswer.question_index.in_(sealing.indexes_of(_question(asked, number)))
    row = session.execute(select(RegistryAnswer.question_index, RegistryAnswer.answer_sealed).where(wanted, RegistryAnswer.expires_at > now)).first()
    return None if row is None else sealing.unseal(row[1], table="registry_answers", column="answer", row=row[0].hex())


def keep(asked: str, number: Number, answer: str, *, expires_at: datetime) -> None:
    """Keep an answer until a moment."""
    index = sealing.index_of(_question(asked, number))
    sealed = sealing.seal(answer, table="registry_answers", column="answer", row=index.hex())
    row = insert(RegistryAnswer).values(question_index=index, asked=asked, answer_sealed=sealed, expires_at=expires_at)
    changed = {"answer_sealed": row.excluded.answer_sealed, "expires_at": row.excluded.expires_at}
    with transaction() as session:
        session.execute(row.on_conflict_do_update(index_elements=["question_index"], set_=changed))


def drop(session: Session, *numbers: Number) -> None:
    """Drop what was answered about some numbers; and who represents whom altogether, as it names more than those."""
    questions = [index for number in numbers for index in sealing.indexes_of(_question(RECORD, number))]
    session.execute(delete(RegistryAnswer).where(RegistryAnswer.question_index.in_(questions)))
    session.execute(delete(RegistryAnswer).where(RegistryAnswer.asked == REPRESENTED_BY))


def forget(*, now: datetime) -> None:
    """Forget the answers whose time is over."""
    prune(RegistryAnswer, RegistryAnswer.expires_at < now)


def _question(asked: str, number: Number) -> str:
    return f"registry:{asked}:{number.value}"
