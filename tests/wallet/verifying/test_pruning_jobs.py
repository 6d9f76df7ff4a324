import json
from datetime import timedelta
from typing import Any

from keys import sealing
from runtime import clock, compact_json, jobs
from runtime.database import transaction
from runtime.idempotency import IdempotencyKey
from tests.world_verifying import Counter
from wallet.presenting.qr_codes import Presentation
from wallet.verifying import pruning_jobs
from wallet.verifying.receipts import Receipt, answers_of, get_receipt


def test_what_nobody_may_ask_for_any_more_is_forgotten_and_the_receipt_stays(counter: Counter) -> None:
    first = counter.verify(counter.code("holder_name"), key="first").json["receipt"]["id"]
    with clock.shifted(timedelta(days=2, minutes=1)):
        pruning_jobs.forget_what_is_over()
    with transaction() as session:
        receipt = get_receipt(session, first, department=counter.department)
        assert receipt.answer is None
        assert receipt.claims["fields"] == ["holder_name"]
        assert session.query(IdempotencyKey).filter_by(key="first", result_id=first).count() == 0
        assert session.query(Presentation).filter_by(holder_id=counter.holder_id).count() == 0


def test_what_may_still_be_asked_for_is_kept(counter: Counter) -> None:
    answer = counter.verify(counter.code("holder_name"), key="kept")
    with clock.shifted(timedelta(days=1, hours=23)):
        pruning_jobs.forget_what_is_over()
    with transaction() as session:
        assert session.get_one(Receipt, answer.json["receipt"]["id"]).answer == answer.json
    assert counter.verify("~", key="kept", binding="none").json["code"] == "idempotency-key-reused"


def test_a_receipt_is_kept_once_and_answered_once_where_it_was_kept_within_the_answer(counter: Counter) -> None:
    shown = counter.verify(counter.code("holder_name")).json
    with transaction() as session:
        receipt = session.get_one(Receipt, shown["receipt"]["id"])
        about: dict[str, Any] = {"table": "receipts", "column": "answer_sealed", "row": receipt.id}
        assert receipt.answer_sealed is not None
        assert shown["receipt"]["jws"] not in sealing.unseal(receipt.answer_sealed, **about)
        receipt.answer_sealed = sealing.seal(json.dumps(shown, separators=(",", ":")), **about)
        session.flush()
        assert receipt.answer == shown
        (answered,) = answers_of(session, [receipt.id]).values()
        assert json.loads(compact_json.write(answered), object_pairs_hook=list) == json.loads(json.dumps(shown), object_pairs_hook=list)


def test_the_jobs_are_declared() -> None:
    assert {"seal_ledger", "forget_what_is_over"} <= {name.rpartition(":")[2] for name in jobs.declared.tasks}
