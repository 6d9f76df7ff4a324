"""Webhooks: signed, in order a licence, at least once, and what is refused waits for an operator."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from idp.signals import streams, tokens
from idp.signals.streams import SignalStream
from idp.signals.tokens import SignalToken
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.hooks import KINDS, Hook, Watcher, hook, is_signed_by
from tests.wallet.issuing.outbox import wait_until_readable
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person
from wallet.issuing.licence_signals import tell_of_licences

WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


@pytest.fixture
def address() -> Iterator[Hook]:
    with hook() as served:
        yield served


@pytest.fixture
def watcher(app: Flask, client: FlaskClient) -> Watcher:
    return Watcher(app, client)


def revoked(desk: Desk, person: Person) -> Any:
    issued = desk.issue(person)
    assert desk.post(f"/licences/{issued['id']}/revocation", WHY).status_code == 201
    return issued


def delivered(watcher: Watcher, made: dict[str, Any], address: Hook, *, wanted: int) -> None:
    """Deliver until so many posts were heard."""
    watcher.deliver_until(made, lambda: len(address.heard) >= wanted)


def test_what_happens_to_a_licence_is_posted_in_its_order_and_signed(watcher: Watcher, address: Hook, desk: Desk, person: Person) -> None:
    made = watcher.make(address.url, description="执法系统")
    issued = revoked(desk, person)
    delivered(watcher, made, address, wanted=2)
    assert address.kinds() == KINDS
    for headers, body in address.heard:
        assert is_signed_by(made["secret"], headers, body)
        assert not is_signed_by(made["secret"], headers, body + b" ")
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 30
        assert headers["content-type"] == "application/json"
    told = json.loads(address.heard[1][1])
    assert told["data"]["licence"] == issued["id"]
    assert told["data"]["state"] == "revoked"
    assert told["timestamp"].endswith("Z")
    assert person.number not in str(address.heard)
    assert len({headers["webhook-id"] for headers, _ in address.heard}) == 2
    shown = watcher.get(f"/webhooks/{made['id']}").json
    assert (shown["waiting"], shown["set_aside"], shown["status"], "secret" in shown) == (0, 0, "enabled", False)


def test_the_same_event_comes_again_by_the_same_id_until_it_is_taken(watcher: Watcher, address: Hook, desk: Desk, person: Person) -> None:
    made = watcher.make(address.url)
    desk.issue(person)
    address.status = 500
    delivered(watcher, made, address, wanted=1)
    address.status = 200
    delivered(watcher, made, address, wanted=2)
    assert address.heard[0][0]["webhook-id"] == address.heard[1][0]["webhook-id"]
    assert address.heard[0][1] == address.heard[1][1]


def test_what_stands_behind_a_dead_letter_waits_and_other_licences_go_on(
    app: Flask, watcher: Watcher, address: Hook, desk: Desk, person: Person
) -> None:
    made = watcher.make(address.url)
    first = desk.issue(person)
    address.status = 500
    watcher.deliver_until(made, lambda: bool(watcher.get(f"/webhooks/{made['id']}").json["set_aside"]))
    assert len(address.heard) == tokens.MOST_TRIES
    address.status, address.heard = 200, []
    desk.post(f"/licences/{first['id']}/revocation", WHY)
    desk.issue(person)
    delivered(watcher, made, address, wanted=1)
    watcher.deliver(made)
    assert address.kinds() == ["licence.issued"], "the other licence's; the first one's revocation waits behind its issue"
    assert watcher.get(f"/webhooks/{made['id']}").json["set_aside"] == 1
    with app.app_context(), transaction() as session:
        assert tokens.replay(session, streams.get_stream(session, UUID(made["id"]), lock=True)) == 1
    watcher.deliver(made)
    assert address.kinds() == ["licence.issued", *KINDS]


def test_a_dead_letter_that_is_given_up_lets_the_next_go_on(app: Flask, watcher: Watcher, address: Hook, desk: Desk, person: Person) -> None:
    made = watcher.make(address.url)
    revoked(desk, person)
    wait_until_readable(app)
    with app.app_context():
        tell_of_licences()
        with transaction() as session:
            first = session.scalars(select(SignalToken).where(SignalToken.stream_id == UUID(made["id"])).order_by(SignalToken.id)).first()
            assert first is not None
            tokens.refuse(session, first.stream_id, first.id, "status 422")
        watcher.deliver(made)
        assert address.kinds() == []
        with transaction() as session:
            row = streams.get_stream(session, first.stream_id, lock=True)
            assert tokens.drop(session, row, first.id)
            assert not tokens.drop(session, row, first.id)
    delivered(watcher, made, address, wanted=1)
    assert address.kinds() == ["licence.revoked"]


def test_an_address_that_is_gone_closes_its_webhook_and_is_opened_again(watcher: Watcher, address: Hook, desk: Desk, person: Person) -> None:
    made = watcher.make(address.url)
    desk.issue(person)
    address.status = 410
    delivered(watcher, made, address, wanted=1)
    assert watcher.get(f"/webhooks/{made['id']}").json["status"] == "disabled"
    watcher.deliver(made)
    assert len(address.heard) == 1
    address.status = 200
    assert watcher.post(f"/webhooks/{made['id']}/opening", None).json["status"] == "enabled"
    watcher.deliver(made)
    assert len(address.heard) == 2


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_a_webhook_that_an_operator_stopped_is_not_its_receiver_s_to_open(app: Flask, watcher: Watcher, address: Hook, status: str) -> None:
    made = watcher.make(address.url)
    with app.app_context(), transaction() as session:
        streams.set_status(session, streams.get_stream(session, UUID(made["id"])), status, reason=None, actor="operator", now=now())
    refused = watcher.post(f"/webhooks/{made['id']}/opening", None)
    assert (refused.status_code, refused.json["code"]) == (403, "stream-held")
    assert watcher.client.delete(f"/api/v1/webhooks/{made['id']}", headers=watcher.headers).status_code == 403
    assert watcher.post("/webhooks", {"url": address.url, "events": ["licence.issued"]}).status_code == 403
    assert watcher.get(f"/webhooks/{made['id']}").json["status"] == status


def test_after_a_change_of_secret_both_sign_and_after_the_next_the_first_no_more(watcher: Watcher, address: Hook, desk: Desk, person: Person) -> None:
    made = watcher.make(address.url)
    second = watcher.post(f"/webhooks/{made['id']}/secret", None).json["secret"]
    desk.issue(person)
    delivered(watcher, made, address, wanted=1)
    assert [is_signed_by(one, *address.heard[0]) for one in (made["secret"], second)] == [True, True]
    third = watcher.post(f"/webhooks/{made['id']}/secret", None).json["secret"]
    desk.issue(person)
    delivered(watcher, made, address, wanted=2)
    assert [is_signed_by(one, *address.heard[1]) for one in (made["secret"], second, third)] == [False, True, True]


def test_a_trial_event_is_posted(app: Flask, watcher: Watcher, address: Hook) -> None:
    made = watcher.make(address.url)
    assert watcher.post(f"/webhooks/{made['id']}/test", None).status_code == 202
    assert watcher.post(f"/webhooks/{made['id']}/test", None).status_code == 429
    watcher.deliver(made)
    assert address.kinds() == ["ssf.verification"]


def test_the_secret_rests_sealed(app: Flask, watcher: Watcher, address: Hook) -> None:
    made = watcher.make(address.url)
    with app.app_context(), transaction() as session:
        row = session.get_one(SignalStream, UUID(made["id"]))
        assert made["secret"][6:].encode() not in bytes(row.authorization_sealed or b"")
        assert row.authorization == made["secret"]


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no address": ({"url": "nowhere"}, "stream-refused", "url"),
    "an address with a password": ({"url": "https://a:b@x.example.gov.cn/"}, "stream-refused", "url"),
    "an address with a fragment": ({"url": "https://x.example.gov.cn/#a"}, "stream-refused", "url"),
    "a file": ({"url": "file:///etc/passwd"}, "stream-refused", "url"),
    "an empty address": ({"url": ""}, "invalid-request", "url"),
    "a long address": ({"url": "https://x.example.gov.cn/" + "a" * 500}, "invalid-request", "url"),
    "no such event": ({"events": ["licence.eaten"]}, "not-heard-of", "events"),
    "an event of people": ({"events": ["caep.session-revoked"]}, "not-heard-of", "events"),
    "an event twice": ({"events": ["licence.issued", "licence.issued"]}, "invalid-request", "events"),
    "no event": ({"events": []}, "invalid-request", "events"),
    "another member": ({"secret": "whsec_x"}, "invalid-request", "secret"),
}


@pytest.mark.parametrize(("changes", "code", "field"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused_by_its_member(watcher: Watcher, changes: dict[str, Any], code: str, field: str) -> None:
    answer = watcher.post("/webhooks", {"url": "https://x.example.gov.cn/hook", "events": KINDS, **changes})
    assert answer.status_code in (400, 422)
    assert answer.json["code"] == code
    assert answer.json.get("field", "").startswith(field)


def test_another_departments_webhook_is_as_unknown_as_none(app: Flask, client: FlaskClient, watcher: Watcher, address: Hook) -> None:
    made = watcher.make(address.url)
    other = Watcher(app, client)
    for call in (
        other.get(f"/webhooks/{made['id']}"),
        other.post(f"/webhooks/{made['id']}/test", None),
        other.post(f"/webhooks/{made['id']}/secret", None),
        other.client.delete(f"/api/v1/webhooks/{made['id']}", headers=other.headers),
    ):
        assert (call.status_code, call.json["code"]) == (404, "stream-not-found")
    assert other.get("/webhooks").json == {"webhooks": []}
    assert watcher.client.delete(f"/api/v1/webhooks/{made['id']}", headers=watcher.headers).status_code == 204
    assert watcher.get("/webhooks").json == {"webhooks": []}


def test_a_webhook_is_no_stream_of_signals(app: Flask, client: FlaskClient, watcher: Watcher, address: Hook) -> None:
    made = watcher.make(address.url)
    with app.app_context(), transaction() as session:
        both = new_system(session, department=watcher.department, scopes=("events", "ssf.manage"))
        session.execute(update(SignalStream).where(SignalStream.id == UUID(made["id"])).values(client_id=both.client_id))
    headers = bearer(token_of(client, both, "ssf.manage"))
    assert client.get("/signals/streams", headers=headers).json == []
    assert client.get("/signals/streams", query_string={"stream_id": made["id"]}, headers=headers).status_code == 404
    assert client.delete("/signals/streams", query_string={"stream_id": made["id"]}, headers=headers).status_code == 404


def test_a_system_without_the_scope_makes_none(app: Flask, client: FlaskClient, desk: Desk) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, department=desk.department, scopes=("draws",))
    answer = client.post("/api/v1/webhooks", json={"url": "https://x.example", "events": KINDS}, headers=bearer(token_of(client, system, "draws")))
    assert answer.status_code == 403


def test_what_nobody_came_for_in_a_week_is_set_aside_and_not_lost(app: Flask, watcher: Watcher, address: Hook, desk: Desk, person: Person) -> None:
    made = watcher.make("http://127.0.0.1:9/hook")
    desk.issue(person)
    watcher.deliver_until(made, lambda: bool(watcher.get(f"/webhooks/{made['id']}").json["waiting"]))
    mine = SignalToken.stream_id == UUID(made["id"])
    with app.app_context():
        tokens.forget(now=now() + tokens.OFFERED - timedelta(hours=1))
        with transaction() as session:
            assert session.scalars(select(SignalToken.refused).where(mine)).all() == [None]
            rounds = 1 + (session.scalar(select(func.count()).where(SignalToken.refused.is_(None))) or 0) // tokens.BATCH  # others left some, too
        for _ in range(rounds):
            tokens.forget(now=now() + tokens.OFFERED + timedelta(hours=1))
        with transaction() as session:
            assert session.scalars(select(SignalToken.refused).where(mine)).all() == [tokens.UNDELIVERED]
        tokens.forget(now=now() + tokens.KEPT + timedelta(hours=1))
        with transaction() as session:
            assert session.scalars(select(SignalToken.refused).where(mine)).all() == []
