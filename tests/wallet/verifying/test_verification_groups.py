"""What a group of lines costs: questions asked once for all of them, whatever they show."""

from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import event, update

from bench.statements import counted
from runtime.clock import now
from runtime.database import engine, transaction
from tests.wallet.verifying.test_verification_batches_api import bound, send
from tests.world_verifying import CAUSE, Counter
from wallet.presenting.qr_codes import Presentation, hash_of


def test_a_hundred_lines_cost_few_statements(counter: Counter) -> None:
    line = bound(counter)
    send(counter, [{"cause": CAUSE}, line], key="warm")
    sent: list[str] = []

    def hear(*about: Any) -> None:
        sent.append(about[2])

    event.listen(engine(), "before_cursor_execute", hear)
    try:
        results = send(counter, [{"cause": CAUSE}, *[line] * 100], key="few", query="?interleave=true")
    finally:
        event.remove(engine(), "before_cursor_execute", hear)
    assert {one["status"] for one in results} == {201}
    ours = [one for one in sent if any(table in one for table in ("receipts", "uses", "ledger_entries", "licences", "idempotency_keys"))]
    assert len(ours) == 6, ours


def test_licences_that_are_named_cost_a_group_one_question(app: Flask, counter: Counter) -> None:
    known = {"identifier": counter.licence.identifier, "number": counter.person.number}
    wrong = [{**known, "number": f"{at:018}"} for at in range(30)]
    unknown = [{**known, "identifier": f"1.2.156.{at}"} for at in range(30)]
    savepoints: list[Any] = []

    def hear_savepoint(*about: Any) -> None:
        savepoints.append(about)

    event.listen(engine(), "savepoint", hear_savepoint)
    with counted(app) as found:
        lines = [{"licence": one} for one in [known, *wrong, *unknown, known]]
        results = send(counter, [{"cause": CAUSE}, *lines], key="named", query="?interleave=true")
    event.remove(engine(), "savepoint", hear_savepoint)
    assert [one["verification"]["verdict"] for one in results] == ["valid", *["invalid"] * 60, "valid"]
    asked = [one for one in found.sent if any(f"FROM {table}" in one for table in ("licences", "subjects"))]
    assert (len(asked), savepoints) == (1, [])


def test_codes_that_nobody_can_redeem_cost_a_group_one_question(app: Flask, counter: Counter) -> None:
    with app.app_context():
        spent, waiting = counter.code(), counter.code()
        with transaction() as session:
            session.execute(update(Presentation).where(Presentation.code_hash == hash_of(spent)).values(spent_at=now()))
            session.execute(update(Presentation).where(Presentation.code_hash == hash_of(waiting)).values(expires_at=now() + timedelta(minutes=5)))
    unknown = [f"KABAO1:{at:0>32}".replace("0", "A").replace("1", "B").replace("8", "C").replace("9", "D") for at in range(50)]
    sent: list[str] = []

    def hear(*about: Any) -> None:
        sent.append(about[2])

    def hear_savepoint(*_: Any) -> None:
        sent.append("SAVEPOINT")

    event.listen(engine(), "before_cursor_execute", hear)
    event.listen(engine(), "savepoint", hear_savepoint)
    results = send(counter, [{"cause": CAUSE}, *({"presented": one} for one in [*unknown, "这不是证照", spent, waiting, waiting])], key="nobody")
    event.remove(engine(), "before_cursor_execute", hear)
    event.remove(engine(), "savepoint", hear_savepoint)
    assert [one.get("type", "").rpartition(":")[2] for one in results] == ["code-unknown"] * 51 + ["code-spent", "", "code-spent"]
    assert sent.count("SAVEPOINT") == 2
    assert sum("presentations" in one for one in sent) <= 4, "one for all, two that spend, one that says why the second could not"
