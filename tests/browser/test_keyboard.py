"""The flows of the account by keyboard alone: on a phone in English, at a desk in Chinese, and without JavaScript."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect

from idp.oauth.clients import CIBA, DEVICE_CODE
from idp.signin import operators, recovery_codes, sessions
from idp.signin.assurance import acr_of
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.browser.conftest import DESK, PHONE
from tests.browser.keyboard import Keyboard
from tests.idp.oauth.apart.steps import Counter, Terminal, good
from tests.idp.oauth.journeys import Journey
from tests.idp.signin.proofs_at_hand import app_shows, code_that_reached, enrol, subject_of
from tests.idp.signin.recovering import ADDRESS, cancel_link, new_resident, run_jobs
from tests.idp.subjects.firms import new_firm
from tests.world_clients import DEPARTMENT, new_portal
from tests.world_people import PASSWORD, Person, new_person, open_account

pytestmark = pytest.mark.browser
NEW = "a quiet river in autumn 秋水"


@dataclass(frozen=True)
class Walk:
    """On which screen, in which language, with or without scripts."""

    viewport: dict[str, int]
    locale: str
    scripts: bool = True


WALKS = {
    "on a phone, in English": Walk(PHONE, "en-GB"),
    "at a desk, in Chinese": Walk(DESK, "zh-CN"),
    "without a script, on a phone, in Chinese": Walk(PHONE, "zh-CN", scripts=False),
}


@pytest.fixture(params=WALKS.values(), ids=WALKS)
def page(request: pytest.FixtureRequest, browser: Browser, live_url: str) -> Iterator[Page]:
    walk: Walk = request.param
    screen = {
        "viewport": walk.viewport,
        "reduced_motion": "reduce",
    }  # a scroll that takes its time would still be under way when the focus is looked at
    context = browser.new_context(base_url=live_url, locale=walk.locale, java_script_enabled=walk.scripts, **screen)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def keyboard(page: Page) -> Keyboard:
    return Keyboard(page)


@pytest.fixture
def person(app: Flask) -> Person:
    """Someone with an account and a password, and nothing else."""
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def sign_in(keyboard: Keyboard, person: Person, password: str = PASSWORD, *, at: str = "/signin?next=/account") -> None:
    keyboard.page.goto(at)
    keyboard.type("#number", person.number)
    keyboard.type("#password", password)
    keyboard.send()


def test_an_account_is_opened_left_and_entered_again(app: Flask, keyboard: Keyboard) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session)
    page = keyboard.page
    page.goto("/")
    keyboard.skip_head()
    keyboard.follow("#to-register")
    for name, text in {"number": person.number, "name": person.name, "password": PASSWORD}.items():
        keyboard.type(f"#{name}", text)
    keyboard.follow("#register")
    expect(page.locator("#nav-signout")).to_have_count(1)
    keyboard.follow("#nav-signout", "Space")
    expect(page.locator("#nav-signin")).to_have_count(1)
    keyboard.type("#number", person.number)
    keyboard.type("#password", "not the password")
    keyboard.send()
    expect(page.locator("main")).to_contain_text(re.compile("not right|不正确"))
    keyboard.type("#number", person.number)
    keyboard.type("#password", PASSWORD)
    keyboard.follow("#signin")
    expect(page.locator("#nav-wallet")).to_have_count(1)


def test_ways_to_sign_in_are_added_and_used(app: Flask, keyboard: Keyboard, person: Person) -> None:
    page = keyboard.page
    sign_in(keyboard, person)
    keyboard.follow("#room-ways")
    keyboard.follow("#add-contact")
    keyboard.type("#address", "someone@example.cn")
    keyboard.follow("#add")
    keyboard.type("#code", code_that_reached(app, UUID(re.findall(r"contacts/([0-9a-f-]{36})", page.url)[0])))
    keyboard.follow("#confirm")
    keyboard.follow("#add-totp")
    keyboard.type("#name", "Phone")
    keyboard.follow("#go_on")
    keyboard.go_to("#no-scan")
    page.keyboard.press("Enter")
    keyboard.type("#code", pyotp.TOTP(page.inner_text("#secret").replace(" ", "")).at(now()))
    keyboard.follow("#confirm")
    keyboard.follow("#make-codes")
    codes = page.locator("#codes code").all_inner_texts()
    keyboard.follow("#done")
    keyboard.follow("#change-password")
    if page.locator("#present").count():
        keyboard.type("#present", PASSWORD)
    keyboard.type("#password", NEW)
    keyboard.follow("#change")
    keyboard.follow("#nav-signout")
    sign_in(keyboard, person, NEW)
    keyboard.follow("#way-recovery")
    keyboard.type("#code", codes[3])
    keyboard.send()
    assert page.url.endswith("/account")


def test_the_second_step_is_taken_by_the_app(app: Flask, keyboard: Keyboard, person: Person) -> None:
    secret = enrol(app, person)
    sign_in(keyboard, person, at="/signin?next=/account/devices")
    keyboard.type("#code", "000000")
    keyboard.follow("#confirm")
    keyboard.type("#code", app_shows(secret))
    keyboard.tick("#trust")
    keyboard.follow("#confirm")
    assert keyboard.page.url.endswith("/account/devices")


def test_another_device_is_ended(app: Flask, keyboard: Keyboard, person: Person) -> None:
    sign_in(keyboard, person, at="/signin?next=/account/devices")
    with app.app_context(), transaction() as session:
        other, _ = sessions.begin(session, subject_id=subject_of(app, person), amr=["pwd"], now=now() - timedelta(minutes=2))
    keyboard.page.reload()
    keyboard.follow(f"#end-{other}")
    expect(keyboard.page.locator("#devices > li")).to_have_count(1)


def test_an_account_is_recovered_by_a_code(app: Flask, keyboard: Keyboard, person: Person) -> None:
    with app.app_context(), transaction() as session:
        code = recovery_codes.make(session, subject_of(app, person), now=now())[0]
    keyboard.page.goto("/signin")
    keyboard.follow("#recover")
    keyboard.follow("#by-code")
    for name, text in {"number": person.number, "code": code, "password": NEW}.items():
        keyboard.type(f"#{name}", text)
    keyboard.send()
    sign_in(keyboard, person, NEW)
    assert keyboard.page.url.endswith("/account")


def test_a_recovery_by_the_registry_is_begun_and_cancelled(app: Flask, keyboard: Keyboard, person: Person) -> None:
    with app.app_context(), transaction() as session:
        new_resident(session, person)
    page = keyboard.page
    page.goto("/recover")
    keyboard.follow("#by-registry")
    for name, text in {"number": person.number, "name": person.name, "address": ADDRESS}.items():
        keyboard.type(f"#{name}", text)
    keyboard.follow("#ask")
    expect(page.locator("#recovery-code")).to_have_count(1)
    run_jobs(app)
    page.goto(cancel_link(app, subject_of(app, person)))
    keyboard.follow("#cancel-recovery")
    expect(page.locator("h1")).to_contain_text(re.compile("cancelled|已取消"))


def test_an_organisation_is_claimed_staffed_and_acted_for(app: Flask, keyboard: Keyboard, person: Person) -> None:
    with app.app_context(), transaction() as session:
        firm = new_firm(session, claimed=False)
    page = keyboard.page
    sign_in(keyboard, firm.boss)
    keyboard.follow("#room-enterprise")
    keyboard.follow(f"#claim-{firm.id}")
    keyboard.follow("#appoint")
    keyboard.type("#number", person.number)
    keyboard.type("#name", person.name)
    keyboard.choose("role", 1)
    keyboard.choose("type_reach", 0)
    keyboard.choose("portal_reach", 0)
    keyboard.follow("#appoint")
    expect(page.locator("#people")).to_contain_text(person.name)
    keyboard.follow("#people .btn-outline-danger")
    keyboard.follow("#confirm-end")
    expect(page.locator("#people > li")).to_have_count(1)
    keyboard.follow("#nav-account")
    keyboard.follow(f"#act-{firm.id}")
    expect(page.locator(".who--acting")).to_contain_text(firm.organisation.name)
    keyboard.follow(f"#act-{firm.id}", "Space")
    expect(page.locator(".who--acting")).to_have_count(0)


def test_a_portal_that_asks_for_two_factors_gets_them(app: Flask, keyboard: Keyboard, live_url: str, person: Person) -> None:
    home = f"{live_url}/"  # the portal's own page is of no matter here: it stands at ours
    with app.app_context(), transaction() as session:
        journey = Journey(replace(new_portal(session, redirect_uris=[home]), redirect_uri=home))
    page = keyboard.page
    sign_in(keyboard, person)
    secret = enrol(app, person)
    page.goto("/authorize?" + urlencode(journey.parameters(acr_values=acr_of(1, 2))))
    assert "/signin/step-up" in page.url
    keyboard.type("#code", app_shows(secret))
    keyboard.follow("#confirm")
    keyboard.follow("#approve")
    assert page.url.startswith(home)
    assert "code=" in page.url
    assert f"state={journey.state}" in page.url


def test_a_device_is_let_in_by_the_code_that_it_shows(app: Flask, keyboard: Keyboard, person: Person) -> None:
    with app.app_context():
        with transaction() as session:
            terminal = Terminal(app.test_client(), new_portal(session, redirect_uris=[], grant_types=[DEVICE_CODE]))
        codes = terminal.codes(scope="openid profile")
        page = keyboard.page
        sign_in(keyboard, person, at="/signin?next=/device")
        keyboard.type("#user_code", "bbbb bbbb")
        keyboard.follow("#go_on")
        expect(page.locator("#user_code-error")).to_have_count(1)
        keyboard.type("#user_code", codes["user_code"].lower())
        keyboard.send()
        expect(page.locator("#shown-code")).to_have_text(codes["user_code"])
        keyboard.follow("#approve")
        expect(page.locator(".verdict--valid")).to_have_count(1)
        assert "access_token" in good(terminal.poll(codes["device_code"]))


def test_a_counter_s_request_is_found_refused_and_its_counter_heard_again(app: Flask, keyboard: Keyboard, person: Person) -> None:
    by_poll = {"redirect_uris": [], "grant_types": [CIBA], "metadata": {"backchannel_token_delivery_mode": "poll"}}
    with app.app_context():
        with transaction() as session:
            counter = Counter(app.test_client(), new_portal(session, **by_poll))
        counter.asked(login_hint=person.number, scope="openid", binding_message="A12")
    page = keyboard.page
    sign_in(keyboard, person)
    keyboard.follow("#room-requests")
    keyboard.follow("#requests .btn")
    expect(page.locator("#message")).to_have_text("A12")
    keyboard.follow("#report")
    expect(page.locator(".verdict--refused")).to_have_count(1)
    keyboard.follow("#requests")
    keyboard.follow("#hear-1")
    expect(page.locator("#hear-1")).to_have_count(0)


def test_a_client_is_registered_corrected_and_given_another_secret(app: Flask, keyboard: Keyboard, person: Person) -> None:
    page = keyboard.page
    sign_in(keyboard, person)
    secret = enrol(app, person)
    with app.app_context(), transaction() as session:
        new_resident(session, person)
        operators.add_operator(session, subject_of(app, person), now=now())
    page.goto("/admin")
    keyboard.type("#code", app_shows(secret))
    keyboard.follow("#confirm")
    keyboard.follow("#new-client")
    written = {"client_id": f"by-hand-{secrets.token_hex(5)}", "client_name_zh": "预约挂号平台", "client_name_en": "Hospital booking", "owner": "123"}
    for name, text in written.items():
        keyboard.type(f"#{name}", text)
    keyboard.tick("input[name=grant_types][value=authorization_code]")
    keyboard.tick("input[name=scope][value=openid]")
    keyboard.type("#redirect_uris", "https://booking.example.gov.cn/callback")
    keyboard.go_to("#token_endpoint_auth_method")
    page.keyboard.type("client_secret_basic")
    keyboard.follow("#save")
    expect(page.locator("#owner-error")).to_contain_text(re.compile("credit code|信用代码"))
    keyboard.go_to("#fault-owner a")
    page.keyboard.press("Enter")
    keyboard.type("#owner", DEPARTMENT)
    keyboard.follow("#save")
    first = page.inner_text("#secret")
    keyboard.follow("#edit")
    keyboard.type("#client_name_en", "Booking of visits")
    keyboard.follow("#save")
    expect(page.locator("main")).to_contain_text("Booking of visits")
    keyboard.follow("#rotate-secret")
    assert page.inner_text("#secret") != first


def test_an_account_is_closed(app: Flask, keyboard: Keyboard, person: Person) -> None:
    sign_in(keyboard, person)
    keyboard.follow("#room-close")
    keyboard.tick("#understood")
    keyboard.follow("#close")
    expect(keyboard.page.locator("#nav-signin")).to_have_count(1)
    with app.app_context(), transaction() as session:
        assert directory.find_subject(session, parse_number(person.number)) is not None
