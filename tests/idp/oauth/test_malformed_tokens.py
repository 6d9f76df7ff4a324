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
from idp.oauth.clients import CIBA, JWT_BEARER, TOKEN_EXCHANGE
from idp.oauth.exchange import issuers
from idp.oauth.exchange.subject_tokens import ACCESS_TOKEN
from idp.oauth.registration import software_statements
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.idp.oauth.registration.world import new_token, portal_document
from tests.malformed_tokens import BAD_KEYS, BAD_TIMES, TOKENS, Make, Material, encoded
from tests.world_clients import ISSUER, System, bearer, jwks_of, new_portal, new_system, token_of
from tests.world_people import Person, new_person

EVENTS, BYE = "/api/v1/events", "https://portal.example.gov.cn/bye"
DIRECTORY, ISSUER_KEY = "https://directory.malformed.example.gov.cn", suites.ES256.generate()


@dataclass
class Doors:
    """Who is known here, so that tokens can be sent to each door."""

    client: FlaskClient
    system: System
    portal: System
    token: str
    counter: System
    person: Person
    leave: str

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

    def back_channel(self, token: str) -> TestResponse:
        """Ask for somebody by a signed request."""
        return self.client.post("/backchannel-authentication", data={"request": token, **self.counter.proof()})

    def vouched(self, token: str) -> TestResponse:
        """Bring the word of a trusted issuer."""
        return self.client.post("/token", data={"grant_type": JWT_BEARER, "assertion": token, **self.counter.proof()})

    def statement(self, token: str) -> TestResponse:
        """Register with a software statement."""
        return self.client.post("/register", json=portal_document(software_statement=token), headers=bearer(self.leave))

    def exchanged(self, token: str) -> TestResponse:
        """Exchange an access token."""
        form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
        return self.client.post("/token", data={**form, **self.counter.proof()})

    def farewell(self, token: str) -> TestResponse:
        """Sign out by a hint, and go back to where only the hint's client may send anybody."""
        return self.client.get("/logout", query_string={"id_token_hint": token, "post_logout_redirect_uri": BYE})

    def asked_about(self, token: str) -> TestResponse:
        """Ask whether a token is good."""
        return self.client.post("/introspect", data={"token": token, **self.system.proof()})


@pytest.fixture(scope="module")
def doors(app: Flask) -> Doors:
    with app.app_context(), transaction() as session:
        system, person, leave = new_system(session, scopes=["events"]), new_person(session), new_token(session)
        portal = new_portal(session, post_logout_redirect_uris=[BYE])
        signing = {"backchannel_token_delivery_mode": "poll", "backchannel_authentication_request_signing_alg": "ES256"}
        scopes, grants = ["openid", "draws"], [CIBA, JWT_BEARER, TOKEN_EXCHANGE]
        counter = new_portal(session, scopes=scopes, redirect_uris=[], grant_types=grants, metadata=signing)
        software_statements.trust(session, DIRECTORY, jwks=jwks_of(ISSUER_KEY), now=now())
    with app.app_context(), transaction() as session:
        issuers.trust(session, issuer=DIRECTORY, client_id=counter.client_id, jwks=jwks_of(ISSUER_KEY), asked=["draws"], now=now())
    client = app.test_client()
    return Doors(client, system, portal, token_of(client, system, "events"), counter, person, leave)


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


def for_the_back_channel(doors: Doors) -> Material:
    moment, client_id = int(time.time()), doors.counter.client_id
    about = {"iss": client_id, "aud": ISSUER, "iat": moment, "nbf": moment, "exp": moment + 60, "jti": secrets.token_urlsafe(12)}
    return Material({"alg": "ES256"}, {**about, "scope": "openid", "login_hint": doors.person.number}, ec_key(doors.counter.private_key))


def for_vouching(doors: Doors) -> Material:
    moment, sub = int(time.time()), doors.counter.client_id
    claims = {"iss": DIRECTORY, "sub": sub, "aud": ISSUER, "iat": moment, "exp": moment + 60, "jti": secrets.token_urlsafe(12)}
    return Material({"alg": "ES256"}, claims, ec_key(ISSUER_KEY))


def for_statements(_: Doors) -> Material:
    return Material({"alg": "ES256"}, {"iss": DIRECTORY, "software_id": "example", "exp": int(time.time()) + 60}, ec_key(ISSUER_KEY))


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
    "back channel": (for_the_back_channel, Doors.back_channel),
    "vouched": (for_vouching, Doors.vouched),
    "statement": (for_statements, Doors.statement),
    "exchanged": (for_tokens, Doors.exchanged),
    "farewell": (for_tokens, Doors.farewell),
    "asked about": (for_tokens, Doors.asked_about),
}
OF_OTHERS = ("assertion", "proof", "pushed", "back channel", "vouched", "statement")


def is_taken(response: TestResponse) -> bool:
    """Whether a door opened; a redirect with an error in it is none, and neither is the word that a token is not good."""
    if response.status_code in (302, 303):
        return "code=" in urlsplit(response.location).query or response.location == BYE
    if response.is_json and response.json.get("active") is False:
        return False
    return response.status_code < 300


@pytest.mark.parametrize("door", OF_OTHERS)
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


TIMES = {
    "assertion": ("exp", "nbf", "iat"),
    "proof": ("iat",),
    "pushed": ("exp", "nbf"),
    "back channel": ("exp", "nbf", "iat"),
    "vouched": ("exp", "nbf", "iat"),
    "statement": ("exp", "nbf", "iat"),
}


def is_none(door: str, claim: str, what: str) -> bool:
    """Whether a time is wrong there: long ago is no fault of when something began, and a statement needs no times, so null says nothing."""
    return not (what == "negative" and claim in ("nbf", "iat") and door != "proof") and not (what == "null" and door == "statement")


@pytest.mark.parametrize(
    ("door", "claim", "what"),
    [(door, claim, what) for door, claims in TIMES.items() for claim in claims for what in BAD_TIMES if is_none(door, claim, what)],
)
def test_a_time_that_is_none_is_refused(doors: Doors, door: str, claim: str, what: str) -> None:
    material_of, send = DOORS[door]
    material = material_of(doors)
    without = {name: value for name, value in material.claims.items() if name != claim}
    payload = json.dumps(without).encode()[:-1] + f', "{claim}": '.encode() + BAD_TIMES[what] + b"}"
    response = send(doors, material.signed(payload=payload))
    assert response.status_code < 500, response.text
    assert not is_taken(response)


NAMED = {
    "assertion": ("jti", "sub", "iss", "exp"),
    "proof": ("jti", "htu"),
    "pushed": ("jti", "iss", "exp"),
    "back channel": ("jti", "iss", "exp"),
    "vouched": ("jti", "sub", "iss", "exp"),
    "statement": ("iss", "exp"),
}


@pytest.mark.parametrize(("door", "claim"), [(door, claim) for door, claims in NAMED.items() for claim in claims])
def test_a_claim_twice_is_refused(doors: Doors, door: str, claim: str) -> None:
    material_of, send = DOORS[door]
    material = material_of(doors)
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
