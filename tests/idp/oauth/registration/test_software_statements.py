"""Software statements (RFC 7591 section 2.3): believed from whom the operator trusts, and before what the client says."""

import time
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.registration import software_statements
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.registration.world import manage, new_token, portal_document, register, update_of
from tests.world_clients import ISSUER as US
from tests.world_clients import jwks_of

ISSUER, OTHER = "https://directory.example.gov.cn", "https://other.example.gov.cn"
KEY, OTHER_KEY = suites.ES256.generate(), suites.EDDSA.generate()


@pytest.fixture(scope="module")
def tokens(app: Flask) -> dict[str, str]:
    with app.app_context(), transaction() as session:
        software_statements.trust(session, ISSUER, jwks=jwks_of(KEY), now=now())
        software_statements.trust(session, OTHER, jwks=jwks_of(OTHER_KEY), now=now())
        of_one = new_token(session, software_statement="required", statement_issuers=[ISSUER])
        return {"allowed": new_token(session), "required": new_token(session, software_statement="required"), "of one": of_one}


def statement(key: suites.PrivateKey = KEY, algorithm: str | None = None, **changes: Any) -> str:
    claims = {"iss": ISSUER, "iat": int(time.time()), "software_id": "example-portal", "client_name": "目录登记的名称"}
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm or suites.suite_of(key).name)


def statement_of_kind(typ: Any) -> str:
    return jwt.encode({"iss": ISSUER, "software_id": "example-portal"}, KEY, algorithm="ES256", headers={"typ": typ})


def test_what_a_statement_says_goes_before_what_the_client_says(client: FlaskClient, tokens: dict[str, str]) -> None:
    signed = statement()
    document = portal_document(software_statement=signed, software_id="another", **{"client_name#en": None})
    told = register(client, tokens["required"], document).json
    assert (told["software_id"], told["client_name"]) == ("example-portal", "目录登记的名称")
    assert told["software_statement"] == signed, "returned as it was sent (section 3.2.1)"
    assert told["scope"] == "openid profile"


@pytest.mark.parametrize("asserted", ["client_name", "client_name#zh"])
@pytest.mark.parametrize("said", ["client_name#zh", "client_name#zh-Hans", "client_name#EN", "CLIENT_NAME#zh-CN"])
def test_a_name_that_a_statement_gives_is_no_other_in_another_language(client: FlaskClient, tokens: dict[str, str], asserted: str, said: str) -> None:
    signed = statement(**{"client_name": None, asserted: "目录登记的名称"})
    told = register(client, tokens["required"], portal_document(software_statement=signed, **{said: "国家政务服务平台"})).json
    assert "国家政务服务平台" not in told.values()
    assert "Example portal" not in told.values()


def test_a_statement_may_be_for_us(client: FlaskClient, tokens: dict[str, str]) -> None:
    for audience in (US, [US, "https://elsewhere.example"], f"{US}/register"):
        assert register(client, tokens["required"], portal_document(software_statement=statement(aud=audience))).status_code == 201


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_an_issuer_whose_key_of_rsa_names_no_algorithm_signs_by_either(
    app: Flask, client: FlaskClient, tokens: dict[str, str], algorithm: str
) -> None:
    issuer, key = "https://rsa.example.gov.cn", suites.RS256.generate()
    with app.app_context(), transaction() as session:
        software_statements.trust(session, issuer, jwks={"keys": [suites.public_jwk(key.public_key())]}, now=now())
    signed = statement(key, algorithm, iss=issuer)
    assert register(client, tokens["required"], portal_document(software_statement=signed)).status_code == 201


def test_an_issuer_signs_by_any_of_its_keys_of_one_kid(app: Flask, client: FlaskClient, tokens: dict[str, str]) -> None:
    issuer, keys = "https://twice.example.gov.cn", [suites.RS256.generate(), suites.ES256.generate(), suites.ES256.generate()]
    jwks = {"keys": [{**suites.public_jwk(key.public_key()), "kid": "one"} for key in keys]}
    with app.app_context(), transaction() as session:
        software_statements.trust(session, issuer, jwks=jwks, now=now())
    for key, status in [*((key, 201) for key in keys), (KEY, 400)]:
        said = {"iss": issuer, "software_id": "example-portal"}
        signed = jwt.encode(said, key, algorithm=suites.suite_of(key).name, headers={"kid": "one"})
        assert register(client, tokens["required"], portal_document(software_statement=signed)).status_code == status


def test_whoever_has_no_key_to_sign_with_is_not_believed(app: Flask) -> None:
    jwks = {"keys": [{**suites.public_jwk(suites.ECDH_ES.generate().public_key()), "use": "enc"}]}
    with app.app_context(), transaction() as session, pytest.raises(software_statements.IssuerRefused):
        software_statements.trust(session, "https://mute.example.gov.cn", jwks=jwks, now=now())


def test_what_a_statement_says_is_held_to_the_policy(client: FlaskClient, tokens: dict[str, str]) -> None:
    document = portal_document(software_statement=statement(redirect_uris=["https://elsewhere.example/cb"]))
    assert register(client, tokens["allowed"], document).json["error"] == "invalid_redirect_uri"


def test_another_trusted_issuers_statement_is_taken_where_the_policy_names_none(client: FlaskClient, tokens: dict[str, str]) -> None:
    signed = statement(OTHER_KEY, iss=OTHER)
    assert register(client, tokens["required"], portal_document(software_statement=signed)).status_code == 201
    refused = register(client, tokens["of one"], portal_document(software_statement=signed))
    assert (refused.status_code, refused.json["error"]) == (400, "unapproved_software_statement")


BAD = {
    "no statement": (None, "invalid_software_statement"),
    "an issuer nobody trusts": (lambda: statement(iss="https://evil.example"), "unapproved_software_statement"),
    "no issuer": (lambda: statement(iss=None), "invalid_software_statement"),
    "another's key": (lambda: statement(OTHER_KEY), "invalid_software_statement"),
    "expired": (lambda: statement(exp=int(time.time()) - 60), "invalid_software_statement"),
    "not yet": (lambda: statement(nbf=int(time.time()) + 600), "invalid_software_statement"),
    "from the future": (lambda: statement(iat=int(time.time()) + 600), "invalid_software_statement"),
    "an end that is no time": (lambda: statement(exp="tomorrow"), "invalid_software_statement"),
    "signed by nothing": (lambda: jwt.encode({"iss": ISSUER}, None, algorithm="none"), "invalid_software_statement"),
    "signed by a secret": (lambda: jwt.encode({"iss": ISSUER}, "x" * 64, algorithm="HS256"), "invalid_software_statement"),
    "a changed signature": (lambda: statement()[:-8] + "AAAAAAAA", "invalid_software_statement"),
    "no claims": (lambda: "e30.W10.x", "invalid_software_statement"),
    "half a character": (lambda: statement(other="\ud800"), "invalid_software_statement"),
    "another kind of token": (lambda: statement_of_kind("at+jwt"), "invalid_software_statement"),
    "for somebody else": (lambda: statement(aud="https://elsewhere.example.gov.cn"), "invalid_software_statement"),
    "for nobody": (lambda: statement(aud=[None, 1]), "invalid_software_statement"),
    "of a person, not of a client": (lambda: statement(software_id=None, client_name=None, sub="x", name="张三"), "invalid_software_statement"),
    "four parts": (lambda: statement() + ".x", "invalid_software_statement"),
    "an extension": (lambda: jwt.encode({"iss": ISSUER}, KEY, algorithm="ES256", headers={"crit": ["x"], "x": 1}), "invalid_software_statement"),
}


@pytest.mark.parametrize(("make", "error"), BAD.values(), ids=BAD)
def test_a_statement_that_does_not_hold_is_refused(client: FlaskClient, tokens: dict[str, str], make: Any, error: str) -> None:
    answer = register(client, tokens["required"], portal_document(software_statement=make() if make else None))
    assert (answer.status_code, answer.json["error"]) == (400, error)


def test_the_kept_statement_serves_for_updates_after_it_has_expired(client: FlaskClient, tokens: dict[str, str]) -> None:
    signed = statement(exp=int(time.time()) - 25)
    told = register(client, tokens["required"], portal_document(software_statement=signed)).json
    time.sleep(6)
    changed = manage(client, told, "PUT", json=update_of(told, contacts=["a@example.gov.cn"], client_name="换个名称"))
    assert (changed.status_code, changed.json["client_name"]) == (200, "目录登记的名称")
    refused = manage(client, changed.json, "PUT", json=update_of(changed.json, software_statement=None))
    assert refused.json["error"] == "invalid_software_statement"
