"""@openid4vc/openid4vp (npm) is the wallet that shows who holds an account, and chromium the browser in which the person asked for it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from keys import certificates
from tests.at_address import AddressedKabao
from tests.browser.conftest import ARGUMENTS, CHROMIUM, DESK, PHONE
from tests.interop.conftest import Program, private_jwk
from tests.world_identity import Holder, new_holder
from tests.world_people import PASSWORD
from wallet.verifying.identity import BOUND_IN_PERSON

pytestmark = [pytest.mark.interop, pytest.mark.browser]


@pytest.fixture
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: install Debian's chromium, or name one in KABAO_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def holder(kabao: AddressedKabao) -> Holder:
    with kabao.app.app_context():
        return new_holder(kabao.app)


def open_page(chromium: Browser, kabao: AddressedKabao, viewport: Any = DESK, **more: Any) -> Page:
    context = chromium.new_context(base_url=kabao.url, viewport=viewport, locale="zh-CN", **more)
    context.set_default_timeout(15_000)
    return context.new_page()


def come_to_the_code(page: Page, holder: Holder) -> None:
    page.goto("/signin?next=/account/level")
    page.fill("#number", holder.person.number)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.click("#by-licence")
    page.click("#begin")
    page.wait_for_selector("#qr-picture")


def scanned(page: Page, folder: Any) -> str:
    """Return what a camera reads from the screen."""
    page.locator("#qr-picture").screenshot(path=folder / "code.png")
    (found,) = zxingcpp.read_barcodes(Image.open(folder / "code.png"))
    return str(found.text)


def show(node: Program, kabao: AddressedKabao, holder: Holder, link: str, **more: Any) -> dict[str, Any]:
    """Let the other wallet answer, and return what it says of it."""
    with kabao.app.app_context():
        credential, root = holder.elsewhere(holder.licence()), certificates.root_pem().decode()
    told = {"credential": credential, "jwk": private_jwk(holder.key), "root": root, "leave_out": [BOUND_IN_PERSON]}
    return node("asked", link=link, **told, **more)


def ial(kabao: AddressedKabao, holder: Holder) -> int:
    with kabao.app.app_context():
        return holder.ial()


@pytest.mark.parametrize("scripts", [True, False], ids=["the page goes on by itself", "without JavaScript, by a button"])
def test_a_wallet_on_a_phone_lifts_the_account_in_a_desks_browser(
    chromium: Browser, node: Program, kabao: AddressedKabao, holder: Holder, tmp_path: Any, *, scripts: bool
) -> None:
    desk, phone = open_page(chromium, kabao, java_script_enabled=scripts), open_page(chromium, kabao, PHONE)
    come_to_the_code(desk, holder)
    got = show(node, kabao, holder, scanned(desk, tmp_path))
    assert (got["status"], got["prefix"], got["version"], got["encrypted"]) == (200, "x509_hash", 100, True)
    phone.goto(got["told"]["redirect_uri"])
    digits = phone.inner_text("#digits")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    if not scripts:
        desk.click("#check-state")
    desk.fill("#digits", digits)
    assert ial(kabao, holder) == 2
    desk.click("#finish")
    expect(desk.locator("#level")).to_contain_text("三级")
    assert urlsplit(desk.url).path == "/account/level"
    assert ial(kabao, holder) == 3


def test_a_wallet_on_the_same_device_comes_back_to_a_lifted_account(chromium: Browser, node: Program, kabao: AddressedKabao, holder: Holder) -> None:
    first = open_page(chromium, kabao, PHONE)
    come_to_the_code(first, holder)
    got = show(node, kabao, holder, str(first.get_attribute("#open-wallet", "href")))
    second = first.context.new_page()
    second.goto(got["told"]["redirect_uri"])
    expect(second.locator("#level")).to_contain_text("三级")
    expect(first.locator('[data-stage="done"]')).to_be_visible()
    assert ial(kabao, holder) == 3
