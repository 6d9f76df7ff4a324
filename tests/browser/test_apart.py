"""A device's code and a counter's question, answered on a phone, with scripts and without, in both languages."""

import os
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from idp.oauth.clients import CIBA, DEVICE_CODE
from runtime.database import transaction
from runtime.languages import Text
from tests.browser.conftest import PHONE
from tests.idp.oauth.apart.steps import Counter, Terminal, error_of, good
from tests.world_clients import new_portal
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("APART_SHOTS")


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def terminal(app: Flask) -> Terminal:
    with app.app_context(), transaction() as session:
        name = Text("办事大厅自助终端", "Hall terminal")
        return Terminal(app.test_client(), new_portal(session, redirect_uris=[], grant_types=[DEVICE_CODE], name=name))


@pytest.fixture
def counter(app: Flask) -> Counter:
    with app.app_context(), transaction() as session:
        by_poll = {"redirect_uris": [], "grant_types": [CIBA], "metadata": {"backchannel_token_delivery_mode": "poll"}}
        return Counter(app.test_client(), new_portal(session, name=Text("综合受理窗口", "Service counter"), **by_poll))


@pytest.fixture(params=[("zh-CN", True), ("en-GB", False)], ids=["Chinese", "English, without scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, live_url: str) -> Iterator[Page]:
    """A phone in one of the languages."""
    locale, scripts = request.param
    context = browser.new_context(base_url=live_url, viewport=PHONE, locale=locale, java_script_enabled=scripts)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, person: Person) -> None:
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")


def is_as_wide_as_a_phone(page: Page) -> bool:
    return int(page.evaluate("document.documentElement.scrollWidth")) <= PHONE["width"]


def test_a_device_is_let_in_by_its_code(app: Flask, terminal: Terminal, page: Page, person: Person) -> None:
    with app.app_context():
        codes = terminal.codes(scope="openid profile licences")
        page.goto("/device")
        assert is_as_wide_as_a_phone(page)
        shoot(page, "device")
        page.fill("#user_code", codes["user_code"].lower())
        page.click("#go_on")
        sign_in(page, person)
        expect(page.locator("#shown-code")).to_have_text(codes["user_code"])
        assert is_as_wide_as_a_phone(page)
        shoot(page, "device-request")
        page.click("#approve")
        expect(page.locator(".verdict")).to_be_visible()
        shoot(page, "device-approved")
        assert "access_token" in good(terminal.poll(codes["device_code"]))


def test_a_counter_is_answered_in_the_inbox(app: Flask, counter: Counter, page: Page, person: Person) -> None:
    with app.app_context():
        asked = counter.asked(login_hint=person.number, scope="openid licences", binding_message="综合窗口 A12")
        page.goto("/account/requests")
        sign_in(page, person)
        expect(page.locator("#requests")).to_be_visible()
        assert is_as_wide_as_a_phone(page)
        shoot(page, "inbox")
        page.click('[id^="open-"]')
        expect(page.locator("#message")).to_have_text("综合窗口 A12")
        assert is_as_wide_as_a_phone(page)
        shoot(page, "request")
        page.click("#report")
        expect(page.locator(".verdict")).to_be_visible()
        shoot(page, "muted")
        page.goto("/account/requests")
        expect(page.locator("#hear-1")).to_be_visible()
        shoot(page, "inbox-muted")
        assert error_of(counter.poll(asked["auth_req_id"])) == "access_denied"


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}-{page.evaluate('document.documentElement.lang')}.png", full_page=True)
