"""What the OpenID Foundation's conformance tests ask and no other test here does; docs/conformance.md has the whole list."""

import re
import time
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.binding import nonces
from idp.oauth.client_metadata import FAPI2
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.conftest import ROOT
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.pushing import answered, bring_and_approve, bring_object, push, push_object, pushed_uri, request_object
from tests.idp.oauth.test_fapi2 import BOUND, exchange
from tests.world_clients import ISSUER, System, jwks_of, new_portal
from tests.world_people import BROWSER, csrf_token
from tests.world_proofs import Prover

POLICY, TERMS = "https://portal.example.gov.cn/privacy", "https://portal.example.gov.cn/terms"
AFTERWARDS = "https://portal.example.gov.cn/afterwards"


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


# OpenID Connect Core: basic


def test_the_order_of_scopes_and_parameters_is_nothing(browser: FlaskClient, portal: System) -> None:
    """oidcc-alternate-happy-flow; the scopes come back as those that were asked for."""
    journey = Journey(portal, scope="profile openid")
    asked = dict(reversed(journey.parameters().items()))
    page = browser.get("/authorize", query_string=asked, headers=BROWSER)
    tokens = journey.exchange(browser, answered(browser, page)["code"]).json or {}
    assert set(tokens["scope"].split()) == {"openid", "profile"}
    assert tokens["id_token"]


SILENT: dict[str, dict[str, str]] = {
    "oidcc-prompt-none-logged-in": {"prompt": "none"},
    "oidcc-id-token-hint": {"prompt": "none", "id_token_hint": "the first one"},
    "oidcc-max-age-10000": {"max_age": "10000"},
}


@pytest.mark.parametrize("asked", SILENT.values(), ids=SILENT)
def test_a_second_sign_in_in_silence_is_of_the_same_person_at_the_same_time(browser: FlaskClient, portal: System, asked: dict[str, str]) -> None:
    first = Journey(portal).tokens(browser)["id_token"]
    again = Journey(portal)
    answer = again.authorize(browser, **{**asked, **({"id_token_hint": first} if "id_token_hint" in asked else {})})
    second = again.exchange(browser, answer_of(answer)["code"]).json["id_token"]
    before, after = ({name: claims_of(token)[name] for name in ("sub", "auth_time", "acr")} for token in (first, second))
    assert before == after


def test_without_state_and_nonce_none_comes_back(browser: FlaskClient, portal: System) -> None:
    """oidcc-ensure-request-without-nonce-succeeds-for-code-flow, fapi2-…-without-state-success."""
    journey = Journey(portal)
    answer = answer_of(journey.approve(browser, state=None, nonce=None))
    assert set(answer) == {"code", "iss"}
    assert "nonce" not in claims_of(journey.exchange(browser, answer["code"]).json["id_token"])


def test_a_long_nonce_comes_back_whole(browser: FlaskClient, portal: System) -> None:
    """fapi2-…-with-long-nonce."""
    nonce = "n" * 384
    assert claims_of(Journey(portal, nonce=nonce).tokens(browser)["id_token"])["nonce"] == nonce


def test_an_address_with_a_query_keeps_it_and_takes_no_other(app: Flask, browser: FlaskClient) -> None:
    """oidcc-redirect-uri-query-OK, -mismatch, -added."""
    uri = f"{AFTERWARDS}?from=kabao"
    with app.app_context(), transaction() as session:
        made = new_portal(session, redirect_uris=[uri])
    journey = Journey(System(made.client_id, made.private_key, uri))
    answer = answer_of(journey.approve(browser))
    assert (answer["from"], journey.exchange(browser, answer["code"]).status_code) == ("kabao", 200)
    for other in (f"{AFTERWARDS}?from=elsewhere", f"{uri}&more=1", AFTERWARDS):
        assert journey.authorize(browser, redirect_uri=other).status_code == 400


def test_of_two_addresses_that_of_the_signed_request_counts(app: Flask, browser: FlaskClient) -> None:
    """oidcc-ensure-request-object-with-redirect-uri."""
    inside, outside = f"{AFTERWARDS}/inside", f"{AFTERWARDS}/outside"
    with app.app_context(), transaction() as session:
        made = new_portal(session, redirect_uris=[inside, outside])
    journey = Journey(System(made.client_id, made.private_key, inside))
    assert bring_object(browser, journey.portal, request_object(journey), redirect_uri="https://evil.example/").status_code == 200
    page = bring_object(browser, journey.portal, request_object(journey), redirect_uri=outside)
    assert page.status_code == 200
    assert "form-action 'self' https://portal.example.gov.cn" in page.headers["Content-Security-Policy"]
    assert answered(browser, page)["code"]


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_the_name_of_the_scheme_may_be_written_in_any_letters(browser: FlaskClient, portal: System, scheme: str) -> None:
    """RFC 9110 section 11.1: fapi2-…-access-token-type-header-case-sensitivity, oidcc-userinfo-get and -post-header."""
    token = Journey(portal).tokens(browser)["access_token"]
    for method in ("GET", "POST"):
        assert browser.open("/userinfo", method=method, headers={"Authorization": f"{scheme} {token}"}).status_code == 200


def test_the_page_of_consent_leads_to_the_portals_own_words(app: Flask, browser: FlaskClient, portal: System) -> None:
    """oidcc-registration-policy-uri, -tos-uri."""
    with app.app_context(), transaction() as session:
        wordy = new_portal(session, scopes=SCOPES, metadata={"policy_uri": POLICY, "tos_uri": TERMS})
    page = Journey(wordy).authorize(browser).text
    assert f'<a id="policy" href="{POLICY}" rel="noreferrer">' in page
    assert f'<a id="terms" href="{TERMS}" rel="noreferrer">' in page
    assert 'id="own-words"' not in Journey(portal).authorize(browser).text


# RP-initiated logout


LOGOUTS: dict[str, dict[str, str]] = {
    "oidcc-rp-initiated-logout-no-params": {},
    "oidcc-rp-initiated-logout-only-state": {"state": "x"},
}


@pytest.mark.parametrize("asked", LOGOUTS.values(), ids=LOGOUTS)
def test_a_bare_logout_asks_and_then_ends_the_session(browser: FlaskClient, portal: System, asked: dict[str, str]) -> None:
    Journey(portal).tokens(browser)
    page = browser.get("/logout", query_string=asked, headers=BROWSER)
    assert page.status_code == 200
    done = browser.post("/logout/confirmed", query_string=asked, data={"csrf_token": csrf_token(page.text)}, headers=BROWSER)
    assert (done.status_code, done.location) == (303, "/logout/ended")
    assert answer_of(Journey(portal).authorize(browser, prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize("trick", ["signed by nobody", "signed by another", "a query is added"])
def test_a_forged_hint_or_address_sends_nobody_anywhere(app: Flask, browser: FlaskClient, trick: str) -> None:
    """oidcc-rp-initiated-logout-modified-id-token-hint, -bad-id-token-hint, -query-added-to-post-logout-redirect-uri."""
    with app.app_context(), transaction() as session:
        leaver = new_portal(session, post_logout_redirect_uris=[AFTERWARDS])
    hint, goal = Journey(leaver).tokens(browser)["id_token"], AFTERWARDS
    if trick == "signed by nobody":
        hint = jwt.encode(claims_of(hint), None, algorithm="none")
    elif trick == "signed by another":
        hint = jwt.encode(claims_of(hint), suites.ES256.generate(), "ES256", {"kid": jwt.get_unverified_header(hint)["kid"]})
    else:
        goal += "?foo=bar"
    answer = browser.get("/logout", query_string={"id_token_hint": hint, "post_logout_redirect_uri": goal}, headers=BROWSER)
    assert answer.status_code in (200, 400)
    assert browser.get("/account", headers=BROWSER).status_code == 200


# FAPI 2.0


@pytest.fixture
def held(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES, metadata=BOUND)


@pytest.fixture
def prover(settings: Settings) -> Prover:
    return Prover(nonce=nonces.current(settings, now=now()))


def bound_tokens(browser: FlaskClient, held: System, prover: Prover, scope: str = "openid profile") -> dict[str, Any]:
    journey = Journey(held, scope=scope)
    code = answer_of(bring_and_approve(browser, held, pushed_uri(browser, journey)))["code"]
    answer = exchange(browser, journey, code, prover.headers())
    assert answer.status_code == 200, answer.text
    return dict(answer.json or {})


def test_a_proof_may_say_more_than_it_must(browser: FlaskClient, held: System, prover: Prover) -> None:
    """fapi2-…-dpop-negative-tests (members that are not known), -check-dpop-proof-nbf-exp, -access-token-type-header-case-sensitivity."""
    token, moment = bound_tokens(browser, held, prover)["access_token"], int(time.time())
    more: dict[str, Any] = {"nbf": moment, "exp": moment + 300, "unheard_of": {"a": [1]}, "header": {"unheard_of": "x"}}
    headers = prover.show(token, "GET", "/userinfo", **more)
    assert browser.get("/userinfo", headers=headers).status_code == 200
    again = prover.show(token, "GET", "/userinfo")
    assert browser.get("/userinfo", headers={**again, "Authorization": f"dPoP {token}"}).status_code == 200


@pytest.mark.parametrize("place", ["dpop_jkt", "the proof of the push"])
@pytest.mark.parametrize("is_same", [True, False], ids=["the same key", "another key"])
def test_a_code_goes_to_the_key_that_was_named(browser: FlaskClient, held: System, prover: Prover, place: str, is_same: bool) -> None:
    """fapi2-…-mismatched-dpop-jkt, -mismatched-dpop-proof-jkt, -dpop-auth-code-binding-success, -dpopproof-at-par-endpoint-binding-success."""
    journey = Journey(held)
    named, headers = ({"dpop_jkt": prover.jkt}, {}) if place == "dpop_jkt" else ({}, prover.headers(url=f"{ISSUER}/par"))
    pushed = push(browser, held, journey.parameters(**named), headers=headers)
    code = answer_of(bring_and_approve(browser, held, (pushed.json or {})["request_uri"]))["code"]
    key = prover if is_same else Prover(nonce=prover.nonce)
    assert exchange(browser, journey, code, key.headers()).status_code == (200 if is_same else 400)


def test_a_push_that_names_another_key_than_it_proves_is_refused(client: FlaskClient, held: System, prover: Prover) -> None:
    """fapi2-…-ensure-mismatched-dpop-jkt-fails."""
    answer = push(client, held, Journey(held).parameters(dpop_jkt="A" * 43), headers=prover.headers(url=f"{ISSUER}/par"))
    assert (answer.status_code, (answer.json or {})["error"]) in ((400, "invalid_request"), (400, "invalid_dpop_proof"))


ASSERTIONS: dict[str, dict[str, Any]] = {
    "fapi2-…-with-no-sub": {"sub": None},
    "fapi2-…-with-exp-is-5-minutes-in-past": {"exp": -300},
    "fapi2-…-with-wrong-aud": {"aud": "https://another.example"},
}


@pytest.mark.parametrize("changes", ASSERTIONS.values(), ids=ASSERTIONS)
def test_a_code_is_not_redeemed_by_an_assertion_that_is_not_right(
    browser: FlaskClient, held: System, prover: Prover, changes: dict[str, Any]
) -> None:
    journey = Journey(held)
    code = answer_of(bring_and_approve(browser, held, pushed_uri(browser, journey)))["code"]
    moved = {name: int(time.time()) + value if isinstance(value, int) else value for name, value in changes.items()}
    refused = exchange(browser, journey, code, prover.headers(), **held.proof(**moved))
    assert (refused.status_code, (refused.json or {})["error"]) == (401, "invalid_client")
    assert exchange(browser, journey, code, prover.headers()).status_code == 200, "nothing was used up"


def test_rs256_proves_nothing_under_the_profile(app: Flask, client: FlaskClient) -> None:
    """fapi2-…-signed-client-assertion-with-RS256-fails, -signed-request-object-with-RS256-fails: by a key that is good for PS256."""
    key = suites.PS256.generate()
    with app.app_context(), transaction() as session:
        jwks = {"keys": [{**jwks_of(key)["keys"][0]}]}
        portal = new_portal(session, scopes=SCOPES, jwks=jwks, metadata={**BOUND, "security_profile": FAPI2})
    mine = System(portal.client_id, key, portal.redirect_uri)
    for algorithm, status in (("PS256", 201), ("RS256", 401)):
        proof = {**mine.proof(), "client_assertion": jwt.encode(claims_of(mine.assertion()), key, algorithm)}
        assert client.post("/par", data={**Journey(mine).parameters(), **proof}).status_code == status
    for algorithm, status in (("PS256", 201), ("RS256", 400)):
        signed = jwt.encode(claims_of(request_object(Journey(mine))), key, algorithm, {"typ": "oauth-authz-req+jwt"})
        proof = {**mine.proof(), "client_assertion": jwt.encode(claims_of(mine.assertion()), key, "PS256")}
        assert client.post("/par", data={"client_id": mine.client_id, "request": signed, **proof}).status_code == status


def test_a_refresh_token_is_its_clients_who_proves_itself_and_a_key(app: Flask, browser: FlaskClient, held: System, prover: Prover) -> None:
    """fapi2-…-refresh-token, oidcc-refresh-token: bound to the client, not given to who proves nothing, and its characters are RFC 6749's."""
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES, metadata=BOUND)
    token = bound_tokens(browser, held, prover, "openid offline_access")["refresh_token"]
    assert token.isascii()
    assert token.isprintable()
    form = {"grant_type": "refresh_token", "refresh_token": token}
    for who, headers, status in (
        ({}, prover, 401),
        ({"client_id": held.client_id}, prover, 401),
        (other.proof(), prover, 400),
        (held.proof(), None, 400),
    ):
        assert browser.post("/token", data={**form, **who}, headers=headers.headers() if headers else {}).status_code == status
    assert browser.post("/token", data={**form, **held.proof()}, headers=prover.headers()).status_code == 200


def test_nothing_outside_a_signed_request_counts(app: Flask, browser: FlaskClient) -> None:
    """fapi2-…-different-nonce-inside-and-outside, -different-state-…, -state-only-outside-request-object-not-used."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES)
    journey = Journey(portal)
    answer = answered(browser, bring_object(browser, portal, request_object(journey, state=None), state="outside", nonce="outside"))
    assert set(answer) == {"code", "iss"}
    assert claims_of(journey.exchange(browser, answer["code"]).json["id_token"])["nonce"] == journey.nonce


def test_a_clients_request_is_not_taken_from_another(app: Flask, client: FlaskClient, portal: System) -> None:
    """fapi2-…-ensure-matching-key-in-authorization-request, -client-id-in-token-endpoint."""
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    by_another = request_object(Journey(portal), key=other.private_key)
    assert push_object(client, portal, by_another).status_code == 400
    form = {"grant_type": "authorization_code", "code": "x", "client_id": other.client_id, **portal.proof()}
    assert client.post("/token", data=form).status_code == 401


# Discovery


def test_the_members_of_the_discovery_document_are_what_the_suite_wants(client: FlaskClient) -> None:
    """oidcc-discovery-endpoint-verification, fapi2-…-discovery-end-point-verification, fapi-ciba-id1-discovery-end-point-verification."""
    found = client.get("/.well-known/openid-configuration")
    document = found.json or {}
    assert found.mimetype == "application/json"
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "code" in document["response_types_supported"]
    assert {"authorization_code", "urn:openid:params:grant-type:ciba"} <= set(document["grant_types_supported"])
    assert "openid" in document["scopes_supported"]
    assert all(set(scope) <= set(map(chr, range(0x21, 0x7F))) - {'"', "\\"} for scope in document["scopes_supported"])
    assert {"jwt", "query", "form_post"} <= set(document["response_modes_supported"])
    assert "poll" in document["backchannel_token_delivery_modes_supported"]
    assert not document["issuer"].endswith("/")
    for name, value in document.items():
        assert value not in (None, [], ""), f"{name} is empty: what there is nothing of is left out"


# The list itself


def test_every_test_that_the_list_names_is_there() -> None:
    """docs/conformance.md and its neighbours name tests as `file::test`; a test that was renamed is renamed there, too."""
    pages = [(ROOT / "docs" / name).read_text() for name in ("conformance.md", "conformance-clauses.md", "conformance-credentials.md")]
    named = [one for page in pages for one in re.findall(r"`(test_\w+)::(test_\w+)`", page)]
    assert len(named) > 100
    places: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        if "node_modules" not in path.parts:
            places[path.stem] = places.get(path.stem, "") + path.read_text()
    assert [f"{stem}::{name}" for stem, name in named if f"def {name}(" not in places.get(stem, "")] == []
