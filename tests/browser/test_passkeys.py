"""Passkeys in chromium, with its virtual authenticator (CDP, WebAuthn): at a name, since no browser makes one for an IP address."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from runtime.database import transaction
from tests.browser.conftest import DESK, PHONE
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.browser
LIST = "/account/passkeys"


@dataclass
class Device:
    """A browser with a virtual authenticator."""

    context: BrowserContext
    page: Page
    cdp: CDPSession
    id: str

    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.cdp.send("WebAuthn.getCredentials", {"authenticatorId": self.id})["credentials"]
        return found

    def hold(self, credential: dict[str, Any]) -> None:
        """Put a passkey into the authenticator."""
        self.cdp.send("WebAuthn.addCredential", {"authenticatorId": self.id, "credential": credential})

    def be_there(self, present: bool) -> None:
        """Let someone touch the device at once whenever it asks, or never."""
        self.cdp.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": self.id, "enabled": present})

    def be_verified(self, verified: bool) -> None:
        self.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": verified})


def new_device(browser: Browser, url: str, **options: Any) -> Device:
    context = browser.new_context(base_url=url, **{"viewport": PHONE, "locale": "zh-CN", **options})
    context.set_default_timeout(10_000)
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    kind = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {**kind, "automaticPresenceSimulation": True}})
    return Device(context, page, cdp, made["authenticatorId"])


@pytest.fixture
def device(browser: Browser, named_url: str) -> Iterator[Device]:
    device = new_device(browser, named_url)
    faults: list[str] = []
    device.page.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
    device.page.on("pageerror", lambda error: faults.append(str(error)))
    yield device
    device.context.close()
    assert not faults, faults


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def sign_in(page: Page, person: Person) -> None:
    page.goto("/signin?next=/account")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_selector("#nav-signout")


def add_passkey(device: Device, name: str) -> None:
    device.page.goto(LIST)
    device.page.fill("#passkey-name", name)
    device.page.click("#passkey-use")
    expect(device.page.locator("#passkey-list")).to_contain_text(name)


def sign_out(page: Page) -> None:
    page.context.clear_cookies()


def test_a_passkey_is_added_and_used_by_keyboard_alone(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    page.goto(LIST)
    expect(page.locator("#no-passkeys")).to_be_visible()
    page.focus("#passkey-name")
    page.keyboard.type("我的手机")
    page.keyboard.press("Enter")
    expect(page.locator("#passkey-list")).to_contain_text("我的手机")
    (made,) = device.credentials()
    assert (made["isResidentCredential"], made["rpId"]) == (True, "localhost")
    sign_out(page)
    device.be_there(False)
    page.goto("/signin?next=/account/passkeys")
    page.focus("#passkey-use")
    device.be_there(True)
    page.keyboard.press("Enter")
    page.wait_for_url("**" + LIST)
    expect(page.locator("#passkey-list")).not_to_contain_text("尚未使用")


def test_who_needs_a_second_way_adds_a_passkey_and_goes_on_to_where_they_wanted(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    page.goto("/account/ways?next=/account/portals")
    page.click("#passkeys")
    page.fill("#passkey-name", "我的手机")
    page.click("#passkey-use")
    page.wait_for_url("**/account/portals")


def test_the_number_field_offers_the_passkey_by_itself(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    add_passkey(device, "我的手机")
    sign_out(page)
    page.goto("/signin?next=/account")
    assert page.get_attribute("#number", "autocomplete") == "username webauthn"
    page.wait_for_selector("#nav-signout")


def test_without_user_verification_nothing_is_added_and_nobody_let_in(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    page.goto(LIST)
    device.be_verified(False)
    page.click("#passkey-use")
    expect(page.locator("[data-passkey-status]")).to_contain_text("没有完成")
    assert device.credentials() == []
    device.be_verified(True)
    add_passkey(device, "我的手机")
    sign_out(page)
    device.be_verified(False)
    page.goto("/signin")
    page.click("#passkey-use")
    expect(page.locator("[data-passkey-status]")).to_contain_text("没有完成")
    expect(page.locator("#passkey-use")).to_be_enabled()
    page.goto("/account")
    page.wait_for_url("**/signin?next=**")


def test_a_device_holds_one_passkey_of_an_account(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    add_passkey(device, "我的手机")
    page.click("#prove-again")
    page.wait_for_url("**/signin/step-up?**")
    page.click("#passkey-use")
    page.wait_for_url("**" + LIST)
    page.click("#passkey-use")
    expect(page.locator("[data-passkey-status]")).to_contain_text("已有本账号的通行密钥")
    assert len(device.credentials()) == 1


def test_a_removed_passkey_opens_nothing_and_the_page_says_so(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    add_passkey(device, "我的手机")
    page.click("#prove-again")
    page.click("#passkey-use")
    page.wait_for_url("**" + LIST)
    page.click("text=移除")
    expect(page.locator("#last-way")).to_be_visible()
    page.click("#confirm-remove")
    expect(page.locator("#no-passkeys")).to_be_visible()
    sign_out(page)
    page.goto("/signin")
    expect(page.locator("[data-passkey-status]")).to_contain_text("已被移除")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_url("**/wallet")


def test_a_copy_with_an_old_counter_is_refused(browser: Browser, named_url: str, device: Device, person: Person) -> None:
    sign_in(device.page, person)
    add_passkey(device, "我的手机")
    (made,) = device.credentials()
    sign_out(device.page)
    device.page.goto("/signin?next=/account")
    device.page.wait_for_selector("#nav-signout")
    thief = new_device(browser, named_url, viewport=DESK)
    thief.hold({name: made[name] for name in ("credentialId", "isResidentCredential", "rpId", "privateKey", "userHandle")} | {"signCount": 0})
    thief.page.goto("/signin?next=/account")
    expect(thief.page.locator("[data-passkey-status]")).to_contain_text("可能被复制过")
    thief.context.close()


def test_another_persons_passkey_is_no_step_up(app: Flask, browser: Browser, named_url: str, device: Device, person: Person) -> None:
    sign_in(device.page, person)
    add_passkey(device, "我的手机")
    (mine,) = device.credentials()
    with app.app_context(), transaction() as session:
        someone = new_person(session)
        open_account(session, someone)
    other = new_device(browser, named_url)
    sign_in(other.page, someone)
    add_passkey(other, "别人的手机")
    (theirs,) = other.credentials()
    device.cdp.send("WebAuthn.removeCredential", {"authenticatorId": device.id, "credentialId": mine["credentialId"]})
    device.hold({name: theirs[name] for name in ("credentialId", "isResidentCredential", "rpId", "privateKey", "userHandle")} | {"signCount": 9})
    device.page.goto("/signin/step-up?aal=2&next=/account")
    device.page.click("#passkey-use")
    expect(device.page.locator("[data-passkey-status]")).to_contain_text("没有完成")
    other.context.close()


def test_without_script_the_pages_say_so_and_the_password_works(browser: Browser, named_url: str, person: Person) -> None:
    context = browser.new_context(base_url=named_url, java_script_enabled=False, locale="en-GB", viewport=DESK)
    page = context.new_page()
    page.goto("/signin?next=/account/passkeys&lang=en")
    assert page.inner_text("#passkey noscript p") == "Passkeys need JavaScript; the other ways do without."
    expect(page.locator("#passkey-use")).to_be_hidden()
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_url("**" + LIST)
    assert page.inner_text("#passkey-add noscript p").startswith("Adding a passkey needs JavaScript")
    expect(page.locator("#passkey-form")).to_be_hidden()
    context.close()


def test_a_browser_without_passkeys_is_told_so(browser: Browser, named_url: str) -> None:
    context = browser.new_context(base_url=named_url, locale="zh-CN", viewport=PHONE)
    context.add_init_script("delete window.PublicKeyCredential")
    page = context.new_page()
    page.goto("/signin")
    expect(page.locator("[data-passkey-missing]")).to_be_visible()
    expect(page.locator("#passkey-use")).to_be_hidden()
    context.close()


def test_an_older_browser_without_the_json_of_passkeys_manages_by_hand(device: Device, person: Person) -> None:
    device.context.add_init_script(
        "delete PublicKeyCredential.parseCreationOptionsFromJSON; delete PublicKeyCredential.parseRequestOptionsFromJSON;"
        "delete PublicKeyCredential.prototype.toJSON; delete PublicKeyCredential.isConditionalMediationAvailable;"
    )
    sign_in(device.page, person)
    add_passkey(device, "旧电脑")
    sign_out(device.page)
    device.page.goto("/signin?next=/account/passkeys")
    device.page.click("#passkey-use")
    device.page.wait_for_url("**" + LIST)
    expect(device.page.locator("#passkey-list")).to_contain_text("旧电脑")


def test_no_page_of_passkeys_scrolls_sideways_on_a_phone(device: Device, person: Person) -> None:
    page = device.page
    sign_in(page, person)
    add_passkey(device, "一个名字很长很长很长很长很长很长很长很长很长很长很长很长很长很长的钥匙abcdefghijk")
    device.be_there(False)
    for path in (LIST, LIST + "?lang=en", "/signin", "/signin/step-up?aal=2"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
