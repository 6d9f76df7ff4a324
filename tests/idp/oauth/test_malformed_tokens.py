"""Malformed tokens at each of our doors: none is answered by an error of ours, and none is taken."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.client_authentication import ASSERTION_TYPE
from keys import suites
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.malformed_tokens import BAD_KEYS, BAD_TIMES, TOKENS, Make, Material, encoded
from tests.world_clients import ISSUER, System, new_portal, new_system, token_of

EVENTS = "/api/v1/events"


@dataclass
class Doors:
    """Who is known here, so that tokens can be sent to each door."""

    client: FlaskClient
    system: System
    portal: System
    token: str

    def assertion(self, token: str) -> TestResponse:
        """Prove a client."""
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": token}
        return self.client.post("/token", data=form)

    def proof(self, token: str) -> TestResponse:
        """Prove a key."""
        return self.client.post("/token", data={"grant_type": "client_credentials", **self.system.proof()}, headers={"DPoP": token})

    def api(self, token: str) -> TestResponse:
        """Show an access token."""
        return self.client.get(EVENTS, headers={"Authorization": f"Bearer {token}"})

    def userinfo(self, token: str) -> TestResponse:
        """Show one in a form."""
        return self.client.post("/userinfo", data={"access_token": token})

    def hint(self, token: str) -> TestResponse:
        """Hint at a person."""
        return self.client.get("/authorize", query_string=Journey(self.portal).parameters(id_token_hint=token, prompt="none"))

    def pushed(self, token: str) -> TestResponse:
        """Push a signed request."""
        return self.client.post("/par", data={"client_id": self.portal.client_id, "request": token, **self.portal.proof()})


@pytest.fixture(scope="module")
def doors(app: Flask) -> Doors:
    with app.app_context(), transaction() as session:
        system, portal = new_system(session, scopes=["events"]), new_portal(session)
    client = app.test_client()
    return Doors(client, system, portal, token_of(client, system, "events"))


def for_assertions(doors: Doors) -> Material:
    claims = jwt.decode(doors.system.assertion(), options={"verify_signature": False})
    return Material({"alg": "ES256"}, claims, ec_key(doors.system.private_key))


def for_proofs(_: Doors) -> Material:
    key = suites.ES256.generate()
    claims = {"jti": secrets.token_urlsafe(12), "htm": "POST", "htu": f"{ISSUER}/token", "iat": int(time.time())}
    return Material({"alg": "ES256", "typ": "dpop+jwt", "jwk": suites.public_jwk(key.public_key())}, claims, ec_key(key))


def for_tokens(doors: Doors) -> Material:
    """Our own key is not to be had: what is well signed here, is so by a stranger."""
    claims = jwt.decode(doors.token, options={"verify_signature": False})
    return Material(jwt.get_unverified_header(doors.token), claims, ec_key(suites.ES256.generate()))


def for_requests(doors: Doors) -> Material:
    moment = int(time.time())
    times = {"iss": doors.portal.client_id, "aud": ISSUER, "iat": moment, "nbf": moment, "exp": moment + 60, "jti": secrets.token_urlsafe(12)}
    return Material({"alg": "ES256", "typ": "oauth-authz-req+jwt"}, {**Journey(doors.portal).parameters(), **times}, ec_key(doors.portal.private_key))


def ec_key(key: suites.PrivateKey) -> EllipticCurvePrivateKey:
    assert isinstance(key, EllipticCurvePrivateKey)
    return key


Open = Callable[[Doors, str], TestResponse]
IN_HEADERS = ("proof", "api")
DOORS: dict[str, tuple[Callable[[Doors], Material], Open]] = {
    "assertion": (for_assertions, Doors.assertion),
    "proof": (for_proofs, Doors.proof),
    "api": (for_tokens, Doors.api),
    "userinfo": (for_tokens, Doors.userinfo),
    "hint": (for_tokens, Doors.hint),
    "pushed": (for_requests, Doors.pushed),
}


def is_taken(response: TestResponse) -> bool:
    """Whether a door opened; a redirect with an error in it is none."""
    if response.status_code in (302, 303):
        return "code=" in urlsplit(response.location).query
    return response.status_code < 300


@pytest.mark.parametrize("door", ["assertion", "proof", "pushed"])
def test_the_good_token_is_taken(doors: Doors, door: str) -> None:
    material_of, send = DOORS[door]
    response = send(doors, material_of(doors).good())
    assert is_taken(response), response.text


def test_a_token_of_ours_is_taken(doors: Doors) -> None:
    assert is_taken(doors.api(doors.token))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("make", TOKENS.values(), ids=TOKENS)
def test_a_malformed_token_is_refused(doors: Doors, door: str, make: Make) -> None:
    material_of, send = DOORS[door]
    token = make(material_of(doors))
    if door in IN_HEADERS and (not token.isascii() or not token.isprintable()):
        token = token.encode("unicode_escape").decode()  # what a header cannot carry
    response = send(doors, token)
    assert response.status_code < 500, response.text
    assert not is_taken(response)


TIMES = {"assertion": ("exp", "nbf", "iat"), "proof": ("iat",), "pushed": ("exp", "nbf")}


@pytest.mark.parametrize(("door", "claim"), [(door, claim) for door, claims in TIMES.items() for claim in claims])
@pytest.mark.parametrize("time", BAD_TIMES.values(), ids=BAD_TIMES)
def test_a_time_that_is_none_is_refused(doors: Doors, door: str, claim: str, time: bytes) -> None:
    if claim in ("nbf", "iat") and door != "proof" and time == b"-1":
        pytest.skip("long ago is no fault of these two")
    material_of, send = DOORS[door]
    material = material_of(doors)
    without = {name: value for name, value in material.claims.items() if name != claim}
    payload = json.dumps(without).encode()[:-1] + f', "{claim}": '.encode() + time + b"}"
    response = send(doors, material.signed(payload=payload))
    assert response.status_code < 500, response.text
    assert not is_taken(response)


@pytest.mark.parametrize("claim", ["jti", "htu", "sub", "iss", "exp"])
@pytest.mark.parametrize("door", ["assertion", "proof"])
def test_a_claim_twice_is_refused(doors: Doors, door: str, claim: str) -> None:
    material_of, send = DOORS[door]
    material = material_of(doors)
    if claim not in material.claims:
        pytest.skip("no such claim")
    payload = json.dumps({claim: material.claims[claim]}).encode()[:-1] + b"," + json.dumps(material.claims).encode()[1:]
    assert not is_taken(send(doors, material.signed(payload=payload)))


@pytest.mark.parametrize("jwk", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_proof_by_a_bad_key_is_refused(doors: Doors, jwk: Any) -> None:
    material = for_proofs(doors)
    kind = jwk.get("kty") if isinstance(jwk, dict) else None
    algorithm = {"OKP": "EdDSA", "RSA": "RS256"}.get(kind, "ES256") if isinstance(kind, str) else "ES256"
    token = material.signed(header={"alg": algorithm, "typ": "dpop+jwt", "jwk": jwk})
    for signature in (token.rpartition(".")[2], encoded(bytes(64)), encoded(b"\1" + bytes(63)), encoded(b"\1" * 256)):
        response = doors.proof(f"{token.rpartition('.')[0]}.{signature}")
        assert (response.status_code, response.json["error"]) == (400, "invalid_dpop_proof"), response.text


def test_a_stranger_s_key_in_the_header_is_no_key_of_the_client_s(doors: Doors) -> None:
    for material, send in ((for_assertions(doors), Doors.assertion), (for_tokens(doors), Doors.api), (for_requests(doors), Doors.pushed)):
        stranger = suites.ES256.generate()
        forged = Material({**material.header, "jwk": suites.public_jwk(stranger.public_key())}, material.claims, ec_key(stranger))
        assert not is_taken(send(doors, forged.good()))


@pytest.mark.parametrize("header", ["Basic " + base64.b64encode(b"\xff:\xfe").decode(), "Basic Og==", "Basic " + "QUFB" * 5000, "basic x:y"])
def test_a_malformed_secret_is_refused(doors: Doors, header: str) -> None:
    response = doors.client.post("/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header})
    assert response.status_code == 401
