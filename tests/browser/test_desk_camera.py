"""The officer's desk in a real browser: before a camera, by a scanner that types, by a picture; with and without scripts."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import segno
from flask import Flask
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.browser.conftest import ARGUMENTS, CHROMIUM, DESK, PHONE
from tests.world_people import PASSWORD, Person, new_person, open_account
from tests.world_wallet import make_officer, new_department, new_licence
from wallet.presenting import qr_codes

pytestmark = pytest.mark.browser
TYPE, CAUSE = "driving-licence", "窗口核对准驾车型"
SIDE, FRAMES = 480, 8
PATIENCE = 90_000
DETECTOR = """
window.BarcodeDetector = class {
  async detect() {
    const seen = JSON.parse(localStorage.getItem("before-the-camera") ?? "[]");
    return seen.map((rawValue) => ({ rawValue }));
  }
};
"""


@dataclass(frozen=True)
class Hall:
    """Who meets at the counter: a holder with a licence, an officer, and the camera that they stand before."""

    app: Flask
    holder: Person
    holder_id: UUID
    licence_id: UUID
    officer: Person
    film: Path

    def code(self) -> str:
        """Return what the holder's screen shows now."""
        with self.app.app_context(), transaction() as session:
            shown = ("holder_name", "vehicle_class")
            return qr_codes.create(session, holder_id=self.holder_id, licence_id=self.licence_id, fields=shown, now=now()).content

    def hold_before_the_camera(self, code: str) -> None:
        """Let the camera see a code from now on: whoever opens it sees this film."""
        self.film.write_bytes(film_of(code))


def picture_of(code: str) -> Image.Image:
    """A code as a photo shows it, in the middle of a grey picture."""
    out = io.BytesIO()
    segno.make_qr(code, error="m").save(out, kind="png", scale=8, border=4)
    picture = Image.new("L", (SIDE, SIDE), 200)
    drawn = Image.open(out).convert("L")
    picture.paste(drawn, ((SIDE - drawn.width) // 2, (SIDE - drawn.height) // 2))
    return picture


def film_of(code: str) -> bytes:
    """A code as a camera sees it: YUV4MPEG2, without colour."""
    frame = b"FRAME\n" + picture_of(code).tobytes() + bytes([128]) * (SIDE * SIDE // 2)
    return f"YUV4MPEG2 W{SIDE} H{SIDE} F5:1 Ip A1:1 C420jpeg\n".encode() + frame * FRAMES


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("camera") / "film.y4m"


@pytest.fixture(scope="module")
def browser(film: Path) -> Iterator[Browser]:
    """A chromium whose camera shows a film, and which asks nobody whether it may."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: install Debian's chromium, or name one in KABAO_CHROMIUM")
    film.write_bytes(film_of("nothing yet"))
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *camera])
        yield browser
        browser.close()


@pytest.fixture
def hall(live_app: Flask, film: Path) -> Hall:
    with live_app.app_context():
        issuer, verifier = new_department(issue=[TYPE]), new_department(verify=[TYPE])
        with transaction() as session:
            holder, officer = new_person(session), new_person(session)
            for person in (holder, officer):
                open_account(session, person)
            make_officer(session, department=verifier, person=officer)
        with transaction() as session:
            licence = new_licence(session, type=TYPE, department=issuer, number=holder.number)
            holder_id = ensure_subject(session, parse_number(holder.number), now=now()).id
    return Hall(live_app, holder, holder_id, licence.id, officer, film)


@contextmanager
def signed_in(
    browser: Browser, url: str, person: Person, *, to: str, viewport: dict[str, int], scripts: bool = True, more: str = ""
) -> Iterator[Page]:
    """Open a browser of someone's own, who is signed in; whatever a page's policy or script complains of fails the test."""
    screen: Any = {"viewport": viewport, "locale": "zh-CN", "permissions": ["camera"]}
    context = browser.new_context(base_url=url, java_script_enabled=scripts, **screen)
    context.set_default_timeout(PATIENCE)
    context.add_init_script(more)
    try:
        page = context.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"/signin?next={to}")
        page.fill("#number", person.number)
        page.fill("#password", PASSWORD)
        page.click("#signin")
        page.wait_for_url(f"**{to}")
        yield page
    finally:
        context.close()  # and with it the camera, which shows the next one another film
    assert not faults, faults


def expect_verdict(page: Page, hall: Hall) -> str:
    """Wait for the page of a receipt, and return its address."""
    page.wait_for_url("**/desk/receipts/*")
    expect(page.locator("#verdict")).to_have_attribute("data-verdict", "valid")
    expect(page.locator("#fields")).to_contain_text(hall.holder.name)
    return page.url


def test_a_code_before_the_camera_is_verified_and_the_holder_s_history_says_so(browser: Browser, live_url: str, hall: Hall) -> None:
    hall.hold_before_the_camera(hall.code())
    with signed_in(browser, live_url, hall.officer, to="/desk", viewport=DESK) as page:
        assert page.evaluate("'BarcodeDetector' in window") is False
        page.fill("#cause", CAUSE)
        page.click("#camera-open")
        receipt = expect_verdict(page, hall)
        expect(page.locator("#camera-picture")).to_be_visible()
        expect(page.locator("#cause")).to_have_value(CAUSE)
        expect(page.locator("#camera-status")).to_contain_text("此码已读取")
        assert page.url == receipt
        page.click("#camera-close")
        page.click("#back")
        page.click("#room-receipts")
        expect(page.locator("#receipts")).to_contain_text(CAUSE)
        page.click("#statistics")
        expect(page.locator("#days tbody tr")).to_have_count(1)
    with signed_in(browser, live_url, hall.holder, to="/wallet/history", viewport=PHONE) as page:
        expect(page.locator(".timeline")).to_contain_text(CAUSE)


def test_a_browser_that_reads_codes_reads_one_holder_after_the_other(browser: Browser, live_url: str, hall: Hall) -> None:
    def hold(page: Page, *codes: str) -> None:
        page.evaluate("(codes) => localStorage.setItem('before-the-camera', JSON.stringify(codes))", codes)

    with signed_in(browser, live_url, hall.officer, to="/desk", viewport=PHONE, more=DETECTOR) as page:
        code = hall.code()
        hold(page, code)
        page.click("#camera-open")
        expect(page.locator("#cause")).to_be_focused()
        expect(page.locator("#presented")).to_have_value(code)
        page.fill("#cause", CAUSE)
        page.click("#verify")
        first = expect_verdict(page, hall)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        expect(page.locator("#camera-status")).to_contain_text("此码已读取")
        hold(page, hall.code())
        page.wait_for_url(lambda url: "/desk/receipts/" in url and url != first)
        second = expect_verdict(page, hall)
        hold(page)
        hold(page, hall.code())
        page.wait_for_url(lambda url: "/desk/receipts/" in url and url not in (first, second))
        expect_verdict(page, hall)


def test_what_was_refused_is_put_right_where_it_is_wrong_and_the_next_scan_replaces_it(browser: Browser, live_url: str, hall: Hall) -> None:
    with signed_in(browser, live_url, hall.officer, to="/desk", viewport=DESK) as page:
        page.keyboard.type(hall.code())
        page.keyboard.press("Enter")
        expect(page.locator("#cause")).to_be_focused()  # the cause is missing
        page.keyboard.type(CAUSE)
        page.locator("#presented").fill("no code at all")
        page.keyboard.press("Enter")
        expect(page.locator("#presented-error")).to_be_visible()
        page.keyboard.type(hall.code())
        page.keyboard.press("Enter")
        expect_verdict(page, hall)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_scanner_that_types_verifies_one_holder_after_the_other(browser: Browser, live_url: str, hall: Hall, scripts: bool) -> None:
    with signed_in(browser, live_url, hall.officer, to="/desk", viewport=DESK, scripts=scripts) as page:
        expect(page.locator("#presented")).to_be_focused()
        page.fill("#cause", CAUSE)
        page.focus("#presented")
        page.keyboard.type(hall.code())
        page.keyboard.press("Enter")
        first = expect_verdict(page, hall)
        expect(page.locator("#presented")).to_be_focused()
        if scripts:
            page.locator("#verdict").click()
        page.keyboard.type(hall.code())
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: url != first)
        expect_verdict(page, hall)


def test_a_picture_is_verified_without_a_script(browser: Browser, live_url: str, hall: Hall, tmp_path: Path) -> None:
    picture_of(hall.code()).save(tmp_path / "photo.png")
    with signed_in(browser, live_url, hall.officer, to="/desk", viewport=PHONE, scripts=False) as page:
        expect(page.locator("#camera-open")).to_be_hidden()
        page.click("#by-picture")
        page.set_input_files("#file", tmp_path / "photo.png")
        page.fill("#cause", CAUSE)
        page.click("#verify")
        expect_verdict(page, hall)


def test_a_camera_that_may_not_be_used_is_said_to_be_so(browser: Browser, live_url: str, hall: Hall) -> None:
    refusing = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"
    with signed_in(browser, live_url, hall.officer, to="/desk", viewport=DESK, more=refusing) as page:
        page.click("#camera-open")
        expect(page.locator("#camera-status")).to_contain_text("未允许使用摄像头")
        expect(page.locator("#camera-picture")).to_be_hidden()
        expect(page.locator("#camera-open")).to_be_visible()
