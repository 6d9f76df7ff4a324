"""What portals hold of a session ends with the device that it was given to."""

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import code_records, codes, portal_sessions
from idp.oauth.acquaintances import SIGNED_IN
from idp.oauth.grantees import Grantee
from idp.oauth.portal_sessions import PortalSession
from idp.signin import sessions
from runtime import ledger
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.signin.test_devices import another_browser, links, row_of
from tests.world_clients import bearer, new_portal
from tests.world_people import BROWSER, Person, new_person, open_account, post_form, sign_in


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def journey(app: Flask) -> Journey:
    with app.app_context(), transaction() as session:
        return Journey(new_portal(session))


def portals_of(app: Flask, client: FlaskClient) -> int:
    row = row_of(app, client)
    with app.app_context(), transaction() as session:
        return len(session.scalars(select(PortalSession).where(PortalSession.session_id == row.id)).all())


def test_an_access_token_ends_with_the_device_that_was_ended(app: Flask, client: FlaskClient, person: Person, journey: Journey) -> None:
    thief = another_browser(app)
    sign_in(client, person)
    sign_in(thief, person)
    token = bearer(journey.tokens(thief)["access_token"])
    assert client.get("/userinfo", headers=token).status_code == 200
    theirs = str(row_of(app, thief).id)
    assert portals_of(app, thief) == 1
    with shifted(timedelta(seconds=2)):
        post_form(client, "/account/devices/end", {"device": theirs}, form_at="/account/devices")
        assert client.get("/userinfo", headers=token).status_code == 401
        assert client.get("/account", headers=BROWSER).status_code == 200


def test_what_portals_hold_of_other_devices_goes_on_when_one_is_ended(app: Flask, client: FlaskClient, person: Person, journey: Journey) -> None:
    other = another_browser(app)
    sign_in(client, person)
    sign_in(other, person)
    mine, theirs = bearer(journey.tokens(client)["access_token"]), bearer(journey.tokens(other)["access_token"])
    with shifted(timedelta(seconds=2)):
        post_form(client, "/account/devices/end", {"device": str(row_of(app, other).id)}, form_at="/account/devices")
        assert client.get("/userinfo", headers=theirs).status_code == 401
        assert client.get("/userinfo", headers=mine).status_code == 200
        post_form(client, "/account/devices/end-others", {}, form_at="/account/devices")
        assert client.get("/userinfo", headers=mine).status_code == 401, "who ends all others is in doubt about every token"


def test_an_access_token_ends_with_the_sign_in_that_was_disowned(app: Flask, client: FlaskClient, person: Person, journey: Journey) -> None:
    sign_in(client, person)
    thief = another_browser(app)
    with shifted(timedelta(seconds=2)):
        sign_in(thief, person)
        token = bearer(journey.tokens(thief)["access_token"])
    with shifted(timedelta(seconds=4)):
        post_form(another_browser(app), links(app, row_of(app, client).subject_id)[-1], {})
        assert client.get("/userinfo", headers=token).status_code == 401


def test_portals_hear_of_a_session_that_ended_by_age(app: Flask, client: FlaskClient, person: Person, journey: Journey) -> None:
    sign_in(client, person)
    journey.tokens(client)
    session_id = row_of(app, client).id
    with shifted(timedelta(minutes=16)), app.app_context():
        sessions.forget(lifetimes=sessions.Lifetimes(timedelta(minutes=15), timedelta(hours=12)), now=now())
    with app.app_context(), transaction() as session:
        assert session.scalars(select(PortalSession).where(PortalSession.session_id == session_id)).all() == []


def test_a_session_that_ends_while_a_portal_is_answered_gives_the_portal_nothing(
    app: Flask, client: FlaskClient, person: Person, journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, person)
    row, write = row_of(app, client), code_records.write

    def ended_before(*arguments: Any, **named: Any) -> bool:
        with transaction() as session:
            assert sessions.end_one(session, row.subject_id, row.id, now=now())
        return write(*arguments, **named)

    monkeypatch.setattr(code_records, "write", ended_before)
    answer = answer_of(journey.approve(client))
    assert answer["error"] == "login_required"
    assert "code" not in answer


def test_who_ends_a_session_waits_for_a_portal_that_is_being_answered_and_takes_that_back(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    row = row_of(app, client)

    def end() -> None:
        with app.app_context(), transaction() as session:
            sessions.end_one(session, row.subject_id, row.id, now=now())

    ending = Thread(target=end)
    with app.app_context(), transaction() as session:
        assert portal_sessions.remember(session, session_id=row.id, client_id="portal-race", holder_id=row.subject_id, now=now())
        ending.start()
        ending.join(0.3)
        assert ending.is_alive()
    ending.join(10)
    with app.app_context(), transaction() as session:
        assert not portal_sessions.is_open(session, session_id=row.id, client_id="portal-race")


@pytest.mark.parametrize("first", ["the end", "the code"])
def test_of_a_code_and_the_end_of_its_session_whichever_comes_second_waits_and_nothing_is_left(
    app: Flask, client: FlaskClient, person: Person, first: str
) -> None:
    sign_in(client, person)
    session_row, portal, found = row_of(app, client), "portal-race", {}
    me, moment = session_row.subject_id, now()
    within = {"client_id": portal, "session_id": session_row.id, "redirect_uri": "https://portal.example/cb", "scopes": ["openid"]}
    how = {"nonce": None, "code_challenge": "x" * 43, "auth_time": moment, "amr": ["pwd"], "ial": 2, "now": moment}
    code, row = codes.new(Grantee(me, me), **within, **how)
    entry = ledger.row_of(SIGNED_IN, actor=f"subject:{me}", object_id=portal, subject_id=me, now=moment)

    def end(session: Session) -> None:
        found["ended"] = sessions.end_one(session, me, session_row.id, now=now())

    def write(session: Session) -> None:
        found["written"] = code_records.write(session, code=row, entry=entry, now=moment, is_last=first == "the end")

    def second() -> None:
        with app.app_context(), transaction() as session:
            (write if first == "the end" else end)(session)

    waiting = Thread(target=second)
    with app.app_context(), transaction() as session:
        (end if first == "the end" else write)(session)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(30)
    assert found == {"ended": True, "written": first == "the code"}
    with app.app_context(), transaction() as session:
        assert not portal_sessions.is_open(session, session_id=session_row.id, client_id=portal)
        assert (session.get(LedgerEntry, entry["id"]) is not None) is found["written"]
        redeemed = codes.redeem(session, code, client_id=portal, now=moment)
    assert redeemed is None if first == "the end" else redeemed is not None and not redeemed.in_session
