"""Supervising departments hear of licences as security events, once and in order."""

import time
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from runtime import cache
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.outbox import wait_until_readable
from tests.world_clients import ISSUER, bearer, new_portal, new_system, token_of
from tests.world_people import Person
from tests.world_wallet import DEFINITIONS, example_fields
from wallet.issuing.licence_signals import tell_of_licences

ISSUED, REVOKED = f"{ISSUER}/secevent/licence-issued", f"{ISSUER}/secevent/licence-revoked"
GRANTS = [clients.AUTHORIZATION_CODE, clients.CLIENT_CREDENTIALS]
WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


class Supervisor(Desk):
    """A department that supervises driving licences, and listens by a stream."""

    def __init__(self, app: Flask, client: FlaskClient, *events: str) -> None:
        super().__init__(app, client, issue=(), supervise=["driving-licence"])
        self.app = app
        with app.app_context(), transaction() as session:
            system = new_system(session, department=self.department, scopes=("events", "ssf.manage"))
        self.receiver = bearer(token_of(client, system, "ssf.manage"))
        answer = client.post("/signals/streams", json={"events_requested": list(events)}, headers=self.receiver)
        assert answer.status_code == 201, answer.text
        self.stream: dict[str, Any] = answer.json

    def heard(self, *, wanted: int, tries: int = 400) -> list[dict[str, Any]]:
        """Return what is heard, once there is as much as wanted: what other transactions hold back comes a moment later."""
        found: list[dict[str, Any]] = []
        for _ in range(tries):
            with self.app.app_context():
                tell_of_licences()
            answer = self.client.post(f"/signals/polls/{self.stream['stream_id']}", json={"returnImmediately": True}, headers=self.receiver)
            found = [jwt.decode(token, options={"verify_signature": False}) for token in answer.json["sets"].values()]
            if len(found) >= wanted:
                break
            time.sleep(0.1)
        return found


def test_a_supervisor_hears_of_each_issue_and_revocation_once_and_in_order(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    before = desk.issue(person)
    wait_until_readable(app)
    supervisor = Supervisor(app, client, ISSUED, REVOKED)
    assert supervisor.stream["events_delivered"] == [ISSUED, REVOKED]
    issued = desk.issue(person)
    desk.issue(person, type="marriage-certificate", fields=example_fields("marriage-certificate"), valid_until=None)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    heard = supervisor.heard(wanted=2)
    assert [list(one["events"]) for one in heard] == [[ISSUED], [REVOKED]]
    assert {one["sub_id"]["uri"] for one in heard} == {f"{ISSUER}/api/v1/licences/{issued['id']}"}
    told = heard[1]["events"][REVOKED]
    assert (told["licence"], told["type"], told["state"]) == (issued["id"], DEFINITIONS["driving-licence"].code, "revoked")
    assert person.number not in str(heard)
    assert before["id"] not in str(heard), "a stream begins where it was made"
    assert len(supervisor.heard(wanted=3, tries=10)) == 2


def test_what_happened_while_a_stream_was_disabled_is_not_told_afterwards(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    """Shared Signals 8.1.2.1: it is not held; of one that is paused it is."""
    disabled, paused = Supervisor(app, client, ISSUED), Supervisor(app, client, ISSUED)

    def let_be(*statuses: str) -> None:
        for each, status in zip((disabled, paused), statuses, strict=True):
            named = {"stream_id": each.stream["stream_id"], "status": status}
            assert client.post("/signals/status", json=named, headers=each.receiver).status_code == 200

    let_be("disabled", "paused")
    meanwhile = desk.issue(person)["id"]
    wait_until_readable(app)
    let_be("enabled", "enabled")
    after = desk.issue(person, type="driving-licence")["id"]
    told = [[one["events"][ISSUED]["licence"] for one in each.heard(wanted=wanted)] for each, wanted in ((disabled, 1), (paused, 2))]
    assert told == [[after], [meanwhile, after]]


def test_only_what_was_asked_for_is_heard(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    supervisor = Supervisor(app, client, REVOKED)
    issued = desk.issue(person)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    assert [list(one["events"]) for one in supervisor.heard(wanted=1)] == [[REVOKED]]


def test_a_token_for_streams_alone_makes_none_of_licences(app: Flask, client: FlaskClient, desk: Desk) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, department=desk.department, scopes=("ssf.manage",))
    answer = client.post("/signals/streams", json={"events_requested": [ISSUED]}, headers=bearer(token_of(client, system, "ssf.manage")))
    assert answer.status_code == 403


def test_a_portal_hears_of_no_licence_by_asking_for_a_type_that_it_may_not_have(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    supervisor = Supervisor(app, client, ISSUED)
    with app.app_context(), transaction() as session:
        portal = new_portal(session, owner=supervisor.department, scopes=("openid", "ssf.manage"), grant_types=GRANTS)
    receiver = bearer(token_of(client, portal, "ssf.manage"))
    stream = client.post("/signals/streams", json={"events_requested": [ISSUED]}, headers=receiver).json
    assert stream["events_delivered"] == []
    desk.issue(person)
    assert supervisor.heard(wanted=1), "it has happened"
    assert client.post(f"/signals/polls/{stream['stream_id']}", json={"returnImmediately": True}, headers=receiver).json["sets"] == {}


def test_a_supervisor_that_lost_the_scope_hears_no_more(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    supervisor, other = Supervisor(app, client, ISSUED), Supervisor(app, client, ISSUED)
    with app.app_context(), transaction() as session:
        client_id = supervisor.stream["aud"]
        clients.get_row(session, client_id).scopes = ["ssf.manage"]
        cache.changed(session, clients.TOPIC)
    desk.issue(person)
    assert other.heard(wanted=1)
    assert supervisor.heard(wanted=0) == []
