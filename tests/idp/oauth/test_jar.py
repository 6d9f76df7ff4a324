"""Signed authorization requests: request objects by value, pushed, and from a client's own address (RFC 9101, OpenID Connect Core section 6)."""

import base64
import hmac
import json
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from keys import jwe, suites
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.pushing import answered, bring_and_approve, bring_object, push, push_object, request_object
from tests.idp.oauth.test_client_credentials import assert_plain
from tests.world_clients import ISSUER, System, jwks_of, new_portal
from tests.world_people import BROWSER, Person, sign_in


def test_a_portal_signs_a_person_in_by_a_signed_request(browser: FlaskClient, portal: System) -> None:
    """Section 5.1: client_id and request, and the parameters come from the object."""
    journey = Journey(portal)
    answer = answered(browser, bring_object(browser, portal, request_object(journey)))
    assert (answer["state"], answer["iss"]) == (journey.state, ISSUER)
    assert journey.exchange(browser, answer["code"]).status_code == 200


def test_the_parameters_beside_the_object_do_not_count(browser: FlaskClient, portal: System) -> None:
    """Section 6.3: only those in the object, even if the same parameter is in the query."""
    journey = Journey(portal, scope="openid")
    beside = {"scope": "openid number", "state": "evil", "nonce": "evil", "response_type": "token", "prompt": "none"}
    answer = answered(browser, bring_object(browser, portal, request_object(journey), **beside))
    assert answer["state"] == journey.state
    assert (journey.exchange(browser, answer["code"]).json or {})["scope"] == "openid"


def test_what_only_stands_beside_the_object_is_missing(browser: FlaskClient, portal: System) -> None:
    """Section 4: the object MUST contain all parameters that are used."""
    journey = Journey(portal)
    signed = request_object(journey, code_challenge=None, state=None)
    answer = answer_of(bring_object(browser, portal, signed, code_challenge=journey.parameters()["code_challenge"], state="outside"))
    assert (answer["error"], answer.get("state")) == ("invalid_request", None)


def test_no_page_s_address_holds_the_object(client: FlaskClient, person: Person, portal: System) -> None:
    """A signed request is as long as it likes; the browser carries a reference."""
    journey = Journey(portal, scope="openid number")
    to_sign_in = bring_object(client, portal, request_object(journey))
    goal = parse_qs(urlsplit(to_sign_in.location).query)["next"][0]
    assert set(parse_qs(urlsplit(goal).query)) == {"client_id", "request_uri", "login_asked"}
    assert sign_in(client, person).status_code == 303
    assert answered(client, client.get(goal, headers=BROWSER))["state"] == journey.state


def test_an_object_may_name_several_resources(client: FlaskClient, portal: System) -> None:
    """RFC 8707 section 2: as a list, in a signed request; what is no resource of the client's is refused as in a query."""
    response = push_object(client, portal, request_object(Journey(portal), resource=["https://a.example/", "https://b.example/"]))
    assert (response.json or {})["error"] == "invalid_target"


def test_a_request_object_is_good_for_one_answer(browser: FlaskClient, portal: System) -> None:
    """RFC 9700 section 4.3: whoever finds the address in a history finds a request that was answered."""
    signed = request_object(Journey(portal))
    assert "code" in answered(browser, bring_object(browser, portal, signed))
    again = bring_object(browser, portal, signed)
    assert again.status_code == 400
    assert "Location" not in again.headers


def test_structured_parameters_are_json_in_the_object(browser: FlaskClient, portal: System) -> None:
    """Section 4: numbers as numbers, objects as objects."""
    journey = Journey(portal)
    answer = answered(browser, bring_object(browser, portal, request_object(journey, max_age=3600, claims={"id_token": {"auth_time": None}})))
    assert "code" in answer


def test_a_member_without_a_value_is_none(browser: FlaskClient, portal: System) -> None:
    """RFC 6749 section 3.1: what is sent without a value is treated as if it were left out; libraries sign what a form left empty."""
    empty = dict.fromkeys(("claims", "prompt", "max_age", "acr_values", "authorization_details", "id_token_hint", "resource"), "")
    assert "code" in answered(browser, bring_object(browser, portal, request_object(Journey(portal), **empty)))
    missing = answer_of(bring_object(browser, portal, request_object(Journey(portal), scope="")))
    assert missing["error"] == "invalid_scope"


TYPES: dict[str, tuple[Any, bool]] = {
    "oauth-authz-req+jwt": ("oauth-authz-req+jwt", True),
    "with application/": ("application/oauth-authz-req+jwt", True),
    "none": (None, True),
    "JWT": ("JWT", True),
    "an access token's": ("at+jwt", False),
    "a DPoP proof's": ("dpop+jwt", False),
    "a client assertion's": ("client-authentication+jwt", False),
    "a logout token's": ("logout+jwt", False),
    "a number": (5, False),
    "empty": ("", False),
}


@pytest.mark.parametrize(("typ", "is_taken"), TYPES.values(), ids=TYPES)
def test_the_type_says_what_it_is_or_nothing(client: FlaskClient, portal: System, typ: Any, is_taken: bool) -> None:
    """Section 10.8: explicit typing; without it, as OpenID Connect Core has it."""
    signed = request_object(Journey(portal))
    header, claims = json.loads(_decoded(signed.split(".")[0])), json.loads(_decoded(signed.split(".")[1]))
    del header["typ"]
    response = push_object(client, portal, _signed({**header, **({"typ": typ} if typ is not None else {})}, claims, portal))
    assert response.status_code == (201 if is_taken else 400), response.text


def _claims(**changes: Any) -> dict[str, Any]:
    return changes


OBJECTS: dict[str, dict[str, Any]] = {
    "another issuer": _claims(iss="somebody"),
    "another audience": _claims(aud="https://another.example"),
    "another audience beside": _claims(aud=["https://another.example"]),
    "an audience that is no text": _claims(aud={"a": ISSUER}),
    "our token endpoint as audience": _claims(aud=f"{ISSUER}/token"),
    "expired": _claims(exp=int(time.time()) - 60),
    "expired long ago": _claims(exp=1),
    "exp as text": _claims(exp="9999999999"),
    "exp beyond all numbers": _claims(exp=10**400),
    "exp as true": _claims(exp=True),
    "nbf ahead": _claims(nbf=int(time.time()) + 100_000),
    "iat ahead": _claims(iat=int(time.time()) + 100_000),
    "nbf as text": _claims(nbf="now"),
    "no client_id": _claims(client_id=None),
    "another client_id": _claims(client_id="somebody"),
    "a client_id that is no text": _claims(client_id=["somebody"]),
    "request inside": _claims(request="x.y.z"),
    "request_uri inside": _claims(request_uri="https://portal.example/r"),
    "an assertion of the client": _claims(sub="somebody"),
    "a parameter with NUL": _claims(state="a\0b"),
    "half a character": _claims(state="\ud800"),
    "a parameter that is too long": _claims(state="x" * 17_000),
    "jti that is no text": _claims(jti=5),
    "jti that is too long": _claims(jti="x" * 300),
    "empty jti": _claims(jti=""),
}


@pytest.mark.parametrize("changes", OBJECTS.values(), ids=OBJECTS)
def test_an_object_that_is_not_right_is_refused(client: FlaskClient, portal: System, changes: dict[str, Any]) -> None:
    """Sections 4, 6.2, 6.3 and 10.8: invalid_request_object."""
    response = push_object(client, portal, request_object(Journey(portal), **changes))
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request_object")
    assert_plain((response.json or {})["error_description"])


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _encoded(document: bytes) -> str:
    return base64.urlsafe_b64encode(document).rstrip(b"=").decode()


def _signed(header: dict[str, Any], claims: Any, portal: System, *, text: str | None = None) -> str:
    """Sign whatever is given, as the portal would."""
    content = text if text is not None else json.dumps(claims)
    signing_input = f"{_encoded(json.dumps(header).encode())}.{_encoded(content.encode())}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signing_input.encode(), portal.private_key)
    return f"{signing_input}.{_encoded(signature)}"


def _with_header(portal: System, **changes: Any) -> str:
    claims = json.loads(_decoded(request_object(Journey(portal)).split(".")[1]))
    return _signed({"alg": "ES256", "typ": "oauth-authz-req+jwt", **changes}, claims, portal)


def _confused(portal: System) -> str:
    """The public key, as everybody has it, used as the secret of an HMAC."""
    public = portal.private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = json.dumps(Journey(portal).parameters()).encode()
    signing_input = _encoded(b'{"alg": "HS256"}') + "." + _encoded(claims)
    return f"{signing_input}.{_encoded(hmac.digest(public, signing_input.encode(), 'sha256'))}"


def _twice(portal: System) -> str:
    claims = json.dumps(json.loads(_decoded(request_object(Journey(portal)).split(".")[1])))
    return _signed({"alg": "ES256"}, None, portal, text=claims[:-1] + ', "scope": "openid number"}')


FORGED = {
    "alg none": lambda portal: jwt.encode(Journey(portal).parameters(), None, algorithm="none"),
    "alg None, with a signature": lambda portal: _with_header(portal, alg="None"),
    "HMAC with the public key": _confused,
    "another's key": lambda portal: request_object(Journey(portal), key=suites.ES256.generate()),
    "a key in the header": lambda portal: _with_header(portal, jwk=suites.public_jwk(portal.private_key.public_key()), alg="EdDSA"),
    "another algorithm's name": lambda portal: _with_header(portal, alg="ES384"),
    "no algorithm": lambda portal: _with_header(portal, alg=None),
    "an algorithm that is no text": lambda portal: _with_header(portal, alg=["ES256"]),
    "an unknown kid": lambda portal: _with_header(portal, kid="another"),
    "a kid that is no text": lambda portal: _with_header(portal, kid={"a": 1}),
    "crit": lambda portal: _with_header(portal, crit=["exp"]),
    "b64": lambda portal: _with_header(portal, b64=False),
    "a member twice": _twice,
    "not an object": lambda portal: _signed({"alg": "ES256"}, ["a"], portal),
    "NaN": lambda portal: _signed({"alg": "ES256"}, None, portal, text='{"client_id": "x", "exp": NaN}'),
    "deep": lambda portal: _signed({"alg": "ES256"}, None, portal, text="[" * 5000),
    "padded": lambda portal: request_object(Journey(portal)) + "=",
    "no signature": lambda portal: request_object(Journey(portal)).rpartition(".")[0] + ".",
    "two parts": lambda portal: request_object(Journey(portal)).rpartition(".")[0],
    "four parts": lambda portal: request_object(Journey(portal)) + ".x",
    "encrypted for nobody": lambda portal: "x.x.x.x.x",
    "not ASCII": lambda portal: "证.照.包",
    "empty parts": lambda portal: "..",
    "too long": lambda portal: request_object(Journey(portal), scope="x" * 40_000),
    "JSON": lambda portal: json.dumps(Journey(portal).parameters()),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_an_object_that_is_not_signed_as_the_client_signs_is_refused(client: FlaskClient, portal: System, forge: Any) -> None:
    """Sections 6.2 and 10.1, RFC 8725: a valid signature of a registered key, by that key's algorithm; `none` never."""
    response = push_object(client, portal, forge(portal))
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request_object"), response.text


@pytest.mark.parametrize("forge", [FORGED["alg none"], FORGED["another's key"], FORGED["empty parts"]], ids=["none", "another's", "empty"])
def test_the_portal_is_told_only_where_its_address_is_sure(browser: FlaskClient, portal: System, forge: Any) -> None:
    """Section 7, RFC 6749 section 4.1.2.1: never to an address that stands in an object which is not believed."""
    forged = forge(portal)
    response = bring_object(browser, portal, forged)
    assert response.status_code == 400
    assert "Location" not in response.headers
    beside = bring_object(browser, portal, forged, redirect_uri=portal.redirect_uri, state="s")
    answer = answer_of(beside)
    assert beside.location.startswith(portal.redirect_uri + "?")
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request_object", "s", ISSUER)
    assert bring_object(browser, portal, forged, redirect_uri="https://evil.example/").status_code == 400


def test_the_clients_inside_and_outside_are_one(app: Flask, browser: FlaskClient, portal: System) -> None:
    """Section 5: client_id inside and outside MUST be identical."""
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    assert bring_object(browser, other, request_object(Journey(portal))).status_code == 400
    assert push_object(browser, other, request_object(Journey(portal))).status_code == 400


@pytest.mark.parametrize("named", [None, "", "nobody"], ids=["none", "empty", "another"])
def test_a_client_id_stands_beside_the_object_too(browser: FlaskClient, portal: System, named: str | None) -> None:
    """Section 5: `client_id` is REQUIRED in the query; whose key the object is by is never told by the object itself."""
    query = {"client_id": named, "request": request_object(Journey(portal)), "redirect_uri": portal.redirect_uri}
    response = browser.get("/authorize", query_string={name: value for name, value in query.items() if value is not None}, headers=BROWSER)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_request_and_request_uri_together_are_refused(browser: FlaskClient, portal: System) -> None:
    """Section 5: MUST NOT be used together."""
    answer = answer_of(
        bring_object(browser, portal, request_object(Journey(portal)), request_uri="https://a.example/", redirect_uri=portal.redirect_uri)
    )
    assert answer["error"] == "invalid_request"


def test_two_request_objects_are_refused(browser: FlaskClient, portal: System) -> None:
    """RFC 6749 section 3.1: a parameter once."""
    signed = request_object(Journey(portal))
    query = {"client_id": portal.client_id, "request": [signed, signed], "redirect_uri": portal.redirect_uri}
    assert answer_of(browser.get("/authorize", query_string=query, headers=BROWSER))["error"] == "invalid_request"


def test_a_signed_request_can_be_pushed(browser: FlaskClient, portal: System) -> None:
    """RFC 9126 section 3: PAR and JAR together."""
    journey = Journey(portal)
    response = push_object(browser, portal, request_object(journey), scope="openid number", state="evil")
    assert response.status_code == 201
    assert answer_of(bring_and_approve(browser, portal, (response.json or {})["request_uri"]))["state"] == journey.state


def test_a_pushed_object_with_a_jti_is_good_once(client: FlaskClient, portal: System) -> None:
    """RFC 7519 section 4.1.7: no replay."""
    signed = request_object(Journey(portal), jti=secrets.token_hex(8))
    assert [push_object(client, portal, signed).status_code for _ in range(2)] == [201, 400]


def test_a_client_that_is_to_sign_may_not_leave_it(app: Flask, browser: FlaskClient) -> None:
    """Section 10.5 and RFC 9126 section 2.3: `require_signed_request_object`."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES, metadata={"require_signed_request_object": True})
    journey = Journey(portal)
    assert answer_of(journey.authorize(browser))["error"] == "invalid_request"
    refused = push(browser, portal, journey.parameters())
    assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_request")
    assert "code" in answered(browser, bring_object(browser, portal, request_object(journey)))


SUITES = {"ES256": suites.ES256, "EdDSA": suites.EDDSA, "PS256": suites.PS256}


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_each_suite_signs(app: Flask, browser: FlaskClient, suite: suites.Suite) -> None:
    portal = _portal_with(app, suite.generate())
    assert push_object(browser, portal, request_object(Journey(portal))).status_code == 201


@pytest.mark.parametrize(("wanted", "status"), [("ES256", 201), ("EdDSA", 400), ("RS256", 400)])
def test_the_registered_algorithm_is_the_only_one(app: Flask, browser: FlaskClient, wanted: str, status: int) -> None:
    """Section 6.2: `request_object_signing_alg`."""
    portal = _portal_with(app, suites.ES256.generate(), metadata={"request_object_signing_alg": wanted})
    assert push_object(browser, portal, request_object(Journey(portal))).status_code == status


def _portal_with(app: Flask, key: suites.PrivateKey, **rest: Any) -> System:
    client_id = f"portal-{secrets.token_hex(6)}"
    uri = f"https://{client_id}.example.gov.cn/callback"
    with app.app_context(), transaction() as session:
        made = new_portal(session, scopes=SCOPES)
        row = session.get_one(clients.RegisteredClient, made.client_id)
        clients.register_client(
            session,
            client_id=client_id,
            name=clients.text_of(row.name),
            owner=row.owner,
            jwks=jwks_of(key),
            redirect_uris=[uri],
            grant_types=[clients.AUTHORIZATION_CODE],
            scopes=list(SCOPES),
            now=now(),
            **rest,
        )
    return System(client_id, key, uri)


def test_an_encrypted_object_is_opened_and_must_be_signed_inside(app: Flask, browser: FlaskClient, portal: System) -> None:
    """Section 6.1: signed, then encrypted for us."""
    journey = Journey(portal)
    signed = request_object(journey)
    plain = jwt.encode(journey.parameters(), None, algorithm="none")
    encrypted, unsigned = (_encrypted(app, content) for content in (signed, plain))
    assert "code" in answered(browser, bring_object(browser, portal, encrypted))
    assert push_object(browser, portal, encrypted).status_code == 201
    assert push_object(browser, portal, unsigned).status_code == 400


def _encrypted(app: Flask, content: str) -> str:
    published = (app.test_client().get("/jwks").json or {})["keys"]
    jwk = next(jwk for jwk in published if jwk.get("use") == "enc")
    alg = "RSA-OAEP-256" if jwk["kty"] == "RSA" else "ECDH-ES"
    bare = {name: jwk[name] for name in suites.PUBLIC_MEMBERS[jwk["kty"]]}
    return jwe.encrypt(content.encode(), jwk=bare, alg=alg, enc="A256GCM", headers={"kid": jwk["kid"], "cty": "oauth-authz-req+jwt"})


def test_the_metadata_says_what_is_taken(client: FlaskClient) -> None:
    """Section 9, OpenID Connect Discovery section 3."""
    metadata = client.get("/.well-known/openid-configuration").json or {}
    assert (
        metadata["request_parameter_supported"] is metadata["request_uri_parameter_supported"] is metadata["require_request_uri_registration"] is True
    )
    assert "none" not in metadata["request_object_signing_alg_values_supported"]
    assert {"ES256", "EdDSA", "PS256"} <= set(metadata["request_object_signing_alg_values_supported"])
    assert {"RSA-OAEP-256", "ECDH-ES"} <= set(metadata["request_object_encryption_alg_values_supported"])
