import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import accounts, destinations, passwords
from idp.subjects import registries
from idp.subjects.registries import RegistryUnavailable
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.conftest import fresh_address
from tests.idp.signin.proofs_at_hand import subject_of
from tests.world_clients import new_portal
from tests.world_people import BROWSER, PASSWORD, Person, citizen_number, credit_code, csrf_token, post_form, sign_in

WRONG = "号码或密码不正确。"


def wrong_digit(number: str) -> str:
    return number[:-1] + ("1" if number[-1] != "1" else "2")


def error_beside(page: str, field: str) -> str:
    found = re.search(rf'id="{field}-error"[^>]*>([^<]*)<', page)
    return found[1] if found else ""


def test_a_person_registers_and_is_signed_in(client: FlaskClient, newcomer: Person) -> None:
    answer = post_form(client, "/account/new", {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD})
    assert (answer.status_code, answer.location) == (303, "/wallet")
    assert client.get("/account", headers=BROWSER).status_code == 200


def test_a_person_signs_in_and_out(client: FlaskClient, person: Person) -> None:
    assert sign_in(client, person, next="/account?x=1").location == "/account?x=1"
    assert client.get("/account", headers=BROWSER).status_code == 200
    assert post_form(client, "/signout", {}, form_at="/account").location == "/signin"
    answer = client.get("/account?lang=en", headers=BROWSER)
    assert (answer.status_code, answer.location) == (303, "/signin?next=/account?lang%3Den")
    assert client.get("/account", headers={"Accept": "application/json"}).status_code == 401


def test_signing_out_takes_along_what_the_browser_kept_of_the_person(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    with client.session_transaction() as kept:
        kept["shown_code"] = {"content": "KABAO1:X"}
    assert post_form(client, "/signout", {}, form_at="/account").status_code == 303
    with client.session_transaction() as kept:
        assert set(kept) == {"_flashes"}


def test_a_browser_is_brought_back_to_where_it_wanted_to_go(client: FlaskClient, person: Person) -> None:
    asked = client.get("/account", headers=BROWSER)
    page = client.get(asked.location, headers=BROWSER).text
    form = {"csrf_token": csrf_token(page), "number": person.number, "password": PASSWORD}
    kept = re.search(r'name="next"[^>]*value="([^"]*)"', page)
    assert kept is not None
    assert client.post("/signin", data={**form, "next": kept[1]}, headers=BROWSER).location == "/account"


@pytest.mark.parametrize("ended", ["changed", "void"])
def test_a_password_that_ends_while_it_is_compared_opens_nothing(
    app: Flask, client: FlaskClient, person: Person, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject_id, is_right = subject_of(app, person), passwords.is_right

    def compared(kept: str | None, password: str) -> bool:
        with transaction() as session:
            if ended == "void":
                accounts.void_password(session, subject_id, now=now())
            else:
                accounts.set_password(session, subject_id, password_hash="another", now=now())
        return is_right(kept, password)

    monkeypatch.setattr(passwords, "is_right", compared)
    assert sign_in(client, person).status_code == 422
    assert client.get_cookie("kabao_session") is None


def test_a_number_is_taken_as_people_write_it(client: FlaskClient, person: Person) -> None:
    written = "  " + person.number.lower().translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    assert sign_in(client, Person(written, person.name)).status_code == 303


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/%09/evil.example\n",
    "///evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/ok\r\nSet-Cookie: x=1",
    "http:///evil.example",
    "/" + "a" * 5000,
    "/signin",
    "/signout",
]


@pytest.mark.parametrize("goal", ELSEWHERE)
def test_the_way_back_never_leads_elsewhere(client: FlaskClient, person: Person, goal: str) -> None:
    assert destinations.local_path(goal) == "/wallet"
    assert sign_in(client, person, next=goal).location == "/wallet"
    shown = client.get("/signin", query_string={"next": goal}, headers=BROWSER).text
    assert set(re.findall(r'name="next"[^>]*value="([^"]*)"', shown)) == {"/wallet"}
    assert 'href="/account/new?next=/wallet"' in shown


@pytest.mark.parametrize("goal", ["/", "/wallet/cards/1", "/authorize?client_id=a&redirect_uri=https%3A%2F%2Fportal.example%2Fback&state=~._-"])
def test_a_path_of_ours_is_a_way_back(goal: str) -> None:
    assert destinations.local_path(goal) == goal


@pytest.mark.parametrize("path", ["/signin", "/account/new", "/signin/code"])
def test_whoever_comes_from_a_portal_sees_its_name_where_they_give_their_number(app: Flask, client: FlaskClient, path: str) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session)
    asked = {"client_id": portal.client_id, "redirect_uri": portal.redirect_uri, "response_type": "code", "scope": "openid"}
    shown = client.get(path, query_string={"next": f"/authorize?{urlencode(asked)}"}, headers=BROWSER).text
    assert re.search(r'id="asker">登录后前往 <strong>[^<]+</strong>', shown)
    forged = urlencode(asked | {"redirect_uri": "https://evil.example/"})
    for other in (f"/authorize?{forged}", "/wallet"):
        assert 'id="asker"' not in client.get(path, query_string={"next": other}, headers=BROWSER).text


def test_a_page_whose_form_leads_on_to_a_portal_says_so_to_the_browser(client: FlaskClient) -> None:
    def beyond(path: str) -> list[str]:
        return ["https://portal.example"] if path.startswith("/authorize?") else []

    destinations.origins_beyond.append(beyond)
    try:
        page = client.get("/signin", query_string={"next": "/authorize?client_id=a"}, headers=BROWSER)
        assert "form-action 'self' https://portal.example;" in page.headers["Content-Security-Policy"]
        assert "form-action 'self';" in client.get("/signin", headers=BROWSER).headers["Content-Security-Policy"]
    finally:
        destinations.origins_beyond.remove(beyond)


def test_sign_in_says_the_same_of_an_unknown_number_and_of_a_wrong_password(client: FlaskClient, person: Person, newcomer: Person) -> None:
    answers = [sign_in(client, who, password="not this one") for who in (person, newcomer, Person(citizen_number(), "某某"))]
    assert {answer.status_code for answer in answers} == {422}

    def told(page: str) -> str:
        return re.sub(r'value="[^"]*"|[?&]lang=[^"]*', "", page)

    assert len({told(answer.text) for answer in answers}) == 1
    assert all(WRONG in answer.text for answer in answers)
    assert all("Set-Cookie" not in answer.headers or "kabao_session" not in answer.headers["Set-Cookie"] for answer in answers)


SIGNIN_DOOR = {
    "no number": ({"number": ""}, "number", "请填写号码。"),
    "no password": ({"password": ""}, "password", "请填写密码。"),
    "spaces": ({"number": "   "}, "number", "请填写号码。"),
    "words": ({"number": "我的号码"}, "number", "18位"),
    "first generation": ({"number": "379999900101001"}, "number", "第一代"),
    "endless number": ({"number": "3" * 200_000}, "number", "不能超过64个字符"),
    "endless password": ({"password": "p" * 200_000}, "password", "不能超过1024个字符"),
    "an organisation's code": ({"number": credit_code}, "number", "法定代表人"),
}


@pytest.mark.parametrize(("change", "field", "words"), SIGNIN_DOOR.values(), ids=SIGNIN_DOOR)
def test_the_sign_in_door_says_what_is_wrong_beside_the_field(
    client: FlaskClient, person: Person, change: dict[str, object], field: str, words: str
) -> None:
    form = {"number": person.number, "password": PASSWORD, **{name: value() if callable(value) else value for name, value in change.items()}}
    answer = post_form(client, "/signin", form)  # type: ignore[arg-type]
    assert answer.status_code == 422
    told = error_beside(answer.text, field)
    assert words in told or words in answer.text
    assert PASSWORD not in answer.text


def test_a_wrong_check_digit_is_told_apart_from_a_wrong_password(client: FlaskClient, person: Person) -> None:
    answer = sign_in(client, Person(wrong_digit(person.number), person.name))
    assert answer.status_code == 422
    assert "校验位" in error_beside(answer.text, "number")
    assert 'aria-describedby="number-error"' in answer.text
    assert 'aria-invalid="true"' in answer.text


REGISTRATION_DOOR = {
    "no name": ({"name": " "}, 422, "name"),
    "endless name": ({"name": "长" * 100_000}, 422, "name"),
    "another name": ({"name": "别人"}, 422, "number"),
    "unknown number": ({"number": citizen_number}, 422, "number"),
    "an organisation's code": ({"number": credit_code}, 422, "number"),
    "short password": ({"password": "seven 7"}, 422, "password"),
    "common password": ({"password": "Password123"}, 422, "password"),
    "password of 257": ({"password": "pq" * 128 + "r"}, 422, "password"),
    "an unknown field": ({"admin": "1"}, 303, ""),
}


@pytest.mark.parametrize(("change", "status", "field"), REGISTRATION_DOOR.values(), ids=REGISTRATION_DOOR)
def test_the_registration_door(client: FlaskClient, newcomer: Person, change: dict[str, object], status: int, field: str) -> None:
    form = {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD}
    form |= {name: value() if callable(value) else value for name, value in change.items()}  # type: ignore[misc]
    answer = post_form(client, "/account/new", form)
    assert answer.status_code == status
    if field:
        assert error_beside(answer.text, field)


def test_ones_own_number_is_no_password(client: FlaskClient, newcomer: Person) -> None:
    answer = post_form(client, "/account/new", {"number": newcomer.number, "name": newcomer.name, "password": newcomer.number})
    assert answer.status_code == 422
    assert "号码" in error_beside(answer.text, "password")


def test_an_account_opened_twice_is_a_conflict(client: FlaskClient, person: Person) -> None:
    answer = post_form(client, "/account/new", {"number": person.number, "name": person.name, "password": PASSWORD})
    assert answer.status_code == 409
    assert "已经开通账号" in error_beside(answer.text, "number")


def test_of_many_who_register_one_number_at_once_one_is_let_in_and_the_others_are_told(app: Flask, newcomer: Person) -> None:
    def race(_: int) -> int:
        browser = app.test_client()
        browser.environ_base["REMOTE_ADDR"] = fresh_address()
        return post_form(browser, "/account/new", {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD}).status_code

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(race, range(24))) == [303] + [409] * 23


def test_an_unavailable_registry_is_said_to_be_so(client: FlaskClient, newcomer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: object) -> None:
        raise RegistryUnavailable("no route")

    monkeypatch.setattr(registries, "open_registry", away)
    answer = post_form(client, "/account/new", {"number": newcomer.number, "name": newcomer.name, "password": PASSWORD})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "暂时无法查询" in answer.text


@pytest.mark.parametrize("path", ["/signin", "/account/new", "/signout", "/account/acting"])
@pytest.mark.parametrize("token", [None, "", "forged", "x" * 100_000])
def test_a_form_without_its_token_is_refused(client: FlaskClient, person: Person, path: str, token: str | None) -> None:
    sign_in(client, person)
    form = {"number": person.number, "password": PASSWORD, "name": person.name} | ({} if token is None else {"csrf_token": token})
    assert client.post(path, data=form, headers=BROWSER).status_code == 400
    assert client.get("/account", headers=BROWSER).status_code == 200


@pytest.mark.parametrize("path", ["/signin", "/account/new"])
def test_a_token_of_another_browser_is_refused(app: Flask, client: FlaskClient, path: str) -> None:
    token = csrf_token(app.test_client().get(path, headers=BROWSER).text)
    client.get(path, headers=BROWSER)
    assert client.post(path, data={"csrf_token": token}, headers=BROWSER).status_code == 400


BODIES = {
    "JSON": lambda: {"json": {"number": 1, "password": ["x"], "organisation": 1, "next": {}}},
    "a file for a field": lambda: {"data": {name: (io.BytesIO(b"x"), "x.txt") for name in ("number", "password", "organisation", "next")}},
    "NUL": lambda: {"data": dict.fromkeys(("number", "password", "organisation", "next"), "37999919800101018\x00")},
    "no body": dict,
    "not UTF-8": lambda: {"data": b"number=%FF%FE&password=%C3%28&organisation=%FF", "content_type": "application/x-www-form-urlencoded"},
    "ten megabytes": lambda: {"data": {"number": "3" * 10_000_000}},
    "a thousand fields": lambda: {"data": {f"field{index}": "x" for index in range(1200)}},
    "a broken multipart": lambda: {"data": b"--x\r\nnonsense", "content_type": "multipart/form-data; boundary=y"},
}


@pytest.mark.parametrize("path", ["/signin", "/account/new", "/signout", "/account/acting"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_whatever_is_sent_nothing_breaks(client: FlaskClient, person: Person, path: str, body: Callable[[], dict[str, Any]]) -> None:
    sign_in(client, person)
    token = csrf_token(client.get("/signin", headers=BROWSER).text)
    answer = client.post(path, headers={**BROWSER, "X-CSRFToken": token}, **body())
    assert answer.status_code in (303, 400, 413, 422)


@pytest.mark.parametrize("path", ["/signin", "/account/new"])
def test_the_pages_speak_both_languages_and_name_their_fields(client: FlaskClient, path: str) -> None:
    chinese, english = (client.get(f"{path}?lang={language}", headers=BROWSER).text for language in ("zh", "en"))
    assert "密码" in chinese
    assert "assword" in english
    for page in (chinese, english):
        assert 'autocomplete="username' in page
        for field in re.findall(r'<input[^>]*id="(number|name|password)"', page):
            assert f'<label class="form-label" for="{field}"' in page


def test_no_log_line_of_registering_and_signing_in_says_who(
    client: FlaskClient, newcomer: Person, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = "一个只有这里才有的密码 9f27"
    form = {"number": newcomer.number, "name": newcomer.name, "password": secret}
    post_form(client, "/account/new", {**form, "name": "别人"})
    post_form(client, "/account/new", {**form, "password": "12345678"})
    assert post_form(client, "/account/new", form).status_code == 303
    tokens = [client.get_cookie("kabao_session").value]  # type: ignore[union-attr]
    assert post_form(client, "/account/new", form).status_code == 409
    for password in ("not this one", secret):
        sign_in(client, newcomer, password=password, next="/account")
    tokens.append(client.get_cookie("kabao_session").value)  # type: ignore[union-attr]
    client.get("/account", headers=BROWSER)
    post_form(client, "/signout", {}, form_at="/account")
    said = "".join(capfd.readouterr()) + caplog.text
    assert said.count("answered") > 10
    for word in (newcomer.number, newcomer.name, "别人", secret, "9f27", "not this one", *tokens, *(token[22:] for token in tokens)):
        assert word not in said
        assert word.encode("unicode_escape").decode() not in said


@pytest.mark.parametrize("path", ["/signin", "/account/new"])
def test_a_page_that_is_only_looked_at_is_no_try(client: FlaskClient, path: str) -> None:
    assert client.head(path, headers=BROWSER).status_code == 200


def test_no_password_field_keeps_managers_or_the_clipboard_out() -> None:
    for template in Path(destinations.__file__).parents[2].rglob("templates/**/*.html"):
        text = template.read_text()
        for field in re.findall(r"\{\{ field\(form\.[a-z_]*password[a-z_]*,.*?\) \}\}", text):
            assert re.search(r'autocomplete="(new|current)-password"', field), template
            assert "maxlength" not in field, "a pasted password is refused with words, never cut"
        assert "onpaste" not in text


@pytest.mark.parametrize(("password", "words"), [("{name}的密码又长又好记", "密码不能包含本人姓名。"), ("iloveyou2", "这个密码太常见")])
def test_a_password_that_is_soon_guessed_is_refused_with_words(client: FlaskClient, newcomer: Person, password: str, words: str) -> None:
    form = {"number": newcomer.number, "name": newcomer.name, "password": password.format(name=newcomer.name)}
    answer = post_form(client, "/account/new", form)
    assert answer.status_code == 422
    assert words in error_beside(answer.text, "password")


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        pytest.param("/account/ways/password", "/account/ways/password", id="a form at its own address"),
        pytest.param("/account/ways/contacts/new?then=1", "/account/ways/contacts/new?then=1", id="with a query"),
        pytest.param("/account/devices/end", "/account/devices", id="a form that is sent below its page"),
        pytest.param("/authorize/consent?client_id=x&state=y", "/authorize?client_id=x&state=y", id="a request that stays in the query"),
    ],
)
def test_what_is_sent_after_the_session_ended_is_said_to_be_lost_and_its_page_is_next(client: FlaskClient, sent: str, back: str) -> None:
    answer = client.post(sent, data={"typed": "much"}, headers=BROWSER)
    going = urlsplit(answer.location)
    assert (answer.status_code, going.path, parse_qs(going.query)) == (303, "/signin", {"next": [back]})
    assert "刚才提交的内容没有办理" in client.get(answer.location, headers=BROWSER).text


def test_what_another_site_sends_is_not_said_to_be_lost_and_replaces_no_cookie(client: FlaskClient) -> None:
    answer = client.post("/account/ways/password", headers={**BROWSER, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers


def test_a_form_that_has_expired_is_shown_anew_and_still_leads_on(app: Flask, client: FlaskClient, person: Person) -> None:
    """Two tabs wait at the form, and one signs in: the other is told so, and goes on from there; so is whose browser was closed overnight."""
    goal, tabs = "/authorize?client_id=a&state=b", [client.get("/signin", headers=BROWSER) for _ in range(2)]
    form = {"number": person.number, "password": PASSWORD, "next": goal}
    first, second = (client.post("/signin", data={**form, "csrf_token": csrf_token(tab.text)}, headers=BROWSER) for tab in tabs)
    assert (first.status_code, first.location) == (303, goal)
    assert second.status_code == 400
    assert '<a id="go-on" href="/authorize?client_id=a&amp;state=b">' in second.text
    assert f'value="{person.number}"' in second.text
    assert PASSWORD not in second.text
    overnight = app.test_client()
    anew = overnight.post("/signin", data={**form, "csrf_token": csrf_token(tabs[0].text)}, headers=BROWSER)
    assert (anew.status_code, "go-on" in anew.text) == (400, False)
    again = overnight.post("/signin", data={**form, "csrf_token": csrf_token(anew.text)}, headers=BROWSER)
    assert (again.status_code, again.location) == (303, goal)


def test_an_expired_form_from_another_site_replaces_no_cookie(client: FlaskClient) -> None:
    answer = client.post("/signin", data={"next": "/wallet"}, headers={**BROWSER, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("path", "goal", "page"),
    [
        ("/account/new?lang=en", "/wallet?a=1", "/account/new?lang=en&amp;next=%2Fwallet%3Fa%3D1"),
        ("/account/new?next=/wallet", "/account", "/account/new?next=/wallet"),
        ("/account/new", "https://elsewhere.example/", "/account/new"),
    ],
    ids=["with its query, and where it leads", "that is in the query", "nowhere else"],
)
def test_a_form_that_has_expired_leads_to_its_page(client: FlaskClient, path: str, goal: str, page: str) -> None:
    answer = client.post(path, data={"next": goal}, headers=BROWSER)
    assert answer.status_code == 400
    assert f'id="again" href="{page}"' in answer.text
