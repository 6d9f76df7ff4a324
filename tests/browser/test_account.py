"""The account's pages and recovery in a real browser: on a small phone, in both languages, by keyboard alone."""

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from idp.signin.account_menu import ROOMS
from runtime.database import transaction
from tests.idp.signin.recovering import ADDRESS, new_resident
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.browser
OPEN_TO_ALL = ("/recover", "/recover/code", "/recover/registry")


@pytest.fixture
def owner(live_app: Flask) -> Person:
    """Someone with an account, whose address the registry knows."""
    with live_app.app_context(), transaction() as session:
        person = new_person(session)
        new_resident(session, person)
        open_account(session, person)
    return person


def enter(page: Page, person: Person, password: str = PASSWORD) -> None:
    page.goto("/signin")
    page.fill("#number", person.number)
    page.fill("#password", password)
    page.click("#signin")
    page.wait_for_url("**/wallet")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_page_of_the_account_scrolls_sideways_on_a_phone(phone: Page, owner: Person, language: str) -> None:
    for path in OPEN_TO_ALL:
        phone.goto(f"{path}?lang={language}")
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360, path
    enter(phone, owner)
    for room in ROOMS:
        answer = phone.goto(f"{room.path}?lang={language}")
        if answer is not None and answer.status != 404:
            assert phone.evaluate("document.documentElement.scrollWidth") <= 360, room.path


def test_a_recovery_is_asked_for_by_keyboard_alone(phone: Page, owner: Person) -> None:
    phone.goto("/recover/registry")
    phone.focus("#number")
    for text in (owner.number, owner.name, ADDRESS):
        phone.keyboard.type(text)
        phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    phone.wait_for_selector("#recovery-code")
    assert len(phone.inner_text("#recovery-code").replace("-", "")) == 20


def test_a_form_that_was_refused_stands_at_the_field_that_was_wrong(phone: Page, owner: Person) -> None:
    phone.goto("/account/new")
    phone.fill("#number", owner.number)
    phone.click("#register")
    expect(phone.locator("#name")).to_be_focused()
    phone.goto("/signin")
    phone.fill("#number", owner.number)
    phone.fill("#password", "another")
    phone.click("#signin")
    expect(phone.locator("main [role=alert]")).to_be_focused()


def test_a_code_to_keep_is_copied_by_a_press(phone: Page, owner: Person) -> None:
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    phone.goto("/recover/registry")
    for field, text in (("number", owner.number), ("name", owner.name), ("address", ADDRESS)):
        phone.fill(f"#{field}", text)
    phone.click("#ask")
    phone.click("#copy")
    expect(phone.locator("#copy")).to_have_text("已复制")
    assert phone.evaluate("navigator.clipboard.readText()") == phone.inner_text("#recovery-code")


def test_the_menu_stands_beside_the_page_at_a_desk(desk: Page, owner: Person) -> None:
    enter(desk, owner)
    desk.goto("/account")
    menu, content = desk.locator(".account-nav").bounding_box(), desk.locator("main .narrow").first.bounding_box()
    assert menu is not None
    assert content is not None
    assert menu["x"] + menu["width"] <= content["x"]
    assert abs(menu["y"] - content["y"]) < 24


def test_all_my_data_arrives_as_a_file(desk: Page, owner: Person) -> None:
    enter(desk, owner)
    desk.goto("/account/download")
    with desk.expect_download() as waiting:
        desk.click("#download")
    assert waiting.value.suggested_filename == "kabao-my-data.json"
    assert owner.number in waiting.value.path().read_text()


def test_an_account_is_closed_by_a_tick_and_a_press(phone: Page, owner: Person) -> None:
    enter(phone, owner)
    phone.goto("/account/close")
    phone.click("#close")
    phone.wait_for_selector("#understood-error")
    phone.check("#understood")
    phone.click("#close")
    phone.wait_for_url("**/")
    assert phone.locator("#nav-signin").count() == 1
