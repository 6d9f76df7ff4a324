from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError

from runtime.clock import now
from runtime.copying import Copy
from runtime.database import transaction
from runtime.idempotency import IdempotencyKey
from runtime.ids import new_id
from runtime.ledger import LedgerEntry

KEYS = Copy(IdempotencyKey, ("caller", "key", "digest", "result_id", "made_at"))
ENTRIES = Copy(LedgerEntry, ("id", "recorded_at", "act", "actor", "subject_id", "object_id", "detail"))


def entry(act: str, subject_id: UUID | None) -> dict[str, object]:
    return {
        "id": new_id(),
        "recorded_at": now(),
        "act": act,
        "actor": "operator",
        "subject_id": subject_id,
        "object_id": "一",
        "detail": {"a": [1, "二"]},
    }


def test_rows_are_added_as_they_were_given_in_the_session_s_own_transaction(app: Flask) -> None:
    rows = [entry("copied.some", new_id()), entry("copied.some", None)]
    with app.app_context():
        with transaction() as session:
            ENTRIES.write(session, rows)
            assert session.scalar(select(LedgerEntry.position).where(LedgerEntry.id == rows[0]["id"])) is None
        with transaction() as session:
            found = session.scalars(select(LedgerEntry).where(LedgerEntry.act == "copied.some").order_by(LedgerEntry.id)).all()
        assert [{name: getattr(one, name) for name in rows[0]} for one in found] == rows


class Undone(Exception):
    """Ends a transaction."""


def test_what_is_undone_was_never_there(app: Flask) -> None:
    row = {"caller": "copying", "key": "undone", "digest": b"\0\xff", "result_id": new_id(), "made_at": now()}

    def write_and_undo() -> None:
        with transaction() as session:
            KEYS.write(session, [row])
            assert session.get(IdempotencyKey, ("copying", "undone")) is not None
            raise Undone

    with app.app_context():
        with pytest.raises(Undone):
            write_and_undo()
        with transaction() as session:
            assert session.get(IdempotencyKey, ("copying", "undone")) is None


def test_a_row_that_is_there_already_is_said_as_the_session_says_it(app: Flask) -> None:
    row = {"caller": "copying", "key": "twice", "digest": b"x", "result_id": new_id(), "made_at": now()}
    with app.app_context():
        with pytest.raises(IntegrityError), transaction() as session:
            KEYS.write(session, [row, row])
        with transaction() as session:
            KEYS.write(session, [])
            KEYS.write(session, [row])
        assert issubclass(IntegrityError, DBAPIError)
