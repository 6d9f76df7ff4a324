"""Levels that portals ask for: by `acr_values`, by `max_age`, by what their scopes demand; and what the tokens say was reached."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pyotp
import pytest
from authlib.oidc.core.errors import InteractionRequiredError, LoginRequiredError
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, update

from idp.oauth import demands, prompts
from idp.oauth.demands import Unmet
from idp.oauth.prompts import Step
from idp.oauth.waymarks import DECLINED, Marks
from idp.signin import sessions, totp
from idp.signin.assurance import Level, acr_of
from idp.signin.proofs import IdentityProof
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import engine, transaction
from tests.idp.oauth.journeys import Journey, answer_of
from tests.world_clients import System, ask, bearer, new_portal
from tests.world_people import BROWSER, Person, csrf_token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HIGH, STRONG, BOTH, LOW = acr_of(3, 1), acr_of(1, 2), acr_of(3, 2), acr_of(1, 1)
STEPS = {
    "nothing asked": ({}, Level(2, 1), Level(2, 1), Step.GRANT),
    "a scope asks for more": ({}, Level(2, 1), Level(3, 1), Step.PROVE),
    "a scope asks for a stronger sign-in": ({}, Level(2, 1), Level(2, 2), Step.STEP_UP),
    "both are short": ({}, Level(1, 1), Level(2, 2), Step.PROVE),
    "a low value is met": ({"acr_values": LOW}, Level(2, 1), Level(2, 1), Step.GRANT),
    "more was reached than asked": ({"acr_values": LOW}, Level(3, 2), Level(2, 1), Step.GRANT),
    "a strong sign-in is asked": ({"acr_values": STRONG}, Level(2, 1), Level(2, 1), Step.STEP_UP),
    "and met": ({"acr_values": STRONG}, Level(2, 2), Level(2, 1), Step.GRANT),
    "a proven person is asked": ({"acr_values": HIGH}, Level(2, 1), Level(2, 1), Step.PROVE),
    "one of two is met": ({"acr_values": f"{HIGH} {STRONG}"}, Level(2, 2), Level(2, 1), Step.GRANT),
    "the first of two is the goal": ({"acr_values": f"{STRONG} {HIGH}"}, Level(2, 1), Level(2, 1), Step.STEP_UP),
    "another's value among ours": ({"acr_values": f"urn:x:y {STRONG}"}, Level(2, 2), Level(2, 1), Step.GRANT),
}


@pytest.mark.parametrize(("asked", "reached", "demand", "step"), STEPS.values(), ids=STEPS)
def test_a_level_that_is_missing_comes_before_consent(asked: dict[str, str], reached: Level, demand: Level, step: Step) -> None:
    assert prompts.next_step(prompts.read(asked), auth_time=NOW, consented=True, now=NOW, reached=reached, demand=demand) is step


ERRORS: dict[str, tuple[dict[str, str], type[Exception]]] = {
    "a stronger sign-in, in silence": ({"acr_values": STRONG, "prompt": "none"}, LoginRequiredError),
    "a proof, in silence": ({"acr_values": HIGH, "prompt": "none"}, InteractionRequiredError),
    "no value of ours": ({"acr_values": "urn:x:y 0"}, Unmet),
    "turned down": ({"acr_values": HIGH, DECLINED: "1"}, Unmet),
}


@pytest.mark.parametrize(("asked", "error"), ERRORS.values(), ids=ERRORS)
def test_what_cannot_be_reached_is_said(asked: dict[str, str], error: type[Exception]) -> None:
    marks = Marks(declined=DECLINED in asked)
    with pytest.raises(error):
        prompts.next_step(prompts.read(asked, marks=marks), auth_time=NOW, consented=True, now=NOW, reached=Level(2, 1), demand=Level(2, 1))


DEMANDS: dict[str, tuple[dict[str, Level], str, Level]] = {
    "nothing": ({}, "offline_access", Level(1, 1)),
    "the usual": ({}, "openid profile", Level(2, 1)),
    "less for openid": ({"openid": Level(1, 1)}, "openid", Level(1, 1)),
    "never less for the number": ({"number": Level(1, 2)}, "number", Level(2, 2)),
    "never less for licences": ({"licences": Level(1, 1), "openid": Level(1, 1)}, "openid licences", Level(2, 1)),
    "more for one scope": ({"number": Level(3, 2)}, "openid number", Level(3, 2)),
    "that is not asked": ({"number": Level(3, 2)}, "openid", Level(2, 1)),
}


@pytest.mark.parametrize(("own", "scope", "demand"), DEMANDS.values(), ids=DEMANDS)
def test_each_scope_has_its_demand(own: dict[str, Level], scope: str, demand: Level) -> None:
    assert demands.demanded(own, scope.split()) == demand


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def strengthen(app: Flask, person: Person, amr: list[str]) -> None:
    """Let the sessions of a person have come in by other ways, as the step-up does."""
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        session.execute(update(sessions.SigninSession).where(sessions.SigninSession.subject_id == subject.id).values(amr=amr))


def test_the_tokens_say_what_was_reached(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    strengthen(app, person, ["pwd", "otp", "mfa"])
    tokens = Journey(portal).tokens(browser)
    claims, access = claims_of(tokens["id_token"]), claims_of(tokens["access_token"])
    assert (claims["ial"], claims["aal"], claims["acr"]) == ("2", "2", acr_of(2, 2))
    assert (access["acr"], access["auth_time"]) == (claims["acr"], claims["auth_time"])
    told = browser.get("/userinfo", headers=bearer(tokens["access_token"])).json
    assert told is not None
    assert told["ial"] == "2"


def test_a_stronger_sign_in_is_led_to_and_comes_back_to_the_same_request(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    journey = Journey(portal)
    sent = journey.authorize(browser, acr_values=STRONG)
    asked = parse_qs(urlsplit(sent.location).query)
    assert sent.location.startswith("/signin/step-up?")
    assert asked["aal"] == ["2"]
    strengthen(app, person, ["pwd", "otp", "mfa"])
    page = browser.get(asked["next"][0], headers=BROWSER)
    assert page.status_code == 200
    assert claims_of(journey.tokens(browser, acr_values=STRONG)["id_token"])["aal"] == "2"


def test_a_level_that_is_turned_down_is_answered_to_the_portal(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    sent = journey.authorize(browser, acr_values=HIGH)
    assert sent.location.startswith("/account/level?ial=3&next=")
    answer = answer_of(journey.authorize(browser, acr_values=HIGH, **{DECLINED: "1"}))
    assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", journey.state)


@pytest.mark.parametrize(
    ("acr", "error"), [(STRONG, "login_required"), (HIGH, "interaction_required"), ("urn:x", "unmet_authentication_requirements")]
)
def test_in_silence_the_portal_is_told_what_is_missing(browser: FlaskClient, portal: System, acr: str, error: str) -> None:
    assert answer_of(Journey(portal).authorize(browser, acr_values=acr, prompt="none"))["error"] == error


def test_a_portal_demands_more_for_a_scope_of_its_own(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=("openid", "number"), levels={"number": Level(2, 2)})
    assert "access_token" in Journey(portal, scope="openid").tokens(browser)
    assert Journey(portal, scope="openid number").authorize(browser).location.startswith("/signin/step-up?aal=2&")


def test_who_consents_is_asked_for_their_level_again(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    journey = Journey(portal)
    page = journey.authorize(browser)
    end_proofs(app, person, WITHDRAWN)
    assert page.status_code == 200
    assert journey.approve(browser).location.startswith("/account/level?ial=2")


WITHDRAWN, EXPIRED = {"withdrawn_at": now(), "withdrawn_why": "mistake"}, {"expires_at": now()}


def end_proofs(app: Flask, person: Person, values: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        session.execute(update(IdentityProof).where(IdentityProof.subject_id == subject.id).values(values))


@pytest.mark.parametrize("over", [WITHDRAWN, EXPIRED], ids=["withdrawn", "expired"])
def test_a_refresh_with_a_scope_that_is_no_longer_proven_is_refused_and_costs_no_token(
    app: Flask, browser: FlaskClient, person: Person, over: dict[str, Any]
) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=("openid", "number", "offline_access"), levels={"openid": Level(1, 1)})
    tokens = Journey(portal, scope="openid number offline_access").tokens(browser)
    end_proofs(app, person, over)
    refused = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_scope")
    assert "number" in refused.json["error_description"]
    narrower = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope="openid")
    assert claims_of(narrower.json["id_token"])["ial"] == "1"


def test_a_second_portal_asks_the_database_once_for_the_level(app: Flask, browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid")
    journey.tokens(browser)
    said: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.append(statement)

    with app.app_context():
        event.listen(engine(), "before_cursor_execute", hear)
        try:
            tokens = journey.tokens(browser)
            browser.get("/userinfo", headers=bearer(tokens["access_token"]))
        finally:
            event.remove(engine(), "before_cursor_execute", hear)
    assert sum("identity_proofs" in statement for statement in said) == 1


def test_the_second_factor_is_given_on_the_way_and_the_portal_gets_what_it_asked(
    app: Flask, browser: FlaskClient, portal: System, person: Person
) -> None:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        enrolled = totp.begin(session, subject.id, name="手机", now=now())
        authenticator = pyotp.TOTP(enrolled.secret)
        assert totp.confirm(session, enrolled, authenticator.at(now()), now=now())
    journey = Journey(portal)
    sent = journey.authorize(browser, acr_values=STRONG)
    page = browser.get(sent.location, headers=BROWSER)
    goal = parse_qs(urlsplit(sent.location).query)["next"][0]
    code = authenticator.at(now() + timedelta(seconds=30))
    form = {"csrf_token": csrf_token(page.text), "way": "totp", "code": code, "next": goal}
    raised = browser.post(sent.location, data=form, headers=BROWSER)
    assert (raised.status_code, raised.location) == (303, goal)
    claims = claims_of(journey.tokens(browser, acr_values=STRONG)["id_token"])
    assert (claims["aal"], "mfa" in claims["amr"]) == ("2", True)
