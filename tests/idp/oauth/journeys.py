"""The way of a browser through a sign-in at a portal, as the portal and the browser take it."""

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.world_clients import System, ask
from tests.world_people import BROWSER, Person, come_in, csrf_token


@dataclass
class Journey:
    """One authorization request, with the secrets that its portal keeps."""

    portal: System
    scope: str = "openid profile"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """Return the request's parameters, with some changed (None takes one away)."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        whole = {
            "response_type": "code",
            "client_id": self.portal.client_id,
            "redirect_uri": self.portal.redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def authorize(self, browser: FlaskClient, **changes: Any) -> TestResponse:
        """Go to the authorization endpoint."""
        return browser.get("/authorize", query_string=self.parameters(**changes), headers=BROWSER)

    def approve(self, browser: FlaskClient, *, answer: str = "approve", **changes: Any) -> TestResponse:
        """Go there, and answer the consent page if it comes."""
        page = self.authorize(browser, **changes)
        return answer_consent(browser, page, answer) if page.status_code == 200 else page

    def code(self, browser: FlaskClient, **changes: Any) -> str:
        """Return the code that the browser brings back."""
        answer = answer_of(self.approve(browser, **changes))
        assert answer["state"] == self.state
        return answer["code"]

    def exchange(self, browser: FlaskClient, code: str, **changes: Any) -> TestResponse:
        """Send the code to the token endpoint."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.portal.redirect_uri, "code_verifier": self.verifier, **changes}
        response: TestResponse = ask(browser, self.portal, **{name: value for name, value in form.items() if value is not None})
        return response

    def tokens(self, browser: FlaskClient, **changes: Any) -> dict[str, Any]:
        """Walk the whole way and return the token response."""
        response = self.exchange(browser, self.code(browser, **changes))
        assert response.status_code == 200, response.text
        return dict(response.json or {})


def answer_consent(browser: FlaskClient, page: TestResponse, answer: str = "approve", headers: dict[str, str] = BROWSER) -> TestResponse:
    """Press a button of the consent page."""
    text = page.text
    found = re.search(r'action="(/authorize/consent[^"]*)"', text)
    assert found is not None
    goal = html.unescape(found[1])
    holder = text.split('name="holder" value="')[1].split('"')[0]
    return browser.post(goal, data={"csrf_token": csrf_token(text), "holder": holder, "answer": answer}, headers=headers)


def answer_of(response: TestResponse) -> dict[str, str]:
    """Return the parameters that the browser carries back to the portal, in the query, or in the fragment where there is one."""
    assert response.status_code == 303
    goal = urlsplit(response.location)
    return {name: values[0] for name, values in parse_qs(goal.fragment or goal.query).items()}


def signed_in_browser(browser: FlaskClient, person: Person) -> FlaskClient:
    """Sign a person in in a browser."""
    return come_in(browser, person)
