"""`python -m demo.screenshots [URL]`: takes the pictures of docs/images from a running demonstration (needs Playwright and chromium)."""

import re
import sys

from playwright.sync_api import Browser, Page, sync_playwright

from demo import people
from demo.processes import ROOT

HERE = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
FOLDER = ROOT / "docs" / "images"


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        code = _holder(chromium)
        _officer(chromium, code)
        _phone(chromium)
        _account(chromium)
        chromium.close()


def _holder(chromium: Browser) -> str:
    page = _signed_in(chromium, people.LIN, width=1280, height=900, language="zh-CN")
    page.goto(f"{HERE}/wallet")
    page.screenshot(path=FOLDER / "wallet.png", clip={"x": 0, "y": 0, "width": 1280, "height": 860})
    code = _show(page)
    page.screenshot(path=FOLDER / "code.png")
    return code


def _officer(chromium: Browser, code: str) -> None:
    page = _signed_in(chromium, people.SUN, width=1280, height=900, language="zh-CN")
    page.goto(f"{HERE}/desk")
    page.fill("#presented", code)
    page.fill("#cause", "办理居住登记，核对驾驶证信息")
    page.click("#verify")
    page.screenshot(path=FOLDER / "verdict.png")


def _phone(chromium: Browser) -> None:
    page = _signed_in(chromium, people.LIN, width=360, height=740, language="en-GB")
    page.goto(f"{HERE}/wallet")
    page.screenshot(path=FOLDER / "wallet-phone.png")
    _show(page)
    page.screenshot(path=FOLDER / "code-phone.png")


def _account(chromium: Browser) -> None:
    page = _signed_in(chromium, people.LIN, width=1280, height=900, language="zh-CN")
    page.goto(f"{HERE}/account/ways")
    page.screenshot(path=FOLDER / "ways.png")
    page = _signed_in(chromium, people.ZHOU, width=1280, height=900, language="zh-CN")
    page.goto(f"{HERE}/enterprise")
    page.locator("main a[href^='/enterprise/']").first.click()
    page.screenshot(path=FOLDER / "mandates.png")
    page = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB").new_page()
    page.goto(f"{HERE}/signin")
    page.screenshot(path=FOLDER / "signin-phone.png")


def _signed_in(chromium: Browser, person: people.Citizen, *, width: int, height: int, language: str) -> Page:
    page = chromium.new_context(viewport={"width": width, "height": height}, locale=language).new_page()
    page.goto(f"{HERE}/signin")
    page.fill("#number", person.number)
    page.fill("#password", people.PASSWORD)
    page.click("#signin")
    return page


def _show(page: Page) -> str:
    page.goto(f"{HERE}/wallet")
    page.locator("a[href^='/wallet/cards/']").filter(has_text=re.compile("机动车驾驶证|Driving licence")).first.click()
    page.goto(page.url.split("?")[0] + "/show")
    page.click("#make-code")
    return page.inner_text("#spoken-code")


if __name__ == "__main__":
    main()
