import re
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime import problems
from runtime.pages import Visitor, greet, in_language
from runtime.settings import Settings
from tests.world_people import post_form
from wsgi import create_app

PAGES = ["/", "/api/docs", "/nothing-here"]
HTML = {"Accept": "text/html"}
INLINE = re.compile(r"\sstyle=|<style|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)", re.IGNORECASE)


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("choice", "lang"), [("zh", "zh-CN"), ("en", "en")])
def test_each_page_answers_in_both_languages(client: FlaskClient, path: str, choice: str, lang: str) -> None:
    page = client.get(path, query_string={"lang": choice}, headers=HTML).text
    assert f'<html lang="{lang}">' in page
    assert page.count("<h1") == 1


def test_whatever_a_stranger_may_open_is_led_to_from_every_page(client: FlaskClient) -> None:
    page = client.get("/nothing-here", headers=HTML).text
    for path in ("/signin", "/check", "/receipts/check", "/licence-types", "/api/docs"):
        assert f'href="{path}"' in page, path
        assert client.get(path, headers=HTML).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_each_page_has_its_security_headers_and_nothing_inline(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    assert INLINE.search(answer.text) is None


def test_browsers_are_told_to_come_by_https_alone(client: FlaskClient, settings: Settings) -> None:
    https = create_app(replace(settings, public_url="https://id.example.gov.cn")).test_client()
    assert https.get("/healthz").headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client.get("/healthz").headers


def test_english_pages_hold_no_chinese_but_the_way_back(client: FlaskClient) -> None:
    page = client.get("/", query_string={"lang": "en"}).text
    assert re.findall(r"[\u4e00-\u9fff]+", page) == ["中文"]


@pytest.mark.parametrize(
    ("path", "link"),
    [
        pytest.param("/", "?lang=en", id="a plain page"),
        pytest.param("/?next=%2Fwallet&lang=zh", "?next=%2Fwallet&amp;lang=en", id="what else the address says is kept"),
        pytest.param("//evil.example/", "?lang=en", id="an address that looks like another host's leads nowhere else"),
        pytest.param('/?"><script>', "?%22%3E%3Cscript%3E=&amp;lang=en", id="markup in the address stays text"),
    ],
)
def test_the_language_link_keeps_the_page(client: FlaskClient, path: str, link: str) -> None:
    assert f'href="{link}"' in client.get(path, headers=HTML, base_url="http://127.0.0.1:8000").text


def test_the_language_link_of_a_refused_form_keeps_where_it_leads(client: FlaskClient) -> None:
    page = post_form(client, "/signin", {"number": "1", "password": "x", "next": "/authorize?client_id=a&state=b"}).text
    assert 'href="?next=%2Fauthorize%3Fclient_id%3Da%26state%3Db&amp;lang=en"' in page


@pytest.mark.parametrize(
    ("path", "link"),
    [
        pytest.param("/desk", "?lang=en", id="a form that stands where it is sent"),
        pytest.param("/desk/licences/found", "/desk/licences?lang=en", id="what can only be sent"),
        pytest.param("/desk/ratings/018f3b3e-0000-7000-8000-000000000001", "/desk/ratings?lang=en", id="an answer"),
        pytest.param("/signout", "/?lang=en", id="nothing above it but the home page"),
        pytest.param("/nothing/here", "?lang=en", id="an address at which there is nothing"),
    ],
)
def test_the_language_link_after_a_form_leads_to_the_nearest_page_that_can_be_asked_for(app: Flask, path: str, link: str) -> None:
    with app.test_request_context(path, method="POST"):
        assert in_language("en") == link


def test_the_choice_of_language_is_remembered(client: FlaskClient) -> None:
    client.get("/?lang=en")
    assert '<html lang="en">' in client.get("/").text


def test_the_head_says_who_is_signed_in_and_for_whom(app: Flask, client: FlaskClient) -> None:
    asked = app.jinja_env.globals["person"]
    try:
        greet(app, lambda: Visitor("张*", organisation="示例<有限>公司", is_officer=True))
        page = client.get("/").text
    finally:
        app.jinja_env.globals["person"] = asked
    assert "示例&lt;有限&gt;公司" in page
    assert 'href="/desk"' in page
    assert 'id="nav-signout"' in page
    assert 'id="to-signin"' not in page


def test_a_page_that_tells_of_a_fault_asks_nobody_who_is_there(app: Flask) -> None:
    asked = app.jinja_env.globals["person"]
    try:
        greet(app, lambda: pytest.fail("the database may be what is at fault"))
        with app.test_request_context("/wallet", headers=HTML):
            answer = problems.respond("unavailable", 503, problems.UNAVAILABLE)
    finally:
        app.jinja_env.globals["person"] = asked
    page = answer.get_data(as_text=True)
    assert "服务暂时不可用" in page
    assert 'id="nav-signin"' not in page, "nobody knows that they are signed out"
    assert 'id="nav-wallet"' in page


def test_a_source_that_is_away_signs_nobody_out(app: Flask) -> None:
    asked = app.jinja_env.globals["person"]
    try:
        greet(app, lambda: Visitor("王*"))
        with app.test_request_context("/wallet", headers=HTML):
            page = problems.respond("registry-unavailable", 503, problems.UNAVAILABLE).get_data(as_text=True)
    finally:
        app.jinja_env.globals["person"] = asked
    assert "王*" in page
    assert 'id="nav-signout"' in page


def test_an_asset_changes_its_address_with_its_content_and_may_be_kept(client: FlaskClient) -> None:
    address = re.search(r'href="(/static/kabao\.css\?v=\d+)"', client.get("/").text)
    assert address is not None
    assert "max-age=86400" in client.get(address[1]).headers["Cache-Control"]


def test_the_home_page_with_all_its_files_stays_under_100_kb(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept-Encoding": "br"})
    files = set(
        re.findall(r'(?:href|src)="((?:/static|/bootstrap)[^"]+)"', page.text if not page.headers.get("Content-Encoding") else client.get("/").text)
    )
    weight = len(page.data) + sum(len(client.get(file, headers={"Accept-Encoding": "br"}).data) for file in files)
    assert len(files) >= 4
    assert weight < 100_000


def test_whoever_opens_the_address_of_a_form_is_not_told_to_fill_it_in_again(client: FlaskClient) -> None:
    page = client.get("/signout", headers=HTML)
    assert (page.status_code, "核对网址是否完整" in page.text, "检查填写的内容" in page.text) == (405, True, False)


@pytest.mark.parametrize(("method", "asked_to_fill_in"), [("GET", False), ("POST", True)])
def test_only_whoever_sent_a_form_is_told_to_send_it_again(app: Flask, method: str, asked_to_fill_in: bool) -> None:
    with app.test_request_context("/desk/licences", method=method, headers=HTML):
        page = problems.respond("wrong-state", 409, problems.UNAVAILABLE).get_data(as_text=True)
    assert ("检查填写的内容后重新提交" in page, "查看现在的情况" in page) == (asked_to_fill_in, not asked_to_fill_in)
