"""The wallet without a network: what was kept is shown, what was not is not there, and whoever comes next finds nothing of it."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest
from flask import Flask, render_template
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import BaseWSGIServer, make_server

from runtime.settings import Settings
from tests.browser.conftest import PHONE
from tests.browser.test_wallet import sign_in
from tests.served import free_port
from tests.wallet.holding.test_wallet_pages import licensed, someone
from tests.world_people import Person
from wallet.holding import app_pages
from wsgi import create_app

pytestmark = pytest.mark.browser
TYPES = ("resident-identity-card", "driving-licence")
SLOWEST = 30_000
STORED = "localStorage.getItem('kabao.kept')"
REPLACED = """async (old) => {
  while ((await caches.keys()).some((one) => old.includes(one))) await new Promise((wait) => setTimeout(wait, 100));
}"""


@dataclass
class Network:
    """A server that can go away and come back, and a phone before it."""

    phone: Page
    live: Flask
    port: int
    server: BaseWSGIServer | None = None

    def come(self) -> None:
        self.server = make_server("127.0.0.1", self.port, self.live, threaded=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def go(self) -> None:
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()
        self.server = None


@pytest.fixture
def network(app: Flask, settings: Settings, browser: Browser) -> Iterator[Network]:
    """A network that is there, and a small phone."""
    port = free_port()
    live = create_app(replace(settings, public_url=f"http://127.0.0.1:{port}"))
    context = browser.new_context(base_url=f"http://127.0.0.1:{port}", viewport=PHONE, locale="zh-CN")  # type: ignore[arg-type]
    context.set_default_timeout(SLOWEST)
    network = Network(context.new_page(), live, port)
    faults: list[str] = []
    network.phone.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
    network.phone.on("pageerror", lambda error: faults.append(str(error)))
    network.come()
    yield network
    context.close()
    if network.server is not None:
        network.go()
    live.extensions["kabao_cache"].stop()
    live.extensions["kabao_engine"].dispose()
    assert not faults, faults


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


def keep(page: Page) -> None:
    page.click("#keep")
    expect(page.locator("#keep")).to_have_text("不再保留", timeout=SLOWEST)
    page.wait_for_function("navigator.serviceWorker.ready.then((found) => found.active.state === 'activated')")


def test_cards_and_a_code_that_were_kept_are_there_without_a_network(app: Flask, network: Network, person: Person) -> None:
    identity, driving = licensed(app, person.number, *TYPES)
    page = network.phone
    sign_in(page, person)
    assert page.evaluate(STORED) is None, "nothing is kept that nobody asked for"
    keep(page)
    page.goto(f"/wallet/cards/{driving.id}/offline")
    page.click("#make-code")
    page.click("#keep-code")
    expect(page.locator("#keep-code")).to_be_disabled(timeout=SLOWEST)
    network.go()
    page.goto(f"/wallet/cards/{identity.id}")
    expect(page.locator(".licence__type")).to_have_text(
        ["机动车驾驶证", "居民身份证"], use_inner_text=True, timeout=SLOWEST
    )  # what has a code comes first
    expect(page.locator(".qr__picture")).to_have_count(2, timeout=SLOWEST)
    page.locator("details:visible summary").click()
    expect(page.locator("details:visible .qr__picture")).to_be_visible(timeout=SLOWEST)
    assert person.number not in page.content()
    assert person.name not in page.content()
    assert page.locator(".licence").first.evaluate("one => getComputedStyle(one).borderRadius") != "0px", "the style is kept, too"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    network.come()
    page.goto("/wallet")
    expect(page.locator("#keep")).to_have_text("不再保留", timeout=SLOWEST)
    page.click("#keep")
    expect(page.locator("#keep")).to_have_text("在本机保留", timeout=SLOWEST)
    assert page.evaluate(STORED) is None


def test_a_newer_worker_brings_the_page_that_goes_with_its_files(
    app: Flask, network: Network, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    driving = licensed(app, person.number, "driving-licence")[0]
    page = network.phone
    sign_in(page, person)
    keep(page)
    old = [name for name in page.evaluate("caches.keys()") if name != "kabao-shell"]
    monkeypatch.setattr(app_pages, "OWN", (*app_pages.OWN, "seal.svg"))
    monkeypatch.setattr(app_pages, "render_template", lambda name: render_template(name).replace('id="main"', 'id="main" data-newer'))
    page.goto(f"/wallet/cards/{driving.id}")  # a page on which nothing is kept anew
    page.evaluate(REPLACED, old)
    assert page.locator("h1").is_visible(), "the page that was open goes on"
    network.go()
    page.goto("/wallet")
    expect(page.locator("main[data-newer]")).to_be_visible(timeout=SLOWEST)
    expect(page.locator(".licence__type")).to_have_text("机动车驾驶证", use_inner_text=True, timeout=SLOWEST)


def signing_out(page: Page) -> None:
    page.click("#nav-signout")
    page.wait_for_url("**/signin")


def losing_the_session(page: Page) -> None:
    page.context.clear_cookies()
    page.goto("/signin")


@pytest.mark.parametrize("leaving", [signing_out, losing_the_session], ids=["signing out", "a session that ended"])
def test_whoever_comes_next_finds_nothing_of_the_one_before(app: Flask, network: Network, person: Person, leaving: Callable[[Page], None]) -> None:
    licensed(app, person.number, *TYPES)
    other, page = someone(app), network.phone
    licensed(app, other.number, "degree-certificate")
    sign_in(page, person)
    keep(page)
    leaving(page)
    page.wait_for_function(f"{STORED} === null")
    sign_in(page, other)
    assert page.evaluate(STORED) is None
    page.goto("/wallet/kept")
    expect(page.locator("#kept-none")).to_be_visible(timeout=SLOWEST)
    page.goto("/wallet")
    keep(page)
    network.go()
    page.goto("/wallet")
    expect(page.locator(".licence__type")).to_have_text(["学位证书"], use_inner_text=True, timeout=SLOWEST)


@pytest.mark.parametrize("days", [8, -8], ids=["old", "by a clock that was ahead"])
def test_what_was_kept_is_forgotten_after_a_week(app: Flask, network: Network, person: Person, days: int) -> None:
    licensed(app, person.number, *TYPES)
    page = network.phone
    sign_in(page, person)
    keep(page)
    page.evaluate(
        """(days) => {
            const kept = JSON.parse(localStorage.getItem("kabao.kept"));
            kept.at = new Date(Date.now() - days * 24 * 3600 * 1000).toISOString();
            localStorage.setItem("kabao.kept", JSON.stringify(kept));
        }""",
        days,
    )
    network.go()
    page.goto("/wallet")
    expect(page.locator("#kept-none")).to_be_visible(timeout=SLOWEST)
    assert page.evaluate(STORED) is None


def test_the_wallet_can_be_installed(network: Network, app: Flask, person: Person) -> None:
    licensed(app, person.number, *TYPES)
    page = network.phone
    sign_in(page, person)
    keep(page)
    devtools = page.context.new_cdp_session(page)
    found = devtools.send("Page.getAppManifest")
    assert found["errors"] == []
    assert found["url"].endswith("/wallet/app.webmanifest")
    faults = [one["errorId"] for one in devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert [one for one in faults if one != "in-incognito"] == []
