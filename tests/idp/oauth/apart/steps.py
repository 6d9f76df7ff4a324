"""What terminals, counters and people do, each at their own device."""

import html
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.clients import CIBA, DEVICE_CODE
from runtime.clock import now, shifted
from tests.idp.oauth.journeys import signed_in_browser
from tests.world_clients import System
from tests.world_people import BROWSER, Person, csrf_token

SCOPES = ("openid", "profile", "number", "licences", "offline_access")
TV = "Mozilla/5.0 (SMART-TV; Linux; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/5.2 Chrome/108 TV Safari/537.36"


@dataclass
class Asker:
    """A client that asks for something that is answered elsewhere."""

    http: FlaskClient
    system: System
    is_public: bool = False

    @property
    def proof(self) -> dict[str, str]:
        """What shows who the client is."""
        return {"client_id": self.system.client_id} if self.is_public else self.system.proof(exp=int(now().timestamp()) + 60)

    def send(self, path: str, **parameters: Any) -> TestResponse:
        """Post a form with the client's proof; None takes a parameter away."""
        form = {name: value for name, value in {**self.proof, **parameters}.items() if value is not None}
        return self.http.post(path, data=form, headers={"User-Agent": TV})


@dataclass
class Terminal(Asker):
    """A device without a browser."""

    def ask(self, **parameters: Any) -> TestResponse:
        """Ask for codes."""
        return self.send("/device_authorization", **{"scope": "openid profile", **parameters})

    def codes(self, **parameters: Any) -> dict[str, Any]:
        """Return the codes."""
        return good(self.ask(**parameters))

    def poll(self, device_code: str, *, after: float = 0, **parameters: Any) -> TestResponse:
        """Ask for the tokens, so many seconds from now."""
        with shifted(timedelta(seconds=after)):
            return self.send("/token", **{"grant_type": DEVICE_CODE, "device_code": device_code, **parameters})


@dataclass
class Counter(Asker):
    """A client of the back channel."""

    def ask(self, **parameters: Any) -> TestResponse:
        """Ask for somebody."""
        return self.send("/backchannel-authentication", **{"scope": "openid profile", **parameters})

    def asked(self, **parameters: Any) -> dict[str, Any]:
        """Return the acknowledgement."""
        return good(self.ask(**parameters))

    def poll(self, auth_req_id: str, *, after: float = 0, **parameters: Any) -> TestResponse:
        """Ask for the tokens, so many seconds from now."""
        with shifted(timedelta(seconds=after)):
            return self.send("/token", **{"grant_type": CIBA, "auth_req_id": auth_req_id, **parameters})


def good(response: TestResponse) -> dict[str, Any]:
    """Return the document of an answer that is one."""
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    return dict(response.json or {})


def error_of(response: TestResponse) -> str:
    """Return the error of an answer that is one, as RFC 6749 section 5.2 writes it."""
    assert response.status_code in (400, 401, 403, 429), response.text
    assert response.headers["Cache-Control"] == "no-store"
    return str((response.json or {})["error"])


def claims_in(token: str) -> dict[str, Any]:
    """Return what a token says."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def type_code(browser: FlaskClient, user_code: str) -> TestResponse:
    """Type the code that the device shows."""
    page = browser.get("/device", headers=BROWSER)
    return browser.post("/device", data={"csrf_token": csrf_token(page.text), "user_code": user_code}, headers=BROWSER)


def press(browser: FlaskClient, page: TestResponse, answer: str, **changes: str) -> TestResponse:
    """Press a button of a page that asks."""
    form = re.search(r'<form class="form-card" method="post"(?: action="([^"]+)")? id="answer">', page.text)
    assert form is not None, page.text
    hidden = dict(re.findall(r'<input type="hidden" name="(holder|code)" value="([^"]*)">', page.text))
    goal = html.unescape(form[1]) if form[1] else page.request.path
    data = {"csrf_token": csrf_token(page.text.split('id="answer"')[1]), **hidden, "answer": answer, **changes}
    return browser.post(goal, data=data, headers=BROWSER)


def answer_device(browser: FlaskClient, user_code: str, answer: str = "approve") -> TestResponse:
    """Type the code, look at the request, and answer it."""
    found = type_code(browser, user_code)
    assert found.status_code == 303, found.text
    page = browser.get(found.location, headers=BROWSER)
    assert page.status_code == 200, page.text
    return press(browser, page, answer)


def inbox_of(browser: FlaskClient) -> list[str]:
    """Return the addresses of the requests in somebody's inbox."""
    return re.findall(r'href="(/account/requests/[0-9a-f-]+)"', browser.get("/account/requests", headers=BROWSER).text)


def answer_request(browser: FlaskClient, answer: str = "approve") -> TestResponse:
    """Open the one request of the inbox, and answer it."""
    (path,) = inbox_of(browser)
    return press(browser, browser.get(path, headers=BROWSER), answer)


def fresh_browser(app: Any, person: Person) -> FlaskClient:
    """Return another browser of a person, signed in."""
    browser: FlaskClient = app.test_client()
    browser.environ_base["REMOTE_ADDR"] = "10.9.8.7"
    return signed_in_browser(browser, person)
