"""Typing a password: pasted, shown and hidden, by keyboard alone, and left as it is where there is no JavaScript."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser
PAGES = ["/signin", "/account/new"]


@pytest.mark.parametrize("path", PAGES)
def test_a_password_is_shown_and_hidden_by_keyboard(phone: Page, path: str) -> None:
    phone.goto(path)
    phone.fill("#password", "黄河入海流 2026")
    button = phone.get_by_role("button", name=re.compile("显示密码"))
    expect(button).to_have_attribute("aria-pressed", "false")
    phone.focus("#password")
    phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    expect(phone.locator("#password")).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(phone.locator("#password")).to_have_value("黄河入海流 2026")
    phone.keyboard.press("Space")
    expect(phone.locator("#password")).to_have_attribute("type", "password")
    assert int(phone.evaluate("document.documentElement.scrollWidth")) <= 360


def test_a_password_that_is_shown_is_sent_as_a_password(desk: Page) -> None:
    desk.goto("/signin")
    desk.click("#password-reveal")
    desk.evaluate("document.querySelector('form.form-card').addEventListener('submit', (event) => event.preventDefault())")
    desk.click("#signin")
    expect(desk.locator("#password")).to_have_attribute("type", "password")


@pytest.mark.parametrize("path", PAGES)
def test_a_password_can_be_pasted(desk: Page, path: str) -> None:
    desk.goto(path)
    desk.evaluate("document.querySelector('#name, #number').value = '纸上得来终觉浅'")
    desk.focus("#name" if path == "/account/new" else "#number")
    desk.keyboard.press("Control+A")
    desk.keyboard.press("Control+C")
    desk.evaluate("document.querySelector('#password').value = ''")
    desk.focus("#password")
    desk.keyboard.press("Control+V")
    assert desk.input_value("#password")


@pytest.mark.parametrize("path", PAGES)
def test_without_javascript_there_is_no_button_that_does_nothing(browser: Browser, live_url: str, path: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_url + path)
    expect(page.locator("#password-reveal")).to_be_hidden()
    context.close()
