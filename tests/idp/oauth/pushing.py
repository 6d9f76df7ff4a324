"""What portals do with requests that they push or sign."""

import time
from typing import Any

import jwt
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.requests import pushed
from keys import suites
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.world_clients import ISSUER, System
from tests.world_people import BROWSER


def push(http_client: FlaskClient, portal: System, parameters: dict[str, Any], **more: Any) -> TestResponse:
    """Push parameters as a portal with a key of its own."""
    return http_client.post("/par", data={**portal.proof(), **parameters}, **more)


def pushed_uri(http_client: FlaskClient, journey: Journey, **changes: Any) -> str:
    """Push a journey's request, and return its `request_uri`."""
    response = push(http_client, journey.portal, journey.parameters(**changes))
    assert response.status_code == 201, response.text
    uri: str = (response.json or {})["request_uri"]
    return uri


def bring(browser: FlaskClient, portal: System, uri: str, **more: Any) -> TestResponse:
    """Go to the authorization endpoint with a reference and nothing else, following its way to itself."""
    response = browser.get("/authorize", query_string={"client_id": portal.client_id, "request_uri": uri, **more}, headers=BROWSER)
    return browser.get(response.location, headers=BROWSER) if response.status_code == 303 and response.location.startswith("/authorize") else response


def bring_and_approve(browser: FlaskClient, portal: System, uri: str) -> TestResponse:
    """Go there, and consent if that is asked."""
    page = bring(browser, portal, uri)
    return answer_consent(browser, page) if page.status_code == 200 else page


def request_object(journey: Journey, *, header: dict[str, Any] | None = None, key: suites.PrivateKey | None = None, **changes: Any) -> str:
    """Return a journey's request as its portal signs it, with some claims changed (None takes one away)."""
    moment, signing_key = int(time.time()), key or journey.portal.private_key
    about = {"iss": journey.portal.client_id, "aud": ISSUER, "iat": moment, "nbf": moment, "exp": moment + 300}
    claims = {name: value for name, value in {**journey.parameters(), **about, **changes}.items() if value is not None}
    headers = {"typ": "oauth-authz-req+jwt", **(header or {})}
    return jwt.encode(claims, signing_key, algorithm=suites.suite_of(signing_key).name, headers=headers)


def bring_object(browser: FlaskClient, portal: System, signed: str, **more: Any) -> TestResponse:
    """Go to the authorization endpoint with a request object, following the way to the reference that it is kept under."""
    response = browser.get("/authorize", query_string={"client_id": portal.client_id, "request": signed, **more}, headers=BROWSER)
    return browser.get(response.location, headers=BROWSER) if response.status_code == 303 and response.location.startswith("/authorize") else response


def answered(browser: FlaskClient, page: TestResponse) -> dict[str, str]:
    """Return what the portal is answered, consent included."""
    return answer_of(answer_consent(browser, page) if page.status_code == 200 else page)


def push_object(http_client: FlaskClient, portal: System, signed: str, **more: Any) -> TestResponse:
    """Push a request object."""
    return push(http_client, portal, {"client_id": portal.client_id, "request": signed, **more})


def name_in(uri: str) -> str:
    """Return the name of the reference in a `request_uri`."""
    return uri.removeprefix(pushed.PREFIX).partition(".")[0]
