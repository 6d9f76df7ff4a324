"""openid-client (npm) as a terminal that shows a code, and as a counter that asks somebody elsewhere, by poll and by ping."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

import pytest

from demo.browser import Browser
from idp.oauth.clients import CIBA, DEVICE_CODE, REFRESH_TOKEN
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.world_clients import System, new_portal
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.interop
SCOPE = "openid profile offline_access"
SCOPES = tuple(SCOPE.split())
SOON = {"interval": 1}
Client = Callable[..., dict[str, Any]]


@pytest.fixture
def person(kabao: AddressedKabao) -> Person:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def pings() -> Iterator[tuple[str, "Queue[tuple[str | None, dict[str, Any]]]"]]:
    """Where a client is told that there is an answer, and what it was told."""
    heard: Queue[tuple[str | None, dict[str, Any]]] = Queue()

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put((self.headers["Authorization"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 (the name in the standard library)
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ping", heard
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


def program(node: Program, kabao: AddressedKabao, system: System) -> Client:
    def run(step: str, **given: Any) -> dict[str, Any]:
        return node("apart", step=step, issuer=kabao.url, client_id=system.client_id, jwk=private_jwk(system.private_key), scope=SCOPE, **given)

    return run


def new_client(kabao: AddressedKabao, *grants: str, **metadata: str) -> System:
    with kabao.world() as session:
        return new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[*grants, REFRESH_TOKEN], metadata=metadata)


def answer_at(browser: Browser, url: str, person: Person, *buttons: str) -> None:
    browser.open(url)
    for button in buttons:
        if browser.has_button("signin"):
            browser.submit("signin", number=person.number, password=PASSWORD)
        browser.submit(button)


@pytest.mark.parametrize(("button", "outcome"), [("approve", None), ("refuse", "access_denied")])
def test_a_terminal_waits_for_the_answer(node: Program, kabao: AddressedKabao, person: Person, button: str, outcome: str | None) -> None:
    terminal = program(node, kabao, new_client(kabao, DEVICE_CODE))
    begun = terminal("device")
    assert begun["verification_uri"] == f"{kabao.url}/device"
    answer_at(Browser(language="zh"), begun["verification_uri_complete"], person, "go_on", button)
    tokens = terminal("device_tokens", begun={**begun, **SOON})
    assert tokens.get("error") == outcome
    assert outcome or (tokens["claims"]["sub_type"] == "person" and tokens["has_refresh_token"])


def test_a_counter_polls_until_the_person_has_answered(node: Program, kabao: AddressedKabao, person: Person) -> None:
    counter = program(node, kabao, new_client(kabao, CIBA, backchannel_token_delivery_mode="poll"))
    begun = counter("backchannel", more={"login_hint": person.number, "binding_message": "A12"})
    browser = Browser(language="zh")
    answer_at(browser, f"{kabao.url}/account/requests", person)
    if browser.has_button("signin"):
        browser.submit("signin", number=person.number, password=PASSWORD)
    path = browser.text.split('href="/account/requests/')[1].split('"')[0]
    answer_at(browser, f"{kabao.url}/account/requests/{path}", person, "approve")
    tokens = counter("backchannel_tokens", begun={**begun, **SOON})
    assert tokens["claims"]["sub_type"] == "person"


def test_a_counter_is_told_and_then_fetches_the_answer(
    node: Program, kabao: AddressedKabao, person: Person, pings: tuple[str, "Queue[tuple[str | None, dict[str, Any]]]"]
) -> None:
    uri, heard = pings
    system = new_client(kabao, CIBA, backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint=uri)
    counter = program(node, kabao, system)
    begun = counter("backchannel", more={"login_hint": person.number, "client_notification_token": "a-token-of-the-counter-0123456789"})
    browser = Browser(language="en")
    answer_at(browser, f"{kabao.url}/account/requests", person)
    if browser.has_button("signin"):
        browser.submit("signin", number=person.number, password=PASSWORD)
    path = browser.text.split('href="/account/requests/')[1].split('"')[0]
    answer_at(browser, f"{kabao.url}/account/requests/{path}", person, "approve")
    assert heard.get(timeout=30) == ("Bearer a-token-of-the-counter-0123456789", {"auth_req_id": begun["auth_req_id"]})
    assert counter("backchannel_tokens", begun={**begun, **SOON})["claims"]["sub_type"] == "person"
