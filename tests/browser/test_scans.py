"""Scanning to sign in and the devices' page, in a real browser: a desk with scripts, a desk without, and a phone."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from runtime.database import transaction
from tests.browser.conftest import DESK
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.browser


@pytest.fixture
def person(live_app: Flask) -> Person:
    with live_app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def signed_in(phone: Page, person: Person) -> Page:
    phone.goto("/signin")
    phone.fill("#number", person.number)
    phone.fill("#password", PASSWORD)
    phone.press("#password", "Enter")
    phone.wait_for_url("**/wallet")
    return phone


@pytest.fixture
def plain(browser: Browser, live_url: str) -> Iterator[Page]:
    """A desk's browser that runs no scripts."""
    context = browser.new_context(base_url=live_url, viewport=DESK, locale="zh-CN", java_script_enabled=False)
    yield context.new_page()
    context.close()


def scanned(live_app: Flask, desk: Page) -> str:
    """What the phone's camera would read: the code's address, out of the desk's own cookie."""
    value = next(cookie["value"] for cookie in desk.context.cookies() if cookie["name"] == "kabao_form")  # type: ignore[typeddict-item]
    signer = live_app.session_interface.get_signing_serializer(live_app)  # type: ignore[attr-defined]
    return f"/scan/{signer.loads(value)['scan']['qr']}"


def width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_the_desk_goes_on_by_itself_once_the_phone_confirmed(live_app: Flask, signed_in: Page, desk: Page, person: Person) -> None:
    desk.goto("/signin")
    desk.click("#scan-to-sign-in")
    number = desk.inner_text("#scan-number")
    assert str(desk.get_attribute("#scan-address", "href")).endswith(scanned(live_app, desk)), "in development, for want of a phone that gets here"
    signed_in.goto(scanned(live_app, desk))
    assert width(signed_in) <= 360
    signed_in.fill("#number", number)
    signed_in.press("#number", "Enter")
    expect(signed_in.locator("h1")).to_have_text("已确认")
    desk.wait_for_url(re.compile("[0-9]/wallet$"))
    desk.goto("/account/devices")
    assert desk.locator("#devices > li").count() == 2


def test_the_desk_hears_that_the_phone_refused(live_app: Flask, signed_in: Page, desk: Page) -> None:
    desk.goto("/signin")
    desk.click("#scan-to-sign-in")
    signed_in.goto(scanned(live_app, desk))
    signed_in.click("#refuse")
    expect(desk.locator("h1")).to_have_text("手机上没有同意这次登录")


def test_a_desk_without_scripts_asks_by_a_button(live_app: Flask, signed_in: Page, plain: Page) -> None:
    plain.goto("/signin")
    plain.click("#scan-to-sign-in")
    expect(plain.locator("main noscript p")).to_contain_text("没有启用脚本")
    plain.click("#confirmed")
    expect(plain.locator("main")).to_contain_text("手机上还没有确认")
    number = plain.inner_text("#scan-number")
    signed_in.goto(scanned(live_app, plain))
    signed_in.fill("#number", number)
    signed_in.click("#confirm")
    plain.click("#confirmed")
    plain.wait_for_url(re.compile("[0-9]/wallet$"))


def test_another_device_is_signed_out_from_the_list(live_app: Flask, signed_in: Page, desk: Page, person: Person) -> None:
    desk.goto("/signin")
    desk.fill("#number", person.number)
    desk.fill("#password", PASSWORD)
    desk.press("#password", "Enter")
    desk.wait_for_url("**/wallet")
    signed_in.goto("/account/devices")
    assert width(signed_in) <= 360
    signed_in.locator("#devices .btn-outline-danger").click()
    expect(signed_in.locator("#devices > li")).to_have_count(1)
    desk.goto("/account")
    assert "/signin" in desk.url
