from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from flask import Flask

from runtime import idempotency
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id

PEPPER = b"p" * 32


def claim(app: Flask, key: str, body: object = "body"):
    with app.app_context(), transaction() as session:
        mine = new_id()
        before = idempotency.claim(session, caller="c", key=key, digest=idempotency.digest_of(body, pepper=PEPPER), result_id=mine, now=now())
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
