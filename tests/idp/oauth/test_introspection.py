"""Who may ask about a token, what they are told, and that everyone else is told nothing (RFC 7662, RFC 9701)."""

from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe as jose_jwe
from joserfc.jwk import RSAKey

from idp.oauth import clients, cutoffs, resources
from keys import ring, suites
from runtime import cache
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.details_world import (
    LICENCE,
    OWN,
    SCOPE,
    details,
    introspect,
    new_asker,
    new_machine,
    new_resource,
    queries_of,
    revoke,
    said_by,
)
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, ask, bearer, jwks_of, new_portal, token_of

JWT = {"Accept": "application/token-introspection+jwt"}
INACTIVE = {"active": False}


@pytest.fixture(scope="module")
def caller(app: Flask) -> System:
    """The client as which a resource server asks."""
    return new_machine(app)


@pytest.fixture(scope="module")
def fund(app: Flask, caller: System) -> str:
    return new_resource(app, asks_as=caller, takes=["openid", "profile"])


@pytest.fixture(scope="module")
def asker(app: Flask, fund: str) -> System:
    return new_asker(app, allowed=(fund,))


@pytest.fixture
def tokens(browser: FlaskClient, asker: System) -> dict[str, Any]:
    return Journey(asker, scope=SCOPE).tokens(browser)


def test_a_client_is_told_of_its_own_access_token(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    answer = introspect(browser, asker, tokens["access_token"])
    claims = said_by(tokens["access_token"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"
    told = dict(answer.json or {})
    assert (told.pop("active"), told.pop("token_type"), told.pop("scope")) == (True, "Bearer", SCOPE)
    assert told == {name: claims[name] for name in told}
    assert {"iss", "sub", "aud", "client_id", "exp", "iat", "jti", "acr", "auth_time"} <= set(told)


def test_a_client_is_told_of_its_own_refresh_token(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    told = introspect(browser, asker, tokens["refresh_token"]).json
    assert told is not None
    assert (told["active"], told["scope"], told["client_id"]) == (True, SCOPE, asker.client_id)
    assert told["sub"] == said_by(tokens["access_token"])["sub"]


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "something_else"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_hint_misleads_nobody(browser: FlaskClient, asker: System, tokens: dict[str, Any], kind: str, hint: str) -> None:
    assert introspect(browser, asker, tokens[kind], token_type_hint=hint).json["active"] is True  # type: ignore[index]


def test_asking_about_a_refresh_token_uses_nothing_up(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    successor = ask(browser, asker, **form).json["refresh_token"]
    with shifted(timedelta(seconds=11)):
        assert introspect(browser, asker, tokens["refresh_token"]).json == INACTIVE
        assert introspect(browser, asker, successor).json["active"] is True  # type: ignore[index]
        assert ask(browser, asker, grant_type="refresh_token", refresh_token=successor).status_code == 200


def test_a_resource_server_is_told_of_tokens_that_are_for_it(browser: FlaskClient, asker: System, caller: System, fund: str) -> None:
    token = Journey(asker, scope=f"{SCOPE} profile").tokens(browser, resource=[fund, OWN], authorization_details=details(LICENCE))["access_token"]
    told = introspect(browser, caller, token).json
    assert told is not None
    assert (told["active"], told["client_id"], told["scope"]) == (True, asker.client_id, "openid profile"), "the scopes that it takes"
    assert "authorization_details" not in told, "they are for another"
    assert not {"name", "number", "department", "username", "sid", "gid"} & set(told)


def test_a_resource_server_is_told_of_no_other_token(app: Flask, browser: FlaskClient, asker: System, caller: System, tokens: dict[str, Any]) -> None:
    other = new_resource(app, asks_as=new_machine(app))
    elsewhere = new_asker(app, allowed=(other,))
    token = Journey(elsewhere, scope=SCOPE).tokens(browser, resource=other)["access_token"]
    assert introspect(browser, caller, tokens["access_token"]).json == INACTIVE
    assert introspect(browser, caller, tokens["refresh_token"]).json == INACTIVE
    assert introspect(browser, caller, token).json == INACTIVE


def test_another_client_is_told_nothing(app: Flask, browser: FlaskClient, tokens: dict[str, Any]) -> None:
    stranger = new_asker(app)
    for kind in ("access_token", "refresh_token"):
        assert introspect(browser, stranger, tokens[kind]).json == INACTIVE


def test_a_disabled_resource_is_told_nothing_more(app: Flask, browser: FlaskClient) -> None:
    caller = new_machine(app)
    closing = new_resource(app, asks_as=caller)
    token = Journey(asker := new_asker(app, allowed=(closing,)), scope=SCOPE).tokens(browser, resource=closing)["access_token"]
    assert introspect(browser, caller, token).json["active"] is True  # type: ignore[index]
    with app.app_context(), transaction() as session:
        resources.disable_resource(session, closing, now=now())
    assert introspect(browser, caller, token).json == INACTIVE
    assert asker.client_id


NO_TOKENS = {
    "nonsense": "nonsense",
    "three parts": "a.b.c",
    "a JWE": "a.b.c.d.e",
    "not ASCII": "令牌",
    "long": "x" * 20_000,
    "a long JWT": "x.y." + "z" * 20_000,
}


@pytest.mark.parametrize("token", NO_TOKENS.values(), ids=NO_TOKENS.keys())
def test_what_is_no_token_is_not_active(browser: FlaskClient, asker: System, token: str) -> None:
    answer = introspect(browser, asker, token)
    assert (answer.status_code, answer.json) == (200, INACTIVE)


def test_an_id_token_is_no_access_token(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    assert introspect(browser, asker, tokens["id_token"]).json == INACTIVE


def test_whoever_asks_proves_who_they_are(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    for form in ({}, {"client_id": asker.client_id}, {**asker.proof(), "client_assertion": "x"}):
        refused = browser.post("/introspect", data={**form, "token": tokens["access_token"]})
        assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")  # type: ignore[index]


def test_a_client_that_proves_nothing_is_told_nothing_of_its_own_token_either(app: Flask, browser: FlaskClient) -> None:
    """RFC 7662 section 2.1, RFC 9701 section 4: whoever knows its name could ask about tokens that they found."""
    with app.app_context(), transaction() as session:
        public = new_portal(session, auth_method=clients.NONE, jwks=None)
    journey = Journey(public)
    code = {"grant_type": "authorization_code", "code": journey.code(browser), "redirect_uri": public.redirect_uri, "code_verifier": journey.verifier}
    token = browser.post("/token", data={**code, "client_id": public.client_id}).json["access_token"]  # type: ignore[index]
    refused = browser.post("/introspect", data={"client_id": public.client_id, "token": token})
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")  # type: ignore[index]


def test_a_token_must_be_named_and_in_the_body(browser: FlaskClient, asker: System) -> None:
    assert browser.post("/introspect", data=asker.proof()).json["error"] == "invalid_request"  # type: ignore[index]
    assert browser.post("/introspect?token=x", data=asker.proof()).json["error"] == "invalid_request"  # type: ignore[index]
    assert browser.get("/introspect?token=x").status_code == 405


def test_what_ended_is_not_active(app: Flask, browser: FlaskClient, asker: System) -> None:
    journey = Journey(asker, scope=SCOPE)
    expired, given_back, cut, refresh = (journey.tokens(browser) for _ in range(4))
    with shifted(timedelta(minutes=11)):
        assert introspect(browser, asker, expired["access_token"]).json == INACTIVE
    assert revoke(browser, asker, given_back["access_token"]).status_code == 200
    assert introspect(browser, asker, given_back["access_token"]).json == INACTIVE
    assert revoke(browser, asker, refresh["refresh_token"]).status_code == 200
    assert introspect(browser, asker, refresh["refresh_token"]).json == INACTIVE
    with app.app_context():
        settings = app.extensions["kabao_settings"]
        from idp.oauth.access_tokens import read_access_token

        token = read_access_token(cut["access_token"], settings=settings, now=now())
        assert token.grantee is not None
        with transaction() as session:
            cutoffs.cut(session, person_id=token.grantee.person_id, now=now())
    assert introspect(browser, asker, cut["access_token"]).json == INACTIVE
    assert introspect(browser, asker, cut["refresh_token"]).json == INACTIVE


def test_the_tokens_of_a_disabled_client_are_not_active(app: Flask, browser: FlaskClient, caller: System, fund: str) -> None:
    closing = new_asker(app, allowed=(fund,))
    token = Journey(closing, scope="openid").tokens(browser, resource=fund)["access_token"]
    assert introspect(browser, caller, token).json["active"] is True  # type: ignore[index]
    with app.app_context(), transaction() as session:
        clients.disable_client(session, closing.client_id, now=now())
    assert introspect(browser, caller, token).json == INACTIVE


def test_no_table_is_asked_about_an_access_token(app: Flask, client: FlaskClient) -> None:
    """But for the assertion by which the client proves itself, which has a connection of its own."""
    system = new_machine(app)
    token = token_of(client, system, "draws")
    asked = queries_of(app, lambda: introspect(app.test_client(), system, token))
    assert asked == []


def test_an_answer_is_signed_for_who_asks_so(browser: FlaskClient, app: Flask, asker: System, tokens: dict[str, Any]) -> None:
    answer = introspect(browser, asker, tokens["access_token"], headers=JWT)
    assert answer.headers["Content-Type"] == "application/token-introspection+jwt"
    header = jwt.get_unverified_header(answer.text)
    assert header["typ"] == "token-introspection+jwt"
    with app.app_context():
        claims = ring.verify(answer.text, use=ring.OIDC, typ="token-introspection+jwt", audience=asker.client_id, issuer=ISSUER)
    assert set(claims) == {"iss", "aud", "iat", "token_introspection"}, "no sub and no exp: it passes for no access token"
    plain = introspect(browser, asker, tokens["access_token"]).json
    assert claims["token_introspection"] == plain


def test_an_inactive_token_is_said_to_be_so_under_signature(browser: FlaskClient, app: Flask, asker: System) -> None:
    answer = introspect(browser, asker, "nonsense", headers=JWT)
    with app.app_context():
        claims = ring.verify(answer.text, use=ring.OIDC, typ="token-introspection+jwt", audience=asker.client_id)
    assert claims["token_introspection"] == INACTIVE


def test_a_signed_answer_is_no_access_token(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    answer = introspect(browser, asker, tokens["access_token"], headers=JWT).text
    assert browser.get("/userinfo", headers=bearer(answer)).status_code == 401
    assert introspect(browser, asker, answer).json == INACTIVE


ACCEPTED = {
    "anything": ("*/*", "application/json"),
    "JSON first": ("application/json, application/token-introspection+jwt;q=0.5", "application/json"),
    "the token first": ("application/json;q=0.5, application/token-introspection+jwt", "application/token-introspection+jwt"),
    "never the token": ("application/token-introspection+jwt;q=0, */*", "application/json"),
}


@pytest.mark.parametrize(("accept", "kind"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_the_form_is_the_one_that_is_accepted(browser: FlaskClient, asker: System, accept: str, kind: str) -> None:
    assert introspect(browser, asker, "nonsense", headers={"Accept": accept}).headers["Content-Type"] == kind


def test_who_registered_signed_answers_is_never_given_plain_ones(app: Flask, client: FlaskClient) -> None:
    system = new_machine(app, introspection_signed_response_alg="RS256")
    token = token_of(client, system, "draws")
    assert introspect(client, system, token).json["error"] == "invalid_request"  # type: ignore[index]
    assert jwt.get_unverified_header(introspect(client, system, token, headers=JWT).text)["alg"] == "RS256"


def test_an_answer_is_encrypted_for_who_registered_so(app: Flask, client: FlaskClient) -> None:
    key = rsa.generate_private_key(65537, 2048)
    with app.app_context(), transaction() as session:
        signing = suites.ES256.generate()
        jwks = jwks_of(signing)
        public = {**suites.public_jwk(key.public_key()), "use": "enc", "kid": "enc-1"}
        registered = new_portal(
            session,
            scopes=["openid", "draws"],
            grant_types=[clients.CLIENT_CREDENTIALS, clients.AUTHORIZATION_CODE],
            metadata={"introspection_encrypted_response_alg": "RSA-OAEP-256", "introspection_encrypted_response_enc": "A256GCM"},
        )
        row = session.get(clients.RegisteredClient, registered.client_id)
        assert row is not None
        row.jwks = {"keys": [*jwks["keys"], public]}
        cache.changed(session, clients.TOPIC)
    asking = System(registered.client_id, signing)
    token = token_of(client, asking, "draws")
    answer = introspect(client, asking, token, headers=JWT).text
    opened = jose_jwe.decrypt_compact(answer, RSAKey.import_key(key), algorithms=["RSA-OAEP-256", "A256GCM"])
    assert (opened.headers()["cty"], opened.headers()["kid"]) == ("JWT", "enc-1")
    assert said_by((opened.plaintext or b"").decode())["token_introspection"]["active"] is True


def test_discovery_says_where_and_how(client: FlaskClient) -> None:
    metadata = client.get("/.well-known/oauth-authorization-server").json
    assert metadata is not None
    assert metadata["introspection_endpoint"] == f"{ISSUER}/introspect"
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]
    assert "RS256" in metadata["introspection_signing_alg_values_supported"]
    assert "RSA-OAEP-256" in metadata["introspection_encryption_alg_values_supported"]
    assert "A256GCM" in metadata["introspection_encryption_enc_values_supported"]
