"""DPoP: what RFC 9449 says that a server must do, one test a sentence; the section stands in the name of each group."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.binding import addresses, dpop
from keys import suites
from runtime.database import transaction
from tests.idp.oauth.proving import EVENTS, bound_token, claims_of, token_request
from tests.world_clients import ISSUER, System, new_system
from tests.world_proofs import Prover


@pytest.fixture
def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=["events", "draws"])


@pytest.fixture
def prover() -> Prover:
    return Prover()


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
    "its own end has passed": lambda p: p.proof(exp=int(time.time() - dpop.AHEAD.total_seconds() - 5)),
    "its own beginning is to come": lambda p: p.proof(nbf=int(time.time() + dpop.AHEAD.total_seconds() + 5)),
    "its own end is text": lambda p: p.proof(exp="never"),
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
