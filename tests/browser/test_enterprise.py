"""The pages of organisations and of minors in a real browser: on a small phone, in both languages, without scripts."""

import os
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from idp.subjects import registry_import
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.browser.conftest import PHONE
from tests.idp.subjects.firms import Firm, new_firm
from tests.world_people import PASSWORD, Person, citizen_number, new_person
from tests.world_wallet import apply_catalogue, new_department, new_licence
from wallet.register.catalogue import get_type
from wallet.register.departments import get_department
from wallet.verifying.attesting import Asker
from wallet.verifying.verification import VerificationRequest, verify_presented

pytestmark = pytest.mark.browser
PICTURES = os.environ.get("KABAO_TEST_PICTURES")


@pytest.fixture
def firm(live_app: Flask) -> Firm:
    with live_app.app_context():
        apply_catalogue()
        with transaction() as session:
            return new_firm(session, claimed=False)


@pytest.fixture
def plain_phone(browser: Browser, live_url: str) -> Iterator[Page]:
    """A small phone without JavaScript."""
    context = browser.new_context(base_url=live_url, viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def enter(page: Page, person: Person) -> None:
    page.goto("/signin")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_url("**/wallet")


def fits(page: Page, name: str) -> None:
    """See that nothing scrolls sideways, in either language."""
    path = page.url
    for language in ("en", "zh"):
        page.goto(f"{path}?lang={language}")
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}-{language}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def appoint(page: Page, firm: Firm, person: Person) -> None:
    page.goto(f"/enterprise/{firm.id}")
    page.click("#appoint")
    page.fill("#number", person.number)
    page.fill("#name", person.name)
    page.check("input[name=role][value=handler]")
    page.check("input[name=type_reach][value=named]")
    page.locator("input[name=types]").first.check()
    page.check("input[name=portal_reach][value=all]")
    page.click("#appoint-form #appoint")
    page.wait_for_selector("#people")


def test_the_pages_fit_a_phone_in_both_languages(phone: Page, live_app: Flask, firm: Firm) -> None:
    with live_app.app_context(), transaction() as session:
        handler = new_person(session)
    enter(phone, firm.boss)
    phone.goto("/enterprise")
    fits(phone, "organisations")
    phone.click(f"#claim-{firm.id}")
    appoint(phone, firm, handler)
    assert handler.name in phone.inner_text("#people")
    fits(phone, "people")
    phone.click("a[id^=change-]")
    fits(phone, "change")
    phone.goto(f"/enterprise/{firm.id}/appoint")
    fits(phone, "appoint")
    phone.goto(f"/enterprise/{firm.id}")
    phone.click("a[id^=end-]")
    fits(phone, "end")
    phone.click("#confirm-end")
    phone.wait_for_selector("#ended")
    fits(phone, "ended")
    phone.click("button[id^=again-]")
    phone.wait_for_selector("a[id^=end-]")


def test_kinds_of_licences_are_asked_for_only_of_a_handler_whose_mandate_names_them(plain_phone: Page, firm: Firm) -> None:
    enter(plain_phone, firm.boss)
    plain_phone.goto("/enterprise")
    plain_phone.click(f"#claim-{firm.id}")
    plain_phone.goto(f"/enterprise/{firm.id}/appoint")
    kinds = plain_phone.locator("#kinds")
    assert not kinds.is_visible()
    plain_phone.check("input[name=role][value=handler]")
    plain_phone.check("input[name=type_reach][value=named]")
    assert kinds.is_visible()
    plain_phone.check("input[name=type_reach][value=all]")
    assert not kinds.is_visible()
    plain_phone.check("input[name=role][value=licence_manager]")
    assert not plain_phone.locator("input[name=type_reach]").first.is_visible()


def test_everything_works_without_scripts(plain_phone: Page, live_app: Flask, firm: Firm) -> None:
    with live_app.app_context(), transaction() as session:
        handler = new_person(session)
    enter(plain_phone, firm.boss)
    plain_phone.goto("/enterprise")
    plain_phone.click(f"#claim-{firm.id}")
    appoint(plain_phone, firm, handler)
    plain_phone.click("a[id^=end-]")
    plain_phone.click("#confirm-end")
    plain_phone.wait_for_selector("#ended")
    assert handler.name in plain_phone.inner_text("#ended")


def test_a_guardian_adds_a_child_and_acts_for_them(phone: Page, live_app: Flask, firm: Firm) -> None:
    child = Person(citizen_number(born=now().date().replace(year=now().year - 8, day=1)), "林小满")
    with live_app.app_context(), transaction() as session:
        row = {"number": child.number, "name": child.name, "guardians": firm.boss.number}
        assert not registry_import.load_people(session, [row])
    enter(phone, firm.boss)
    phone.goto("/account/children")
    phone.fill("#number", child.number)
    phone.fill("#name", child.name)
    phone.click("#add")
    phone.wait_for_selector("button[id^=act-]")
    fits(phone, "children")
    phone.click("button[id^=act-]")
    phone.wait_for_url("**/wallet")
    assert "代表" in phone.inner_text("#who")


def test_an_agent_shows_a_licence_of_an_organisation_and_the_history_names_them(plain_phone: Page, live_app: Flask) -> None:
    with live_app.app_context():
        apply_catalogue()
    with live_app.app_context(), transaction() as session:
        firm = new_firm(session)
        agent_id, _ = firm.appoint(session, types={get_type("business-licence").code})
    with live_app.app_context(), transaction() as session:
        department = new_department(issue=["business-licence", "food-business-licence"], verify=["business-licence"])
        licence = new_licence(session, type="business-licence", department=department, number=firm.organisation.number)
        other = new_licence(session, type="food-business-licence", department=department, number=firm.organisation.number)
    enter(plain_phone, firm.people[agent_id])
    plain_phone.goto("/enterprise")
    plain_phone.click(f"#act-{firm.id}")
    plain_phone.wait_for_url("**/wallet")
    assert firm.organisation.name in plain_phone.inner_text("#who")
    assert plain_phone.locator(f"a[href='/wallet/cards/{other.id}']").count() == 0, "beyond the mandate"
    plain_phone.click(f"a[href='/wallet/cards/{licence.id}']")
    plain_phone.click("#show")
    plain_phone.click("#make-code")
    code = plain_phone.inner_text("#spoken-code")
    fits(plain_phone, "agent-code")
    with live_app.app_context(), transaction() as session:
        asker = Asker(department, get_department(department).name)
        request = VerificationRequest(code, {"text": "办理年度报告"})
        verify_presented(session, live_app.extensions["kabao_settings"], request, asker=asker, receipt_id=new_id(), now=now())
    plain_phone.goto("/wallet/history")
    assert "由您代办" in plain_phone.inner_text(".timeline")
    fits(plain_phone, "agent-history")
