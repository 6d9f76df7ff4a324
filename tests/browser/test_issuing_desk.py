"""A licence that takes two officers, from the form to its end, as people do it in browsers: two officers, its holder, and one who verifies."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from runtime.clock import now
from runtime.database import transaction
from tests.browser.conftest import DESK, PHONE
from tests.world_people import PASSWORD, Person, new_person, open_account
from tests.world_wallet import DEFINITIONS, example_dates, example_fields, make_officer, new_department
from wallet.register.catalogue import get_type

pytestmark = pytest.mark.browser
SLUG = "minimum-living-allowance"
WHY_SEEN, WHY_ENDED = "复核低保申请材料", "家庭收入超过标准，核查属实"


@dataclass(frozen=True)
class Office:
    """A department that issues and verifies, with two officers, and somebody who applied."""

    first: Person
    second: Person
    holder: Person


@pytest.fixture
def office(live_app: Flask) -> Office:
    with live_app.app_context():
        department = new_department(issue=[SLUG], verify=[SLUG])
        with transaction() as session:
            people = [new_person(session) for _ in range(3)]
            for person in people:
                open_account(session, person)
            for person in people[:2]:
                make_officer(session, department=department, person=person)
    return Office(*people)


@contextmanager
def browsing(browser: Browser, url: str, viewport: dict[str, int], locale: str) -> Iterator[Page]:
    """Open a browser of somebody's own; no page of it scrolls sideways, and none complains."""
    context = browser.new_context(base_url=url, viewport=viewport, locale=locale)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    page, faults = context.new_page(), list[str]()
    page.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert not faults, faults


def fits(page: Page) -> None:
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), page.url.split("?")[0]


def sign_in(page: Page, person: Person, goal: str) -> None:
    page.goto(goal)
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_url(f"**{goal}")


def add_a_second_factor(page: Page) -> None:
    """Add an authenticator app where the desk asks for one, and come back to where one was."""
    page.click("#add-totp")
    page.fill("#name", "手机")
    page.click("#go_on")
    page.click("#no-scan")
    secret = page.inner_text("#secret").replace(" ", "")
    page.fill("#code", pyotp.TOTP(secret).at(now()))
    page.click("#confirm")


def fill_in(page: Page, person: Person) -> None:
    """Type what a certificate says, as the form of its type asks for it."""
    begins, ends = example_dates(DEFINITIONS[SLUG])
    page.fill("#holder_number", person.number)
    page.fill("#valid_from", begins.isoformat())
    page.fill("#valid_until", ends.isoformat() if ends else "")
    for name, value in example_fields(SLUG).items():
        control = page.locator(f"#f_{name}")
        if control.evaluate("one => one.tagName") == "SELECT":
            control.select_option(str(value))
        else:
            control.fill(str(value))


def seconded(page: Page, person: Person) -> None:
    """Find what waits, say why, see the whole, and approve it."""
    page.goto("/desk/requests")
    fits(page)
    page.locator("#requests a").first.click()
    expect(page.locator("body")).not_to_contain_text(person.number)
    if page.locator("#reveal").count():
        page.fill("#cause", WHY_SEEN)
        page.click("#reveal")
        expect(page.locator("#facts")).to_contain_text(person.number)
    fits(page)
    page.click("#approve")
    page.wait_for_url("**/desk/licences/*")


def code_of(page: Page) -> str:
    page.goto("/wallet")
    page.locator(".cards a").click()
    page.click("#show")
    page.click("#make-code")
    return page.inner_text("#spoken-code")


def code_leaves(page: Page) -> None:
    """Wait until a page that showed a code shows what became of it: it goes there by itself."""
    expect(page.locator("#qr")).to_have_count(0, timeout=30_000)


def verdict(page: Page, code: str) -> None:
    page.goto("/desk")
    page.fill("#presented", code)
    page.fill("#cause", "核对低保资格")
    page.click("#verify")
    page.wait_for_url("**/desk/receipts/*")


@pytest.mark.parametrize(("desks", "locale"), [(DESK, "zh-CN"), (PHONE, "en-GB")], ids=["at a desk, in Chinese", "on a phone, in English"])
def test_two_officers_issue_a_licence_and_end_it(
    browser: Browser, live_app: Flask, live_url: str, office: Office, desks: dict[str, int], locale: str
) -> None:
    with (
        browsing(browser, live_url, desks, locale) as first,
        browsing(browser, live_url, desks, locale) as second,
        browsing(browser, live_url, PHONE, locale) as holder,
    ):
        sign_in(first, office.first, "/desk/licences")
        first.click("#new")
        first.click(f"a[href$='/{SLUG}']")
        add_a_second_factor(first)
        first.wait_for_url(f"**/desk/licences/new/{SLUG}")
        fits(first)
        fill_in(first, office.holder)
        first.click("#issue")
        first.wait_for_url("**/desk/requests/*")
        expect(first.locator("#approve")).to_have_count(0)
        expect(first.locator("body")).not_to_contain_text(office.holder.number)

        sign_in(second, office.second, "/desk/requests")
        second.goto("/desk/licences/new")
        second.click(f"a[href$='/{SLUG}']")
        add_a_second_factor(second)
        second.wait_for_url(f"**/desk/licences/new/{SLUG}")
        seconded(second, office.holder)

        sign_in(holder, office.holder, "/wallet")
        with live_app.app_context():
            name = get_type(SLUG).name
        expect(holder.locator(".cards")).to_contain_text(name.en if locale.startswith("en") else name.zh)
        holder.goto("/wallet/history")
        expect(holder.locator(".timeline")).to_contain_text(WHY_SEEN)
        verdict(second, code_of(holder))
        expect(second.locator("#verdict")).to_have_attribute("data-verdict", "valid")
        code_leaves(holder)

        shown = code_of(holder)
        first.goto("/desk/licences")
        first.locator("#licences a").first.click()
        first.click("#act-revoke")
        first.fill("#reason", WHY_ENDED)
        first.fill("#legal_basis", "《社会救助暂行办法》第十三条")
        fits(first)
        first.click("#do")
        first.wait_for_url("**/desk/requests/*")
        seconded(second, office.holder)
        expect(second.locator("#state")).to_have_class(re.compile("state--revoked"))
        verdict(second, shown)
        expect(second.locator("#verdict")).to_have_attribute("data-verdict", "invalid")
        code_leaves(holder)
        holder.goto("/wallet")
        holder.locator(".cards a").click()
        expect(holder.locator("#show")).to_have_count(0)
