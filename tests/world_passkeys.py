"""Browsers with an authenticator in software: they add passkeys and sign in with them through the application, as its script does."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.authenticator import Authenticator
from tests.world_people import BROWSER, csrf_token

ORIGIN = "http://localhost:8000"
SCRIPT = {"Accept": "application/json", "Origin": ORIGIN}
SIGN_IN, SECOND, STEP_UP, REGISTER = "/signin/passkey", "/signin/passkey/second", "/signin/passkey/step-up", "/account/passkeys/new"
OPTIONS = {**{url: f"{url}/options" for url in (SIGN_IN, SECOND, STEP_UP)}, REGISTER: "/account/passkeys/options"}


def post(client: FlaskClient, url: str, document: Any, **headers: str) -> TestResponse:
    """Send a document as the script does: with the token of the page that it stands in."""
    token = csrf_token(client.get("/signin", headers=BROWSER).text)
    return client.post(url, json=document, headers={**SCRIPT, "X-CSRFToken": token, **headers})


def options(client: FlaskClient, url: str) -> dict[str, Any]:
    """Ask for what `url` needs to be answered."""
    answer = post(client, OPTIONS[url], {})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def add_passkey(client: FlaskClient, device: Authenticator, *, name: str = "") -> TestResponse:
    """Let the person who is signed in add a passkey of a device."""
    return post(client, REGISTER, {"credential": device.make(options(client, REGISTER)), "name": name})


def sign_in_by_passkey(client: FlaskClient, device: Authenticator, *, goal: str = "/wallet") -> TestResponse:
    """Sign in by the newest passkey of a device."""
    return post(client, SIGN_IN, {"credential": device.use(options(client, SIGN_IN)), "next": goal})


def step_up(client: FlaskClient, device: Authenticator, *, goal: str = "/wallet") -> TestResponse:
    """Prove once more by a passkey who is signed in."""
    return post(client, STEP_UP, {"credential": device.use(options(client, STEP_UP)), "next": goal})
