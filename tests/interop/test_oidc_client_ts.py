"""oidc-client-ts (npm), in chromium, as a client without a secret that runs in a page: sign-in, claims, renewal, sign-out."""

import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from idp.oauth import clients
from runtime.clock import now
from runtime.languages import Text
from tests.at_address import AddressedKabao
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.interop.conftest import Program
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = [pytest.mark.interop, pytest.mark.browser]
LIBRARY = Path(__file__).parent / "node_modules" / "oidc-client-ts" / "dist" / "browser" / "oidc-client-ts.min.js"
PAGE = b"<!doctype html><title>SPA</title><script src=/oidc.js></script><h1>SPA</h1>"
MAKE = """({authority, clientId, scope}) => { window.manager = new oidc.UserManager({
  authority, client_id: clientId, scope, response_type: 'code', loadUserInfo: true, automaticSilentRenew: false, silentRequestTimeoutInSeconds: 8,
  redirect_uri: location.origin + '/callback', silent_redirect_uri: location.origin + '/silent',
  post_logout_redirect_uri: location.origin + '/goodbye',
  userStore: new oidc.WebStorageStateStore({ store: sessionStorage }), stateStore: new oidc.WebStorageStateStore({ store: sessionStorage }),
}); }"""
SILENT = PAGE.replace(b"<h1>", b"<script src=/silent.js></script><h1>")
CALL_BACK = b"new oidc.UserManager({authority: 'x', client_id: 'x', redirect_uri: 'x'}).signinSilentCallback();"


class Application(BaseHTTPRequestHandler):
    """The page, its library, and the page of the silent frame."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body, kind = {
            "/oidc.js": (LIBRARY.read_bytes(), "text/javascript"),
            "/silent": (SILENT, "text/html"),
            "/silent.js": (CALL_BACK, "text/javascript"),
        }.get(path, (PAGE, "text/html"))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def application(node: Program) -> Iterator[str]:
    """Where the application is served; the library comes with the other packages of `node`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: install Debian's chromium, or name one in KABAO_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(locale="zh-CN")
        page.set_default_timeout(15_000)
        yield page
        browser.close()


@pytest.fixture
def person(kabao: AddressedKabao) -> Person:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def register(kabao: AddressedKabao, application: str, scope: str) -> str:
    with kabao.world() as session:
        row = clients.register_client(
            session,
            client_id=f"spa-{secrets.token_hex(6)}",
            name=Text("网页应用", "Web application"),
            owner="11379999000000035T",
            auth_method="none",
            redirect_uris=[f"{application}/callback", f"{application}/silent"],
            post_logout_redirect_uris=[f"{application}/goodbye"],
            grant_types=["authorization_code", "refresh_token"],
            scopes=scope.split(),
            now=now(),
        )
        return row.client_id


def make(page: Page, application: str, path: str, **settings: str) -> None:
    page.goto(application + path)
    page.evaluate(MAKE, settings)


@pytest.mark.parametrize(
    ("scope", "renewal"),
    [("openid profile", "consent_required"), ("openid profile offline_access", "renewed")],
    ids=["by a frame", "by a refresh token"],
)
def test_a_page_signs_a_person_in_and_out(page: Page, kabao: AddressedKabao, application: str, person: Person, scope: str, renewal: str) -> None:
    settings = {"authority": kabao.url, "clientId": register(kabao, application, scope), "scope": scope}
    make(page, application, "/", **settings)
    page.evaluate("() => { manager.signinRedirect(); }")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.click("#approve")
    page.wait_for_url("**/callback?**")
    page.evaluate(MAKE, settings)
    user = page.evaluate("async () => { const user = await manager.signinCallback(); return user.profile; }")
    assert (user["name"], user["aud"]) == (person.name, settings["clientId"])
    renewed = page.evaluate("() => manager.signinSilent().then((user) => user.access_token && 'renewed', (error) => error.error ?? String(error))")
    assert renewed == renewal
    page.evaluate("() => { manager.signoutRedirect(); }")
    page.wait_for_url("**/goodbye**")
    page.goto(f"{kabao.url}/wallet")
    page.wait_for_selector("#signin")
