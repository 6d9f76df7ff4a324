"""As whom a person goes on: `prompt=select_account`, the hints of a portal, and the page on which one chooses."""

import re
from html import unescape
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.clients import find_client
from idp.oauth.pairwise import pairwise_sub
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_of, signed_in_browser
from tests.world_clients import System, new_portal
from tests.world_people import BROWSER, PASSWORD, Organisation, Person, act_for, csrf_token, new_organisation, new_person, open_account, post_form


@pytest.fixture
def own(app: Flask) -> System:
    """A portal of the government's own, which asks no consent."""
    with app.app_context(), transaction() as session:
        return new_portal(session, first_party=True)


@pytest.fixture
def firm(app: Flask, person: Person) -> Organisation:
    with app.app_context(), transaction() as session:
        return new_organisation(session, representative=person)


def link(page: TestResponse, name: str) -> str:
    """Return where a link of a page leads."""
    found = re.search(rf'id="{name}" href="([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def go_for(browser: FlaskClient, page: TestResponse, words: str) -> TestResponse:
    """Press the button that says for whom to go on, and follow it."""
    form = next(form for form in page.text.split("<form")[1:] if words in form)
    data = {key: unescape(value) for key, value in re.findall(r'name="(csrf_token|next|organisation)" value="([^"]*)"', form)}
    return browser.get(browser.post("/account/acting", data=data, headers=BROWSER).location, headers=BROWSER)


def claims(browser: FlaskClient, portal: System, **changes: Any) -> dict[str, Any]:
    return dict(jwt.decode(Journey(portal).tokens(browser, **changes)["id_token"], options={"verify_signature": False}))


def hint_of(browser: FlaskClient, portal: System) -> str:
    return str(Journey(portal).tokens(browser)["id_token"])


def another(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def test_whoever_is_signed_in_goes_on_as_themselves(browser: FlaskClient, own: System, person: Person) -> None:
    page = Journey(own).authorize(browser, prompt="select_account")
    assert page.status_code == 200
    assert "以本人身份继续" in page.text
    assert person.name not in page.text, "others see the screen, too"
    assert "code" in answer_of(browser.get(link(page, "continue"), headers=BROWSER))


def test_one_goes_on_for_an_organisation_and_back_as_oneself(browser: FlaskClient, own: System, firm: Organisation, person: Person) -> None:
    page = Journey(own).authorize(browser, prompt="select_account")
    assert "code" in answer_of(go_for(browser, page, f"代表“{firm.name}”继续"))
    page = Journey(own).authorize(browser, prompt="select_account")
    assert f"代表“{firm.name}”继续" in page.text
    assert "code" in answer_of(go_for(browser, page, "以本人身份继续"))
    assert claims(browser, own)["sub_type"] == "person"


def test_one_goes_on_with_another_account(app: Flask, browser: FlaskClient, own: System) -> None:
    page, other = Journey(own).authorize(browser, prompt="select_account"), another(app)
    at = link(page, "another")
    form = browser.get(at, headers=BROWSER)
    goal = unescape(form.text.split('name="next"')[1].split('value="')[1].split('"')[0])
    data = {"csrf_token": csrf_token(form.text), "number": other.number, "password": PASSWORD, "next": goal}
    back = browser.post("/signin", data=data, headers=BROWSER)
    assert "code" in answer_of(browser.get(back.location, headers=BROWSER)), "who has signed in there has chosen"


def test_one_goes_back_to_the_portal_without_signing_in(browser: FlaskClient, own: System) -> None:
    page = Journey(own).authorize(browser, prompt="select_account")
    goal = unescape(re.search(r'action="(/authorize/consent[^"]*)"', page.text)[1])  # type: ignore[index]
    answer = browser.post(goal, data={"csrf_token": csrf_token(page.text), "answer": "refuse"}, headers=BROWSER)
    assert answer_of(answer)["error"] == "access_denied"


@pytest.mark.parametrize(("with_firm", "status"), [(False, 303), (True, 200)], ids=["as nobody else", "with a mandate"])
def test_who_has_just_signed_in_chooses_where_there_is_a_choice(
    app: Flask, client: FlaskClient, own: System, person: Person, with_firm: bool, status: int
) -> None:
    if with_firm:
        with app.app_context(), transaction() as session:
            firm = new_organisation(session, representative=person)
        first = signed_in_browser(app.test_client(), person)
        act_for(first, subject_id(app, firm.number))
    sent = Journey(own).authorize(client, prompt="select_account")
    form = client.get(sent.location, headers=BROWSER)
    goal = unescape(form.text.split('name="next"')[1].split('value="')[1].split('"')[0])
    data = {"csrf_token": csrf_token(form.text), "number": person.number, "password": PASSWORD, "next": goal}
    back = client.post("/signin", data=data, headers=BROWSER)
    page = client.get(back.location, headers=BROWSER)
    assert page.status_code == status
    if with_firm:
        assert "code" in answer_of(client.get(link(page, "continue"), headers=BROWSER))


def subject_id(app: Flask, number: str) -> Any:
    with app.app_context(), transaction() as session:
        return directory.ensure_subject(session, parse_number(number), now=now()).id


def test_a_portal_cannot_say_that_its_page_was_shown(browser: FlaskClient, own: System) -> None:
    assert Journey(own).authorize(browser, prompt="select_account", account_chosen="1772366400000").status_code == 200
    assert Journey(own).authorize(browser, prompt="login", login_asked="1").location.startswith("/signin")


def test_one_proof_is_enough_where_a_portal_asks_for_a_fresh_one_of_nobody(client: FlaskClient, own: System, person: Person) -> None:
    for asked in ({"prompt": "login"}, {"max_age": "0"}):
        sent = Journey(own).authorize(client, **asked)
        form = client.get(sent.location, headers=BROWSER)
        goal = unescape(form.text.split('name="next"')[1].split('value="')[1].split('"')[0])
        data = {"csrf_token": csrf_token(form.text), "number": person.number, "password": PASSWORD, "next": goal}
        back = client.post("/signin", data=data, headers=BROWSER)
        assert "code" in answer_of(client.get(back.location, headers=BROWSER))
        post_form(client, "/signout", {}, form_at="/account")


def test_who_is_hinted_at_goes_on(browser: FlaskClient, own: System) -> None:
    hint = hint_of(browser, own)
    for more in ({}, {"prompt": "none"}):
        assert "code" in answer_of(Journey(own).authorize(browser, id_token_hint=hint, **more))


def test_nobody_else_goes_on_for_whom_is_hinted_at(app: Flask, browser: FlaskClient, own: System) -> None:
    hint = hint_of(browser, own)
    other = signed_in_browser(app.test_client(), another(app))
    assert answer_of(Journey(own).authorize(other, id_token_hint=hint, prompt="none"))["error"] == "login_required"
    page = Journey(own).authorize(other, id_token_hint=hint)
    assert page.status_code == 200
    assert 'id="continue"' not in page.text
    assert 'id="another"' in page.text
    goal = unescape(re.search(r'action="(/authorize/consent[^"]*)"', page.text)[1])  # type: ignore[index]
    for answer, status in (("approve", 200), ("refuse", 303)):
        response = other.post(goal, data={"csrf_token": csrf_token(page.text), "answer": answer}, headers=BROWSER)
        assert response.status_code == status
    assert answer_of(response)["error"] == "login_required"


def test_an_organisation_that_is_hinted_at_can_be_chosen(app: Flask, browser: FlaskClient, own: System, firm: Organisation) -> None:
    firm_id = subject_id(app, firm.number)
    act_for(browser, firm_id)
    hint = hint_of(browser, own)
    assert jwt.decode(hint, options={"verify_signature": False})["sub_type"] == "organisation"
    post_form(browser, "/account/acting", {"organisation": ""}, form_at="/account")
    assert answer_of(Journey(own).authorize(browser, id_token_hint=hint, prompt="none"))["error"] == "account_selection_required"
    page = Journey(own).authorize(browser, id_token_hint=hint)
    assert 'id="continue"' not in page.text
    assert "以本人身份继续" not in page.text
    assert "code" in answer_of(go_for(browser, page, f"代表“{firm.name}”继续"))


@pytest.mark.parametrize("hint", ["x", "a.b.c", "x" * 9000, "证"])
def test_a_hint_that_is_not_ours_is_told_to_the_portal(browser: FlaskClient, own: System, hint: str) -> None:
    assert answer_of(Journey(own).authorize(browser, id_token_hint=hint))["error"] == "invalid_request"


def test_a_hint_of_another_client_is_told_to_the_portal(browser: FlaskClient, own: System, portal: System) -> None:
    assert answer_of(Journey(own).authorize(browser, id_token_hint=hint_of(browser, portal)))["error"] == "invalid_request"


def sub_at(app: Flask, portal: System, person: Person) -> str:
    holder_id = subject_id(app, person.number)
    with app.app_context():
        client = find_client(portal.client_id)
        assert client is not None
        return pairwise_sub(holder_id, client.sector)


def test_whom_a_portal_expects_is_asked_for_once(app: Flask, browser: FlaskClient, own: System, person: Person) -> None:
    assert "code" in answer_of(Journey(own).authorize(browser, login_hint=sub_at(app, own, person)))
    expected = sub_at(app, own, another(app))
    assert "code" in answer_of(Journey(own).authorize(browser, login_hint=expected, prompt="none")), "a hint only"
    page = Journey(own).authorize(browser, login_hint=expected)
    assert "code" in answer_of(browser.get(link(page, "continue"), headers=BROWSER))


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_number_in_a_hint_goes_into_no_address_of_ours(client: FlaskClient, own: System, person: Person, method: str) -> None:
    asked = Journey(own).parameters(login_hint=person.number)
    if method == "post":
        asked_again = client.post("/authorize", data=asked, headers=BROWSER)
        assert person.number not in asked_again.location
        sent = client.get(asked_again.location, headers=BROWSER)
    else:
        sent = client.get("/authorize", query_string=asked, headers=BROWSER)
    assert sent.location.startswith("/signin")
    assert person.number not in sent.location
    assert person.number not in client.get(sent.location, headers=BROWSER).text


@pytest.mark.parametrize(
    ("locales", "heading"),
    [("en", "Sign in"), ("fr-CA en-GB zh", "Sign in"), ("zh-CN en", "登录"), ("zh-Hant", "登录"), ("fr", "登录"), ("x" * 1000, "登录")],
)
def test_the_pages_speak_the_language_that_the_portal_asks_for(client: FlaskClient, own: System, locales: str, heading: str) -> None:
    sent = Journey(own).authorize(client, ui_locales=locales)
    assert f"<h1>{heading}</h1>" in client.get(sent.location, headers=BROWSER).text


def test_a_browser_keeps_to_the_language_that_it_chose(client: FlaskClient, own: System) -> None:
    client.get("/signin?lang=zh", headers=BROWSER)
    sent = Journey(own).authorize(client, ui_locales="en")
    assert "<h1>登录</h1>" in client.get(sent.location, headers=BROWSER).text


@pytest.mark.parametrize("more", [{"display": "popup"}, {"display": "hologram"}, {"claims_locales": "en"}, {"nothing_known": "x"}])
def test_what_need_not_be_heeded_is_no_error(browser: FlaskClient, own: System, more: dict[str, str]) -> None:
    assert "code" in answer_of(Journey(own).authorize(browser, **more))
