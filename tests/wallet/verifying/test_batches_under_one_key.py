"""Two batches under one key wait for each other, group by group: no line is worked at twice, and neither fails for the other."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import jwt
import pytest
from flask import Flask

from runtime import idempotency
from runtime.database import transaction
from tests.wallet.verifying.test_verification_batches_api import bound, send
from tests.world_verifying import CAUSE, Counter

MOMENT, LONG = 0.5, 30.0


def client_of(counter: Counter) -> str:
    """Return whose token the counter's is."""
    client_id: str = jwt.decode(counter.token, options={"verify_signature": False})["client_id"]
    return client_id


@pytest.mark.parametrize(("caller", "key", "waits"), [("a", "k", True), ("a", "other", False), ("b", "k", False)])
def test_who_holds_a_key_holds_up_nobody_but_the_same_caller_with_it(app: Flask, context: None, caller: str, key: str, waits: bool) -> None:
    mine, has_it = f"{uuid4()}", threading.Event()

    def hold() -> None:
        with app.app_context(), transaction() as session:
            idempotency.hold(session, caller=f"{mine}{caller}", key=key)
            has_it.set()

    with ThreadPoolExecutor(1) as thread:
        with transaction() as session:
            idempotency.hold(session, caller=f"{mine}a", key="k")
            other = thread.submit(hold)
            assert has_it.wait(MOMENT if waits else LONG) != waits
        other.result(LONG)
        assert has_it.is_set(), "the end of the transaction lets it go"


def test_a_batch_works_at_no_line_while_another_under_its_key_has_its_group_in_hand(
    app: Flask, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would answer lines anew that the other is just answering, and meet the other's rows when it writes its own."""
    key, lines = f"{uuid4()}", [{"cause": CAUSE}, bound(counter)]
    looked, real = threading.Event(), idempotency.claimed_before

    def claimed_before(*args: Any, **more: Any) -> Any:
        looked.set()
        return real(*args, **more)

    def batch() -> list[dict[str, Any]]:
        with app.app_context():
            return send(counter, lines, key=key)

    monkeypatch.setattr(idempotency, "claimed_before", claimed_before)
    with ThreadPoolExecutor(1) as thread:
        with transaction() as session:
            idempotency.hold(session, caller=f"batch:{client_of(counter)}", key=key)
            held_up = thread.submit(batch)
            assert not looked.wait(MOMENT)
        assert [one["status"] for one in held_up.result(LONG)] == [201]
    assert looked.is_set()
