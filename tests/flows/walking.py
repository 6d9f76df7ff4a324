"""One walk through everything that Kabao does, over HTTP, with all that must stay secret noted on the way."""

import hashlib
import html
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from tests.served import Kabao, send
from tests.world_clients import System, bearer
from tests.world_people import BROWSER, Person, csrf_token, post_form, sign_in

CALLBACK_TIMEOUT = 20


class Browser(requests.Session):
    """A browser at the service's address, which keeps its cookies and follows no redirect by itself."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request to a path of the service."""
        options.setdefault("allow_redirects", False)
        options.setdefault("timeout", CALLBACK_TIMEOUT)
        return super().request(method, self.address + url, **options)


@dataclass
class Walk:
    """The walk, and `secret`: what was written, given or shown on the way, by what it is."""

    kabao: Kabao
    secret: dict[str, str] = field(default_factory=dict)

    def note(self, what: str, value: str) -> str:
        """Note something that must stay secret, and return it."""
        assert len(value) >= 2, what
        self.secret[f"{what} {len(self.secret)}"] = value
        return value

    def browser(self) -> Browser:
        """Return a fresh browser."""
        return Browser(f"http://127.0.0.1:{self.kabao.processes.port}")

    def note_cookies(self, browser: Browser) -> None:
        """Note every cookie that a browser holds."""
        for cookie in browser.cookies:
            if cookie.name != "kabao_lang":
                self.note(f"cookie {cookie.name}", str(cookie.value))

    def post(self, path: str, token: str, document: dict[str, Any], *, expect: int) -> Any:
        """Send a document to the API, and return the answer."""
        with self.kabao.processes.connection() as connection:
            answer = send(connection, "POST", f"/api/v1/{path}", document=document, headers=bearer(token))
        assert answer.status == expect, answer.text
        return answer.json

    def listen(self, token: str) -> None:
        """Make a stream of signals that is pushed to where nobody listens, with a secret that the receiver wants to see."""
        delivery = {"method": "urn:ietf:rfc:8935", "endpoint_url": "http://127.0.0.1:9/events"}
        delivery["authorization_header"] = "Bearer " + self.note("authorization", secrets.token_urlsafe(24))
        wanted = [f"{self.kabao.processes.public_url}/secevent/licence-{kind}" for kind in ("issued", "revoked")]
        with self.kabao.processes.connection() as connection:
            document = {"delivery": delivery, "events_requested": wanted}
            answer = send(connection, "POST", "/signals/streams", document=document, headers=bearer(token))
        assert answer.status == 201, answer.text

    def ask_token(self, system: System, **form: str) -> dict[str, Any]:
        """Ask for tokens, and note the proof and whatever comes back."""
        proof = system.proof()
        self.note("assertion", proof["client_assertion"])
        with self.kabao.processes.connection() as connection:
            answer = send(connection, "POST", "/token", form={**proof, **form})
        assert answer.status == 200, answer.text
        for name in ("access_token", "refresh_token", "id_token"):
            if name in answer.json:
                self.note(name, answer.json[name])
        return dict(answer.json)

    def register(self, person: Person, password: str) -> Browser:
        """Open an account, sign out, fail to sign in, and sign in."""
        browser = self.browser()
        form = {"number": person.number, "name": person.name}
        assert post_form(browser, "/account/new", {**form, "password": password}).status_code == 303  # type: ignore[arg-type]
        self.note_cookies(browser)
        assert browser.post("/signout", data={"csrf_token": csrf_token(browser.get("/account", headers=BROWSER).text)}).status_code == 303
        wrong = self.note("wrong password", "not-the-password-" + secrets.token_hex(4))
        assert sign_in(browser, person, wrong).status_code == 422  # type: ignore[arg-type]
        assert sign_in(browser, person, password).status_code == 303  # type: ignore[arg-type]
        self.note_cookies(browser)
        return browser

    def sign_in_at(self, portal: System, browser: Browser, *, scope: str) -> dict[str, Any]:
        """Go from a portal to the service and back with a code, and exchange it."""
        verifier = self.note("code verifier", secrets.token_urlsafe(32))
        asked = {
            "response_type": "code",
            "client_id": portal.client_id,
            "redirect_uri": portal.redirect_uri,
            "scope": scope,
            "state": self.note("state", secrets.token_urlsafe(16)),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        with self.kabao.processes.connection() as connection:
            pushed = send(connection, "POST", "/par", form={**portal.proof(), **asked})
        self.note("reference", pushed.json["request_uri"].rpartition(":")[2])
        brought = {"client_id": portal.client_id, "request_uri": pushed.json["request_uri"]}
        answer = browser.get("/authorize", params=brought, headers=BROWSER)
        if answer.status_code == 200:
            answer = consent(browser, answer.text)
        assert answer.status_code == 303, answer.text
        code = self.note("code", parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0])
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": portal.redirect_uri, "code_verifier": verifier}
        return self.ask_token(portal, **form)

    def show(self, browser: Browser, licence_id: str, *, chosen: list[str]) -> str:
        """Look at the wallet, the card and its facts, and make a QR code; return its content."""
        assert browser.get("/wallet", headers=BROWSER).status_code == 200
        card = f"/wallet/cards/{licence_id}"
        assert post_form(browser, card, {}).status_code == 200  # type: ignore[arg-type]
        made = post_form(browser, f"{card}/show", {"preset": "own", "chosen": chosen})  # type: ignore[arg-type, dict-item]
        assert made.status_code == 303
        page = browser.get(made.headers["Location"], headers=BROWSER)
        found = re.search(r'id="spoken-code">([^<]+)<', page.text)
        assert found is not None
        self.note_cookies(browser)
        self.note("spoken code", found[1])
        content = re.sub(r"[\s-]", "", found[1])
        return self.note("QR code", content.removeprefix("KABAO1:"))

    def copy(self, browser: Browser, licence_id: str) -> None:
        """Make a marked copy and let it be fetched by its link."""
        path = f"/wallet/cards/{licence_id}/copies"
        form = {"made_for": self.note("recipient of a copy", "神仙沟船厂"), "cause": self.note("cause of a copy", "查验船员资格"), "days": "7"}
        made = post_form(browser, path, form)  # type: ignore[arg-type]
        assert made.status_code == 303, made.text
        found = re.search(r"/copies/([A-Za-z0-9_-]{43})", browser.get(made.headers["Location"], headers=BROWSER).text)
        assert found is not None
        self.note("link of a copy", found[1])
        assert self.browser().post(found[0], headers=BROWSER).status_code == 200

    def rate(self, browser: Browser) -> None:
        """Complain of the newest use that can be rated."""
        found = re.search(r"/wallet/history/[0-9a-f-]{36}/rating", browser.get("/wallet/history", headers=BROWSER).text)
        assert found is not None
        said = post_form(browser, found[0], {"score": "2", "words": self.note("words of a rating", "柜台推诿扯皮")})  # type: ignore[arg-type]
        assert said.status_code == 303, said.text


def consent(browser: Browser, page: str) -> requests.Response:
    """Approve on the consent page."""
    found = re.search(r'action="(/authorize/consent[^"]*)"', page)
    assert found is not None
    holder = page.split('name="holder" value="')[1].split('"')[0]
    return browser.post(html.unescape(found[1]), data={"csrf_token": csrf_token(page), "holder": holder, "answer": "approve"}, headers=BROWSER)
