"""The whole journey in a real browser, before real processes: the service, its worker, and two portals that an ordinary developer could have written.

Someone signs in once and is known at two portals, opens the wallet, shows a licence by its code; an officer in another browser
verifies it; the issuer revokes it; one sign-out ends everything. On a small phone in Chinese, at a desk in English, and
without a script.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import zxingcpp
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from demo.postgres import PostgresServer
from demo.processes import Processes
from tests.at_address import AddressedKabao, kabao_at_address
from tests.browser.conftest import DESK, PHONE
from tests.served import free_port
from tests.world_clients import System, bearer, new_portal, new_system
from tests.world_people import PASSWORD, Person, new_person, open_account
from tests.world_wallet import make_officer, new_department, new_licence
from wallet.presenting.qr_codes import PREFIX
from wallet.register.catalogue import get_type

pytestmark = pytest.mark.browser
TYPE = "driving-licence"
CAUSE = "办理居住登记，核对准驾车型"
FOLLOWS = 15_000


@dataclass(frozen=True)
class City:
    """What stands before anyone comes: the service, two portals, an issuing department and one that verifies."""

    kabao: AddressedKabao
    portals: tuple[str, str]
    issuer: str
    issuing_system: System
    verifier: str


@dataclass(frozen=True)
class Walk:
    """How someone walks: on which screen, in which language, with or without scripts."""

    viewport: dict[str, Any]
    locale: str
    scripts: bool = True

    def say(self, zh: str, en: str) -> str:
        """Return what the page says to this walker."""
        return en if self.locale == "en" else zh


@pytest.fixture(scope="module")
def city(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    folder = tmp_path_factory.mktemp("journey")
    name = "journey_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    portals = Processes(folder)
    with kabao_at_address(server, name=name, folder=folder) as kabao:
        try:
            with kabao.app.app_context():
                issuer, verifier = new_department(issue=[TYPE]), new_department(verify=[TYPE])
            with kabao.world() as session:
                issuing_system = new_system(session, department=issuer, scopes=["licences:issue"])
            homes = (open_portal(portals, kabao, folder, verifier), open_portal(portals, kabao, folder, verifier))
            yield City(kabao, homes, issuer, issuing_system, verifier)
        finally:
            portals.stop()


def open_portal(portals: Processes, kabao: AddressedKabao, folder: Path, owner: str) -> str:
    """Register a portal, start it, and return its address."""
    port = free_port()
    home = f"http://127.0.0.1:{port}"
    addresses = {
        "redirect_uris": [f"{home}/callback"],
        "post_logout_redirect_uris": [f"{home}/"],
        "backchannel_logout_uri": f"{home}/backchannel-logout",
    }
    with kabao.world() as session:
        portal = new_portal(session, scopes=["openid", "profile", "licences"], owner=owner, sector=f"portal-{port}", **addresses)
    key = folder / f"{portal.client_id}.pem"
    key.write_bytes(portal.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environ = {
        "PORTAL_NAME_ZH": "测试办事大厅",
        "PORTAL_NAME_EN": "Test hall",
        "PORTAL_KIND": "citizen",
        "PORTAL_PORT": str(port),
        "PORTAL_CLIENT_ID": portal.client_id,
        "PORTAL_KEY_FILE": str(key),
        "PORTAL_LICENCES": TYPE,
        "KABAO_URL": kabao.url,
    }
    portals.start(portal.client_id, "examples/portal/app.py", environ=environ)
    portals.wait_until_answering(portal.client_id, f"{home}/")
    return home


@contextmanager
def browsing(browser: Browser, walk: Walk) -> Iterator[Page]:
    """Open a browser of someone's own; whatever a page's policy or script complains of fails the test."""
    context: BrowserContext = browser.new_context(viewport=walk.viewport, locale=walk.locale, java_script_enabled=walk.scripts)
    context.set_default_timeout(10_000)
    page = context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("load", lambda loaded: faults.extend(too_wide(loaded, walk)))
    yield page
    context.close()
    assert not faults, faults


def too_wide(page: Page, walk: Walk) -> Iterator[str]:
    """Tell if a page that was loaded scrolls sideways."""
    if walk.scripts and page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        yield f"{page.url.split('?')[0]} scrolls sideways"


def someone(city: City) -> Person:
    """Invent a person with an account and a driving licence."""
    with city.kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    with city.kabao.world() as session:
        new_licence(session, type=TYPE, department=city.issuer, number=person.number)
    return person


def officer(city: City) -> Person:
    """Invent an officer of the verifying department."""
    with city.kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
        make_officer(session, department=city.verifier, person=person)
    return person


def fill_in(page: Page, person: Person) -> None:
    page.fill("#number", person.number)
    page.fill("#password", PASSWORD)
    page.click("#signin")


def masked(person: Person) -> str:
    return person.name[0] + "*" * (len(person.name) - 1)


def sign_in_at_both(page: Page, city: City, person: Person) -> None:
    """Sign in at one portal with the password, at the other without."""
    first, second = city.portals
    page.goto(first)
    page.click("#login")
    fill_in(page, person)
    expect(page.locator("#scopes li")).to_have_count(3)
    page.click("#approve")
    page.wait_for_url(f"{first}/")
    expect(page.locator("#visitor")).to_have_text(masked(person))
    page.goto(second)
    page.click("#login")
    expect(page.locator("#password")).to_have_count(0)
    page.click("#approve")
    page.wait_for_url(f"{second}/")
    expect(page.locator("#visitor")).to_have_text(masked(person))
    page.goto(first)
    expect(page.locator("#visitor")).to_have_text(masked(person))


def apply_without_an_upload(page: Page, city: City, walk: Walk) -> None:
    """Apply for something at a portal: the licence is drawn, and the history says so."""
    page.goto(city.portals[0])
    page.click(f"#apply-{TYPE}")
    page.click("#draw")
    expect(page.locator("#drawn")).to_contain_text(walk.say("小型汽车", "Car"))
    page.goto(f"{city.kabao.url}/wallet/history")
    expect(page.locator(".timeline")).to_contain_text("申请驾驶证期满换证")


def open_card(page: Page, city: City, walk: Walk, person: Person) -> None:
    """Open the wallet and its one card, and uncover what it says."""
    page.goto(f"{city.kabao.url}/wallet")
    with city.kabao.app.app_context():
        name = get_type(TYPE).name
    page.get_by_role("link", name=walk.say(name.zh, name.en)).click()
    expect(page.locator("#facts .masked")).not_to_have_count(0)
    expect(page.locator("body")).not_to_contain_text(person.number)
    page.click("#reveal")
    expect(page.locator("#facts")).to_contain_text(person.number)


def show_code(page: Page, city: City, walk: Walk) -> str:
    """Choose two fields, and return the code that the page shows, as a camera and as a reader see it."""
    page.goto(f"{city.kabao.url}/wallet")
    page.locator(".cards a").click()
    page.click("#show")
    page.check("input[name=preset][value=own]")
    for box in page.locator("input[name=chosen]").all():
        box.set_checked(box.get_attribute("value") in ("holder_name", "vehicle_class"))
    page.check("input[name=preset][value=own]")
    page.click("#make-code")
    spoken = page.inner_text("#spoken-code")
    picture = Image.open(io.BytesIO(page.locator("#qr-picture").screenshot()))
    assert [found.text for found in zxingcpp.read_barcodes(picture)] == [PREFIX + spoken.replace(" ", "")]
    return spoken


def verify_at_desk(page: Page, city: City, code: str, *, verdict: str) -> None:
    """Type the code and the cause at the desk; the receipt's page says the verdict."""
    page.goto(f"{city.kabao.url}/desk")
    page.fill("#presented", code.lower())
    page.fill("#cause", CAUSE)
    page.click("#verify")
    page.wait_for_url("**/desk/receipts/*")
    expect(page.locator("#verdict")).to_have_attribute("data-verdict", verdict)
    expect(page.locator("#receipt")).to_contain_text(CAUSE)


def revoke(city: City, page: Page) -> None:
    """Let the issuing department's system revoke the licence whose card the page's browser last opened."""
    page.goto(f"{city.kabao.url}/wallet")
    href = page.locator(".cards a").get_attribute("href") or ""
    proof = city.issuing_system.proof(aud=city.kabao.url)
    form = {"grant_type": "client_credentials", "scope": "licences:issue", **proof}
    token = requests.post(f"{city.kabao.url}/token", data=form, timeout=10).json()["access_token"]
    why = {"reason": "持证人申请注销", "legal_basis": "机动车驾驶证申领和使用规定"}
    address = f"{city.kabao.url}/api/v1/licences/{href.rsplit('/', 1)[1]}/revocation"
    assert requests.post(address, json=why, headers=bearer(token), timeout=10).ok


def check_receipt(page: Page, city: City, officer_page: Page) -> None:
    """Let someone without an account check the receipt that the officer has."""
    officer_page.locator("details:has(#jws) > summary").click()
    jws = officer_page.inner_text("#jws")
    page.goto(f"{city.kabao.url}/receipts/check")
    page.fill("#receipt", jws)
    page.click("#check")
    expect(page.locator("#verdict")).to_have_class(re.compile("verdict--valid"))


def sign_out_everywhere(page: Page, city: City) -> None:
    """Sign out at one portal, and say that the rest is meant, too: the identity session and the other portal's end with it."""
    first, second = city.portals
    page.goto(second)
    expect(page.locator("#visitor")).to_be_visible()
    page.goto(first)
    page.click("#logout")
    page.wait_for_url(re.compile(rf"{city.kabao.url}/logout\?"))
    page.click("#logout")
    page.wait_for_url(re.compile(rf"{first}/(\?state=.*)?$"))
    expect(page.locator("#login")).to_be_visible()
    page.goto(f"{city.kabao.url}/wallet")
    expect(page.locator("#password")).to_be_visible()
    expect(page.locator("#password")).to_have_value("")

    for _ in range(FOLLOWS // 250):
        page.goto(second)
        if page.locator("#login").count():
            return
        page.wait_for_timeout(250)
    raise AssertionError("the second portal did not hear of the sign-out")


WALKS = {
    "on a phone, in Chinese": Walk(PHONE, "zh-CN"),
    "at a desk, in English": Walk(DESK, "en"),
    "without a script, on a phone, in Chinese": Walk(PHONE, "zh-CN", scripts=False),
}


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_the_whole_journey(browser: Browser, city: City, walk: Walk) -> None:
    person = someone(city)
    with browsing(browser, walk) as holder, browsing(browser, walk) as desk, browsing(browser, walk) as anyone:
        sign_in_at_both(holder, city, person)
        open_card(holder, city, walk, person)
        apply_without_an_upload(holder, city, walk)

        desk.goto(f"{city.kabao.url}/desk")
        fill_in(desk, officer(city))
        verify_at_desk(desk, city, show_code(holder, city, walk), verdict="valid")
        expect(desk.locator("#fields")).to_contain_text(person.name)
        expect(desk.locator("#fields")).not_to_contain_text(person.number)
        check_receipt(anyone, city, desk)

        if not walk.scripts:  # else the page with the code goes on by itself
            holder.click("#check-state")
        holder.click("#to-history")
        expect(holder.locator(".timeline")).to_contain_text(CAUSE)

        code = show_code(holder, city, walk)
        revoke(city, holder)
        verify_at_desk(desk, city, code, verdict="invalid")
        expect(desk.locator("#verdict")).to_contain_text(walk.say("吊销", "revoked"))
        expect(desk.locator("#fields")).to_have_count(0)
        holder.goto(f"{city.kabao.url}/wallet")
        holder.locator(".cards a").click()
        expect(holder.locator("#show")).to_have_count(0)

        sign_out_everywhere(holder, city)
