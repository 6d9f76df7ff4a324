"""A dynamic code at the door of systems: two statements, and one winner."""

from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from bench.statements import counted
from runtime import clock
from runtime.database import transaction
from schemas.verifications import VerificationRequestSchema, read_plainly
from tests.world_verifying import Counter
from wallet.presenting import qr_codes
from wallet.verifying import verification
from wallet.verifying.receipts import Receipt


def test_a_code_takes_two_statements_of_which_the_second_spends_it_and_with_a_key_four(app: Flask, counter: Counter) -> None:
    first, second, third = codes_kept(counter, 3)
    counter.verify(first)
    with counted(app) as plainly:
        assert counter.verify(second).status_code == 201
    with counted(app) as with_key:
        assert counter.verify(third, key="key").status_code == 201
    asked, written = plainly.sent
    assert (asked.split()[0], written.split()[:2]) == ("SELECT", ["WITH", "spent"])
    assert "presentations SET spent_at" in written
    assert all(f"INSERT INTO {one} " in written for one in ("receipts", "ledger_entries", "uses"))
    assert (plainly.commits, len(with_key.sent)) == (0, 4)


def test_a_code_that_another_spends_meanwhile_is_spent_and_nothing_is_written(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    content, find = counter.code(), verification.find_all_waiting
    answers = []

    def find_and_be_late(asked: Any) -> Any:
        found = find(asked)
        if not answers:
            answers.append(None)
            answers[0] = counter.verify(content)
        return found

    monkeypatch.setattr(verification, "find_all_waiting", find_and_be_late)
    late = counter.verify(content)
    assert (answers[0].status_code, late.status_code, late.json["code"]) == (201, 409, "code-spent")
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Receipt).where(Receipt.department == counter.department)) == 1


def test_a_code_that_is_withdrawn_meanwhile_shows_nothing(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    content, find = counter.code(), verification.find_all_waiting

    def find_before_it_is_withdrawn(asked: Any) -> Any:
        found = find(asked)
        with transaction() as session:
            qr_codes.withdraw_all(session, found[0].redeemed.holder_id, clock.now())
        return found

    monkeypatch.setattr(verification, "find_all_waiting", find_before_it_is_withdrawn)
    late = counter.verify(content)
    assert (late.status_code, late.json["code"]) == (410, "code-expired")
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Receipt).where(Receipt.department == counter.department)) == 0


@settings(max_examples=200, deadline=None)
@given(
    changes=st.dictionaries(
        st.sampled_from(["presented", "nonce", "cause", "binding", "file"]),
        st.none() | st.text(max_size=12) | st.sampled_from(["a~b", "KABAO1:A", "12345678", "none", {"text": "a"}, {"text": ""}, {"other": 1}, 7]),
        max_size=4,
    )
)
def test_what_is_read_plainly_is_read_as_by_the_schema(changes: dict[str, Any]) -> None:
    plain = {"presented": "KABAO1:A", "cause": {"text": "a"}}
    for document in (plain | changes, changes, {"presented": "a~b", "nonce": "12345678", "cause": {"text": "a"}} | changes):
        read = read_plainly(document)
        assert read is None or read == VerificationRequestSchema().load(document)
    assert read_plainly(plain) == VerificationRequestSchema().load(plain)


def codes_kept(counter: Counter, number: int) -> list[str]:
    """Codes of one licence that all wait, although each new one ends those before it."""
    codes = [counter.code() for _ in range(number)]
    with transaction() as session:
        waiting = text("UPDATE presentations SET expires_at = now() + interval '5 minutes' WHERE licence_id = :id")
        session.execute(waiting, {"id": counter.licence.id})
    return codes
