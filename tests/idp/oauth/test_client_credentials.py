"""A department's system asks for a token in its own name."""

import base64
import json
import secrets
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.oauth import access_tokens, clients
from keys import ring, suites
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.world_clients import DEPARTMENT, ISSUER, System, ask, jwks_of, new_portal, new_system, token_of

SCOPES = ("verifications", "draws")


@pytest.fixture
def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=SCOPES)


@pytest.mark.parametrize("suite", [suites.ES256, suites.EDDSA], ids=lambda suite: suite.name)
def test_a_system_gets_a_token_in_its_own_name(client: FlaskClient, app: Flask, suite: suites.Suite) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=SCOPES, suite=suite)
    response = ask(client, system, grant_type="client_credentials", scope="draws")
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json == {"access_token": response.json["access_token"], "token_type": "Bearer", "expires_in": 600, "scope": "draws"}
    with app.app_context():
        claims = ring.verify(response.json["access_token"], use=ring.OIDC, typ="at+jwt", audience=f"{ISSUER}/api", issuer=ISSUER)
    assert claims["sub"] == claims["client_id"] == system.client_id
    assert (claims["department"], claims["scope"]) == (DEPARTMENT, "draws")
    assert claims["exp"] - claims["iat"] == 600


def test_a_system_that_names_no_scope_gets_all_of_its_own(client: FlaskClient, system: System) -> None:
    assert ask(client, system, grant_type="client_credentials").json["scope"] == "verifications draws"


def test_a_token_is_read_back_as_the_system_s(client: FlaskClient, system: System, context: None) -> None:
    from flask import current_app

    token = access_tokens.verify_access_token(token_of(client, system, "draws"), settings=current_app.extensions["kabao_settings"], now=now())
    assert (token.client_id, token.department, token.scopes) == (system.client_id, DEPARTMENT, {"draws"})
    assert token.subject_id is token.holder_id is token.acting_person is None


def test_the_token_endpoint_may_be_named_as_the_audience(client: FlaskClient, system: System) -> None:
    form = {"grant_type": "client_credentials", **system.proof(aud=[f"{ISSUER}/token", ISSUER])}
    assert client.post("/token", data=form).status_code == 200


def test_an_assertion_is_good_once(client: FlaskClient, system: System) -> None:
    form = {"grant_type": "client_credentials", **system.proof()}
    assert client.post("/token", data=form).status_code == 200
    assert client.post("/token", data=form).json["error"] == "invalid_client"


def test_the_same_jti_of_two_clients_is_two_assertions(client: FlaskClient, system: System, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        other = new_system(session, scopes=SCOPES)
    jti = secrets.token_hex(8)
    answers = [client.post("/token", data={"grant_type": "client_credentials", **each.proof(jti=jti)}) for each in (system, other)]
    assert [answer.status_code for answer in answers] == [200, 200]


def unsigned(system: System) -> str:
    return jwt.encode(claims_of(system), None, algorithm="none")


def confused(system: System) -> str:
    """Signed by HMAC with the public key as the secret."""
    secret = jwt.utils.base64url_decode(suites.public_jwk(system.private_key.public_key())["x"])
    return jwt.encode(claims_of(system), secret, algorithm="HS256")


def relabelled(system: System) -> str:
    """Signed well, but its header names another algorithm."""
    _, payload, signature = system.assertion().split(".")
    named = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{named}.{payload}.{signature}"


def sign_anything(system: System, **changes: Any) -> str:
    return jwt.api_jws.encode(json.dumps({**claims_of(system), **changes}).encode(), system.private_key, algorithm="ES256")


def rsa_signed(system: System) -> str:
    return jwt.encode(claims_of(system), rsa.generate_private_key(65537, 2048), algorithm="RS256")


def claims_of(system: System) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(system.assertion(), options={"verify_signature": False})
    return claims


BAD_ASSERTIONS = {
    "expired": lambda s: s.assertion(exp=int(time.time()) - 60),
    "too far ahead": lambda s: s.assertion(exp=int(time.time()) + 7200),
    "not yet valid": lambda s: s.assertion(nbf=int(time.time()) + 300),
    "exp is text": lambda s: s.assertion(exp="soon"),
    "exp is infinite": lambda s: s.assertion(exp=float("inf")),
    "exp is not a number": lambda s: s.assertion(exp=float("nan")),
    "nbf is a list": lambda s: s.assertion(nbf=[1]),
    "no exp": lambda s: s.assertion(exp=None),
    "no jti": lambda s: s.assertion(jti=None),
    "jti is empty": lambda s: s.assertion(jti=""),
    "jti is a number": lambda s: s.assertion(jti=7),
    "jti is no text": lambda s: sign_anything(s, jti="\ud800"),
    "jti is long": lambda s: s.assertion(jti="x" * 300),
    "no aud": lambda s: s.assertion(aud=None),
    "another aud": lambda s: s.assertion(aud="https://elsewhere.example"),
    "no iss": lambda s: s.assertion(iss=None),
    "iss is a list": lambda s: sign_anything(s, iss=[s.client_id]),
    "another iss": lambda s: s.assertion(iss="system-of-another"),
    "another sub": lambda s: s.assertion(sub="system-of-another"),
    "sub is a number": lambda s: s.assertion(sub=1),
    "another's key": lambda s: System(s.client_id, suites.ES256.generate()).assertion(),
    "another kind of key": lambda s: System(s.client_id, suites.EDDSA.generate()).assertion(),
    "alg none": unsigned,
    "alg confusion": confused,
    "alg relabelled": relabelled,
    "rsa": rsa_signed,
    "not a token": lambda s: "x.y.z",
    "not ascii": lambda s: "证.照.卡",
    "an array": lambda s: jwt.api_jws.encode(b"[]", s.private_key, algorithm="ES256"),
    "huge": lambda s: s.assertion(padding="x" * 9000),
    "client id with nul": lambda s: s.assertion(iss="a\0b", sub="a\0b"),
    "a deep header": lambda s: base64.urlsafe_b64encode(b'{"a":' * 500 + b"1" + b"}" * 500).decode() + ".e30.AAAA",
}


@pytest.mark.parametrize("make", BAD_ASSERTIONS.values(), ids=BAD_ASSERTIONS)
def test_a_bad_assertion_is_refused(client: FlaskClient, system: System, make: Any) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": make(system),
    }
    response = client.post("/token", data=form)
    assert (response.status_code, response.json["error"]) == (401, "invalid_client")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["WWW-Authenticate"]


BAD_REQUESTS = {
    "no grant_type": ({"grant_type": None}, 400, "invalid_request"),
    "empty grant_type": ({"grant_type": ""}, 400, "invalid_request"),
    "unknown grant_type": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "strange grant_type": ({"grant_type": '"\\证照\n'}, 400, "unsupported_grant_type"),
    "a grant that is another's": ({"grant_type": "refresh_token"}, 400, "unauthorized_client"),
    "duplicate grant_type": ({"grant_type": ["client_credentials", "client_credentials"]}, 400, "invalid_request"),
    "duplicate scope": ({"scope": ["draws", "draws"]}, 400, "invalid_request"),
    "unknown scope": ({"scope": "draws everything"}, 400, "invalid_scope"),
    "a scope it was not given": ({"scope": "licences:issue"}, 400, "invalid_scope"),
    "a scope of people": ({"scope": "openid"}, 400, "invalid_scope"),
    "strange scope": ({"scope": '"\\证'}, 400, "invalid_scope"),
    "another assertion type": ({"client_assertion_type": "urn:x"}, 401, "invalid_client"),
    "no assertion": ({"client_assertion": None}, 401, "invalid_client"),
    "another client id": ({"client_id": "someone-else"}, 401, "invalid_client"),
    "a secret besides": ({"client_secret": "s"}, 400, "invalid_request"),
}


@pytest.mark.parametrize(("changes", "status", "error"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_token_request_is_refused(client: FlaskClient, system: System, changes: dict[str, Any], status: int, error: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "draws", **system.proof(), **changes}
    response = client.post("/token", data={name: value for name, value in form.items() if value is not None})
    assert (response.status_code, response.json["error"]) == (status, error)
    assert response.headers["Cache-Control"] == "no-store"
    assert_plain(response.json.get("error_description", ""))


def assert_plain(description: str) -> None:
    assert all(0x20 <= ord(character) <= 0x7E and character not in '"\\' for character in description)


BAD_BODIES = {
    "json": ({"json": {"grant_type": "client_credentials"}}, 400),
    "no body": ({}, 400),
    "huge": ({"data": {"grant_type": "client_credentials", "scope": "x" * 2_000_000}}, 413),
    "in the query": ({"query_string": {"grant_type": "client_credentials"}}, 400),
    "text": ({"data": "grant_type=client_credentials", "content_type": "text/plain"}, 400),
    "not utf-8": ({"data": b"grant_type=%ff%fe\xff", "content_type": "application/x-www-form-urlencoded"}, 400),
}


@pytest.mark.parametrize(("sent", "status"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_refused(client: FlaskClient, sent: dict[str, Any], status: int) -> None:
    response = client.post("/token", **sent)
    assert response.status_code == status
    assert response.json["error"] in ("invalid_request", "unsupported_grant_type")
    assert response.headers["Cache-Control"] == "no-store"


def test_two_proofs_at_once_are_refused(client: FlaskClient, system: System) -> None:
    response = client.post("/token", data={"grant_type": "client_credentials", **system.proof()}, headers={"Authorization": "Basic eDp5"})
    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /w==", "Bearer eDp5", "Basic eDp5", "Basic AAAA"])
def test_a_bad_authorization_header_is_refused(client: FlaskClient, header: str) -> None:
    response = client.post("/token", data={"grant_type": "client_credentials"}, headers={"Authorization": header})
    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


def test_a_client_secret_is_kept_as_its_hash_and_proves_the_client(client: FlaskClient, app: Flask) -> None:
    secret, client_id = clients.new_secret(), f"secret-{secrets.token_hex(6)}"
    registration = {"client_id": client_id, "name": Text("甲", "A"), "owner": DEPARTMENT, "scopes": ["draws"]}
    with app.app_context(), transaction() as session:
        row = clients.register_client(session, auth_method="client_secret_basic", client_secret=secret, now=now(), **registration)
    assert secret.encode() not in (row.secret_hash or b"")
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret)).status_code == 200
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, secret + "x")).status_code == 401
    assert client.post("/token", data={"grant_type": "client_credentials", "client_id": client_id}).status_code == 401


def test_a_portal_has_no_token_in_its_own_name(client: FlaskClient, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session)
    assert ask(client, portal, grant_type="client_credentials").json["error"] == "unauthorized_client"


def test_a_disabled_client_is_refused_at_once(client: FlaskClient, app: Flask, system: System) -> None:
    token = token_of(client, system, "draws")
    with app.app_context(), transaction() as session:
        clients.disable_client(session, system.client_id, now=now())
    assert ask(client, system, grant_type="client_credentials").json["error"] == "invalid_client"
    with app.app_context(), pytest.raises(access_tokens.InvalidToken):
        access_tokens.verify_access_token(token, settings=app.extensions["kabao_settings"], now=now())


BAD_REGISTRATIONS = {
    "client_id": {"client_id": "含汉字"},
    "no keys": {"jwks": None},
    "private keys": {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}]}},
    "empty key set": {"jwks": {"keys": []}},
    "no redirect uri": {"grant_types": ["authorization_code"]},
    "plain http": {"grant_types": ["authorization_code"], "redirect_uris": ["http://portal.example/cb"]},
    "a fragment": {"grant_types": ["authorization_code"], "redirect_uris": ["https://portal.example/cb#x"]},
    "localhost by name": {"grant_types": ["authorization_code"], "redirect_uris": ["http://localhost/cb"]},
    "javascript": {"grant_types": ["authorization_code"], "redirect_uris": ["javascript:alert(1)"]},
    "unknown grant": {"grant_types": ["password"]},
    "unknown scope": {"scopes": ["all"]},
    "unknown method": {"auth_method": "magic"},
    "a public system": {"auth_method": "none", "jwks": None},
    "a public system that passes tokens on": {"auth_method": "none", "jwks": None, "grant_types": [clients.TOKEN_EXCHANGE]},
    "a public system that others vouch to": {"auth_method": "none", "jwks": None, "grant_types": [clients.JWT_BEARER]},
}


@pytest.mark.parametrize("changes", BAD_REGISTRATIONS.values(), ids=BAD_REGISTRATIONS)
def test_a_bad_registration_is_refused(session: Session, changes: dict[str, Any]) -> None:
    registration = {"client_id": f"x-{secrets.token_hex(4)}", "jwks": jwks_of(suites.ES256.generate()), **changes}
    with pytest.raises(clients.ClientRefused):
        clients.register_client(session, name=Text("甲", "A"), owner=DEPARTMENT, now=now(), **registration)


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ("draws openid licences:issue", "scope: openid licences:issue cannot be had here."),
        ('draws "\\证', "scope names what there is not here."),
    ],
    ids=["scopes of ours are named", "nothing else is repeated"],
)
def test_a_refused_scope_is_named(client: FlaskClient, system: System, scope: str, says: str) -> None:
    answer = ask(client, system, grant_type="client_credentials", scope=scope)
    assert (answer.status_code, answer.json) == (400, {"error": "invalid_scope", "error_description": says})


@pytest.mark.parametrize(
    "more", [{}, {"scope": "registry:updates"}, {"resource": "https://elsewhere.example/api"}], ids=["token", "scope", "resource"]
)
def test_whatever_an_assertion_that_was_used_before_asks_for_the_answer_is_that_nobody_is_known(
    client: FlaskClient, system: System, more: dict[str, str]
) -> None:
    proof = {"grant_type": "client_credentials", **system.proof()}
    assert client.post("/token", data=proof).status_code == 200
    refused = client.post("/token", data={**proof, **more})
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")  # type: ignore[index]


def test_an_assertion_is_used_up_by_an_answer_that_refuses_and_its_connection_serves_the_next(
    app: Flask, client: FlaskClient, system: System
) -> None:
    lines = app.extensions["kabao_quick"]
    before = client.post("/token", data={"grant_type": "client_credentials", **system.proof()}) and len(lines._free)
    for _ in range(3):
        proof = {"grant_type": "client_credentials", "scope": "registry:updates", **system.proof()}
        assert [client.post("/token", data=proof).json["error"] for _ in range(2)] == ["invalid_scope", "invalid_client"]  # type: ignore[index]
    assert len(lines._free) == before


def test_what_breaks_while_an_assertion_is_used_up_leaves_it_used_and_its_connection_free(
    app: Flask, client: FlaskClient, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    lines, proof = app.extensions["kabao_quick"], {"grant_type": "client_credentials", **system.proof()}
    before = client.post("/token", data={**proof, **system.proof()}) and len(lines._free)
    with monkeypatch.context() as patch:
        patch.setattr("idp.oauth.grants.sign_access_token", broken)
        patch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
        assert client.post("/token", data=proof).status_code == 500
    assert client.post("/token", data=proof).status_code == 401
    assert len(lines._free) == before
