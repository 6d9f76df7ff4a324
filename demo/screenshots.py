"""`python -m demo.screenshots [URL]`: takes the pictures of docs/images from a running demonstration (needs Playwright and chromium)."""

import json
import re
import secrets
import sys
import time
from urllib.parse import urlencode, urlsplit

import jwt
import pyotp
import requests
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from demo import data, people, stand
from demo.processes import ROOT
from idp.oauth.client_authentication import ASSERTION_TYPE

HERE = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
FOLDER = ROOT / "docs" / "images"
TERMINAL_BROWSER = "Mozilla/5.0 (Linux; Android 13; Kiosk) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        code = _holder(chromium)
        _officer(chromium, code)
        _phone(chromium)
        _kept_and_lived(chromium)
        _account(chromium)
        _asked(chromium)
        _device(chromium)
        _console(chromium)
        chromium.close()


def _holder(chromium: Browser) -> str:
    page = _signed_in(chromium, people.LIN, width=1280, height=900, language="zh-CN")
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
    _show(page)
    page.screenshot(path=FOLDER / "code-phone.png")


def _kept_and_lived(chromium: Browser) -> None:
    """Show the cards, a life on record and a card in both languages at a desk and on a phone, and what a phone has of them without a network."""
    for language, ending in (("zh-CN", "zh"), ("en-GB", "en")):
        for width, height, kind in ((1280, 860, "desk"), (360, 740, "phone")):
            page = _signed_in(chromium, people.LIN, width=width, height=height, language=language)
            page.goto(f"{HERE}/wallet")
            _take(page, f"wallet-{kind}-{ending}")
            page.goto(f"{HERE}/wallet/timeline")
            _take(page, f"timeline-{kind}-{ending}")
            _open_card(page)
            _take(page, f"card-{kind}-{ending}")
    page.goto(page.url.split("?")[0] + "/offline")
    page.click("#make-code")
    page.click("#keep-code")
    page.locator("#keep-code[disabled]").wait_for()
    page.goto(f"{HERE}/wallet/kept")
    page.locator("details:visible summary").click()
    page.screenshot(path=FOLDER / "kept-phone.png")


def _take(page: Page, name: str) -> None:
    """Take what a window shows, in as few colours as do."""
    page.screenshot(path=FOLDER / f"{name}.png")
    with Image.open(FOLDER / f"{name}.png") as picture:
        picture.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE).save(FOLDER / f"{name}.png", optimize=True)


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


def _asked(chromium: Browser) -> None:
    page = _signed_in(chromium, people.LIN, width=360, height=740, language="zh-CN")
    wanted = {"type": "licence", "actions": ["draw"], "licence_types": ["driving-licence"], "datatypes": ["vehicle_class"], "cause": "办理车辆年检"}
    parameters = {
        "response_type": "code",
        "client_id": data.PORTALS[0].client_id,
        "redirect_uri": f"{data.home_of((urlsplit(HERE).port or 80) + 1)}/callback",
        "scope": "openid profile licences",
        "authorization_details": json.dumps([wanted]),
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",  # of RFC 7636, appendix B: nobody redeems it
        "code_challenge_method": "S256",
        "prompt": "consent",
    }
    page.goto(f"{HERE}/authorize?{urlencode(parameters)}")
    page.screenshot(path=FOLDER / "asked.png", full_page=True)


def _device(chromium: Browser) -> None:
    client_id = data.TERMINAL.client_id
    key = data.key_file(client_id, stand.folder_for(urlsplit(HERE).port or 80)).read_bytes()
    claims = {"iss": client_id, "sub": client_id, "aud": HERE, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(16)}
    assertion = jwt.encode(claims, load_pem_private_key(key, None), algorithm="ES256")  # type: ignore[arg-type]
    form = {"client_id": client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, "scope": "openid profile"}
    codes = requests.post(f"{HERE}/device_authorization", data=form, headers={"User-Agent": TERMINAL_BROWSER}, timeout=10).json()
    page = _signed_in(chromium, people.LIN, width=360, height=740, language="zh-CN")
    page.goto(codes["verification_uri_complete"])
    page.click("#go_on")
    page.screenshot(path=FOLDER / "device-phone.png", full_page=True)


def _console(chromium: Browser) -> None:
    """Show the console's page of a portal to the operator, who needs an authenticator app first: a new demonstration has none."""
    page = _signed_in(chromium, people.SUN, width=1280, height=900, language="en-GB")
    page.goto(f"{HERE}/account/ways/totp/new")
    page.fill("#name", "Phone")
    page.click("#go_on")
    page.click("#no-scan")
    secret = pyotp.TOTP(page.inner_text("#secret").replace(" ", ""))
    page.fill("#code", secret.now())
    page.click("#confirm")
    page.goto(f"{HERE}/admin/clients/{data.PORTALS[0].client_id}")
    page.screenshot(path=FOLDER / "console.png")


def _signed_in(chromium: Browser, person: people.Citizen, *, width: int, height: int, language: str) -> Page:
    page = chromium.new_context(viewport={"width": width, "height": height}, locale=language).new_page()
    page.goto(f"{HERE}/signin")
    page.fill("#number", person.number)
    page.fill("#password", people.PASSWORD)
    page.click("#signin")
    return page


def _open_card(page: Page) -> None:
    page.goto(f"{HERE}/wallet")
    page.locator("a[href^='/wallet/cards/']").filter(has_text=re.compile("机动车驾驶证|Driving licence")).first.click()
    page.locator("#facts").wait_for()


def _show(page: Page) -> str:
    _open_card(page)
    page.goto(page.url.split("?")[0] + "/show")
    page.click("#make-code")
    return page.inner_text("#spoken-code")


if __name__ == "__main__":
    main()
