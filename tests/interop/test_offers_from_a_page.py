"""A person offers a licence on the page, @openid4vc/openid4vci (npm) fetches it from what the screen shows, and the page goes on by itself."""

from datetime import timedelta
from typing import Any

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from runtime.clock import now
from tests.at_address import AddressedKabao
from tests.browser.conftest import DESK, PHONE
from tests.interop.conftest import Program
from tests.interop.test_identity_elsewhere import chromium, open_page, pytestmark, scanned
from tests.interop.test_wallets_elsewhere import Asked, asked, holder, system, verified
from tests.wallet.issuing.oid4vci.wallets import Holder
from tests.world_people import PASSWORD
from wallet.issuing.oid4vci import offers
from wallet.issuing.oid4vci.offers import CredentialOffer

__all__ = ("asked", "chromium", "holder", "pytestmark", "system")


def come_to_the_offer(page: Page, holder: Holder) -> None:
    page.goto(f"/signin?next=/wallet/cards/{holder.licence.id}/wallets")
    page.fill("#number", holder.person.number)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url("**/wallets")
    page.click("#offer")
    page.wait_for_selector("#qr-picture")


def test_a_wallet_fetches_what_the_screen_shows_and_the_page_goes_on(
    chromium: Browser, node: Program, kabao: AddressedKabao, holder: Holder, asked: Asked, tmp_path: Any
) -> None:
    desk = open_page(chromium, kabao, DESK)
    come_to_the_offer(desk, holder)
    digits = desk.inner_text("#tx-code").replace(" ", "")
    got = node("wallet", step="finish", **asked, offer=scanned(desk, tmp_path), tx_code=digits)
    verified(node, asked, got)
    desk.click("#to-wallets")
    expect(desk.locator("main")).to_contain_text("收回")


def test_an_offer_that_nobody_fetches_is_said_to_be_over_by_the_page_itself(chromium: Browser, kabao: AddressedKabao, holder: Holder) -> None:
    phone = open_page(chromium, kabao, PHONE)
    come_to_the_offer(phone, holder)
    with kabao.world() as session:
        session.execute(
            update(CredentialOffer)
            .where(CredentialOffer.licence_id == holder.licence.id)
            .values(made_at=now() - offers.LIFETIME + timedelta(seconds=3))
        )
    phone.reload()
    expect(phone.locator("h1")).to_have_text("此码已失效")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
