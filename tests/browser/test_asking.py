"""A request that is shown as a code goes on by itself on the screen: at the desk, and on the page where one shows who one is."""

from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy import update

from runtime.clock import now
from runtime.database import transaction
from tests.browser.test_levels import enter
from tests.wallet.verifying.test_desk_pages import new_officer
from tests.world_identity import link_of, new_holder
from tests.world_wallet import new_department
from wallet.verifying.openid4vp.identity_requests import IdentityRequest
from wallet.verifying.openid4vp.requests import PresentationRequest

pytestmark = pytest.mark.browser


def let_end_in(app: Flask, seconds: int) -> None:
    with app.app_context(), transaction() as session:
        for table in (PresentationRequest, IdentityRequest):
            session.execute(update(table).where(table.expires_at > now()).values(expires_at=now() + timedelta(seconds=seconds)))


def test_the_officers_screen_says_by_itself_that_nobody_answered(live_app: Flask, desk: Page) -> None:
    with live_app.app_context():
        officer = new_officer(new_department(verify=["driving-licence"]))
    enter(desk, officer)
    desk.goto("/desk/ask?type=driving-licence")
    desk.check("input[name=chosen][value=vehicle_class]")
    desk.fill("#cause", "办理车辆年检")
    desk.click("#ask")
    desk.wait_for_selector("#qr-picture")
    let_end_in(live_app, 3)
    desk.reload()
    expect(desk.locator("#over")).to_be_visible()


def test_a_code_to_show_who_one_is_is_renewed_while_somebody_looks_at_it(live_app: Flask, phone: Page) -> None:
    with live_app.app_context():
        holder = new_holder(live_app)
    enter(phone, holder.person)
    phone.goto("/account/level/licence")
    phone.click("#begin")
    before = link_of(phone.content())
    let_end_in(live_app, 7)
    phone.reload()
    expect(phone.locator("#open-wallet")).not_to_have_attribute("href", before)
    expect(phone.locator("#qr-left")).to_contain_text("4:5")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
