"""Verifications that come in company: by two statements for all, each answered, refused and attested as it would be alone."""

import json
import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from runtime.database import engine, transaction
from runtime.ledger import LedgerEntry
from tests.company import Front
from tests.locks import somebody_waits
from tests.waiting import until
from tests.wallet.verifying.test_verifications_api import NONCE, shown
from tests.world_verifying import CAUSE, Counter, new_counter
from wallet.holding.uses import Use
from wallet.presenting import qr_codes
from wallet.verifying import verification
from wallet.verifying.receipts import Receipt

PATH = "/api/v1/verifications"


@pytest.fixture
def front(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Front:
    return Front(app, monkeypatch)


def asked(presented: str, **more: Any) -> dict[str, Any]:
    return {"presented": presented, "cause": CAUSE, **more}


def answer_of(front: Front, name: str) -> tuple[int, dict[str, Any]]:
    return front.answers[name][0], json.loads(front.answers[name][2])


def without_receipt(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "receipt"}


def test_each_is_answered_as_alone_and_all_by_two_statements_a_kind(front: Front, counter: Counter) -> None:
    stranger = new_counter(counter.client, verify=())
    presented, code = shown(counter, "vehicle_class"), counter.code("vehicle_class")
    other = new_counter(counter.client)
    sent = {
        "shown-to-one": (asked(presented, nonce=NONCE), counter.token),
        "shown-again": (asked(presented, nonce=NONCE), counter.token),
        "of-another": (asked(shown(other), nonce=NONCE), other.token),
        "for-another-nonce": (asked(presented, nonce="another-nonce"), counter.token),
        "without-authority": (asked(presented, nonce=NONCE), stranger.token),
        "no-presentation": (asked("a~", nonce=NONCE), counter.token),
        "by-code": (asked(code), counter.token),
        "by-code-again": (asked(code), counter.token),
        "by-no-code": (asked("KABAO1:" + "A" * 26), counter.token),
    }
    statements: list[str] = []
    front.seats.hall.has_company = True
    for name, (document, token) in sent.items():
        front.post(name, PATH, document, token=token, Accept_Language="en")
    event.listen(engine(), "before_cursor_execute", hear := lambda *said: statements.append(said[2]))
    front.go()
    event.remove(engine(), "before_cursor_execute", hear)
    until(lambda: front.answers.keys() == sent.keys())
    front.seats.hall.has_company = False
    answers = {name: answer_of(front, name) for name in sent}
    for name, (document, token) in sent.items():
        if "code" not in name:
            front.post(f"{name}-alone", PATH, document, token=token, Accept_Language="en")
            status, alone = answer_of(front, f"{name}-alone")
            assert status == answers[name][0]
            assert without_receipt(alone) == without_receipt(answers[name][1]) | {one: alone[one] for one in ("correlation_id",) if one in alone}
    assert {name: status for name, (status, _) in answers.items()} == {
        "shown-to-one": 201,
        "shown-again": 201,
        "of-another": 201,
        "for-another-nonce": 201,
        "without-authority": 403,
        "no-presentation": 201,
        "by-code": 201,
        "by-code-again": 409,
        "by-no-code": 404,
    }
    verdicts = {name: answer["verdict"] for name, (status, answer) in answers.items() if status == 201}
    assert [name for name, verdict in verdicts.items() if verdict == "valid"] == ["shown-to-one", "shown-again", "of-another", "by-code"]
    assert answers["of-another"][1]["licence"]["identifier"] == other.licence.identifier
    assert answers["by-code-again"][1]["code"] == "code-spent"
    asks = [one for one in statements if "asked(" in one.split("WHERE")[0] or "unnest" in one]
    assert len(asks) == 1, "how all licences stand"
    kept = [answer["receipt"]["id"] for _, (status, answer) in answers.items() if status == 201]
    assert len(set(kept)) == len(kept) == 6
    with transaction() as session:
        receipts = session.scalars(select(Receipt).where(Receipt.id.in_(kept))).all()
        assert {str(one.id): one.jws for one in receipts} == {
            answer["receipt"]["id"]: answer["receipt"]["jws"] for _, (status, answer) in answers.items() if status == 201
        }
        assert session.scalar(select(func.count()).where(LedgerEntry.object_id.in_(kept))) == 6
        assert session.scalar(select(func.count()).where(Use.receipt_id.in_(kept))) == 4


def test_what_cannot_be_kept_for_one_is_kept_for_the_others(front: Front, counter: Counter, monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    presented = shown(counter)
    front.seats.hall.has_company = True
    for name in ("first-one", "second-one", "third-one"):
        front.post(name, PATH, asked(presented, nonce=NONCE), token=counter.token)

    whole, made = verification.attested, []

    def twice_the_same(*args: Any, receipt_id: Any, **rest: Any) -> Any:
        made.append(receipt_id)
        return whole(*args, receipt_id=made[0] if len(made) == 2 else receipt_id, **rest)

    monkeypatch.setattr(verification, "attested", twice_the_same)
    front.go()
    assert [front.answers[name][0] for name in ("first-one", "second-one", "third-one")] == [201, 500, 201]
    with transaction() as session:
        assert session.scalar(select(func.count()).where(Receipt.department == counter.department)) == 2


def test_each_asker_is_told_of_their_own_and_of_two_with_one_code_the_second_that_it_is_spent(front: Front, counter: Counter) -> None:
    codes = [(one.code(), one) for one in (counter, *(new_counter(counter.client) for _ in range(2)))]
    sent = [codes[0], *codes]
    front.seats.hall.has_company = True
    for number, (code, one) in enumerate(sent):
        front.post(f"asked-{number:03}", PATH, asked(code), token=one.token)
    front.go()
    until(lambda: len(front.answers) == len(sent))
    answers = [answer_of(front, f"asked-{number:03}") for number in range(len(sent))]
    assert [status for status, _ in answers] == [201, 409, 201, 201]
    assert [answer["licence"]["identifier"] for status, answer in answers if status == 201] == [one.licence.identifier for _, one in codes]


@pytest.mark.parametrize(("held", "end", "expected"), [(0, "rollback", 201), (1, "rollback", 201), (2, "commit", 410)])
def test_nobody_else_waits_for_a_code_that_another_transaction_holds(front: Front, counter: Counter, held: int, end: str, expected: int) -> None:
    counters = [counter, *(new_counter(counter.client) for _ in range(2))]
    codes = [one.code() for one in counters]
    names = [f"asked-{number:03}" for number in range(3)]
    turns = front.seats._turns.qsize()
    front.seats.hall.has_company = True
    for name, code, one in zip(names, codes, counters, strict=True):
        front.post(name, PATH, asked(code), token=one.token)
    with engine().connect() as holding:
        withdraw = text("UPDATE presentations SET expires_at = now() - interval '1 s' WHERE code_hash = :hash")
        holding.execute(withdraw, {"hash": qr_codes.hash_of(codes[held])})
        front.go()
        assert set(front.answers) == set(names) - {names[held]}, "they are answered, and the third waits"
        until(lambda: somebody_waits(holding))
        assert front.seats._turns.qsize() == turns - 1
        front.post("meanwhile", PATH, asked(shown(counter), nonce=NONCE), token=counter.token)
        front.go()
        assert front.answers["meanwhile"][0] == 201
        getattr(holding, end)()
    until(lambda: names[held] in front.answers)
    assert [front.answers[name][0] for name in names] == [expected if number == held else 201 for number in range(3)]
    until(lambda: front.seats._turns.qsize() == turns)


def test_where_no_thread_is_to_be_had_what_is_left_is_done_after_the_others_have_their_answers(
    front: Front, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, other = counter.code(), new_counter(counter.client)
    front.seats.hall.has_company = True
    for name, one, presented in (("first", counter, code), ("second", counter, code), ("third", other, other.code())):
        front.post(name, PATH, asked(presented), token=one.token)

    def no_thread(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    front.go()
    assert {name: answer[0] for name, answer in front.answers.items()} == {"first": 201, "third": 201, "second": 409}
    assert list(front.answers)[-1] == "second"
