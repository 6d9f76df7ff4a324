"""Where a browser is sent and what its pages give away, attack by attack (RFC 9700)."""

import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.idp.oauth.pushing import pushed_uri
from tests.world_clients import ISSUER, System, new_portal
from tests.world_people import BROWSER, Person, csrf_token, sign_in

BASE = "https://portal.example.gov.cn/callback"
TRICKS = {
    "another host": "https://evil.example/callback",
    "another scheme": "http://portal.example.gov.cn/callback",
    "a scheme of an application": "kabao://portal.example.gov.cn/callback",
    "script": "javascript:alert(1)//https://portal.example.gov.cn/callback",
    "data": "data:text/html,x",
    "a subdomain": "https://portal.example.gov.cn.evil.example/callback",
    "a sibling": "https://evil-portal.example.gov.cn/callback",
    "another port": "https://portal.example.gov.cn:8443/callback",
    "the usual port, spelt": "https://portal.example.gov.cn:443/callback",
    "an empty port": "https://portal.example.gov.cn:/callback",
    "userinfo": "https://portal.example.gov.cn@evil.example/callback",
    "userinfo before": "https://evil@portal.example.gov.cn/callback",
    "userinfo with a password": "https://portal.example.gov.cn:x@evil.example/callback",
    "backslash": "https://evil.example\\@portal.example.gov.cn/callback",
    "backslash in the path": "https://portal.example.gov.cn/callback\\..\\x",
    "path traversal": "https://portal.example.gov.cn/callback/../evil",
    "encoded path traversal": "https://portal.example.gov.cn/callback/%2e%2e/evil",
    "encoded slash": "https://portal.example.gov.cn%2fcallback",
    "encoded letter": "https://portal.example.gov.cn/callbac%6b",
    "another case of the path": "https://portal.example.gov.cn/Callback",
    "another case of the host": "https://Portal.example.gov.cn/callback",
    "another case of the scheme": "HTTPS://portal.example.gov.cn/callback",
    "a trailing slash": "https://portal.example.gov.cn/callback/",
    "a double slash": "https://portal.example.gov.cn//callback",
    "a trailing dot of the host": "https://portal.example.gov.cn./callback",
    "a query": "https://portal.example.gov.cn/callback?next=https://evil.example/",
    "an empty query": "https://portal.example.gov.cn/callback?",
    "a fragment": "https://portal.example.gov.cn/callback#x",
    "an empty fragment": "https://portal.example.gov.cn/callback#",
    "a parameter of the path": "https://portal.example.gov.cn/callback;x",
    "a letter that looks alike": "https://port\u0430l.example.gov.cn/callback",
    "full-width letters": "https://\uff50ortal.example.gov.cn/callback",
    "an ideographic stop": "https://portal\u3002example.gov.cn/callback",
    "a soft hyphen": "https://portal.exam\u00adple.gov.cn/callback",
    "punycode": "https://xn--portl-5ve.example.gov.cn/callback",
    "space before": " https://portal.example.gov.cn/callback",
    "space behind": "https://portal.example.gov.cn/callback ",
    "a tab inside": "https://portal.example.gov.cn/call\tback",
    "a line break": "https://portal.example.gov.cn/callback\r\nLocation: https://evil.example/",
    "no scheme": "//portal.example.gov.cn/callback",
    "one slash": "https:/portal.example.gov.cn/callback",
    "no slash": "https:portal.example.gov.cn/callback",
    "three slashes": "https:///portal.example.gov.cn/callback",
    "the path alone": "/callback",
    "a pattern": "https://*.example.gov.cn/callback",
    "localhost": "http://localhost/callback",
    "loopback": "http://127.0.0.1/callback",
    "empty": "",
}


@pytest.fixture
def exact(app: Flask) -> System:
    """A portal with one address."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES, redirect_uris=[BASE])
    return System(portal.client_id, portal.private_key, BASE)


@pytest.mark.parametrize("uri", TRICKS.values(), ids=TRICKS)
def test_only_the_very_address_is_answered_to(browser: FlaskClient, exact: System, uri: str) -> None:
    """Sections 2.1, 4.1.3 and 4.11.2: exact string matching, and no redirect to an address that is not sure; pushed or not."""
    journey = Journey(exact)
    response = journey.authorize(browser, redirect_uri=uri)
    assert response.status_code == 400
    assert "Location" not in response.headers
    pushed = browser.post("/par", data={**exact.proof(), **journey.parameters(redirect_uri=uri)})
    assert pushed.status_code == 400


@pytest.mark.parametrize("uri", TRICKS.values(), ids=TRICKS)
def test_a_code_is_redeemed_with_the_very_address_that_it_was_sent_to(browser: FlaskClient, exact: System, uri: str) -> None:
    """Section 4.1.3, RFC 6749 section 4.1.3."""
    journey = Journey(exact)
    response = journey.exchange(browser, journey.code(browser), redirect_uri=uri)
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_grant")


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/\t/evil.example",
    "https:evil.example",
    "javascript:x",
]


@pytest.mark.parametrize("goal", ELSEWHERE)
def test_no_page_of_ours_is_an_open_redirector(app: Flask, client: FlaskClient, person: Person, goal: str) -> None:
    """Section 4.11.2: signing in and out leads to our own pages, whatever an address says."""
    signed_in = sign_in(client, person, next=goal)
    assert signed_in.status_code == 303
    assert urlsplit(signed_in.location).netloc in ("", urlsplit(ISSUER).netloc)
    assert signed_in.location.startswith("/wallet")
    out = client.get("/logout", query_string={"post_logout_redirect_uri": goal}, headers=BROWSER)
    assert "evil" not in out.headers.get("Location", "")


def test_what_follows_a_password_is_fetched_anew(client: FlaskClient, person: Person, portal: System) -> None:
    """Section 4.12: 303, and never 307 or 308, wherever a form is answered by a redirect."""
    journey = Journey(portal, scope="openid number")
    to_sign_in = journey.authorize(client)
    goal = parse_qs(urlsplit(to_sign_in.location).query)["next"][0]
    signed_in = sign_in(client, person, next=goal)
    consent = client.get(signed_in.location, headers=BROWSER)
    answered = answer_consent(client, consent)
    posted = client.post("/authorize", data=journey.parameters(), headers=BROWSER)
    assert [response.status_code for response in (to_sign_in, signed_in, answered, posted)] == [303] * 4


@pytest.fixture
def pages(client: FlaskClient, browser: FlaskClient, portal: System) -> list[Any]:
    """The pages that lead to a portal: signing in, consenting, and being refused."""
    journey = Journey(portal, scope="openid number")
    return [
        client.get("/signin", headers=BROWSER),
        journey.authorize(browser),
        journey.authorize(browser, redirect_uri="https://evil.example/"),
        journey.authorize(browser, state=secrets.token_hex(8), prompt="consent"),
    ]


def test_no_page_on_the_way_can_be_put_in_a_frame(pages: list[Any]) -> None:
    """Section 4.16: clickjacking."""
    for page in pages:
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Frame-Options"] == "DENY"


def test_no_page_on_the_way_tells_the_next_where_it_was(pages: list[Any], browser: FlaskClient, portal: System) -> None:
    """Section 4.2.4: Referrer-Policy; and nothing of a third party is loaded."""
    journey = Journey(portal)
    answer = journey.approve(browser)
    for page in [*pages, answer]:
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"] or "default-src 'self'" in page.headers["Content-Security-Policy"]


def test_nothing_on_the_way_is_kept_by_a_cache(browser: FlaskClient, portal: System) -> None:
    """RFC 6749 section 5.1, RFC 9126 section 2.2: codes, tokens and references are not stored."""
    journey = Journey(portal)
    answer = journey.approve(browser)
    tokens = journey.exchange(browser, answer_of(answer)["code"])
    for response in (answer, tokens, browser.post("/par", data={**portal.proof(), **journey.parameters()})):
        assert "no-store" in response.headers["Cache-Control"]


def test_the_consent_page_takes_no_answer_from_elsewhere(browser: FlaskClient, portal: System) -> None:
    """Section 4.7: cross-site request forgery; the page's own token is asked for."""
    page = Journey(portal, scope="openid number").authorize(browser)
    assert csrf_token(page.text)
    query = {"client_id": portal.client_id, "request_uri": pushed_uri(browser, Journey(portal))}
    forged = browser.post("/authorize/consent", query_string=query, data={"answer": "approve"}, headers=BROWSER)
    assert forged.status_code == 400
    assert "Location" not in forged.headers
