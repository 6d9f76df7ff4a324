"""What goes through a real browser between us and a portal: a form that posts itself, the choice of an account, frames that tell of a sign-out."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from runtime.database import transaction
from tests.browser.conftest import DESK, PHONE
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, new_portal
from tests.world_people import PASSWORD, Person, new_organisation, new_person, open_account

pytestmark = pytest.mark.browser
PICTURES = os.environ.get("KABAO_TEST_PICTURES")
SCOPE = "openid"


class PortalServer(ThreadingHTTPServer):
    """A portal, which keeps what it hears."""

    heard: list[tuple[str, str, dict[str, list[str]], str]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self, method: str) -> list[str]:
        return [path for each, path, _, _ in self.heard if each == method]


class Handler(BaseHTTPRequestHandler):
    server: PortalServer

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self._hear("GET", path, parse_qs(query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._hear("POST", self.path, parse_qs(body))

    def _hear(self, method: str, path: str, parameters: dict[str, list[str]]) -> None:
        self.server.heard.append((method, path, parameters, self.headers.get("Origin", "")))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Portal</title><h1 id=portal>Portal</h1>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hall() -> Iterator[PortalServer]:
    server = PortalServer(("127.0.0.1", 0), Handler)
    server.heard = []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture
def person(live_app: Flask) -> Person:
    with live_app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def plain(browser: Browser, live_url: str) -> Iterator[Page]:
    """A small phone without JavaScript."""
    context = browser.new_context(base_url=live_url, viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def portal_at(app: Flask, hall: PortalServer, **metadata: Any) -> System:
    callback = f"{hall.url}/callback"
    with app.app_context(), transaction() as session:
        uris = {"redirect_uris": [callback], "post_logout_redirect_uris": [f"{hall.url}/goodbye"]}
        made = new_portal(session, first_party=True, metadata=metadata, **uris)
    return System(made.client_id, made.private_key, callback)


def request_of(portal: System, **changes: str) -> str:
    return "/authorize?" + urlencode(Journey(portal, scope=SCOPE).parameters(**changes))


def enter(page: Page, person: Person) -> None:
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")


def look(page: Page, name: str) -> None:
    """See that nothing scrolls sideways, in either language, on a phone and at a desk; keep a picture where they are wanted."""
    path = page.url
    for language in ("en", "zh"):
        for size, viewport in (("phone", PHONE), ("desk", DESK)):
            page.set_viewport_size(viewport)  # type: ignore[arg-type]
            page.goto(f"{path}{'&' if '?' in path else '?'}lang={language}")
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], (name, language, size)
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/{name}-{language}-{size}.png", full_page=True)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]


def test_a_form_posts_itself_to_the_portal(phone: Page, live_app: Flask, live_url: str, hall: PortalServer, person: Person) -> None:
    portal = portal_at(live_app, hall)
    phone.goto(request_of(portal, response_mode="form_post"))
    enter(phone, person)
    phone.wait_for_selector("#portal")
    (posted,) = [each for each in hall.heard if each[0] == "POST"]
    assert posted[1] == "/callback"
    assert set(posted[2]) == {"code", "state", "iss"}
    assert posted[3] == live_url, "the portal sees from where the form came"
    phone.go_back()
    phone.wait_for_selector("#go_on, #portal, #number")
    assert len(hall.paths("POST")) == 1, "going back posts nothing again"


def test_without_a_script_its_button_does(plain: Page, live_app: Flask, hall: PortalServer, person: Person) -> None:
    plain.goto(request_of(portal_at(live_app, hall), response_mode="form_post.jwt"))
    enter(plain, person)
    if PICTURES:
        plain.screenshot(path=f"{PICTURES}/form-post-zh-phone.png", full_page=True)
    plain.click("#go_on")
    plain.wait_for_selector("#portal")
    assert [set(each[2]) for each in hall.heard if each[0] == "POST"] == [{"response"}]


def test_one_chooses_for_whom_to_go_on(phone: Page, live_app: Flask, hall: PortalServer, person: Person) -> None:
    with live_app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
    portal = portal_at(live_app, hall)
    phone.goto("/signin")
    enter(phone, person)
    phone.wait_for_url("**/wallet")
    phone.goto(request_of(portal, prompt="select_account"))
    look(phone, "select")
    phone.click(f"text=代表“{firm.name}”继续")
    phone.wait_for_selector("#portal")
    assert hall.paths("GET")[-1] == "/callback" or "/callback" in hall.paths("GET")
    phone.goto(request_of(portal, prompt="select_account"))
    phone.click("#refuse")
    phone.wait_for_selector("#portal")
    assert any(each[2].get("error") == ["access_denied"] for each in hall.heard)


@pytest.mark.parametrize("which", ["phone", "plain"])
def test_portals_are_told_of_a_sign_out_by_frames(
    request: pytest.FixtureRequest, which: str, live_app: Flask, live_url: str, hall: PortalServer, person: Person
) -> None:
    page: Page = request.getfixturevalue(which)
    told, asking = portal_at(live_app, hall, frontchannel_logout_uri=f"{hall.url}/out"), portal_at(live_app, hall)
    page.goto(request_of(told))
    enter(page, person)
    page.wait_for_selector("#portal")
    page.goto(live_url + request_of(asking))
    page.wait_for_selector("#portal")
    page.goto(f"{live_url}/logout?" + urlencode({"client_id": asking.client_id, "post_logout_redirect_uri": f"{hall.url}/goodbye"}))
    if which == "phone":
        look(page, "logout")
    page.click("#logout")
    page.wait_for_selector("#told")
    if PICTURES and which == "phone":
        page.screenshot(path=f"{PICTURES}/told-zh-phone.png", full_page=True)
    page.wait_for_url(f"{hall.url}/goodbye")
    (heard,) = [each for each in hall.heard if each[1] == "/out"]
    assert heard[2]["iss"] == [live_url]
    assert heard[2]["sid"]


def test_the_portals_to_go_to_fit_every_screen(phone: Page, live_app: Flask, hall: PortalServer, person: Person) -> None:
    portal = portal_at(live_app, hall, initiate_login_uri=f"{hall.url}/begin")
    phone.goto("/signin")
    enter(phone, person)
    phone.wait_for_url("**/wallet")
    phone.goto("/portals")
    look(phone, "launcher")
    phone.click(f"#go-{portal.client_id}")
    phone.wait_for_selector("#portal")
    assert hall.paths("GET")[0] == "/begin"
