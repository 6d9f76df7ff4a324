"""Portals hear what changes about the people whom they know, and of nobody else."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from idp.oauth import consents
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.signals import streams
from idp.signals.event_types import ACCOUNT_PURGED, ASSURANCE_LEVEL_CHANGE, CREDENTIAL_CHANGE, MEANINGS, SESSION_REVOKED
from idp.signin import accounts
from runtime import ledger
from runtime.clock import now
from runtime.database import engine, transaction
from tests.idp.oauth.journeys import Journey, answer_of, signed_in_browser
from tests.idp.signals.conftest import Listener, event_of, new_listener
from tests.idp.signin.proofs_at_hand import enrol, subject_of
from tests.word_of_changes import let_word_come
from tests.world_clients import ISSUER
from tests.world_people import PASSWORD, Person, new_person, open_account, post_form

ROOT = Path(__file__).parents[3]


def sub_at(listener: Listener, browser: FlaskClient) -> dict[str, Any]:
    """Let the person sign in at the portal, and return the ID token's claims."""
    tokens = Journey(listener.system, scope="openid profile").tokens(browser)
    claims: dict[str, Any] = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    return claims


def test_the_end_of_a_session_is_told_to_its_portals_by_their_own_names_for_it(app: Flask, listener: Listener, browser: FlaskClient) -> None:
    stream, absent = listener.make(), new_listener(app)
    elsewhere = absent.make()
    known = sub_at(listener, browser)
    post_form(browser, "/signout", {}, form_at="/account")
    (claims,) = listener.heard(stream)
    event_type, said = event_of(claims)
    assert event_type == SESSION_REVOKED
    assert claims["sub_id"] == {
        "format": "complex",
        "user": {"format": "iss_sub", "iss": ISSUER, "sub": known["sub"]},
        "session": {"format": "opaque", "id": known["sid"]},
    }
    assert said["reason_admin"]["en"]
    assert abs(said["event_timestamp"] - now().timestamp()) < 60
    assert not {"sub", "exp", "nonce"} & set(claims), "it must be taken for no other token"
    assert (bool(claims["txn"]), len(claims["events"])) == (True, 1)
    assert absent.heard(elsewhere) == []


def test_a_new_way_to_sign_in_is_a_change_of_credentials(app: Flask, listener: Listener, browser: FlaskClient, person: Person) -> None:
    stream, known = listener.make(), sub_at(listener, browser)
    enrol(app, person)
    (claims,) = listener.heard(stream)
    event_type, said = event_of(claims)
    assert (event_type, claims["sub_id"]) == (CREDENTIAL_CHANGE, {"format": "iss_sub", "iss": ISSUER, "sub": known["sub"]})
    assert (said["credential_type"], said["change_type"], said["initiating_entity"]) == ("app", "create", "user")
    assert "手机" not in str(claims), "what the person calls it is nobody's business"


def test_a_password_that_its_owner_changes_is_told_and_stands_in_their_history(listener: Listener, browser: FlaskClient) -> None:
    stream, known = listener.make(), sub_at(listener, browser)
    form = {"present": PASSWORD, "password": "another-way-to-come-in"}
    assert post_form(browser, "/account/ways/password", form).status_code == 303
    (claims,) = listener.heard(stream)
    event_type, said = event_of(claims)
    assert (event_type, claims["sub_id"]["sub"]) == (CREDENTIAL_CHANGE, known["sub"])
    assert (said["credential_type"], said["change_type"], said["initiating_entity"]) == ("password", "update", "user")
    assert "修改密码" in browser.get("/account/history").text


def test_a_password_that_is_made_void_is_told(app: Flask, listener: Listener, browser: FlaskClient, person: Person) -> None:
    stream = listener.make()
    sub_at(listener, browser)
    with app.app_context(), transaction() as session:
        accounts.void_password(session, subject_of(app, person), now=now())
    event_type, said = event_of(listener.heard(stream)[0])
    assert (event_type, said["credential_type"], said["change_type"]) == (CREDENTIAL_CHANGE, "password", "revoke")


def test_no_meaning_is_of_an_act_that_nobody_records() -> None:
    said_alone = {"event_types.py", "acts.py", "notice_texts.py"}
    texts = [path.read_text() for room in ("idp", "wallet") for path in (ROOT / room).rglob("*.py") if path.name not in said_alone]
    assert [act for act in MEANINGS if not any(f'"{act}"' in text for text in texts)] == []


@pytest.mark.parametrize("act", sorted(MEANINGS))
def test_every_act_that_means_something_becomes_an_event(app: Flask, listener: Listener, browser: FlaskClient, person: Person, act: str) -> None:
    stream = listener.make()
    sub_at(listener, browser)
    subject_id = subject_of(app, person)
    detail = {"amr": ["pwd", "otp"]} if act == "session.raised" else {"level": 3, "method": "counter"} if act == "identity.proven" else {}
    with app.app_context(), transaction() as session:
        ledger.record(session, act, actor="officer:x", object_id=subject_id, subject_id=subject_id, now=now(), **detail)
    (claims,) = listener.heard(stream)
    event_type, said = event_of(claims)
    assert event_type == MEANINGS[act].type
    assert said["initiating_entity"] == "admin"
    if event_type == ASSURANCE_LEVEL_CHANGE:
        assert said["namespace"]
        assert said["current_level"] in ("2", "3", "unknown")
    if event_type == CREDENTIAL_CHANGE:
        assert said["change_type"] in ("create", "update", "revoke", "delete")


@pytest.mark.parametrize(("kind", "credential_type"), [("phone", "phone-sms"), ("email", "email")])
@pytest.mark.parametrize(("act", "change_type"), [("contact.added", "create"), ("contact.removed", "delete")])
def test_an_address_for_codes_is_a_credential_of_its_kind(kind: str, credential_type: str, act: str, change_type: str) -> None:
    """CAEP section 3.3.1: both members are required; an e-mail address is no telephone."""
    said = MEANINGS[act].event({"kind": kind})
    assert (said["credential_type"], said["change_type"]) == (credential_type, change_type)


def test_a_portal_hears_of_nobody_whom_it_does_not_know(app: Flask, browser: FlaskClient, person: Person) -> None:
    one, other = new_listener(app), new_listener(app, first_party=False)
    streams = one.make(), other.make()
    sub_at(one, browser)
    refused = answer_of(Journey(other.system, scope="openid").approve(browser, answer="refuse"))
    assert refused["error"] == "access_denied"
    enrol(app, person)
    assert len(one.heard(streams[0])) == 1
    assert other.heard(streams[1]) == []


def test_what_is_taken_back_is_not_heard_of_any_more(app: Flask, browser: FlaskClient, person: Person) -> None:
    portal = new_listener(app, first_party=False)
    stream = portal.make()
    sub_at(portal, browser)
    post_form(browser, "/account/portals/withdrawal", {"client_id": portal.system.client_id}, form_at="/account/portals")
    enrol(app, person)
    assert [event_of(claims)[0] for claims in portal.heard(stream)] == []


def test_what_waited_when_it_was_taken_back_is_not_delivered(app: Flask, browser: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    other_browser, portal = signed_in_browser(app.test_client(), other), new_listener(app, first_party=False)
    stream = portal.make()
    sub_at(portal, browser)
    kept = sub_at(portal, other_browser)
    enrol(app, person)
    for one in (browser, other_browser):
        post_form(one, "/signout", {}, form_at="/account")
    assert len(portal.heard(stream)) == 3
    with app.app_context(), transaction() as session:
        grantee = Grantee(subject_of(app, person), subject_of(app, person))
        consents.withdraw(session, grantee, portal.system.client_id, now=now())
    assert [claims["sub_id"]["user"]["sub"] for claims in portal.heard(stream)] == [kept["sub"]]


def test_a_subject_is_left_out_and_spoken_of_again(app: Flask, listener: Listener, browser: FlaskClient, person: Person) -> None:
    stream, known = listener.make(), sub_at(listener, browser)
    about = {"stream_id": stream["stream_id"], "subject": {"format": "iss_sub", "iss": ISSUER, "sub": known["sub"]}}
    assert listener.call("POST", "subjects/remove", about).status_code == 204
    enrol(app, person)
    assert listener.heard(stream) == []
    assert listener.call("POST", "subjects/add", about).status_code == 200
    enrol(app, person, name="平板")
    assert len(listener.heard(stream)) == 1


def test_the_end_of_a_session_is_not_told_of_a_subject_who_is_left_out(listener: Listener, browser: FlaskClient) -> None:
    stream, open_to_all, known = listener.make(), listener.make(), sub_at(listener, browser)
    about = {"stream_id": stream["stream_id"], "subject": {"format": "iss_sub", "iss": ISSUER, "sub": known["sub"]}}
    assert listener.call("POST", "subjects/remove", about).status_code == 204
    post_form(browser, "/signout", {}, form_at="/account")
    assert listener.heard(stream) == []
    assert [event_of(claims)[0] for claims in listener.heard(open_to_all)] == [SESSION_REVOKED]


def test_who_asks_about_strangers_learns_nothing(listener: Listener) -> None:
    stream = listener.make()
    for subject in ({"iss": ISSUER, "sub": "nobody"}, {"iss": "https://other.example", "sub": "x"}):
        about = {"stream_id": stream["stream_id"], "subject": {"format": "iss_sub", **subject}}
        assert listener.call("POST", "subjects/add", about).status_code == 200
        assert listener.call("POST", "subjects/remove", about).status_code == 204
    odd = {"stream_id": stream["stream_id"], "subject": {"format": "email", "email": "a@example.cn"}}
    assert listener.call("POST", "subjects/add", odd).status_code == 400


def test_an_event_that_was_undone_is_never_heard(app: Flask, listener: Listener, browser: FlaskClient, person: Person) -> None:
    stream = listener.make()
    sub_at(listener, browser)
    subject_id = subject_of(app, person)
    with app.app_context(), Session(engine()) as session, session.begin() as undone:
        ledger.record(session, "account.closed", actor="x", object_id=subject_id, subject_id=subject_id, now=now())
        undone.rollback()
    assert ACCOUNT_PURGED not in [event_of(claims)[0] for claims in listener.heard(stream)]


def test_whether_somebody_listens_is_known_without_a_query(app: Flask, listener: Listener) -> None:
    listener.make()
    asked: list[str] = []
    let_word_come(app)
    with app.app_context():
        streams.listening(SESSION_REVOKED)
        for client_id in {one.client_id for one in streams.listening(SESSION_REVOKED)}:
            find_client(client_id)
        event.listen(engine(), "before_cursor_execute", hear := lambda *said: asked.append(said[2]))
        try:
            assert streams.listening(SESSION_REVOKED)
        finally:
            event.remove(engine(), "before_cursor_execute", hear)
    assert asked == []
