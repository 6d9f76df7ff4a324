"""DPoP: what RFC 9449 says that a server must do, one test a sentence; the section stands in the name of each group."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.binding import addresses, dpop, nonces
from idp.oauth.clients import NONE
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, ask, bearer, new_portal, new_system
from tests.world_proofs import Prover

EVENTS = "/api/v1/events"


@pytest.fixture
def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=["events", "draws"])


@pytest.fixture
def prover() -> Prover:
    return Prover()


def token_request(client: FlaskClient, system: System, headers: Any, **parameters: str) -> TestResponse:
    form = {"grant_type": "client_credentials", "scope": "events", **system.proof(), **parameters}
    return client.post("/token", data=form, headers=headers)


def bound_token(client: FlaskClient, system: System, prover: Prover) -> str:
    response = token_request(client, system, prover.headers())
    assert response.status_code == 200, response.text
    return str(response.json["access_token"])


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


# Section 5: access token request


@pytest.mark.parametrize("suite", [suites.ES256, suites.EDDSA, suites.PS256, suites.RS256], ids=lambda suite: suite.name)
def test_a_token_is_bound_to_the_key_of_the_proof(client: FlaskClient, system: System, suite: suites.Suite) -> None:
    prover = Prover(suite.generate())
    response = token_request(client, system, prover.headers(header={"alg": suite.name}))
    assert response.status_code == 200, response.text
    assert response.json["token_type"] == "DPoP"
    assert claims_of(response.json["access_token"])["cnf"] == {"jkt": prover.jkt}


def test_without_a_proof_a_token_is_a_bearer_s(client: FlaskClient, system: System) -> None:
    response = token_request(client, system, {})
    assert response.json["token_type"] == "Bearer"
    assert "cnf" not in claims_of(response.json["access_token"])


def test_the_example_of_the_specification_has_the_thumbprint_that_it_says() -> None:
    """RFC 9449 figures 4 and 9."""
    jwk = {
        "kty": "EC",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        "crv": "P-256",
    }
    assert suites.thumbprint(suites.public_jwk(suites.key_from_jwk(jwk))) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


# Section 4.3: checking proofs. Each case is a valid proof with one thing changed, and the sentence that it breaks.


def resigned(prover: Prover, header: dict[str, Any], **changes: Any) -> str:
    """Sign with whatever header is given, without a library's opinion on it."""
    claims = jwt.decode(prover.proof(**changes), options={"verify_signature": False})
    return signed_as(prover, header, json.dumps(claims).encode())


def signed_as(prover: Prover, header: dict[str, Any], payload: bytes) -> str:
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(payload)}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signed.encode(), prover.key)
    return f"{signed}.{encoded(signature)}"


def encoded(plain: bytes) -> str:
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def payload_of(prover: Prover) -> bytes:
    return json.dumps(jwt.decode(prover.proof(), options={"verify_signature": False})).encode()


def private_jwk(prover: Prover) -> dict[str, Any]:
    found: dict[str, Any] = jwt.get_algorithm_by_name("ES256").to_jwk(prover.key, as_dict=True)
    return found


def hs256(prover: Prover) -> str:
    claims = jwt.decode(prover.proof(), options={"verify_signature": False})
    return jwt.encode(claims, secrets.token_bytes(32), algorithm="HS256", headers={"typ": "dpop+jwt", "jwk": prover.jwk})


def of_curve(curve: ec.EllipticCurve, algorithm: str) -> str:
    key = ec.generate_private_key(curve)
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    claims = jwt.decode(Prover().proof(), options={"verify_signature": False})
    return jwt.encode(claims, key, algorithm=algorithm, headers={"typ": "dpop+jwt", "jwk": jwk})


def of_short_rsa(_: Prover) -> str:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 (that is the case)
    jwk = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
    signed = f"{encoded(json.dumps({'typ': 'dpop+jwt', 'alg': 'RS256', 'jwk': jwk}).encode())}.{Prover().proof().split('.')[1]}"
    return f"{signed}.{encoded(jwt.get_algorithm_by_name('RS256').sign(signed.encode(), key))}"


Bad = Callable[[Prover], str]
BAD_PROOFS: dict[str, Bad] = {
    "1 two headers, joined as a gateway does": lambda p: f"{p.proof()}, {p.proof()}",
    "2 no token": lambda p: "x",
    "2 empty": lambda p: "",
    "2 four parts": lambda p: p.proof() + ".x",
    "2 encrypted form": lambda p: p.proof() + "..",
    "2 padded": lambda p: p.proof() + "=",
    "2 not json": lambda p: signed_as(p, {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}, b"no"),
    "2 a list": lambda p: signed_as(p, {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}, b"[]"),
    "2 a member twice": lambda p: signed_as(
        p,
        {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk},
        b'{"htm":"GET",' + json.dumps(jwt.decode(p.proof(), options={"verify_signature": False})).encode()[1:],
    ),
    "3 no jti": lambda p: p.proof(jti=None),
    "3 no htm": lambda p: resigned(p, {"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}, htm=None),
    "3 no htu": lambda p: p.proof(htu=None),
    "3 no iat": lambda p: p.proof(iat=None),
    "3 jti is a number": lambda p: p.proof(jti=7),
    "3 jti is empty": lambda p: p.proof(jti=""),
    "3 jti is huge": lambda p: p.proof(jti="x" * 300),
    "3 iat is text": lambda p: p.proof(iat="now"),
    "3 iat is true": lambda p: p.proof(iat=True),
    "3 iat is no number": lambda p: p.proof(iat=float("nan")),
    "3 iat is infinite": lambda p: p.proof(iat=float("inf")),
    "3 iat is beyond all time": lambda p: p.proof(iat=10**400),
    "4 no typ": lambda p: resigned(p, {"alg": "ES256", "jwk": p.jwk}),
    "4 typ JWT": lambda p: p.proof(header={"typ": "JWT"}),
    "4 typ in capitals": lambda p: p.proof(header={"typ": "DPOP+JWT"}),
    "5 no alg": lambda p: resigned(p, {"typ": "dpop+jwt", "jwk": p.jwk}),
    "5 alg none": lambda p: resigned(p, {"typ": "dpop+jwt", "alg": "none", "jwk": p.jwk}),
    "5 a symmetric algorithm": hs256,
    "5 an algorithm that is not supported": lambda p: of_curve(ec.SECP384R1(), "ES384"),
    "5 the algorithm of another key": lambda p: resigned(p, {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": p.jwk}),
    "5 a key that is too short": of_short_rsa,
    "6 another key's signature": lambda p: p.proof(header={"jwk": Prover().jwk}),
    "6 the signature of another proof": lambda p: ".".join([*p.proof().split(".")[:2], p.proof().split(".")[2]]),
    "6 no jwk": lambda p: resigned(p, {"typ": "dpop+jwt", "alg": "ES256"}),
    "6 jwk is text": lambda p: p.proof(header={"jwk": "key"}),
    "6 a key by reference": lambda p: resigned(p, {"typ": "dpop+jwt", "alg": "ES256", "jku": "https://keys.example/jwks", "kid": "1"}),
    "7 a private key": lambda p: p.proof(header={"jwk": private_jwk(p)}),
    "7 a shared secret": lambda p: p.proof(header={"jwk": {"kty": "oct", "k": "AAAA"}}),
    "8 another method": lambda p: p.proof("GET"),
    "8 the method in small letters": lambda p: p.proof("post"),
    "9 another path": lambda p: p.proof(url=f"{ISSUER}/par"),
    "9 another host": lambda p: p.proof(url="https://elsewhere.example/token"),
    "9 another port": lambda p: p.proof(url="http://127.0.0.1:8001/token"),
    "9 another scheme": lambda p: p.proof(url=ISSUER.replace("http:", "https:") + "/token"),
    "9 a path alone": lambda p: p.proof(url="/token"),
    "9 the issuer alone": lambda p: p.proof(url=ISSUER),
    "9 a user name": lambda p: p.proof(url="http://me@127.0.0.1:8000/token"),
    "9 no address": lambda p: p.proof(url="http://[::1"),
    "9 no port": lambda p: p.proof(url="http://127.0.0.1:x/token"),
    "9 in capitals": lambda p: p.proof(url=f"{ISSUER}/TOKEN"),
    "11 too old": lambda p: p.proof(iat=int(time.time() - dpop.OLDEST.total_seconds() - 5)),
    "11 in the future": lambda p: p.proof(iat=int(time.time() + dpop.AHEAD.total_seconds() + 5)),
    "an extension that is critical": lambda p: p.proof(header={"crit": ["b64"], "b64": True}),
    "huge": lambda p: p.proof(padding="x" * 5000),
}


@pytest.mark.parametrize("make", BAD_PROOFS.values(), ids=BAD_PROOFS)
def test_a_proof_is_refused_that_fails_a_check(client: FlaskClient, system: System, prover: Prover, make: Bad) -> None:
    response = token_request(client, system, {"DPoP": make(prover)})
    assert (response.status_code, response.json["error"]) == (400, "invalid_dpop_proof"), response.text
    assert response.headers["Cache-Control"] == "no-store"
    token = bound_token(client, system, prover)
    shown = client.get(EVENTS, headers={"Authorization": f"DPoP {token}", "DPoP": make(prover)})
    assert shown.status_code == 401
    assert shown.headers["WWW-Authenticate"].startswith('DPoP realm="kabao", error="invalid_dpop_proof"')


GOOD_ADDRESSES = {
    "a query": f"{ISSUER}/token?x=1",
    "a fragment": f"{ISSUER}/token#x",
    "the scheme in capitals": "HTTP://127.0.0.1:8000/token",
    "dots": f"{ISSUER}/a/../token",
    "an escaped letter": f"{ISSUER}/%74oken",
}


@pytest.mark.parametrize("url", GOOD_ADDRESSES.values(), ids=GOOD_ADDRESSES)
def test_addresses_are_compared_in_their_normal_form(client: FlaskClient, system: System, prover: Prover, url: str) -> None:
    assert token_request(client, system, prover.headers(url=url)).status_code == 200


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://Id.Example.gov.cn:443/token", "https://id.example.gov.cn/token"),
        ("http://id.example:80", "http://id.example/"),
        ("http://[::1]:8000/a%2fb?x#y", "http://[::1]:8000/a/b"),
        ("https://id.example/%e8%af%81", "https://id.example/%E8%AF%81"),
        ("ftp://id.example/", None),
        ("https://", None),
        ("https://id.example/证", None),
        ("https://id.example/" + "x" * 3000, None),
    ],
)
def test_the_normal_form_of_an_address(written: str, normal: str | None) -> None:
    assert addresses.normal(written) == normal


@pytest.mark.parametrize("skew", [-80, 25], ids=["behind", "ahead"])
def test_clocks_may_differ_a_little(client: FlaskClient, system: System, prover: Prover, skew: int) -> None:
    assert token_request(client, system, prover.headers(iat=int(time.time()) + skew)).status_code == 200


# Section 11.1: replay


def test_a_proof_is_good_once(client: FlaskClient, system: System, prover: Prover) -> None:
    headers = prover.headers()
    assert token_request(client, system, headers).status_code == 200
    assert token_request(client, system, headers).json["error"] == "invalid_dpop_proof"


def test_two_keys_may_choose_the_same_jti(client: FlaskClient, system: System) -> None:
    jti = secrets.token_urlsafe(12)
    assert all(token_request(client, system, Prover().headers(jti=jti)).status_code == 200 for _ in range(2))


# Section 7: protected resource access


def test_a_bound_token_is_taken_with_a_proof(client: FlaskClient, system: System, prover: Prover) -> None:
    token = bound_token(client, system, prover)
    assert client.get(EVENTS, headers=prover.show(token, "GET", EVENTS)).status_code == 200
    assert client.get(f"{EVENTS}?limit=1", headers=prover.show(token, "GET", f"{EVENTS}?other=2")).status_code == 200


Shown = Callable[[Prover, str, str], dict[str, str]]
BADLY_SHOWN: dict[str, tuple[Shown, str, str]] = {
    "as a bearer's": (lambda p, t, o: bearer(t), "Bearer", "invalid_token"),
    "as a bearer's, with a proof": (lambda p, t, o: {**p.show(t, "GET", EVENTS), **bearer(t)}, "Bearer", "invalid_token"),
    "no proof": (lambda p, t, o: {"Authorization": f"DPoP {t}"}, "DPoP", "invalid_dpop_proof"),
    "another key's proof": (lambda p, t, o: Prover().show(t, "GET", EVENTS), "DPoP", "invalid_token"),
    "no ath": (lambda p, t, o: p.show(t, "GET", EVENTS, ath=None), "DPoP", "invalid_dpop_proof"),
    "ath of another token": (lambda p, t, o: {**p.show(o, "GET", EVENTS), "Authorization": f"DPoP {t}"}, "DPoP", "invalid_dpop_proof"),
    "ath is a number": (lambda p, t, o: p.show(t, "GET", EVENTS, ath=7), "DPoP", "invalid_dpop_proof"),
    "another resource": (lambda p, t, o: p.show(t, "GET", "/api/v1/draws"), "DPoP", "invalid_dpop_proof"),
    "another method": (lambda p, t, o: p.show(t, "POST", EVENTS), "DPoP", "invalid_dpop_proof"),
    "a token that is none": (lambda p, t, o: p.show("x.y.z", "GET", EVENTS), "DPoP", "invalid_token"),
}


@pytest.mark.parametrize(("show", "scheme", "error"), BADLY_SHOWN.values(), ids=BADLY_SHOWN)
def test_a_bound_token_is_refused_without_what_it_is_bound_to(
    client: FlaskClient, system: System, prover: Prover, show: Shown, scheme: str, error: str
) -> None:
    token, other = bound_token(client, system, prover), bound_token(client, system, prover)
    response = client.get(EVENTS, headers=show(prover, token, other))
    assert response.status_code == 401
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith(f'{scheme} realm="kabao", error="{error}"')
    assert (f'algs="{" ".join(dpop.ALGORITHMS)}"' in challenge) == (scheme == "DPoP")


def test_an_unbound_token_is_not_taken_by_the_other_scheme(client: FlaskClient, system: System, prover: Prover) -> None:
    token = token_request(client, system, {}).json["access_token"]
    refused = client.get(EVENTS, headers=prover.show(token, "GET", EVENTS))
    assert (refused.status_code, refused.headers["WWW-Authenticate"].split(",")[1]) == (401, ' error="invalid_token"')
    assert client.get(EVENTS, headers=bearer(token)).status_code == 200


def test_whoever_shows_nothing_hears_of_both_schemes_and_of_no_error(client: FlaskClient) -> None:
    challenge = client.get(EVENTS).headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="kabao", DPoP realm="kabao", algs="{" ".join(dpop.ALGORITHMS)}"'


def test_a_proof_for_a_resource_is_good_once(client: FlaskClient, system: System, prover: Prover) -> None:
    headers = prover.show(bound_token(client, system, prover), "GET", EVENTS)
    assert client.get(EVENTS, headers=headers).status_code == 200
    assert 'error="invalid_dpop_proof"' in client.get(EVENTS, headers=headers).headers["WWW-Authenticate"]


# Sections 8 and 9: nonces


@pytest.fixture
def fapi_system(app: Flask, system: System) -> System:
    """A system whose proofs must carry a nonce."""
    from idp.oauth.clients import RegisteredClient

    with app.app_context(), transaction() as session:
        session.get_one(RegisteredClient, system.client_id).client_metadata = {"security_profile": "fapi2"}
    return system


def test_a_proof_without_nonce_is_answered_with_one_and_goes_through_with_it(client: FlaskClient, fapi_system: System, prover: Prover) -> None:
    refused = token_request(client, fapi_system, prover.headers())
    assert (refused.status_code, refused.json["error"]) == (400, "use_dpop_nonce")
    assert len(refused.headers.getlist("DPoP-Nonce")) == 1
    prover.nonce = refused.headers["DPoP-Nonce"]
    taken = token_request(client, fapi_system, prover.headers())
    assert taken.status_code == 200, taken.text
    assert taken.headers.getlist("DPoP-Nonce"), "the next one goes with the success"
    assert taken.headers["Cache-Control"] == "no-store"


def test_a_resource_asks_for_a_nonce_as_well(client: FlaskClient, fapi_system: System, prover: Prover, settings: Settings) -> None:
    prover.nonce = nonces.current(settings, now=now())
    token = bound_token(client, fapi_system, prover)
    prover.nonce = None
    refused = client.get(EVENTS, headers=prover.show(token, "GET", EVENTS))
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith('DPoP realm="kabao", error="use_dpop_nonce"')
    prover.nonce = refused.headers["DPoP-Nonce"]
    taken = client.get(EVENTS, headers=prover.show(token, "GET", EVENTS))
    assert taken.status_code == 200
    assert taken.headers["DPoP-Nonce"]
    assert taken.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("nonce", ["mine", "", "x" * 300, 7, ["x"], "证"], ids=["invented", "empty", "long", "number", "list", "not ascii"])
def test_a_nonce_that_was_not_given_out_is_refused_whoever_sends_it(client: FlaskClient, system: System, prover: Prover, nonce: Any) -> None:
    response = token_request(client, system, prover.headers(nonce=nonce))
    assert (response.status_code, response.json["error"]) == (400, "use_dpop_nonce")


def test_nonces_rotate_and_the_one_before_is_still_good(settings: Settings) -> None:
    moment = now()
    nonce = nonces.current(settings, now=moment)
    assert nonces.is_recent(nonce, settings, now=moment + nonces.WINDOW)
    assert nonces.is_recent(nonce, settings, now=moment - nonces.WINDOW), "another machine's clock may be ahead"
    assert not nonces.is_recent(nonce, settings, now=moment + 2 * nonces.WINDOW)
    assert nonces.current(settings, now=moment + nonces.WINDOW) != nonce


def test_no_nonce_is_given_to_whom_none_is_asked_of(client: FlaskClient, system: System, prover: Prover) -> None:
    assert "DPoP-Nonce" not in token_request(client, system, prover.headers()).headers


# Section 5.2: clients that always use DPoP


def test_a_client_registered_for_bound_tokens_gets_no_others(app: Flask, client: FlaskClient, system: System, prover: Prover) -> None:
    from idp.oauth.clients import RegisteredClient

    with app.app_context(), transaction() as session:
        session.get_one(RegisteredClient, system.client_id).client_metadata = {"dpop_bound_access_tokens": True}
    refused = token_request(client, system, {})
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_dpop_proof")
    assert token_request(client, system, prover.headers()).json["token_type"] == "DPoP"


# Sections 5 and 10: codes and refresh tokens


@dataclass
class Portals:
    """A confidential portal and a public one."""

    confidential: System
    public: System


@pytest.fixture
def portals(app: Flask) -> Portals:
    scopes = ("openid", "profile", "offline_access")
    with app.app_context(), transaction() as session:
        return Portals(new_portal(session, scopes=scopes), new_portal(session, scopes=scopes, auth_method=NONE, jwks=None))


def public_exchange(client: FlaskClient, journey: Journey, code: str, headers: Any) -> TestResponse:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    return client.post("/token", data={**form, "client_id": journey.portal.client_id}, headers=headers)


def test_a_code_is_bound_to_the_key_that_the_request_names(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey = Journey(portals.confidential)
    form = {"grant_type": "authorization_code", "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    for headers, status in ((prover.headers(), 200), (Prover().headers(), 400), ({}, 400)):
        code = journey.code(browser, dpop_jkt=prover.jkt)
        response = browser.post("/token", data={**form, **journey.portal.proof(), "code": code}, headers=headers)
        assert response.status_code == status, response.text
        assert status == 200 or response.json["error"] == "invalid_grant"


@pytest.mark.parametrize("jkt", ["short", "x" * 44, "!" * 43, "证" * 43])
def test_a_key_that_is_no_thumbprint_is_refused(browser: FlaskClient, portals: Portals, jkt: str) -> None:
    response = Journey(portals.confidential).authorize(browser, dpop_jkt=jkt)
    assert "error=invalid_request" in response.location


def test_the_refresh_token_of_a_public_client_is_bound_to_its_key(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey = Journey(portals.public, scope="openid offline_access")
    given = public_exchange(browser, journey, journey.code(browser), prover.headers())
    assert given.status_code == 200, given.text
    form = {"grant_type": "refresh_token", "client_id": portals.public.client_id, "refresh_token": given.json["refresh_token"]}
    for headers in ({}, Prover().headers()):
        assert browser.post("/token", data=form, headers=headers).json["error"] == "invalid_grant"
    refreshed = browser.post("/token", data=form, headers=prover.headers())
    assert refreshed.status_code == 200, "a robber's try has not ended it"
    assert claims_of(refreshed.json["access_token"])["cnf"] == {"jkt": prover.jkt}


def test_the_refresh_token_of_a_confidential_client_is_bound_to_the_client_alone(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey, another = Journey(portals.confidential, scope="openid offline_access"), Prover()
    code = journey.code(browser, dpop_jkt=prover.jkt)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    given = browser.post("/token", data={**form, **journey.portal.proof()}, headers=prover.headers())
    form = {"grant_type": "refresh_token", "refresh_token": given.json["refresh_token"], **journey.portal.proof()}
    refreshed = browser.post("/token", data=form, headers=another.headers())
    assert claims_of(refreshed.json["access_token"])["cnf"] == {"jkt": another.jkt}


def test_userinfo_takes_a_bound_token_with_its_proof_alone(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey = Journey(portals.public)
    token = public_exchange(browser, journey, journey.code(browser), prover.headers()).json["access_token"]
    assert browser.get("/userinfo", headers=prover.show(token, "GET", "/userinfo")).status_code == 200
    assert browser.post("/userinfo", headers=prover.show(token, "POST", "/userinfo")).status_code == 200
    assert browser.get("/userinfo", headers=bearer(token)).status_code == 401
    assert browser.post("/userinfo", data={"access_token": token}).status_code == 401


# Section 5.1: metadata


def test_discovery_names_the_algorithms_of_proofs(client: FlaskClient) -> None:
    named = client.get("/.well-known/openid-configuration").json["dpop_signing_alg_values_supported"]
    assert named == list(dpop.ALGORITHMS)
    assert not {"none", "HS256"} & set(named)


def test_what_proofs_were_used_is_forgotten_when_they_have_expired(app: Flask, client: FlaskClient, system: System, prover: Prover) -> None:
    from sqlalchemy import func, select

    from idp.oauth.assertions import ClientAssertion, forget

    token_request(client, system, prover.headers())
    with app.app_context():
        forget(now=now() + timedelta(hours=2))
        with transaction() as session:
            assert session.scalar(select(func.count()).select_from(ClientAssertion)) == 0


def test_ask_still_gives_bearer_tokens(client: FlaskClient, system: System) -> None:
    assert ask(client, system, grant_type="client_credentials").json["token_type"] == "Bearer"
