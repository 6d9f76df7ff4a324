from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from flask import Flask

from runtime import idempotency
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id

PEPPER = b"p" * 32


def claim(app: Flask, key: str, body: object = "body", *, caller: str = "c"):
    with app.app_context(), transaction() as session:
        mine = new_id()
        before = idempotency.claim(session, caller=caller, key=key, digest=idempotency.digest_of(body, pepper=PEPPER), result_id=mine, now=now())
        return before or mine


def test_the_same_request_again_gives_what_was_made_before(app: Flask) -> None:
    key = str(uuid4())
    assert claim(app, key) == claim(app, key)


def test_the_key_with_another_body_is_refused(app: Flask) -> None:
    key = str(uuid4())
    claim(app, key)
    with pytest.raises(idempotency.KeyReused):
        claim(app, key, "another body")


@pytest.mark.parametrize("key", ["", "x" * 129, "line\nbreak"], ids=["empty", "long", "control character"])
def test_a_malformed_key_is_refused(app: Flask, key: str) -> None:
    with pytest.raises(idempotency.KeyMalformed):
        claim(app, key)


def test_fifty_requests_at_once_make_one_thing(app: Flask) -> None:
    key = str(uuid4())
    with ThreadPoolExecutor(50) as pool:
        assert len(set(pool.map(lambda _: claim(app, key), range(50)))) == 1


def test_two_callers_with_one_key_have_nothing_to_do_with_each_other(app: Flask) -> None:
    key = str(uuid4())
    mine, theirs = claim(app, key, caller="one"), claim(app, key, "another body", caller="two")
    assert mine != theirs
    assert (claim(app, key, caller="one"), claim(app, key, "another body", caller="two")) == (mine, theirs)
    with app.app_context(), transaction() as session:
        for caller, made in (("one", mine), ("two", theirs)):
            assert [made for _, made in idempotency.claimed_before(session, caller=caller, keys=[key]).values()] == [made]
        assert idempotency.claimed_before(session, caller="three", keys=[key]) == {}


def test_the_order_of_members_makes_no_other_request() -> None:
    one, other = ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    assert idempotency.digest_of(one, pepper=PEPPER) == idempotency.digest_of(other, pepper=PEPPER)
    assert idempotency.digest_of(one, pepper=PEPPER) != idempotency.digest_of(one, pepper=b"q" * 32)


def test_a_key_is_remembered_for_two_days_and_then_forgotten(app: Flask) -> None:
    key = str(uuid4())
    first = claim(app, key)
    for later, is_forgotten in ((idempotency.LIFETIME - timedelta(minutes=1), False), (idempotency.LIFETIME + timedelta(minutes=1), True)):
        with app.app_context():
            for _ in range(50):
                with transaction() as session:
                    if not idempotency.prune(session, now=now() + later):
                        break
        assert (claim(app, key) != first) is is_forgotten
