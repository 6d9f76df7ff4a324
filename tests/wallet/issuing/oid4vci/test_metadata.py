"""The issuer's metadata, plain and signed (OpenID4VCI 1.0 section 12.2)."""

import base64
from datetime import timedelta
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from keys import certificates
from tests.wallet.issuing.oid4vci.wallets import TYPE
from tests.world_clients import ISSUER
from tests.world_wallet import apply_catalogue
from wallet.issuing.oid4vci.metadata import BACKGROUNDS, LIFETIME
from wallet.issuing.oid4vci.metadata import TYPE as SIGNED_TYPE
from wallet.issuing.oid4vci.proofs import BATCH
from wallet.register.catalogue import all_types

AT = "/.well-known/openid-credential-issuer"


@pytest.fixture(autouse=True)
def catalogue(app: Flask) -> None:
    with app.app_context():
        apply_catalogue()


def test_it_announces_nothing_but_what_answers(app: Flask, client: FlaskClient) -> None:
    found = client.get(AT)
    assert (found.status_code, found.mimetype) == (200, "application/json")
    assert "max-age" in found.headers["Cache-Control"]
    document = found.json
    assert document["credential_issuer"] == ISSUER
    assert "authorization_servers" not in document, "the issuer is its own authorization server"
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    endpoints = [urlsplit(value).path for name, value in document.items() if name.endswith("_endpoint")]
    assert sorted(endpoints) == ["/credential", "/deferred", "/nonce", "/notification"]
    assert set(endpoints) <= rules
    assert document["batch_credential_issuance"] == {"batch_size": BATCH}
    assert all(jwk["alg"] and jwk["kid"] for jwk in document["credential_request_encryption"]["jwks"]["keys"])


def test_every_type_is_there_in_each_of_its_forms(app: Flask, client: FlaskClient) -> None:
    found = client.get(AT).json["credential_configurations_supported"]  # type: ignore[index]
    scopes = client.get("/.well-known/oauth-authorization-server").json["scopes_supported"]  # type: ignore[index]
    with app.app_context():
        slugs = [one.slug for one in all_types()]
    for slug in slugs:
        assert found[slug]["format"] == "dc+sd-jwt"
        assert found[slug]["vct"] == f"{ISSUER}/types/{slug}"
        assert found[f"{slug}.jwt_vc_json"]["credential_definition"]["type"][0] == "VerifiableCredential"
        assert found[slug]["scope"] in scopes
        assert {one["locale"] for one in found[slug]["credential_metadata"]["display"]} == {"zh-CN", "en"}


def test_a_type_says_how_it_is_bound_shown_and_proved(client: FlaskClient) -> None:
    found = client.get(AT).json["credential_configurations_supported"]  # type: ignore[index]
    one, mobile = found[TYPE], found[f"{TYPE}.mso_mdoc"]
    assert one["cryptographic_binding_methods_supported"] == ["jwk"]
    assert set(one["proof_types_supported"]) == {"jwt", "attestation"}
    assert "key_attestations_required" not in one["proof_types_supported"]["jwt"]
    display = one["credential_metadata"]["display"][0]
    assert display["background_color"] in BACKGROUNDS.values()
    assert display["logo"]["uri"].startswith(ISSUER)
    assert ["vehicle_class"] in [claim["path"] for claim in one["credential_metadata"]["claims"]]
    assert mobile["cryptographic_binding_methods_supported"] == ["cose_key"]
    assert mobile["credential_signing_alg_values_supported"] == [-7]
    assert [mobile["doctype"], "vehicle_class"] in [claim["path"] for claim in mobile["credential_metadata"]["claims"]]


def test_it_is_signed_for_whoever_wants_that(app: Flask, client: FlaskClient) -> None:
    answer = client.get(AT, headers={"Accept": "application/jwt"})
    assert answer.mimetype == "application/jwt"
    header = jwt.get_unverified_header(answer.text)
    assert header["typ"] == SIGNED_TYPE
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    with app.app_context():
        root = certificates.root_certificate()
    leaf.verify_directly_issued_by(root)
    assert leaf.subject != leaf.issuer
    assert root not in [x509.load_der_x509_certificate(base64.b64decode(one)) for one in header["x5c"]]
    claims = jwt.decode(answer.text, leaf.public_key(), algorithms=["ES256"])  # type: ignore[arg-type]
    assert (claims["sub"], claims["iss"]) == (ISSUER, ISSUER)
    assert timedelta(0) < timedelta(seconds=claims["exp"] - claims["iat"]) <= LIFETIME
    plain = client.get(AT).json
    assert {name: claims[name] for name in plain} == plain  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/jwt;q=0.4, application/json", "application/json"),
        ("application/jwt, application/json;q=0.5", "application/jwt"),
        ("application/json, application/jwt", "application/jwt"),
        ("nonsense", "application/json"),
    ],
)
def test_the_form_is_what_is_wanted_most(client: FlaskClient, accept: str | None, kind: str) -> None:
    answer = client.get(AT, headers={"Accept": accept} if accept else {})
    assert answer.mimetype == kind
    assert "Accept" in [one.strip() for one in ",".join(answer.headers.getlist("Vary")).split(",")], "whoever keeps it keeps both"
    assert answer.headers["Access-Control-Allow-Origin"] == "*", "wallets in a browser read it"
