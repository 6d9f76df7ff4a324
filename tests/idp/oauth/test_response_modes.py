"""How an authorization response leaves: by what, and in what it is wrapped."""

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from idp.oauth import response_modes
from idp.oauth.client_metadata import RESPONSE_MODES
from idp.oauth.clients import ClientRefused, RegisteredClient
from idp.oauth.response_modes import Mode
from keys import ring
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, new_portal

FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def carried(response: TestResponse) -> tuple[str, dict[str, str]]:
    """Return what carries a response, and the parameters as they are there."""
    assert response.headers["Cache-Control"] == "no-store"
    if response.status_code == 200:
        return "form_post", {name: html.unescape(value) for name, value in FIELD.findall(response.text)}
    assert response.status_code == 303
    goal = urlsplit(response.location)
    assert not (goal.fragment and goal.query)
    return "fragment" if goal.fragment else "query", {name: values[0] for name, values in parse_qs(goal.fragment or goal.query).items()}


def opened(app: Flask, portal: System, parameters: dict[str, str]) -> dict[str, Any]:
    """Return what a JWT says that carries a response."""
    assert set(parameters) == {"response"}
    with app.app_context():
        return ring.verify(parameters["response"], use=ring.OIDC, typ="JWT", audience=portal.client_id, issuer=ISSUER)


@pytest.mark.parametrize("mode", RESPONSE_MODES)
@pytest.mark.parametrize(("more", "says"), [({}, "code"), ({"prompt": "none", "max_age": "0"}, "error")], ids=["a code", "an error"])
def test_an_answer_leaves_in_the_mode_that_was_asked_for(
    app: Flask, browser: FlaskClient, portal: System, mode: str, more: dict[str, str], says: str
) -> None:
    journey = Journey(portal)
    journey.tokens(browser)
    carrier, parameters = carried(journey.authorize(browser, response_mode=mode, **more))
    assert carrier == {"jwt": "query"}.get(mode, mode.removesuffix(".jwt"))
    answer = opened(app, portal, parameters) if mode.endswith("jwt") else parameters
    assert answer[says]
    assert (answer["state"], answer["iss"]) == (journey.state, ISSUER)
    if mode.endswith("jwt"):
        assert now().timestamp() < answer["exp"] <= now().timestamp() + 600
        assert answer["aud"] == portal.client_id


@pytest.mark.parametrize("mode", RESPONSE_MODES)
def test_a_refusal_leaves_in_the_mode_that_was_asked_for(app: Flask, browser: FlaskClient, portal: System, mode: str) -> None:
    _, parameters = carried(Journey(portal).approve(browser, answer="refuse", response_mode=mode))
    answer = opened(app, portal, parameters) if mode.endswith("jwt") else parameters
    assert answer["error"] == "access_denied"


@pytest.mark.parametrize(
    ("asked", "mode"),
    [
        ({"response_type": "code"}, Mode("query")),
        ({"response_type": "code", "response_mode": "jwt"}, Mode("query", is_signed=True)),
        ({"response_type": "code id_token"}, Mode("fragment")),
        ({"response_type": "id_token", "response_mode": "jwt"}, Mode("fragment", is_signed=True)),
        ({"response_type": "code token", "response_mode": "form_post"}, Mode("form_post")),
        ({"response_type": "code", "response_mode": "web_message"}, Mode("query")),
        ({"response_type": "code", "response_mode": ".jwt"}, Mode("query")),
        ({"response_mode": "jwt.jwt"}, Mode("query")),
        ({}, Mode("query")),
    ],
)
def test_the_mode_of_a_request(asked: dict[str, str], mode: Mode) -> None:
    assert response_modes.mode_of(asked) == mode


REGISTERED: dict[str, tuple[dict[str, str], bool]] = {
    "the one that is registered": ({"response_mode": "jwt"}, True),
    "another": ({"response_mode": "form_post"}, False),
    "the same by another name": ({"response_mode": "query.jwt"}, False),
    "none, which is the usual one": ({}, False),
}


@pytest.mark.parametrize(("asked", "is_taken"), REGISTERED.values(), ids=REGISTERED)
def test_a_client_uses_the_modes_that_it_is_registered_for(app: Flask, browser: FlaskClient, asked: dict[str, str], is_taken: bool) -> None:
    """FAPI 2.0 Message Signing section 5.3.3: `response_modes`, every one where it is left out."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, metadata={"response_modes": ["jwt"]})
    _, parameters = carried(Journey(portal).authorize(browser, prompt="none", **asked))
    said = opened(app, portal, parameters) if "response" in parameters else parameters
    assert (said["error"] == "invalid_request") is not is_taken


def test_a_mode_that_there_is_not_is_not_registered(app: Flask) -> None:
    with app.app_context(), pytest.raises(ClientRefused) as raised, transaction() as session:
        new_portal(session, metadata={"response_modes": ["jwt", "web_message"]})
    assert raised.value.field == "response_modes"


def test_a_form_leads_to_the_portal_alone_and_is_posted_by_a_script_of_ours(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    journey.tokens(browser)
    page = journey.authorize(browser, response_mode="form_post")
    policy = page.headers["Content-Security-Policy"]
    assert f"form-action {portal.redirect_uri.removesuffix('/callback')};" in policy
    assert "script-src 'self';" in policy
    assert page.headers["Referrer-Policy"] == "strict-origin"
    assert f'method="post" action="{portal.redirect_uri}"' in page.text
    assert "form_post.js" in page.text
    assert "<script>" not in page.text
    assert 'id="go_on"' in page.text


def test_what_a_portal_sends_is_written_into_the_form_as_text(browser: FlaskClient, portal: System) -> None:
    state = '"><script>alert(1)</script>'
    journey = Journey(portal, state=state)
    journey.tokens(browser)
    page = journey.authorize(browser, response_mode="form_post")
    assert "<script>alert" not in page.text
    assert carried(page)[1]["state"] == state


@pytest.mark.parametrize("suite", ["ES256", "RS256", "PS256"])
def test_a_response_is_signed_as_the_client_registered(app: Flask, browser: FlaskClient, suite: str) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, metadata={"authorization_signed_response_alg": suite})
    _, parameters = carried(Journey(portal).approve(browser, response_mode="jwt"))
    assert jwt.get_unverified_header(parameters["response"])["alg"] == suite
    assert opened(app, portal, parameters)["code"]


def test_a_response_is_encrypted_to_the_key_of_the_client(app: Flask, browser: FlaskClient) -> None:
    key = ECKey.generate_key("P-256", private=True)
    encryption = {**key.as_dict(private=False), "kid": "enc", "use": "enc", "alg": "ECDH-ES"}
    with app.app_context(), transaction() as session:
        portal = new_portal(session, metadata={"authorization_encrypted_response_alg": "ECDH-ES", "authorization_encrypted_response_enc": "A128GCM"})
        row = session.get_one(RegisteredClient, portal.client_id)
        row.jwks = {"keys": [*(row.jwks or {})["keys"], encryption]}
    page = Journey(portal).approve(browser, response_mode="jwt")
    _, parameters = carried(page)
    inner = jwe.decrypt_compact(parameters["response"], key, algorithms=["ECDH-ES", "A128GCM"]).plaintext
    assert inner is not None
    assert opened(app, portal, {"response": inner.decode()})["code"]


def test_who_cannot_be_written_to_is_told_nothing(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, metadata={"authorization_encrypted_response_alg": "RSA-OAEP-256"}, first_party=True, scopes=("openid",))
    answer = Journey(portal, scope="openid").authorize(browser, response_mode="jwt")
    assert answer.status_code == 400
    assert "Location" not in answer.headers
