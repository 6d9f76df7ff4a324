"""Whoever asked a wallet is told what became of the request, over a real webhook: once, signed, with ids and nothing else, and nobody else is."""

import json
from collections import Counter as Tally
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from idp.signals import event_types, pushing
from idp.signals.streams import SignalStream
from idp.signals.tokens import SignalToken
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.signals.conftest import Listener, event_of, new_listener
from tests.wallet.issuing.hooks import Hook, hook, is_signed_by
from tests.wallet.verifying.openid4vp.test_asking import FIELDS, read
from tests.wallet.verifying.openid4vp.wallets import Got, Wallet, asked, settings
from tests.wallet.verifying.test_desk_pages import new_officer
from tests.world_clients import ISSUER
from tests.world_people import post_form, sign_in
from tests.world_verifying import CAUSE, Counter, new_browser, new_token
from wallet.verifying.openid4vp import request_jobs, requests
from wallet.verifying.openid4vp.requests import PresentationRequest

KINDS = list(event_types.REQUEST_KINDS)
OVER = timedelta(minutes=6)


@pytest.fixture
def address() -> Iterator[Hook]:
    with hook() as server:
        yield server


@pytest.fixture
def made(counter: Counter, address: Hook) -> dict[str, Any]:
    """A webhook of the system that asks."""
    return made_by(counter, address)


def made_by(counter: Counter, address: Hook, **more: Any) -> dict[str, Any]:
    answer = counter.post("webhooks", {"url": address.url, "events": KINDS}, **more)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def deliver(made: dict[str, Any]) -> None:
    """Let a worker post what waits, although its receiver was away a moment ago."""
    with transaction() as session:
        session.get_one(SignalStream, UUID(made["id"])).due_at = None
    pushing.push_signals(made["id"])


def answer(wallet: Wallet, got: Got, **changes: Any) -> int:
    (query,) = got.payload["dcql_query"]["credentials"]
    return wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]}, **changes).status_code


def end_requests(after: timedelta = OVER) -> None:
    with shifted(after):
        request_jobs.end_requests()


def waiting(made: dict[str, Any]) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(SignalToken).where(SignalToken.stream_id == UUID(made["id"]))) or 0


def test_the_system_that_asked_is_told_that_a_wallet_answered_and_reads_the_result_then(
    counter: Counter, wallet: Wallet, address: Hook, made: dict[str, Any]
) -> None:
    request = asked(counter, holder={"number": counter.person.number}, confirm="秘密的事项")
    assert answer(wallet, wallet.get(request["link"])) == 200
    deliver(made)
    ((headers, body),) = address.heard
    told = json.loads(body)
    assert is_signed_by(made["secret"], headers, body)
    assert told == {"type": "presentation.answered", "timestamp": told["timestamp"], "data": {"request": request["id"], "state": "answered"}}
    result = read(counter, told["data"]["request"])["result"]
    assert result["verdict"] == "valid"
    for kept_back in (counter.person.number, counter.person.name, CAUSE["text"], "秘密", result["presentations"][0]["receipt"]["id"]):
        assert kept_back not in body.decode()
    assert waiting(made) == 0


def test_an_answer_that_proves_nothing_is_told_no_otherwise_for_the_verdict_is_the_asker_s_to_read(
    counter: Counter, wallet: Wallet, address: Hook, made: dict[str, Any]
) -> None:
    wallet.binding = {"nonce": "another"}
    request = asked(counter, return_to="https://hall.example.gov.cn/back")
    assert answer(wallet, wallet.get(request["link"])) == 200
    deliver(made)
    assert [json.loads(body)["data"] for _, body in address.heard] == [{"request": request["id"], "state": "answered"}]


def test_a_request_that_its_holder_declined_is_told_so(counter: Counter, wallet: Wallet, address: Hook, made: dict[str, Any]) -> None:
    got = wallet.get(asked(counter)["link"])
    assert wallet.post(got, {"error": "access_denied", "state": got.payload["state"]}).status_code == 200
    deliver(made)
    assert address.kinds() == ["presentation.declined"]
    assert b"access_denied" not in address.heard[0][1]


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
def test_a_request_that_nobody_answered_is_told_once_and_takes_no_answer_that_set_out_in_time(
    counter: Counter, wallet: Wallet, address: Hook, made: dict[str, Any], mode: str
) -> None:
    request = asked(counter, response_mode=mode)
    got = wallet.get(request["link"])
    end_requests(timedelta(0))
    assert waiting(made) == 0, "its time is not over"
    for _ in range(3):
        end_requests()
    deliver(made)
    assert [json.loads(body)["data"] for _, body in address.heard] == [{"request": request["id"], "state": "expired"}]
    assert answer(wallet, got) == 400, "whoever asked was told that it is over"
    with transaction() as session:
        assert session.get_one(PresentationRequest, request["id"]).state_at(now() + OVER) is requests.State.EXPIRED


def test_of_an_answer_and_the_end_of_a_request_at_one_moment_one_is_told(counter: Counter, wallet: Wallet, made: dict[str, Any]) -> None:
    got = [wallet.get(asked(counter, response_mode="direct_post")["link"]) for _ in range(12)]
    app = wallet.app

    def finish() -> None:
        with app.app_context(), transaction() as session:
            for one in requests.end(session, now=now() + OVER):
                request_jobs.tell(session, settings(), one.id, client_id=one.client_id, state=requests.State.EXPIRED, now=now())

    with ThreadPoolExecutor(8) as pool:
        answered = [pool.submit(answer, wallet, one) for one in got[:6]]
        ended = [pool.submit(finish) for _ in range(2)]
        answered += [pool.submit(answer, wallet, one) for one in got[6:]]
        statuses = Tally(one.result(60) for one in answered)
        for one in ended:
            one.result(60)
    finish()
    assert set(statuses) <= {200, 400}
    with transaction() as session:
        told = session.scalars(select(SignalToken).where(SignalToken.stream_id == UUID(made["id"]))).all()
    assert len({one.about for one in told}) == len(told) == len(got), "each request is told of once"
    assert Tally(event_types.plain_name(one.type) for one in told)["presentation.answered"] == statuses[200]


def test_what_a_receiver_could_not_take_comes_again_with_the_same_id(counter: Counter, wallet: Wallet, address: Hook, made: dict[str, Any]) -> None:
    address.status = 503
    assert answer(wallet, wallet.get(asked(counter)["link"])) == 200
    deliver(made)
    address.status = 204
    deliver(made)
    first, again = (headers["webhook-id"] for headers, _ in address.heard)
    assert (first, waiting(made)) == (again, 0)


def test_nobody_else_is_told_neither_another_system_nor_of_an_officer_s_request(
    counter: Counter, wallet: Wallet, address: Hook, made: dict[str, Any]
) -> None:
    other = new_token(counter.client, counter.department, scopes=("verifications", "events"))
    theirs = made_by(counter, address, token=other)
    desk = new_browser(wallet.app)
    sign_in(desk, new_officer(counter.department))
    post_form(desk, "/desk/ask", {"type": "driving-licence", "cause": CAUSE["text"], "basis": "consent", "request_id": ""})
    assert answer(wallet, wallet.get(asked(counter)["link"])) == 200
    end_requests()
    assert (waiting(made), waiting(theirs)) == (1, 0)


@pytest.mark.parametrize(
    ("scopes", "events", "status"),
    [
        (("events",), ["presentation.answered"], 422),
        (("verifications",), ["licence.revoked"], 422),
        (("verifications",), ["presentation.seen"], 422),
        (("draws", "receipts"), ["presentation.answered"], 403),
        (("verifications",), ["presentation.answered"], 201),
    ],
    ids=["no right to ask", "no right to hear of licences", "no such event", "neither scope", "whoever may ask"],
)
def test_who_may_not_ask_hears_nothing_of_requests(counter: Counter, address: Hook, scopes: tuple[str, ...], events: list[str], status: int) -> None:
    token = new_token(counter.client, counter.department, scopes=scopes)
    refused = counter.post("webhooks", {"url": address.url, "events": events}, token=token)
    assert (refused.status_code, refused.get_json().get("field")) == (status, "events" if status == 422 else None), refused.text


def test_a_portal_that_asked_with_a_person_s_token_hears_it_over_its_stream_and_not_of_whom(app: Flask, counter: Counter, wallet: Wallet) -> None:
    portal: Listener = new_listener(app, scopes=("openid", "licences", "ssf.manage", "ssf.read"))
    wanted = f"{ISSUER}/secevent/presentation-answered"
    stream = portal.make(events_requested=[wanted])
    assert stream["events_delivered"] == [wanted]
    request = asked(counter)
    with transaction() as session:  # as if the portal had asked
        row = PresentationRequest.__table__
        session.execute(update(row).where(row.c.id == UUID(request["id"])).values(client_id=portal.system.client_id))
    assert answer(wallet, wallet.get(request["link"])) == 200
    (claims,) = portal.heard(stream)
    assert claims["sub_id"] == {"format": "uri", "uri": f"{ISSUER}/api/v1/requests/{request['id']}"}
    kind, event = event_of(claims)
    assert (kind, event["request"], event.keys()) == (wanted, request["id"], {"request", "state", "event_timestamp"})
