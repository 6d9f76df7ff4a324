import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize("path", ["/", "/?lang=en", "/signin", "/account/new", "/receipts/check", "/nothing-here", "/api/docs"])
def test_no_page_for_anyone_scrolls_sideways_on_a_phone(phone: Page, path: str) -> None:
    phone.goto(path)
    assert width(phone) <= 360


def test_the_home_page_weighs_less_than_100_kb_in_all(desk: Page) -> None:
    weights: list[int] = []
    desk.on("requestfinished", lambda request: weights.append(request.sizes()["responseBodySize"]))
    desk.goto("/", wait_until="networkidle")
    assert sum(weights) < 100_000


def test_the_try_it_page_renders_under_its_policy(desk: Page) -> None:
    desk.goto("/api/docs")
    desk.wait_for_selector(".swagger-ui .info .title")
    assert "Kabao" in desk.inner_text(".swagger-ui .info .title")


def test_the_language_is_one_click_away_and_keeps_the_page(desk: Page) -> None:
    desk.goto("/receipts/check")
    desk.click("#language")
    assert desk.url.endswith("/receipts/check?lang=en")
    assert desk.get_attribute("html", "lang") == "en"
    desk.goto("/")
    assert desk.get_attribute("html", "lang") == "en"


def test_the_first_tab_leads_past_the_head(desk: Page) -> None:
    desk.goto("/")
    desk.keyboard.press("Tab")
    assert desk.evaluate("document.activeElement.getAttribute('href')") == "#main"
