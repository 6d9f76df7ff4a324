"""What a browser is protected from, a kind of attack each: fixation, forged requests, open redirects, false hosts, loose cookies, frames."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from runtime import guard
from runtime.database import transaction
from runtime.hosts import is_ours
from runtime.pages import csrf
from runtime.settings import Settings
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token, new_person, open_account, post_form, sign_in
from tests.world_wallet import make_officer, new_department
from wsgi import create_app

PUBLIC, EVIL = "https://id.example.gov.cn", "evil.example"
VALUES = {"uuid": "01900000-0000-7000-8000-000000000000", "int": "1"}
# A system proves itself in the request; a portal's request to sign someone in or out only leads to a page that asks.
OAUTH_ENDPOINTS = "token|introspect|revoke|userinfo|authorize|logout|par|device_authorization|backchannel-authentication|register(?:/.*)?"
WALLETS = "credential|deferred|nonce|notification|requests/x|responses/x"  # what is in the request, or its address, is the proof
LINKS = "copies/x"  # whoever has the address may fetch, a department's system too
NO_COOKIE_COUNTS = re.compile(rf"/(api/v1/.*|signals/.*|{OAUTH_ENDPOINTS}|{WALLETS}|{LINKS})$")
ASKS_FOR_IT_ITSELF = {"/desk", "/desk/batches", "/desk/frames"}  # a form with a file is read late, once its sender is known
LED_ELSEWHERE = re.compile(r'="(?!\?)[^"]*(evil|javascript:)')  # an attribute, but for the links to the same page in another language
ELSEWHERE = [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "http:evil.example",
]


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


@pytest.fixture
def production(settings: Settings) -> Iterator[Flask]:
    """The application as it stands in a province: over HTTPS, by one name."""
    served = create_app(replace(settings, public_url=PUBLIC, development=False))
    served.config["TESTING"] = True
    yield served
    served.extensions["kabao_cache"].stop()
    served.extensions["kabao_engine"].dispose()


class OwnName(FlaskClient):
    """A browser that asks for the service by its own name."""

    def open(self, *args: Any, **options: Any) -> Any:
        return super().open(*args, **{"base_url": PUBLIC, **options})


@pytest.fixture
def browser(production: Flask) -> FlaskClient:
    production.test_client_class = OwnName
    client = production.test_client()
    client.environ_base["HTTP_REFERER"] = PUBLIC + "/"
    return client


def path_of(rule: Rule) -> str:
    chosen = re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule.rule)
    filled = re.sub(r"<(?:(\w+)(?:\([^)]*\))?:)?\w+>", lambda found: VALUES.get(found[1] or "", "x"), chosen)
    assert "<" not in filled, filled
    return filled


def posts(app: Flask) -> list[str]:
    return sorted({path_of(rule) for rule in app.url_map.iter_rules() if rule.methods and rule.methods & {"POST", "PUT", "PATCH", "DELETE"}})


def is_exempt(app: Flask, path: str) -> bool:
    adapter = app.url_map.bind("")
    method = next(one for one in ("POST", "PUT", "PATCH", "DELETE") if adapter.test(path, one))
    endpoint, _ = adapter.match(path, method)
    view = app.view_functions[endpoint]
    blueprint = endpoint.rpartition(".")[0]
    return f"{view.__module__}.{view.__name__}" in csrf._exempt_views or blueprint in {
        one if isinstance(one, str) else one.name for one in csrf._exempt_blueprints
    }


def test_every_form_refuses_a_request_that_its_page_did_not_make(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard is set aside: whoever may call, without the token nothing is done."""
    asked = [one for one in app.before_request_funcs[None] if one is not guard._admit]
    monkeypatch.setitem(app.before_request_funcs, None, asked)
    forms = [path for path in posts(app) if not is_exempt(app, path)]
    assert {"/signin", "/signout", "/account/new", "/account/devices/end", "/signin/scan", "/signin/scan/enter", "/scan/x"} <= set(forms)
    answers = {path: client.post(path, data={"next": "/"}, headers=BROWSER).status_code for path in forms}
    assert {path: status for path, status in answers.items() if status != 400} == {}
    forged = {path: client.post(path, data={"csrf_token": "forged"}, headers=BROWSER).status_code for path in forms}
    assert {path: status for path, status in forged.items() if status != 400} == {}


def test_only_what_takes_no_cookie_as_proof_goes_without_a_token(app: Flask) -> None:
    exempt = {path for path in posts(app) if is_exempt(app, path) and not NO_COOKIE_COUNTS.fullmatch(path)}
    assert exempt == ASKS_FOR_IT_ITSELF


@pytest.mark.parametrize("path", sorted(ASKS_FOR_IT_ITSELF - {"/desk/batches"}))  # that one asks for a second factor first, and has a test of its own
def test_what_asks_for_it_itself_refuses_an_officer_whose_page_did_not_send_it(app: Flask, client: FlaskClient, path: str) -> None:
    with app.app_context():
        department = new_department(issue=["driving-licence"], verify=["driving-licence"])
        with transaction() as session:
            officer = new_person(session)
            open_account(session, officer)
            make_officer(session, department=department, person=officer)
    assert sign_in(client, officer).status_code == 303
    for token in ({}, {"csrf_token": "forged"}):
        form = {**token, "presented": "x", "cause": "x"}
        assert client.post(path, data=form, headers=BROWSER, content_type="multipart/form-data").status_code == 400


def test_a_token_of_one_browser_is_worth_nothing_in_another(app: Flask, person: Person) -> None:
    theirs = csrf_token(app.test_client().get("/signin", headers=BROWSER).text)
    mine = app.test_client()
    mine.get("/signin", headers=BROWSER)
    form = {"csrf_token": theirs, "number": person.number, "password": PASSWORD}
    assert mine.post("/signin", data=form, headers=BROWSER).status_code == 400


def test_a_session_that_was_planted_is_not_the_victims(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        attacker = new_person(session)
        open_account(session, attacker)
    planted = app.test_client()
    sign_in(planted, attacker)
    planted.get("/signin", headers=BROWSER)
    cookie, form_cookie = planted.get_cookie("kabao_session"), planted.get_cookie("kabao_form")
    assert cookie is not None
    assert form_cookie is not None
    client.set_cookie("kabao_session", cookie.value)
    client.set_cookie("kabao_form", form_cookie.value)
    before = csrf_token(client.get("/signin", headers=BROWSER).text)
    assert sign_in(client, person).status_code == 303
    assert person.name in client.get("/account", headers=BROWSER).text
    assert planted.get("/account", headers=BROWSER).status_code == 303  # what was planted has ended, and is nobody's
    assert client.post("/signout", data={"csrf_token": before}, headers=BROWSER).status_code == 400  # nor is the forms' secret the planted one


@pytest.mark.parametrize("goal", ELSEWHERE)
def test_no_way_back_leads_elsewhere(client: FlaskClient, person: Person, goal: str) -> None:
    assert sign_in(client, person, next=goal).location == "/wallet"
    token = {"csrf_token": csrf_token(client.get("/signin", headers=BROWSER).text), "next": goal}
    for path in ("/signin/scan", "/signin/scan/enter", "/account/acting"):
        location = client.post(path, data=token, headers=BROWSER).location
        assert location.startswith("/")
        assert EVIL not in location
    for path in ("/signin", "/account/new", "/signin/scan", "/signin/step-up"):
        assert not LED_ELSEWHERE.search(client.get(f"{path}?next={quote(goal)}", headers=BROWSER).text)


FALSE_HOSTS = [
    EVIL,
    f"{EVIL}:443",
    f"id.example.gov.cn.{EVIL}",
    f"{EVIL}#id.example.gov.cn",
    "id.example.gov.cn:8443",
    "id.example.gov.cn@evil.example",
    "localhost",
    "",
]


@pytest.mark.parametrize("host", FALSE_HOSTS)
@pytest.mark.parametrize("path", ["/", "/signin", "/account", "/wallet", "/nowhere", "/.well-known/openid-configuration", "/authorize?client_id=x"])
def test_a_request_for_another_host_is_refused_and_names_it_nowhere(browser: FlaskClient, path: str, host: str) -> None:
    answer = browser.get(path, headers={**BROWSER, "Host": host})
    assert answer.status_code in (400, 421)
    assert EVIL not in answer.text
    assert "Location" not in answer.headers


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host", "X-Forwarded-Server"])
def test_a_header_that_names_another_host_reaches_nothing(browser: FlaskClient, header: str) -> None:
    value = f"host={EVIL}" if header == "Forwarded" else EVIL
    for path in ("/signin", "/account", "/.well-known/openid-configuration"):
        answer = browser.get(path, headers={**BROWSER, header: value})
        assert answer.status_code in (200, 303)
        assert EVIL not in answer.text + answer.headers.get("Location", "")


def test_behind_a_proxy_the_host_that_it_names_must_be_ours_too(settings: Settings) -> None:
    behind = create_app(replace(settings, public_url=PUBLIC, development=False, trusted_proxies=1))
    client = behind.test_client()
    own = {"X-Forwarded-Host": "id.example.gov.cn", "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.1"}
    assert client.get("/signin", headers={**BROWSER, **own}).status_code == 200
    assert client.get("/signin", headers={**BROWSER, **own, "X-Forwarded-Host": EVIL}).status_code == 421
    behind.extensions["kabao_cache"].stop()
    behind.extensions["kabao_engine"].dispose()


def test_probes_of_health_come_by_any_name(browser: FlaskClient) -> None:
    assert [browser.get(path, headers={"Host": "10.0.0.7:8000"}).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3


@pytest.mark.parametrize(
    ("public_url", "development", "host", "ours"),
    [
        (PUBLIC, False, "id.example.gov.cn", True),
        (PUBLIC, False, "ID.Example.GOV.cn", True),
        (PUBLIC, False, "id.example.gov.cn:443", True),
        (PUBLIC, False, "id.example.gov.cn:80", False),
        (PUBLIC, False, "127.0.0.1:8000", False),
        ("https://id.example.gov.cn:8443", False, "id.example.gov.cn:8443", True),
        ("https://id.example.gov.cn:8443", False, "id.example.gov.cn", False),
        ("http://127.0.0.1:8000", True, "localhost:9000", True),
        ("http://127.0.0.1:8000", True, "[::1]:9000", True),
        ("http://127.0.0.1:8000", True, "[::1]", True),
        ("http://127.0.0.1:8000", True, EVIL, False),
    ],
)
def test_a_name_is_ours_or_not(settings: Settings, public_url: str, development: bool, host: str, ours: bool) -> None:
    assert is_ours(host, replace(settings, public_url=public_url, development=development)) is ours


def test_every_cookie_is_bound_to_the_host_to_https_and_to_no_script(browser: FlaskClient, person: Person) -> None:
    cookies: list[str] = []
    cookies += browser.get("/signin?lang=en", headers=BROWSER).headers.getlist("Set-Cookie")
    cookies += sign_in(browser, person).headers.getlist("Set-Cookie")
    cookies += post_form(browser, "/signin/scan", {}, form_at="/signin").headers.getlist("Set-Cookie")
    cookies += browser.get("/account/devices", headers=BROWSER).headers.getlist("Set-Cookie")
    cookies += post_form(browser, "/signout", {}, form_at="/account").headers.getlist("Set-Cookie")
    assert {cookie.split("=")[0] for cookie in cookies} == {f"__Host-kabao_{name}" for name in ("session", "browser", "form", "lang")}
    for cookie in cookies:
        flags = {part.strip().split("=")[0].lower(): part.strip() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path", "samesite"} <= set(flags), cookie
        assert flags["path"] == "Path=/", cookie
        assert flags["samesite"] in ("SameSite=Lax", "SameSite=Strict"), cookie
        assert "domain" not in flags, cookie


def test_no_page_lets_itself_be_framed(app: Flask, browser: FlaskClient, production: Flask, person: Person) -> None:
    sign_in(browser, person)
    plain = sorted({rule.rule for rule in production.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments})
    assert len(plain) > 15
    for path in [*plain, "/nowhere", "/scan/x", "/signin/not-me/x"]:
        answer = browser.get(path, headers=BROWSER)
        assert answer.headers["X-Frame-Options"] == "DENY", path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], path
        assert answer.headers["Strict-Transport-Security"].startswith("max-age="), path
    answer = browser.get("/signin", headers={**BROWSER, "Host": EVIL})
    assert answer.headers["X-Frame-Options"] == "DENY"
