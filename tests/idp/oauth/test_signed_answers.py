"""Answers as the client registered them: signed by its suite, encrypted to its key."""

import base64
import hashlib
import json
import secrets
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe as theirs
from joserfc.jwk import ECKey, RSAKey

from idp.oauth import clients, id_tokens, portal_sessions
from keys import jwe, ring, suites
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.settings import Settings
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, bearer, jwks_of, new_portal

P256, RSA = suites.ECDH_ES.generate(), suites.RSA_OAEP_256.generate()
SCOPES = ("openid", "profile", "number", "offline_access")


def portal_of(app: Flask, *, jwks: Any = None, **metadata: Any) -> System:
    """Register a portal with some metadata, with a key to sign with and, if given, others."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES, metadata=metadata)
        if jwks is not None:
            row = session.get(clients.RegisteredClient, portal.client_id)
            assert row is not None
            row.jwks = {"keys": [*jwks_of(portal.private_key)["keys"], *jwks]}
    return portal


def encryption_jwk(key: suites.PrivateKey, **more: str) -> dict[str, str]:
    return {**suites.public_jwk(key.public_key()), "kid": "to-me", "use": "enc", **more}


def opened(token: str, key: Any, alg: str, enc: str) -> tuple[dict[str, Any], str]:
    kind = RSAKey if alg in jwe.RSA_ALGS else ECKey
    found = theirs.decrypt_compact(token, kind.import_key(key), algorithms=[alg, enc])
    assert found.plaintext is not None
    return found.protected, found.plaintext.decode()


def verified(browser: FlaskClient, token: str, alg: str, portal: System) -> dict[str, Any]:
    """Verify a token as a client does: by the published key of its `kid`, whose `alg` is what was registered."""
    header = jwt.get_unverified_header(token)
    (jwk,) = [key for key in browser.get("/jwks").json["keys"] if key["kid"] == header["kid"]]
    assert (header["alg"], jwk["alg"], jwk["use"]) == (alg, alg, "sig")
    public = suites.key_from_jwk({name: value for name, value in jwk.items() if name not in ("kid", "alg", "use")})
    return dict(jwt.decode(token, public, algorithms=[alg], audience=portal.client_id, issuer=ISSUER))


@pytest.mark.parametrize("alg", suites.SUITES)
def test_an_id_token_is_signed_by_the_registered_suite(app: Flask, browser: FlaskClient, alg: str) -> None:
    portal = portal_of(app, id_token_signed_response_alg=alg)
    tokens = Journey(portal).tokens(browser)
    claims = verified(browser, tokens["id_token"], alg, portal)
    digest = (hashlib.sha512 if alg.startswith("Ed") else hashlib.sha256)(tokens["access_token"].encode()).digest()
    assert claims["at_hash"] == base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


@pytest.mark.parametrize("enc", jwe.ENCS)
@pytest.mark.parametrize("alg", jwe.ALGS)
def test_an_id_token_is_encrypted_to_the_registered_key(app: Flask, browser: FlaskClient, settings: Settings, alg: str, enc: str) -> None:
    key = RSA if alg in jwe.RSA_ALGS else P256
    portal = portal_of(
        app, jwks=[encryption_jwk(RSA), encryption_jwk(P256)], id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc
    )
    tokens = Journey(portal).tokens(browser)
    header, inside = opened(tokens["id_token"], key, alg, enc)
    assert (header["cty"], header["kid"], header["enc"]) == ("JWT", "to-me", enc)
    claims = verified(browser, inside, "ES256", portal)
    assert not {"name", "number"} & set(claims), "decrypted, it comes back as a hint, in an address"
    with app.app_context():
        assert id_tokens.read_hint(inside, settings) == claims
        ours = next(jwk for jwk in jwe.published() if jwk["kty"] == "EC")
        assert id_tokens.read_hint(jwe.encrypt(inside.encode(), jwk=ours, alg="ECDH-ES", enc=enc, headers={"kid": ours["kid"]}), settings) == claims
        assert id_tokens.read_hint(tokens["id_token"], settings) is None, "only its client can read it"


def test_without_enc_it_is_the_specification_s(app: Flask, browser: FlaskClient) -> None:
    portal = portal_of(app, jwks=[encryption_jwk(P256)], id_token_encrypted_response_alg="ECDH-ES")
    header, _ = opened(Journey(portal).tokens(browser)["id_token"], P256, "ECDH-ES", "A128CBC-HS256")
    assert header["enc"] == "A128CBC-HS256"


def test_a_client_on_another_curve_is_written_to(app: Flask, browser: FlaskClient) -> None:
    key = ECKey.generate_key("P-384")
    portal = portal_of(app, jwks=[{**key.as_dict(private=False), "kid": "x", "use": "enc"}], id_token_encrypted_response_alg="ECDH-ES+A256KW")
    found = theirs.decrypt_compact(Journey(portal).tokens(browser)["id_token"], key, algorithms=["ECDH-ES+A256KW", "A128CBC-HS256"])
    assert found.plaintext is not None


def test_refreshed_id_tokens_are_as_registered_too(app: Flask, browser: FlaskClient) -> None:
    portal = portal_of(app, jwks=[encryption_jwk(P256)], id_token_signed_response_alg="PS256", id_token_encrypted_response_alg="ECDH-ES")
    tokens = Journey(portal, scope="openid offline_access").tokens(browser)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **portal.proof()}
    again = browser.post("/token", data=form).json
    _, inside = opened(again["id_token"], P256, "ECDH-ES", "A128CBC-HS256")
    verified(browser, inside, "PS256", portal)


def test_a_client_that_cannot_be_written_to_is_told(app: Flask, browser: FlaskClient) -> None:
    portal = portal_of(app, id_token_encrypted_response_alg="RSA-OAEP-256")
    journey = Journey(portal)
    refused = journey.exchange(browser, journey.code(browser))
    assert (refused.status_code, refused.json) == (
        400,
        {"error": "invalid_request", "error_description": "The client has no key that its answers can be encrypted to."},
    )


@pytest.mark.parametrize("alg", suites.SUITES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_is_signed_as_registered(app: Flask, browser: FlaskClient, alg: str, method: str) -> None:
    portal = portal_of(app, userinfo_signed_response_alg=alg)
    tokens = Journey(portal).tokens(browser)
    told = browser.open("/userinfo", method=method, headers=bearer(tokens["access_token"]))
    assert (told.status_code, told.content_type, told.headers["Cache-Control"]) == (200, "application/jwt", "no-store")
    claims = verified(browser, told.text, alg, portal)
    assert claims["name"]
    assert claims["sub"] == jwt.decode(tokens["id_token"], options={"verify_signature": False})["sub"]


def test_userinfo_is_encrypted_as_registered(app: Flask, browser: FlaskClient) -> None:
    metadata = {"userinfo_encrypted_response_alg": "RSA-OAEP-256", "userinfo_encrypted_response_enc": "A256GCM"}
    for signed in ({}, {"userinfo_signed_response_alg": "ES256"}):
        portal = portal_of(app, jwks=[encryption_jwk(RSA)], **metadata, **signed)
        tokens = Journey(portal).tokens(browser)
        told = browser.get("/userinfo", headers=bearer(tokens["access_token"]))
        assert told.content_type == "application/jwt"
        header, inside = opened(told.text, RSA, "RSA-OAEP-256", "A256GCM")
        assert ("cty" in header) == bool(signed)
        claims = verified(browser, inside, "ES256", portal) if signed else json.loads(inside)
        assert claims["name"]


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"id_token_signed_response_alg": "none"}, id="none"),
        pytest.param({"id_token_signed_response_alg": "HS256"}, id="symmetric signature"),
        pytest.param({"userinfo_signed_response_alg": "RS1"}, id="unknown signature"),
        pytest.param({"userinfo_encrypted_response_alg": "dir"}, id="dir"),
        pytest.param({"id_token_encrypted_response_alg": "A128KW"}, id="symmetric wrap"),
        pytest.param({"id_token_encrypted_response_alg": "RSA1_5"}, id="RSA1_5"),
        pytest.param({"id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A192GCM"}, id="enc unknown"),
        pytest.param({"id_token_encrypted_response_enc": "A128GCM"}, id="enc without alg"),
        pytest.param({"subject_type": "secret"}, id="subject type"),
    ],
)
def test_what_cannot_be_answered_is_not_registered(app: Flask, metadata: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session, pytest.raises(clients.ClientRefused):
        new_portal(session, metadata=metadata)


def test_no_client_is_registered_in_the_sector_of_public_subjects(app: Flask) -> None:
    with app.app_context(), transaction() as session, pytest.raises(clients.ClientRefused):
        new_portal(session, sector="*")


def test_subjects_are_by_sector_or_public(app: Flask, browser: FlaskClient) -> None:
    sector = f"{secrets.token_hex(6)}.example"
    with app.app_context(), transaction() as session:
        portals = [
            new_portal(session),
            new_portal(session, sector=sector),
            new_portal(session, sector=sector),
            new_portal(session, metadata={"subject_type": "public"}),
            new_portal(session, metadata={"subject_type": "public"}, sector=sector),
        ]
    subs = []
    for portal in portals:
        tokens = Journey(portal).tokens(browser)
        found = {jwt.decode(tokens[name], options={"verify_signature": False})["sub"] for name in ("id_token", "access_token")}
        told = browser.get("/userinfo", headers=bearer(tokens["access_token"])).json
        assert found == {told["sub"]}, "one client knows a person by one name"
        subs.append(told["sub"])
    alone, one, same, public, public_too = subs
    assert one == same
    assert public == public_too
    assert len({alone, one, public}) == 3
    assert all(sub.isascii() and len(sub) <= 255 for sub in subs)


def test_a_signer_that_is_not_there_is_no_500(app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    portal = portal_of(app, id_token_signed_response_alg="RS256")
    journey = Journey(portal)
    code = journey.code(browser)
    usual = ring.signer

    def none(use: str, suite: str | None = None) -> ring.Signer:
        if suite is not None:
            raise ring.KeyNotReady("gone")
        return usual(use)

    monkeypatch.setattr(ring, "signer", none)
    assert journey.exchange(browser, code).status_code == 409


@pytest.mark.parametrize("alg", ["RS256", "Ed25519"])
def test_a_logout_token_is_signed_like_the_id_tokens(app: Flask, settings: Settings, alg: str) -> None:
    portal = portal_of(app, id_token_signed_response_alg=alg)
    with app.app_context():
        client = clients.find_client(portal.client_id)
        assert client is not None
        token = portal_sessions.sign_logout_token(client, new_id(), settings=settings, now=now())
        assert jwt.get_unverified_header(token)["alg"] == alg
        assert ring.verify(token, use=ring.OIDC, typ="logout+jwt", audience=portal.client_id)["iss"] == ISSUER


def test_a_logout_token_is_encrypted_like_the_id_tokens(app: Flask, settings: Settings) -> None:
    """Back-Channel Logout sections 2.4 and 2.6 (1): who was promised encrypted ID tokens turns a plain logout token away."""
    portal = portal_of(app, jwks=[encryption_jwk(P256)], id_token_encrypted_response_alg="ECDH-ES", id_token_encrypted_response_enc="A256GCM")
    with app.app_context():
        client = clients.find_client(portal.client_id)
        assert client is not None
        header, inside = opened(portal_sessions.sign_logout_token(client, new_id(), settings=settings, now=now()), P256, "ECDH-ES", "A256GCM")
        assert header["cty"] == "JWT"
        assert ring.verify(inside, use=ring.OIDC, typ="logout+jwt", audience=portal.client_id)["events"]


def test_a_portal_whose_key_is_not_there_is_told_of_a_logout_again(app: Flask) -> None:
    portal = portal_of(app, id_token_encrypted_response_alg="RSA-OAEP-256")
    with app.app_context(), transaction() as session:
        row = session.get(clients.RegisteredClient, portal.client_id)
        assert row is not None
        row.backchannel_logout_uri = "http://127.0.0.1:1/backchannel"
    with app.app_context(), pytest.raises(portal_sessions.LogoutNotDelivered, match="no key"):
        portal_sessions.send_logout_token(portal.client_id, str(new_id()))
