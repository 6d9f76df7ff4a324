"""The best current practice for OAuth security, attack by attack (RFC 9700).

Redirects and pages (sections 4.1, 4.2, 4.11, 4.12, 4.16), bound tokens (sections 2.2.1, 4.10.1) and malformed tokens have test files of
their own, and so have signed and pushed requests.
"""

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from keys import ring, suites
from runtime.database import transaction
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_of
from tests.world_clients import ISSUER, System, ask, bearer, new_portal, new_system, token_of
from tests.world_people import PASSWORD, Person


@pytest.mark.parametrize("changes", [{}, {"prompt": "none", "max_age": "0"}, {"scope": "openid draws"}], ids=["code", "error", "refused"])
def test_each_answer_names_its_issuer(browser: FlaskClient, portal: System, changes: dict[str, Any]) -> None:
    """Section 4.4.2.1, RFC 9207: mix-up; `iss` in every response, errors included, and in the metadata."""
    answer = answer_of(Journey(portal).approve(browser, **changes))
    assert answer["iss"] == ISSUER == (browser.get("/.well-known/oauth-authorization-server").json or {})["issuer"]
    assert (browser.get("/.well-known/oauth-authorization-server").json or {})["authorization_response_iss_parameter_supported"] is True


def test_a_code_that_was_injected_is_worth_nothing(browser: FlaskClient, portal: System) -> None:
    """Sections 2.1.1 and 4.5.3.1: PKCE binds a code to the browser that it was asked for in."""
    of_the_victim, of_the_attacker = Journey(portal), Journey(portal)
    stolen = of_the_victim.code(browser)
    response = of_the_attacker.exchange(browser, stolen)
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_grant")


def test_a_code_of_another_client_is_worth_nothing(app: Flask, browser: FlaskClient, portal: System) -> None:
    """Section 4.5: a code is bound to its client; a counterfeit client that caught one cannot use it."""
    with app.app_context(), transaction() as session:
        counterfeit = new_portal(session, scopes=SCOPES, redirect_uris=[portal.redirect_uri])
    journey = Journey(portal)
    code = journey.code(browser)
    thief = Journey(System(counterfeit.client_id, counterfeit.private_key, portal.redirect_uri), verifier=journey.verifier)
    assert (thief.exchange(browser, code).json or {})["error"] == "invalid_grant"
    assert journey.exchange(browser, code).status_code == 200, "and the client's own try is not spoilt"


def test_a_counterfeit_client_cannot_name_itself_another(app: Flask, client: FlaskClient, portal: System) -> None:
    """Section 2.5: who says that they are a client must prove it."""
    with app.app_context(), transaction() as session:
        counterfeit = new_portal(session, scopes=SCOPES)
    for proof in ({}, counterfeit.proof(), counterfeit.proof(iss=portal.client_id, sub=portal.client_id), counterfeit.proof(sub=portal.client_id)):
        response = client.post("/token", data={"grant_type": "authorization_code", "code": "x", "client_id": portal.client_id, **proof})
        assert (response.status_code, (response.json or {})["error"]) == (401, "invalid_client")


DOWNGRADES: dict[str, dict[str, Any]] = {
    "no challenge": {"code_challenge": None},
    "no challenge and no method": {"code_challenge": None, "code_challenge_method": None},
    "no method, which means plain": {"code_challenge_method": None},
    "plain": {"code_challenge_method": "plain"},
    "an unknown method": {"code_challenge_method": "S512"},
    "an empty challenge": {"code_challenge": ""},
    "two challenges": {"code_challenge": ["A" * 43, "B" * 43]},
}


@pytest.mark.parametrize("changes", DOWNGRADES.values(), ids=DOWNGRADES)
def test_pkce_cannot_be_left_out_or_weakened(browser: FlaskClient, portal: System, changes: dict[str, Any]) -> None:
    """Sections 2.1.1 and 4.8.2: PKCE downgrade."""
    answer = answer_of(Journey(portal).authorize(browser, **changes))
    assert answer["error"] == "invalid_request"
    assert "code" not in answer


@pytest.mark.parametrize("verifier", [None, "", "x" * 43, "short", "x" * 129, "证" * 43])
def test_a_code_needs_the_verifier_of_its_challenge(browser: FlaskClient, portal: System, verifier: str | None) -> None:
    """Section 4.8.2 and RFC 7636 section 4.6."""
    journey = Journey(portal)
    response = journey.exchange(browser, journey.code(browser), code_verifier=verifier)
    assert response.status_code == 400
    assert (response.json or {})["error"] in ("invalid_request", "invalid_grant")


def test_the_id_token_carries_the_nonce_of_its_request(browser: FlaskClient, portal: System) -> None:
    """Sections 2.1.1 and 4.5.3.2."""
    journey = Journey(portal)
    token = jwt.decode(journey.tokens(browser)["id_token"], options={"verify_signature": False})
    assert token["nonce"] == journey.nonce


def test_a_code_is_good_once_and_its_second_use_ends_what_the_first_gave(browser: FlaskClient, portal: System) -> None:
    """Sections 2.1.1 and 4.2.4: a code in a history or a log."""
    journey = Journey(portal, scope="openid offline_access")
    code = journey.code(browser)
    tokens = journey.exchange(browser, code).json or {}
    assert (journey.exchange(browser, code).json or {})["error"] == "invalid_grant"
    refused = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refused.json["error"] == "invalid_grant"


def test_a_refresh_token_that_was_used_before_ends_its_family(browser: FlaskClient, portal: System) -> None:
    """Sections 2.2.2 and 4.14.2: rotation, and reuse detection."""
    journey = Journey(portal, scope="openid offline_access")
    chain = [journey.tokens(browser)["refresh_token"]]
    for _ in range(3):
        chain.append(ask(browser, portal, grant_type="refresh_token", refresh_token=chain[-1]).json["refresh_token"])
    assert ask(browser, portal, grant_type="refresh_token", refresh_token=chain[0]).json["error"] == "invalid_grant"
    assert ask(browser, portal, grant_type="refresh_token", refresh_token=chain[-1]).json["error"] == "invalid_grant"


def test_a_refresh_token_of_another_client_is_worth_nothing(app: Flask, browser: FlaskClient, portal: System) -> None:
    """Section 4.14.2: bound to the client, the scope and the consent."""
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    token = Journey(portal, scope="openid offline_access").tokens(browser)["refresh_token"]
    assert ask(browser, other, grant_type="refresh_token", refresh_token=token).json["error"] == "invalid_grant"
    wider = ask(browser, portal, grant_type="refresh_token", refresh_token=token, scope="openid number")
    assert (wider.status_code, wider.json["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("response_type", ["token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none"])
def test_no_token_comes_through_the_browser(browser: FlaskClient, portal: System, response_type: str) -> None:
    """Section 2.1.2: no implicit grant."""
    response = Journey(portal).authorize(browser, response_type=response_type)
    said = parse_qs(urlsplit(response.location).query or urlsplit(response.location).fragment)
    assert said["error"] == ["unsupported_response_type"]


def test_no_password_is_taken_by_a_client(client: FlaskClient, portal: System, person: Person) -> None:
    """Section 2.4: the password grant MUST NOT be used."""
    response = ask(client, portal, grant_type="password", username=person.number, password=PASSWORD)
    assert (response.status_code, response.json["error"]) == (400, "unsupported_grant_type")


def test_an_assertion_is_good_once(client: FlaskClient, portal: System) -> None:
    """Section 2.5, RFC 7523 section 3: a replayed assertion."""
    proof = portal.proof()
    answers = [client.post("/token", data={"grant_type": "refresh_token", "refresh_token": "x", **proof}) for _ in range(2)]
    assert [(answer.json or {})["error"] for answer in answers] == ["invalid_grant", "invalid_client"]


SKEWS: dict[str, tuple[dict[str, int], bool]] = {
    "a clock that is ten seconds ahead": ({"iat": 10, "nbf": 10, "exp": 70}, True),
    "a clock that is ten seconds behind": ({"iat": -10, "nbf": -10, "exp": 50}, True),
    "just run out": ({"exp": -5}, True),
    "run out": ({"exp": -61}, False),
    "not to be used yet": ({"nbf": 61, "exp": 120}, False),
    "made in the future": ({"iat": 61, "exp": 120}, False),
    "good for a day": ({"exp": 86_400}, False),
}


@pytest.mark.parametrize(("offsets", "is_taken"), SKEWS.values(), ids=SKEWS)
def test_clocks_may_differ_a_little_and_no_more(client: FlaskClient, portal: System, offsets: dict[str, int], is_taken: bool) -> None:
    """FAPI 2.0 Security Profile section 5.3.2.1: 0 to 10 seconds ahead is taken, more than 60 is not; and the same the other way."""
    moment = int(time.time())
    proof = portal.proof(**{name: moment + offset for name, offset in offsets.items()})
    response = client.post("/token", data={"grant_type": "refresh_token", "refresh_token": "x", **proof})
    assert (response.json or {})["error"] == ("invalid_grant" if is_taken else "invalid_client")


AUDIENCES: dict[str, tuple[Any, bool]] = {
    "the issuer": (ISSUER, True),
    "another server": ("https://another.example", False),
    "a part of ours": (ISSUER[:-1], False),
    "ours with more": (ISSUER + ".evil.example", False),
    "with a slash": (ISSUER + "/", False),
    "none": (None, False),
    "empty": ([], False),
    "an object": ({"a": ISSUER}, False),
}


@pytest.mark.parametrize(("audience", "is_taken"), AUDIENCES.values(), ids=AUDIENCES)
def test_an_assertion_for_another_server_is_refused(client: FlaskClient, portal: System, audience: Any, is_taken: bool) -> None:
    """Section 4.4, RFC 7523 section 3: an assertion that was made for an attacker's server."""
    response = client.post("/token", data={"grant_type": "refresh_token", "refresh_token": "x", **portal.proof(aud=audience)})
    assert (response.json or {})["error"] == ("invalid_grant" if is_taken else "invalid_client")


def test_a_token_in_a_query_is_not_looked_at(client: FlaskClient, browser: FlaskClient, portal: System) -> None:
    """Section 4.3.2: access tokens MUST NOT be passed in a query."""
    token = Journey(portal).tokens(browser)["access_token"]
    for method in ("GET", "POST"):
        assert client.open("/userinfo", method=method, query_string={"access_token": token}).status_code == 401
    assert client.get("/userinfo", headers=bearer(token)).status_code == 200


def _changed(token: str, *, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, signature: str | None = None) -> str:
    parts = token.split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2]]
    written = [{**read[0], **(header or {})}, {**read[1], **(claims or {})}]
    first, second = (base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in written)
    return f"{first}.{second}.{parts[2] if signature is None else signature}"


def test_a_token_for_something_else_is_no_access_token(app: Flask, client: FlaskClient, browser: FlaskClient, portal: System) -> None:
    """Section 4.10.2 and RFC 9068 section 4: audience, type and signature; `none` never."""
    tokens = Journey(portal).tokens(browser)
    good = tokens["access_token"]
    with app.app_context():
        signer = ring.signer(ring.OIDC)
        claims = jwt.decode(good, options={"verify_signature": False})
        elsewhere = signer.sign({**claims, "aud": "https://another.example/api"}, typ="at+jwt")
        another_type = signer.sign(claims, typ="JWT")
        another_issuer = signer.sign({**claims, "iss": "https://another.example"}, typ="at+jwt")
    forged = jwt.encode(claims, suites.ES256.generate(), algorithm="ES256", headers={"typ": "at+jwt", "kid": signer.kid})
    none = _changed(good, header={"alg": "none"}, signature="")
    wider = _changed(good, claims={"scope": "openid profile number licences"})
    for token in (tokens["id_token"], elsewhere, another_type, another_issuer, forged, none, wider, good[:-4] + "AAAA", ""):
        response = client.get("/userinfo", headers=bearer(token))
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith(("Bearer", "DPoP"))


def test_an_id_token_hint_without_a_signature_is_no_hint(browser: FlaskClient, portal: System) -> None:
    """RFC 8725 section 3.1: `alg` none."""
    journey = Journey(portal)
    hint = journey.tokens(browser)["id_token"]
    unsigned = _changed(hint, header={"alg": "none"}, signature="")
    assert answer_of(journey.authorize(browser, prompt="none", id_token_hint=unsigned))["error"] == "invalid_request"
    assert "code" in answer_of(journey.authorize(browser, prompt="none", id_token_hint=hint))


def test_a_client_cannot_pose_as_a_person(app: Flask, client: FlaskClient) -> None:
    """Section 4.15: a token that a system has in its own name opens nothing of a person's."""
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["draws"])
    token = token_of(client, system, "draws")
    assert client.get("/userinfo", headers=bearer(token)).status_code == 403


def _endpoints(client: FlaskClient) -> list[str]:
    metadata = client.get("/.well-known/oauth-authorization-server").json or {}
    names = [name for name in metadata if name.endswith("_endpoint") and name not in FOR_BROWSERS]
    return [urlsplit(metadata[name]).path for name in sorted(names)]


FOR_BROWSERS = (
    "authorization_endpoint",
    "end_session_endpoint",
    "userinfo_endpoint",
    "registration_endpoint",
    "status_list_aggregation_endpoint",  # a document for anyone
)


@pytest.mark.parametrize("name", ["client_id", "client_assertion", "grant_type", "scope", "token"])
def test_no_endpoint_takes_a_parameter_twice(client: FlaskClient, portal: System, name: str) -> None:
    """RFC 6749 sections 3.1 and 3.2: parameters MUST NOT be included more than once."""
    paths = _endpoints(client)
    assert {"/token", "/par", "/revoke"} <= set(paths)
    for path in paths:
        response = client.post(path, data={"grant_type": "refresh_token", "token": "x", **portal.proof(), name: ["a", "b"]})
        assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request"), path


def test_no_endpoint_of_clients_answers_to_a_page_elsewhere(client: FlaskClient) -> None:
    """Section 2.6: the authorization endpoint MUST NOT support CORS; and no cookie opens any other."""
    for path in ("/authorize", "/signin", "/authorize/consent"):
        response = client.options(path, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"})
        assert "Access-Control-Allow-Origin" not in response.headers
        answered = client.get(path, headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in answered.headers
