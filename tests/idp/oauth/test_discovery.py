"""What a client finds out by itself is true."""

from dataclasses import replace
from urllib.parse import urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import scopes
from idp.oauth.discovery_api import metadata_of
from idp.oauth.requests import detail_scopes
from runtime.settings import Settings
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
def test_discovery_lists_only_what_answers(client: FlaskClient, app: Flask, path: str) -> None:
    found = client.get(path)
    assert "max-age" in found.headers["Cache-Control"]
    document = found.json
    assert document["issuer"] == ISSUER
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(ISSUER + "/")
            path = urlsplit(value).path
            assert path in rules, name
            assert {client.get(path).status_code, client.post(path).status_code}.isdisjoint({404, 500}), name


def test_every_grant_that_is_listed_is_known(client: FlaskClient, portal: System) -> None:
    for grant in client.get("/.well-known/openid-configuration").json["grant_types_supported"]:
        answer = client.post("/token", data={"grant_type": grant, **portal.proof()})
        assert answer.json["error"] in ("invalid_request", "unauthorized_client"), grant


PROOFS: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "a key": (("private_key_jwt", "none"), {"ES256", "Ed25519", "EdDSA", "PS256", "RS256"}),
    "a secret that signs": (("client_secret_jwt", "client_secret_basic"), {"HS256"}),
    "no assertions": (("client_secret_post",), set()),
    "no proof at all": (("none",), set()),
}


@pytest.mark.parametrize("endpoint", ["token", "revocation", "introspection"])
@pytest.mark.parametrize(("methods", "algorithms"), PROOFS.values(), ids=PROOFS)
def test_each_endpoint_says_which_proofs_it_takes(
    app: Flask, settings: Settings, endpoint: str, methods: tuple[str, ...], algorithms: set[str]
) -> None:
    """RFC 8414 section 2: where assertions are among the methods, their algorithms MUST be there; and nothing that the operator turned off."""
    with app.app_context():
        document = metadata_of(replace(settings, client_authentication=methods))
    told = set(methods) - ({"none"} if endpoint == "introspection" else set())
    assert set(document.get(f"{endpoint}_endpoint_auth_methods_supported", [])) == told
    assert set(document.get(f"{endpoint}_endpoint_auth_signing_alg_values_supported", [])) == algorithms
    assert [] not in document.values(), "section 3.2: what has no elements MUST be omitted"


def test_every_scope_that_is_listed_has_its_words(client: FlaskClient) -> None:
    for scope in client.get("/.well-known/openid-configuration").json["scopes_supported"]:
        if not detail_scopes.is_one(scope):  # those are put in words by their details
            assert scopes.ALL[scope].zh
            assert scopes.ALL[scope].en


def test_the_published_keys_verify_an_id_token(browser: FlaskClient, portal: System) -> None:
    tokens = Journey(portal).tokens(browser)
    document = browser.get("/.well-known/openid-configuration").json
    keys = jwt.PyJWKSet.from_dict(browser.get(urlsplit(document["jwks_uri"]).path).json)
    header = jwt.get_unverified_header(tokens["id_token"])
    claims = jwt.decode(
        tokens["id_token"], keys[header["kid"]], algorithms=document["id_token_signing_alg_values_supported"], audience=portal.client_id
    )
    assert set(claims) - {"iss", "aud", "iat", "exp"} <= set(document["claims_supported"])
