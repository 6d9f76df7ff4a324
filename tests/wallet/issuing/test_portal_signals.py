"""Portals hear of the licences of those who let them draw, since they did, and of nobody else's."""

import time
from typing import Any
from uuid import UUID

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients, consents
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from idp.signals import streams
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_clients import ISSUER, System, bearer, new_portal, token_of
from tests.world_people import Person, new_person
from tests.world_wallet import example_fields
from wallet.issuing import licence_signals
from wallet.issuing.licence_signals import tell_of_licences

ISSUED, REVOKED = f"{ISSUER}/secevent/licence-issued", f"{ISSUER}/secevent/licence-revoked"
WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


class Portal:
    """A portal that draws licences and listens by a stream."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        self.app, self.client = app, client
        scopes = ("openid", "licences", "ssf.manage")
        grants = [clients.AUTHORIZATION_CODE, clients.CLIENT_CREDENTIALS]
        with app.app_context(), transaction() as session:
            self.system: System = new_portal(session, scopes=scopes, grant_types=grants)
        self.headers = bearer(token_of(client, self.system, "ssf.manage"))
        answer = client.post("/signals/streams", json={"events_requested": [ISSUED, REVOKED]}, headers=self.headers)
        assert answer.status_code == 201, answer.text
        self.stream = answer.json

    def allowed_by(self, person: Person, *, scopes: tuple[str, ...] = ("openid", "licences")) -> str:
        """Let a person allow it some scopes; returns what it calls them."""
        with self.app.app_context(), transaction() as session:
            found = directory.ensure_subject(session, parse_number(person.number), now=now())
            known = find_client(self.system.client_id)
            assert known is not None
            consents.give(session, Grantee(found.id, found.id), known, scopes, now=now())
            return pairwise_sub(found.id, known.sector)

    def heard(self, *, wanted: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(30):
            with self.app.app_context():
                tell_of_licences()
            path = f"/signals/polls/{self.stream['stream_id']}"
            answer = self.client.post(path, json={"returnImmediately": True}, headers=self.headers)
            found = [jwt.decode(token, options={"verify_signature": False}) for token in answer.json["sets"].values()]
            if len(found) >= wanted:
                break
            time.sleep(0.1)
        return found


@pytest.fixture
def other(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        return new_person(session)


def test_a_portal_hears_of_those_who_let_it_draw(app: Flask, client: FlaskClient, desk: Desk, person: Person, other: Person) -> None:
    portal = Portal(app, client)
    before = desk.issue(person)
    sub = portal.allowed_by(person)
    portal.allowed_by(other, scopes=("openid",))
    desk.issue(other)
    issued = desk.issue(person)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    heard = portal.heard(wanted=2)
    assert [list(one["events"]) for one in heard] == [[ISSUED], [REVOKED]]
    assert {(one["sub_id"]["format"], one["sub_id"]["sub"]) for one in heard} == {("iss_sub", sub)}
    assert {next(iter(one["events"].values()))["licence"] for one in heard} == {issued["id"]}
    assert before["id"] not in str(heard), "it was issued before they allowed anything"
    assert person.number not in str(heard)
    assert len(portal.heard(wanted=3)) == 2, "each is told once"


def test_each_of_two_holders_is_heard_of_where_a_step_ends_between_them(
    app: Flask, client: FlaskClient, desk: Desk, person: Person, other: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal = Portal(app, client)
    subs = {portal.allowed_by(one) for one in (person, other)}
    married = {"type": "marriage-certificate", "fields": example_fields("marriage-certificate"), "valid_until": None}
    monkeypatch.setattr(licence_signals, "BATCH", 1)
    ids = [desk.issue(person, **married, co_holders=[{"number": other.number}])["id"] for _ in range(2)]
    heard = portal.heard(wanted=4)
    assert sorted((next(iter(one["events"].values()))["licence"], one["sub_id"]["sub"]) for one in heard) == sorted(
        (one, sub) for one in ids for sub in subs
    )


def test_a_portal_hears_of_nobody_of_whom_it_wants_to_hear_nothing(
    app: Flask, client: FlaskClient, desk: Desk, person: Person, other: Person
) -> None:
    portal = Portal(app, client)
    portal.allowed_by(person), portal.allowed_by(other)
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(other.number))
        assert subject is not None
        streams.exclude(session, streams.get_stream(session, UUID(portal.stream["stream_id"])), subject.id)
    desk.issue(other)
    issued = desk.issue(person)["id"]
    assert [next(iter(one["events"].values()))["licence"] for one in portal.heard(wanted=1)] == [issued]


def test_what_waited_goes_when_consent_is_withdrawn(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    portal = Portal(app, client)
    portal.allowed_by(person)
    desk.issue(person)
    assert len(portal.heard(wanted=1)) == 1
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        consents.withdraw(session, Grantee(subject.id, subject.id), portal.system.client_id, now=now())
    desk.issue(person)
    assert portal.heard(wanted=1) == []


def test_a_portal_that_may_not_draw_hears_of_no_licence(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        system = new_portal(session, scopes=("openid", "ssf.manage"), grant_types=[clients.AUTHORIZATION_CODE, clients.CLIENT_CREDENTIALS])
    headers = bearer(token_of(client, system, "ssf.manage"))
    answer = client.post("/signals/streams", json={"events_requested": [ISSUED]}, headers=headers)
    assert answer.json["events_delivered"] == []
    assert ISSUED not in answer.json["events_supported"]
