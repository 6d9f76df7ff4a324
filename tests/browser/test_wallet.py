"""The wallet in a real browser: on a small phone, with and without scripts."""

import io
from collections.abc import Iterator

import pytest
import zxingcpp
from flask import Flask
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from runtime.clock import now
from tests.browser.conftest import PHONE
from tests.wallet.holding.test_wallet_pages import licensed, someone, writing
from tests.world_people import PASSWORD, Person
from wallet.presenting import qr_codes
from wallet.register.licences import Licence

pytestmark = pytest.mark.browser
TYPES = ("resident-identity-card", "driving-licence", "road-transport-qualification")


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


@pytest.fixture
def licence(app: Flask, person: Person) -> Licence:
    """The first of the person's licences of several types."""
    return licensed(app, person.number, *TYPES)[0]


@pytest.fixture
def plain(browser: Browser, live_url: str) -> Iterator[Page]:
    """A page of a phone on which no script runs."""
    context = browser.new_context(base_url=live_url, viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, person: Person) -> None:
    page.goto("/signin?next=/wallet")
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")
    page.wait_for_url("**/wallet")


def redeem(app: Flask, page: Page) -> None:
    with writing(app) as session:
        qr_codes.redeem(session, page.inner_text("#spoken-code"), now=now())


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_page_of_the_wallet_scrolls_sideways_on_a_phone(phone: Page, person: Person, licence: Licence, lang: str) -> None:
    sign_in(phone, person)
    for path in ("/wallet", f"/wallet/cards/{licence.id}", f"/wallet/cards/{licence.id}/show", "/wallet/history", "/account"):
        phone.goto(f"{path}?lang={lang}")
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    phone.goto(f"/wallet/cards/{licence.id}/show")
    phone.click("#make-code")
    expect(phone.locator("#qr-picture")).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_wallet_weighs_less_than_100_kb_in_all(desk: Page, person: Person, licence: Licence) -> None:
    sign_in(desk, person)
    weights: dict[str, int] = {}
    desk.on("requestfinished", lambda request: weights.update({request.url: request.sizes()["responseBodySize"]}))
    client = desk.context.new_cdp_session(desk)
    client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    for path in ("/wallet", f"/wallet/cards/{licence.id}", f"/wallet/cards/{licence.id}/show"):
        weights.clear()
        desk.goto(path, wait_until="networkidle")
        assert len(weights) >= 4
        assert sum(weights.values()) < 100_000, weights


def test_a_preset_ticks_its_fields_and_a_tick_makes_the_choice_ones_own(desk: Page, person: Person, licence: Licence) -> None:
    sign_in(desk, person)
    desk.goto(f"/wallet/cards/{licence.id}/show")
    desk.check("input[name=preset][value=all]")
    boxes = desk.locator("#own-choice input")
    assert all(box.is_checked() for box in boxes.all())
    desk.check("input[name=preset][value=validity]")
    assert not any(box.is_checked() for box in boxes.all())
    boxes.first.check()
    assert desk.is_checked("input[name=preset][value=own]")


def test_the_code_counts_down_and_the_page_changes_when_it_is_used(app: Flask, phone: Page, person: Person, licence: Licence) -> None:
    sign_in(phone, person)
    phone.goto(f"/wallet/cards/{licence.id}/show")
    phone.click("#make-code")
    expect(phone.locator("#qr-left")).to_contain_text("剩余 4:5")
    redeem(app, phone)
    expect(phone.locator(".verdict__word")).to_have_text("已被核验")


def test_whoever_goes_elsewhere_is_not_taken_back_on_a_slow_way_because_the_code_was_used(
    app: Flask, phone: Page, person: Person, licence: Licence
) -> None:
    sign_in(phone, person)
    phone.goto(f"/wallet/cards/{licence.id}/show")
    phone.click("#make-code")
    code = phone.inner_text("#spoken-code")
    elsewhere, waiting = f"**/wallet/cards/{licence.id}", list[Route]()
    phone.route(elsewhere, lambda route: waiting.append(route))
    phone.click(".crumbs a", no_wait_after=True)
    with writing(app) as session:
        qr_codes.redeem(session, code, now=now())
    for _ in range(2):  # the first of them may have been asked before
        phone.wait_for_event("response", lambda answer: answer.url.endswith("/state"))
    phone.wait_for_timeout(500)  # in which it would be taken back
    waiting[0].continue_()
    phone.wait_for_url(elsewhere)


def test_a_code_leaves_the_screen_as_soon_as_nobody_may_show_it_here(phone: Page, person: Person, licence: Licence) -> None:
    sign_in(phone, person)
    phone.goto(f"/wallet/cards/{licence.id}/show")
    phone.click("#make-code")
    expect(phone.locator("#spoken-code")).to_be_visible()
    phone.context.clear_cookies()
    phone.wait_for_url("**/signin**")
    expect(phone.locator("#spoken-code")).to_have_count(0)


def test_a_camera_reads_the_picture_as_the_letters_below_it(phone: Page, person: Person, licence: Licence) -> None:
    sign_in(phone, person)
    phone.goto(f"/wallet/cards/{licence.id}/show")
    phone.click("#make-code")
    picture = Image.open(io.BytesIO(phone.locator("#qr-picture").screenshot()))
    assert [found.text for found in zxingcpp.read_barcodes(picture)] == [qr_codes.PREFIX + phone.inner_text("#spoken-code").replace(" ", "")]


def test_everything_works_without_a_script(app: Flask, plain: Page, person: Person, licence: Licence) -> None:
    sign_in(plain, person)
    plain.click(f"a[href='/wallet/cards/{licence.id}']")
    expect(plain.locator("#reveal")).to_be_visible()
    assert person.number not in plain.content()
    plain.click("#reveal")
    expect(plain.locator("#facts")).to_contain_text(person.number)
    plain.click("#cover")
    expect(plain.locator("#reveal")).to_be_visible()
    assert person.number not in plain.content()
    plain.click("#show")
    plain.check("input[name=preset][value=own]")
    plain.check("#own-choice input >> nth=0")
    plain.click("#make-code")
    expect(plain.locator("#qr-picture")).to_be_visible()
    redeem(app, plain)
    plain.click("#check-state")
    expect(plain.locator(".verdict__word")).to_have_text("已被核验")
    plain.click("#to-history")
    expect(plain.locator("h1")).to_have_text("使用记录")
    plain.click("#nav-signout")
    expect(plain.locator("#signin")).to_be_visible()
