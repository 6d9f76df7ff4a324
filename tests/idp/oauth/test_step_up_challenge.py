"""An API asks for a stronger sign-in, the portal sends the person back, and the new token passes (RFC 9470)."""

import re
import secrets
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth import callers
from idp.oauth.access_tokens import AccessToken
from idp.signin.assurance import Level, acr_of
from runtime.clock import now, stopped
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.oauth.journeys import Journey
from tests.idp.oauth.test_demands import strengthen
from tests.world_clients import System, bearer, new_portal
from tests.world_people import Person
from tests.world_verifying import CAUSE
from tests.world_wallet import apply_catalogue, new_department


def draw(browser: FlaskClient, token: str) -> TestResponse:
    body = {"type": "resident-identity-card", "cause": CAUSE}
    return browser.post("/api/v1/draws", json=body, headers={**bearer(token), "Idempotency-Key": secrets.token_urlsafe(12)})


def parameters_of(challenge: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', challenge))


@pytest.fixture
def portal(app: Flask) -> System:
    """A portal of a department, where the types of licences are known."""
    with app.app_context():
        apply_catalogue()
        with transaction() as session:
            return new_portal(session, scopes=("openid", "licences"), owner=new_department())


def test_a_challenge_leads_to_a_token_that_passes(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    journey = Journey(portal, scope="openid licences")
    refused = draw(browser, journey.tokens(browser)["access_token"])
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="kabao", error="insufficient_user_authentication"')
    asked = parameters_of(refused.headers["WWW-Authenticate"])["acr_values"]
    assert asked.split() == [acr_of(2, 2), acr_of(3, 2)]
    assert journey.authorize(browser, acr_values=asked).location.startswith("/signin/step-up?")
    strengthen(app, person, ["pwd", "otp", "mfa"])
    passed = draw(browser, journey.tokens(browser, acr_values=asked)["access_token"])
    assert passed.status_code == 404, "there is no such licence, which is another matter"
    assert passed.json["code"] == "licence-not-found"


def token(**changes: Any) -> AccessToken:
    return AccessToken("portal", "11379999000000035T", frozenset({"openid"}), holder_id=new_id(), **changes)


def test_a_sign_in_of_long_ago_is_not_recent(app: Flask) -> None:
    moment = int(now().timestamp())
    with app.test_request_context("/"):
        g.token_scheme, g.token = "DPoP", token(level=Level(2, 2), claims={"auth_time": moment - 400})
        callers.check_authentication(Level(2, 2), timedelta(seconds=600))
        with pytest.raises(callers.InsufficientAuthentication) as refused:
            callers.check_authentication(Level(2, 1), timedelta(seconds=300))
    challenge = refused.value.headers["WWW-Authenticate"]
    assert challenge.startswith("DPoP ")
    assert parameters_of(challenge)["max_age"] == "300"


@pytest.mark.parametrize(("ahead", "passes"), [(60, True), (62, False)])
def test_a_sign_in_of_the_future_is_not_recent(app: Flask, ahead: int, passes: bool) -> None:
    with app.test_request_context("/"), stopped():
        g.token_scheme, g.token = "DPoP", token(level=Level(2, 2), claims={"auth_time": int(now().timestamp()) + ahead})
        callers.check_authentication(Level(2, 2))
        with nullcontext() if passes else pytest.raises(callers.InsufficientAuthentication):
            callers.check_authentication(Level(2, 2), timedelta(seconds=600))


def test_a_system_s_own_token_has_no_person_to_ask(app: Flask) -> None:
    with app.test_request_context("/"):
        g.token_scheme, g.token = "Bearer", AccessToken("system", "11379999000000035T", frozenset({"draws"}))
        callers.check_authentication(Level(3, 2), timedelta(seconds=1))
