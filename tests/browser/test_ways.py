"""Ways to sign in, in a real browser: without JavaScript, on a small phone and at a desk, in both languages."""

import re
from collections.abc import Callable, Iterator
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from runtime.clock import now
from runtime.database import transaction
from tests.browser.conftest import DESK, PHONE
from tests.idp.signin.proofs_at_hand import app_shows, code_that_reached, enrol, reach
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.browser
See = Callable[[Page, str], None]


@pytest.fixture
def person(app: Flask) -> Person:
    """Someone with an account."""
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture(params=["zh", "en"])
def plain(request: pytest.FixtureRequest, browser: Browser, live_url: str) -> Iterator[Page]:
    """A phone in a language, without JavaScript."""
    context = browser.new_context(base_url=live_url, viewport=PHONE, locale="zh-CN" if request.param == "zh" else "en-GB", java_script_enabled=False)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def fits(page: Page) -> None:
    """Check that nothing is wider than the page, without JavaScript; what is within the account's menu scrolls in its row."""
    page.wait_for_load_state()
    width = page.viewport_size["width"] if page.viewport_size else 0
    shown = page.locator("main *:visible:not(.account-nav *)")
    assert shown.evaluate_all("all => Math.max(...all.map((one) => one.getBoundingClientRect().right))") <= width + 1


def sign_in(page: Page, person: Person, goal: str = "/account/ways") -> None:
    page.goto(f"/signin?next={goal}")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")


def test_all_ways_are_added_and_one_signs_in_by_them(app: Flask, plain: Page, person: Person) -> None:
    page = plain
    sign_in(page, person)
    fits(page)
    page.click("#add-contact")
    page.fill("#address", "138 0013 8000")
    fits(page)
    page.click("#add")
    contact = UUID(re.findall(r"contacts/([0-9a-f-]{36})", page.url)[0])
    fits(page)
    page.fill("#code", code_that_reached(app, contact))
    page.click("#confirm")
    assert "138****8000" in page.inner_text("#contacts")
    page.click("#add-totp")
    page.fill("#name", "手机")
    page.click("#go_on")
    page.click("#no-scan")
    secret = page.inner_text("#secret").replace(" ", "")
    fits(page)
    page.fill("#code", pyotp.TOTP(secret).at(now()))
    page.click("#confirm")
    page.click("#make-codes")
    fits(page)
    page.wait_for_load_state()
    codes = page.locator("#codes code").all_inner_texts()
    assert len(codes) == 10
    with page.expect_download() as download:
        page.click("#download")
    assert all(code in download.value.path().read_text() for code in codes)
    page.click("#done")
    fits(page)
    page.context.clear_cookies()
    sign_in(page, person)
    fits(page)
    assert "/signin/second" in page.url
    page.click("#way-recovery")
    page.fill("#code", codes[0].lower())
    page.click("#confirm")
    assert page.url.endswith("/account/ways")
    page.click("#change-password")
    fits(page)


def test_a_code_signs_in_without_the_password(app: Flask, plain: Page, person: Person) -> None:
    contact = reach(app, person, "someone@example.cn")
    page = plain
    page.goto("/signin?next=/account")
    page.click("#by-code")
    page.fill("#number", person.number)
    page.check("#channel-1")
    fits(page)
    page.click("#send")
    page.fill("#code", code_that_reached(app, contact))
    fits(page)
    page.click("#signin")
    assert page.url.endswith("/account")


def test_a_step_up_returns_to_where_one_was(app: Flask, plain: Page, person: Person) -> None:
    sign_in(plain, person)
    secret = enrol(app, person)
    plain.goto("/account/ways/password")
    assert "/signin/step-up" in plain.url
    fits(plain)
    plain.fill("#code", app_shows(secret))
    plain.click("#confirm")
    assert plain.url.endswith("/account/ways/password")


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["360", "1280"])
def test_the_overview_fits(app: Flask, browser: Browser, live_url: str, person: Person, viewport: dict[str, int]) -> None:
    secret = enrol(app, person, name="一个名字起得很长很长很长很长很长很长的手机验证器")
    reach(app, person, "a-rather-long-name.of-someone+kabao@a-rather-long-domain-of-some-department.example.gov.cn")
    context = browser.new_context(base_url=live_url, viewport=viewport, locale="zh-CN")  # type: ignore[arg-type]
    page = context.new_page()
    try:
        sign_in(page, person)
        page.wait_for_url("**/signin/second**")
        fits(page)
        page.fill("#code", app_shows(secret))
        page.check("#trust")
        page.click("#confirm")
        page.wait_for_url("**/account/ways")
        assert page.locator("#browsers li").count() == 1
        fits(page)
    finally:
        context.close()
