"""A department asks at our own doors, and the wallet here answers: nothing leaves this process."""

import re
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.wallet.presenting.answering.steps import approve, opened, page_of, reply
from tests.wallet.verifying.openid4vp.wallets import asked
from tests.world_clients import bearer
from tests.world_people import open_account, sign_in
from tests.world_verifying import Counter, new_browser, new_counter


@pytest.fixture
def counter(app: Flask) -> Counter:
    with app.app_context():
        found = new_counter(new_browser(app))
        with transaction() as session:
            open_account(session, found.person)
        return found


@pytest.fixture
def holder(app: Flask, counter: Counter) -> FlaskClient:
    client = new_browser(app)
    assert sign_in(client, counter.person).status_code == 303
    return client


def state_of(counter: Counter, request_id: str) -> dict[str, Any]:
    found: dict[str, Any] = counter.client.get(f"/api/v1/requests/{request_id}", headers=bearer(counter.token)).get_json()
    return found


def query_of(page: str) -> str:
    """The name of the first credential query on a request's page."""
    return page.split('id="wanted-', 1)[1].split('"', 1)[0]


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_a_department_asks_in_the_inbox_and_the_history_shows_the_receipt(counter: Counter, holder: FlaskClient, mode: str) -> None:
    wanted = [{"type": "driving-licence", "fields": ["vehicle_class"], "optional": ["file_number"]}]
    made = asked(counter, credentials=wanted, response_mode=mode, holder={"number": counter.person.number}, confirm="同意变更住址")
    inbox = page_of(holder, "/wallet/requests")
    assert 'id="open-1"' in inbox
    assert "事由：办理车辆年检" in inbox, "of two requests of one department, which is which"
    assert re.search(r"请在 [^<]+ 前答复", inbox)
    at = opened(holder, made["link"])
    assert 'id="open-1"' not in page_of(holder, "/wallet/requests")
    page = page_of(holder, at)
    assert all(told in page for told in ('id="trusted"', "办理车辆年检", "同意变更住址", "准驾车型", "档案编号"))
    assert page.count('id="wanted-') == 1, "the same licence in a form that is not here is no question"
    name = query_of(page)
    answered = reply(holder, at, answer="approve", **{f"licence-{name}": str(counter.licence.id)})
    assert answered.status_code == 303
    assert "已出示" in page_of(holder, at)
    found = state_of(counter, made["id"])
    assert (found["state"], found["result"]["verdict"], found["result"]["confirmed"]) == ("answered", "valid", "同意变更住址")
    (one,) = found["result"]["presentations"]
    assert one["fields"] == {"vehicle_class": "C1"}
    history = page_of(holder, "/wallet/history")
    assert history.count(one["receipt"]["id"]) == 1
    assert history.count("办理车辆年检") == 1, "one use is written once"
    assert "您答复了请求" in history
    assert "您亮码出示" not in history
    assert jwt.decode(one["receipt"]["jws"], options={"verify_signature": False})["basis"] == "answer"


def test_words_with_the_wide_space_of_chinese_are_shown_and_confirmed_as_they_are(counter: Counter, holder: FlaskClient) -> None:
    cause, act = "办理　车辆年检", "同意　变更\u00a0住址"
    at = opened(holder, asked(counter, cause={"text": cause}, confirm=act)["link"])
    page = page_of(holder, at)
    assert cause in page
    assert act in page
    assert "对方没有说明" not in page
    assert reply(holder, at, answer="approve", **{f"licence-{query_of(page)}": str(counter.licence.id)}).status_code == 303


def test_a_refusal_reaches_the_department(counter: Counter, holder: FlaskClient) -> None:
    made = asked(counter)
    at = opened(holder, made["link"])
    assert reply(holder, at, answer="refuse").status_code == 303
    assert state_of(counter, made["id"])["state"] == "declined"
    assert approve(holder, at, counter.licence).status_code == 410
