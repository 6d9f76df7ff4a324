import html
import re
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask.testing import FlaskClient as Client

from idp.signin import destinations, notices, recovery_codes
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.proofs_at_hand import app_shows, code_that_reached, enrol, press, reach, subject_of
from tests.idp.signin.test_second_pages import SECOND, amr_of
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token, post_form, sign_in

WAYS = "/account/ways"
NEW = "黄河入海流 battery staple"


def titles(app: Flask, person: Person) -> list[str]:
    """Return what a person was told, the newest first."""
    with app.app_context(), transaction() as session:
        return [told.title.zh for told in notices.latest(session, subject_of(app, person), limit=20)]


def strength(client: Client) -> str:
    found = re.search(r'id="strength">([^<]*)<', client.get(WAYS, headers=BROWSER).text)
    assert found is not None
    return found[1]


def test_an_authenticator_is_enrolled_by_its_first_code_and_raises_the_session(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    assert strength(client) == "弱"
    at = post_form(client, WAYS + "/totp/new", {"name": "我的手机"}).location
    page = client.get(at, headers=BROWSER).text
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', page)
    assert secret is not None
    assert "data:image/svg+xml" in page
    link = re.search(r'id="open-app" href="([^"]+)"', page)
    assert link is not None, "who has the app on this very telephone cannot scan its screen"
    opened = pyotp.parse_uri(html.unescape(link[1]))
    assert isinstance(opened, pyotp.TOTP)
    assert opened.secret == secret[1].replace(" ", "")
    shown = opened.at(now())
    assert press(client, at, form_at=at, code="12345").status_code == 422
    answer = press(client, at, form_at=at, code=shown)
    assert (answer.status_code, answer.location) == (303, "/account/ways/recovery-codes")
    assert amr_of(app, client) == ["pwd", "otp", "mfa"]
    assert titles(app, person)[0] == "新增了验证器"
    assert strength(client) == "强"
    assert "我的手机" in client.get(WAYS, headers=BROWSER).text
    assert client.get(at, headers=BROWSER).location == WAYS


def test_days_and_times_have_one_form_in_english_too(app: Flask, client: FlaskClient, person: Person) -> None:
    secret = enrol(app, person)
    sign_in(client, person)
    post_form(client, "/signin/second", {"code": app_shows(secret)})
    page = client.get("/account/ways?lang=en", headers=BROWSER).text
    day = r"\d{1,2} [A-Z][a-z]{2,3} \d{4}"
    assert re.search(rf"Added {day} · last used {day}, \d\d:\d\d:\d\d<", html.unescape(page)), page


def test_a_form_that_adds_a_way_may_lead_on_to_the_portal_that_asked_for_it(client: FlaskClient, person: Person) -> None:
    def beyond(path: str) -> list[str]:
        return ["https://portal.example"] if path.startswith("/authorize?") else []

    sign_in(client, person)
    goal = "/authorize?client_id=a"
    destinations.origins_beyond.append(beyond)
    try:
        for path, form in (("/totp/new", {"name": "手机"}), ("/contacts/new", {"address": "13800138000"})):
            at = post_form(client, WAYS + path, {**form, "next": goal}).location
            page = client.get(at, headers=BROWSER)
            assert "form-action 'self' https://portal.example;" in page.headers["Content-Security-Policy"], path
    finally:
        destinations.origins_beyond.remove(beyond)


def test_who_was_led_here_for_a_second_way_goes_on_once_it_is_added(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    answer = client.get("/signin/step-up?aal=2&next=/account?x=1", headers=BROWSER)
    assert answer.location == "/account/ways?next=%2Faccount%3Fx%3D1"
    page = client.get(answer.location, headers=BROWSER).text
    to_add = html.unescape(re.findall(r'id="add-totp" href="([^"]*)"', page)[0])
    at = post_form(client, to_add, {"name": "手机", "next": "/account?x=1"}).location
    secret = re.findall(r'id="secret">([A-Z2-7 ]+)<', client.get(at, headers=BROWSER).text)[0].replace(" ", "")
    answer = press(client, at, form_at=at, code=pyotp.TOTP(secret).at(now()), next="/account?x=1")
    assert answer.location == "/account?x=1"


def test_an_address_is_added_by_the_code_that_reached_it(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    at = post_form(client, WAYS + "/contacts/new", {"address": " 138 0013 8000 "}).location
    contact = at.split("?")[0].split("/")[-1]
    page = client.get(at, headers=BROWSER).text
    assert "138****8000" in page
    assert "13800138000" not in page
    assert 'id="not-sent-here"' in page, "in development, where to look for the code"
    right = code_that_reached(app, contact)  # type: ignore[arg-type]
    assert press(client, at, form_at=at, code="000000" if right != "000000" else "111111").status_code == 422
    assert press(client, at, form_at=at, code=right).location == WAYS
    page = client.get(WAYS, headers=BROWSER).text
    assert "138****8000" in page
    assert "已验证" in page
    assert titles(app, person)[0] == "新增了联系方式"
    assert amr_of(app, client) == ["pwd", "sms", "mfa"]


def test_the_code_of_one_address_verifies_no_other(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    first = post_form(client, WAYS + "/contacts/new", {"address": "13800138000"}).location
    second = post_form(client, WAYS + "/contacts/new", {"address": "victim@example.cn"}).location
    first_code = code_that_reached(app, first.split("?")[0].split("/")[-1])
    assert press(client, second, form_at=second, code=first_code).status_code == 422
    second_code = code_that_reached(app, second.split("?")[0].split("/")[-1])
    assert press(client, first, form_at=first, code=second_code).status_code == 422


BAD_ADDRESSES = {"nothing": ("", "请填写"), "a landline": ("0531-86012345", "手机号码有误"), "no domain": ("a@b", "电子邮箱地址有误")}


@pytest.mark.parametrize(("address", "words"), BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
def test_a_bad_address_is_refused_beside_its_field(client: FlaskClient, person: Person, address: str, words: str) -> None:
    sign_in(client, person)
    answer = post_form(client, WAYS + "/contacts/new", {"address": address})
    assert answer.status_code == 422
    assert words in answer.text


def test_a_removed_address_is_gone_and_told_of(app: Flask, client: FlaskClient, person: Person) -> None:
    contact = reach(app, person, "someone@example.cn")
    sign_in(client, person)
    page = f"{WAYS}/contacts/{contact}/remove"
    assert 'id="last-address"' in client.get(page, headers=BROWSER).text, "what it means for recovery is said first"
    assert press(client, page, form_at=page).status_code == 200, "not removed by who was not told"
    assert 'id="contacts"' in client.get(WAYS, headers=BROWSER).text
    assert press(client, page, form_at=page, is_last="1").status_code == 303
    assert 'id="contacts"' not in client.get(WAYS, headers=BROWSER).text
    assert titles(app, person)[0] == "移除了联系方式"


def test_recovery_codes_are_shown_once_and_given_as_a_file(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    at = WAYS + "/recovery-codes"
    page = press(client, at, form_at=at).text
    codes = re.findall(r"<li><code>([0-9A-Z-]{19})</code>", page)
    assert len(codes) == 10
    assert "js-print" in page, "the page says to print them"
    assert "只显示这一次" in page
    assert codes[0] not in client.get(at, headers=BROWSER).text
    file = client.post(at + "/file", data={"csrf_token": csrf_token(page), "code": codes}, headers=BROWSER)
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert all(code in file.text for code in codes)
    forged = client.post(at + "/file", data={"csrf_token": csrf_token(page), "code": ["<script>"]}, headers=BROWSER)
    assert forged.location == WAYS
    assert titles(app, person)[0] == "生成了新的恢复码"


def test_few_codes_left_are_told_of(app: Flask, client: FlaskClient, person: Person) -> None:
    enrol(app, person)
    with app.app_context(), transaction() as session:
        codes = recovery_codes.make(session, subject_of(app, person), now=now())
        for code in codes[:6]:
            recovery_codes.spend(session, subject_of(app, person), code, now=now())
    at = sign_in(client, person).location
    press(client, SECOND, form_at=at, way="recovery", code=codes[6])
    assert "恢复码即将用完" in titles(app, person)
    assert "只剩 3 个" in client.get(WAYS, headers=BROWSER).text


def test_a_changed_password_signs_all_others_out_and_is_told_of(app: Flask, client: FlaskClient, person: Person) -> None:
    other = app.test_client()
    sign_in(other, person)
    sign_in(client, person)
    answer = post_form(client, WAYS + "/password", {"present": PASSWORD, "password": NEW})
    assert answer.location == WAYS
    assert client.get("/account", headers=BROWSER).status_code == 200
    assert other.get("/account", headers=BROWSER).status_code == 303
    assert sign_in(other, person).status_code == 422
    assert sign_in(other, person, NEW).status_code == 303
    assert "密码已修改" in titles(app, person)


PASSWORDS = {
    "another present one": ("not this one", NEW, "验证未通过"),
    "a short one": (PASSWORD, "short", "至少8个字符"),
    "a common one": (PASSWORD, "password1", "太常见"),
    "the same": (PASSWORD, PASSWORD, "不能与现在的密码相同"),
    "none": (PASSWORD, "", "请设置新密码"),
}


@pytest.mark.parametrize(("present", "password", "words"), PASSWORDS.values(), ids=PASSWORDS)
def test_a_password_is_not_changed(client: FlaskClient, person: Person, present: str, password: str, words: str) -> None:
    sign_in(client, person)
    answer = post_form(client, WAYS + "/password", {"present": present, "password": password})
    assert answer.status_code == 422
    assert words in answer.text
    assert sign_in(client, person).status_code == 303


PAGES = ["/totp/new", "/contacts/new", "/recovery-codes", "/password"]


@pytest.mark.parametrize("page", PAGES)
def test_who_left_the_browser_open_is_asked_again(client: FlaskClient, person: Person, page: str) -> None:
    sign_in(client, person)
    assert client.get(WAYS + page, headers=BROWSER).status_code == 200
    with clock.shifted(timedelta(minutes=10, seconds=1)):
        answer = client.get(WAYS + page, headers=BROWSER)
        assert answer.location == f"/signin/step-up?aal=1&next=%2Faccount%2Fways{page.replace('/', '%2F')}"
        assert post_form(client, answer.location, {"password": PASSWORD, "next": WAYS + page}).location == WAYS + page
        assert client.get(WAYS + page, headers=BROWSER).status_code == 200


def test_an_account_of_two_steps_is_changed_by_both_alone(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    secret = enrol(app, person)
    answer = client.get(WAYS + "/password", headers=BROWSER)
    assert answer.location == "/signin/step-up?aal=2&next=%2Faccount%2Fways%2Fpassword"
    page = client.get(answer.location, headers=BROWSER).text
    assert "用密码" not in page
    assert press(client, answer.location, form_at=answer.location, code=app_shows(secret)).status_code == 303
    assert client.get(WAYS + "/password", headers=BROWSER).status_code == 200


FORMS = [
    "/totp/new",
    "/totp/0190a0d0-0000-7000-8000-000000000000/remove",
    "/contacts/new",
    "/contacts/0190a0d0-0000-7000-8000-000000000000/remove",
    "/contacts/0190a0d0-0000-7000-8000-000000000000/send",
    "/contacts/0190a0d0-0000-7000-8000-000000000000",
    "/recovery-codes",
    "/recovery-codes/file",
    "/password",
    "/browsers/0190a0d0-0000-7000-8000-000000000000/end",
]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_wants_its_token_and_someone_signed_in(client: FlaskClient, person: Person, form: str) -> None:
    sign_in(client, person)
    assert client.post(WAYS + form, data={"name": "x", "address": "13800138000"}, headers=BROWSER).status_code == 400
    client.delete_cookie("kabao_session")
    token = csrf_token(client.get("/signin", headers=BROWSER).text)
    assert client.post(WAYS + form, data={"csrf_token": token}, headers=BROWSER).location.startswith("/signin?next=")


def test_of_two_addresses_the_second_is_asked_about_anew_where_the_first_went_meanwhile(app: Flask, client: FlaskClient, person: Person) -> None:
    first, second = (f"{WAYS}/contacts/{reach(app, person, one)}/remove" for one in ("somebody@example.cn", "someone@example.cn"))
    sign_in(client, person)
    for page in (first, second):
        shown = client.get(page, headers=BROWSER)
        assert (shown.status_code, 'id="last-address"' in shown.text) == (200, False)
    assert press(client, first, form_at=second).status_code == 303
    answer = press(client, second, form_at=second)
    assert (answer.status_code, 'id="last-address"' in answer.text) == (200, True)
    assert press(client, second, form_at=second, is_last="1").location == WAYS
    assert client.get(second, headers=BROWSER).status_code == 404


def test_what_is_anothers_is_not_there(app: Flask, client: FlaskClient, person: Person, newcomer: Person) -> None:
    from idp.signin import contacts
    from tests.world_people import open_account

    with app.app_context(), transaction() as session:
        open_account(session, newcomer)
    others = reach(app, newcomer, "13900139000")
    sign_in(client, person)
    assert client.get(f"{WAYS}/contacts/{others}", headers=BROWSER).status_code == 404
    assert client.get(f"{WAYS}/contacts/{others}/remove", headers=BROWSER).status_code == 404
    press(client, f"{WAYS}/contacts/{others}/remove", form_at=WAYS)
    with app.app_context(), transaction() as session:
        assert len(contacts.verified_of(session, subject_of(app, newcomer))) == 1
