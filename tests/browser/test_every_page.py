"""Every page of the application's own map, as whoever may see it: in both languages, on a phone and at a desk, in light and in dark."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from tests.browser import proofs
from tests.browser.cast import Cast, gather
from tests.browser.conftest import DESK, PHONE
from tests.browser.every_page import NOT_PAGES, OF_A_LIBRARY, STOPS, Stop
from tests.browser.judging import LIGHTEST, axe_finds, bring_axe, chinese_left, faults_of_shape, shape_of

pytestmark = pytest.mark.browser


@dataclass
class Browsers:
    """A browser for each viewer and language, opened when first asked for, and what their pages complained of."""

    browser: Browser
    url: str
    cast: Cast
    scripts: bool = True
    pages: dict[tuple[str, str], Page] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def close(self) -> None:
        """Close every browser that was opened."""
        for page in self.pages.values():
            page.context.close()

    def page(self, viewer: str, language: str) -> Page:
        """Return the page of a viewer who reads a language."""
        key = (viewer, language)
        if key not in self.pages:
            still = {"viewport": PHONE, "reduced_motion": "reduce"}  # colours that are on their way from light to dark cannot be judged
            locale = "en-GB" if language == "en" else "zh-CN"
            context = self.browser.new_context(base_url=self.url, locale=locale, java_script_enabled=self.scripts, **still)  # type: ignore[arg-type]
            context.set_default_timeout(10_000)
            bring_axe(context)
            context.add_cookies([{"name": name, "value": value, "url": self.url} for name, value in self.cast.cookies[viewer].items()])
            page = self.pages[key] = context.new_page()
            page.on("console", lambda message: self.complaints.append(message.text) if "Content Security Policy" in message.text else None)
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return self.pages[key]

    def stop_at(self, stop: Stop, language: str) -> Page:
        """Go to a stop, on a phone, in light."""
        page = self.page(stop.viewer, language)
        self.complaints.clear()
        page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")
        proofs.renew(self.cast.app)
        page.goto("about:blank")  # what showed a code goes on by itself, and would take the place of the page that is wanted
        answer = page.goto(stop.address(self.cast.at))
        assert answer is not None
        assert answer.status == stop.status
        for button in stop.press:
            page.evaluate("document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })")
            with page.expect_navigation():
                page.click(button)
        return page


@pytest.fixture(scope="module")
def browsers(app: Flask, browser: Browser, named_url: str) -> Iterator[Browsers]:
    """Everybody, each before a browser of their own."""
    browsers = Browsers(browser, named_url, gather(app))
    yield browsers
    browsers.close()


@pytest.fixture(scope="module")
def plain_browsers(browsers: Browsers) -> Iterator[Browsers]:
    """The same people, where no script runs."""
    plain = Browsers(browsers.browser, browsers.url, browsers.cast, scripts=False)
    yield plain
    plain.close()


def test_every_page_of_the_map_is_walked(app: Flask) -> None:
    walked = {stop.endpoint for stop in STOPS} | NOT_PAGES | OF_A_LIBRARY
    asked = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert asked - walked == set(), "a new page: say in every_page.py how to reach it"
    assert walked - asked == {"no such page"}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.id)
def test_a_page_is_fit_to_be_shown(browsers: Browsers, stop: Stop, language: str) -> None:
    assert faults_of(browsers, browsers.stop_at(stop, language), language) + browsers.complaints == []


def faults_of(browsers: Browsers, page: Page, language: str) -> list[str]:
    """Tell what is wrong with a page on a phone, in the dark and at a desk."""
    shape = shape_of(page)
    faults = faults_of_shape(shape)
    faults += [f"weighs {shape['weight']} bytes"] if shape["weight"] >= LIGHTEST else []
    faults += [f"says in English: {left}" for left in chinese_left(shape["words"], browsers.cast.data) if language == "en"]
    faults += [f"on a phone: {found}" for found in axe_finds(page)]
    page.emulate_media(color_scheme="dark")
    faults += [f"in the dark: {found}" for found in axe_finds(page, "color-contrast")]
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    faults += [f"at a desk: {fault}" for fault in faults_of_shape(shape_of(page))]
    return faults + [f"at a desk: {found}" for found in (axe_finds(page) if language == "en" else [])]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("stop", [stop for stop in STOPS if stop.needs_script], ids=lambda stop: stop.id)
def test_without_scripts_a_page_says_what_it_cannot_do(plain_browsers: Browsers, stop: Stop, language: str) -> None:
    page = plain_browsers.stop_at(stop, language)
    assert "JavaScript" in page.inner_text("main")
    assert page.locator("button[type=button]:visible").count() == 0
