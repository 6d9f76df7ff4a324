"""What clients may not say of themselves: each refusal names the member, and none is a failure of ours."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import sectors
from idp.oauth.client_kinds import AUTHORIZATION_CODE, CIBA
from keys import suites
from runtime.database import transaction
from runtime.outbound import Answer
from tests.idp.oauth.registration.world import keyed_document, new_token, portal_document, register
from tests.world_clients import jwks_of

WEB = "https://portal.example.gov.cn"
KEYS = jwks_of(suites.ES256.generate())


@pytest.fixture(scope="module")
def token(app: Flask) -> str:
    with app.app_context(), transaction() as session:
        return new_token(session, uses=1000)


BAD_REDIRECTS: dict[str, Any] = {
    "javascript": ["javascript:alert(1)"],
    "data": ["data:text/html,hello"],
    "file": ["file:///etc/passwd"],
    "plain http": ["http://portal.example.gov.cn/cb"],
    "a user name": ["https://portal.example.gov.cn@evil.example/cb"],
    "a password": ["https://a:b@portal.example.gov.cn/cb"],
    "a fragment": [f"{WEB}/cb#x"],
    "an empty fragment": [f"{WEB}/cb#"],
    "a backslash": ["https://evil.example\\@portal.example.gov.cn/cb"],
    "a line break": [f"{WEB}/cb\r\nLocation: https://evil.example"],
    "a space": [f"{WEB}/c b"],
    "no host": ["https:///cb"],
    "relative": ["/cb"],
    "a bad port": ["https://portal.example.gov.cn:99999/cb"],
    "far too long": [f"{WEB}/" + "x" * 600],
    "far too many": [f"{WEB}/{number}" for number in range(50)],
    "twice": [f"{WEB}/cb", f"{WEB}/cb"],
    "letters of another script": ["https://portаl.example.gov.cn/cb"],
    "a right-to-left mark": ["https://portal.example.gov.cn/\u202ecb"],
    "no text": [1],
    "nested": [[f"{WEB}/cb"]],
    "no list": f"{WEB}/cb",
    "an object": {"0": f"{WEB}/cb"},
    "none": [],
    "another host": ["https://elsewhere.example/cb"],
    "a host that only ends alike": ["https://evilexample.gov.cn/cb"],
    "the domain itself": ["https://example.gov.cn/cb"],
    "a loopback, for the web": ["http://127.0.0.1/cb"],
    "localhost by name": ["http://localhost/cb"],
    "a scheme of its own, for the web": ["cn.gov.example.app:/cb"],
    "a wildcard": ["https://*.example.gov.cn/cb#*"],
    "a wildcard alone": ["https://*.example.gov.cn/cb"],
    "a directive in the host": ["https://a;x.example.gov.cn/cb"],
    "two policies in the host": ["https://a,x.example.gov.cn/cb"],
    "a keyword in the host": ["https://'self'.example.gov.cn/cb"],
    "an escape in the host": ["https://evil.example%2f.example.gov.cn/cb"],
}


@pytest.mark.parametrize("uris", BAD_REDIRECTS.values(), ids=BAD_REDIRECTS)
def test_a_bad_redirect_uri_is_refused_by_its_own_error(client: FlaskClient, token: str, uris: Any) -> None:
    answer = register(client, token, portal_document(redirect_uris=uris))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_redirect_uri")
    assert answer.json["error_description"].startswith("redirect_uris")


BAD_MEMBERS: dict[str, dict[str, Any]] = {
    "a name of spaces": {"client_name": "   "},
    "a name turned round": {"client_name": "\u202egnorw"},
    "a name with what is not seen": {"client_name": "卡\u200b包"},
    "a name with a line break": {"client_name": "a\nb"},
    "a name that is too long": {"client_name": "长" * 101},
    "a name that is no text": {"client_name": 7},
    "an English name that is no text": {"client_name#en": ["x"]},
    "a grant that there is not": {"grant_types": ["password"]},
    "an implicit grant": {"grant_types": ["implicit"], "response_types": ["id_token"]},
    "no grant": {"grant_types": []},
    "grants as text": {"grant_types": "authorization_code"},
    "a response type that there is not": {"response_types": ["token"]},
    "response types without their grant": {"grant_types": ["client_credentials"], "redirect_uris": None, "response_types": ["code"]},
    "the grant without its response type": {"response_types": []},
    "a method that there is not": {"token_endpoint_auth_method": "tls_unheard_of"},
    "a method that is no text": {"token_endpoint_auth_method": True},
    "a key method without keys": {"token_endpoint_auth_method": "private_key_jwt"},
    "a system that proves nothing": {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"], "redirect_uris": None},
    "a scope that there is not": {"scope": "openid everything"},
    "a scope that the policy has not": {"scope": "openid number"},
    "a scope with a line break": {"scope": "openid\nprofile"},
    "keys and their address": {"jwks": KEYS, "jwks_uri": f"{WEB}/jwks"},
    "private keys": {"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}]}},
    "no key set": {"jwks": {"keys": "x"}},
    "keys that are no object": {"jwks": "x"},
    "an empty key set": {"jwks": {"keys": []}},
    "too many keys": {"jwks": {"keys": KEYS["keys"] * 50}},
    "a jwks_uri of plain http": {"jwks_uri": "http://portal.example.gov.cn/jwks"},
    "a jwks_uri with a user name": {"jwks_uri": "https://a@portal.example.gov.cn/jwks"},
    "a jwks_uri elsewhere": {"jwks_uri": "https://169.254.169.254/latest/meta-data"},
    "a jwks_uri within": {"jwks_uri": "https://127.0.0.1/jwks"},
    "a jwks_uri on a loopback": {"jwks_uri": "http://127.0.0.1:8000/jwks"},
    "a logo by javascript": {"logo_uri": "javascript:alert(1)"},
    "a logo of plain http": {"logo_uri": "http://portal.example.gov.cn/logo.png"},
    "a logo elsewhere": {"logo_uri": "https://elsewhere.example/logo.png"},
    "terms as data": {"tos_uri": "data:text/html,x"},
    "a policy with a user name": {"policy_uri": "https://portal.example.gov.cn:x@evil.example/"},
    "a home page without host": {"client_uri": "https://"},
    "a contact that is no text": {"contacts": [{}]},
    "far too many contacts": {"contacts": ["a@example.cn"] * 11},
    "a subject type that there is not": {"subject_type": "anonymous"},
    "a subject type that the policy has not": {"subject_type": "public"},
    "an application type that there is not": {"application_type": "desktop"},
    "an application type that the policy has not": {"application_type": "native"},
    "a sector of plain http": {"sector_identifier_uri": "http://portal.example.gov.cn/sector.json"},
    "a sector elsewhere": {"sector_identifier_uri": "https://elsewhere.example/sector.json"},
    "several hosts without a sector": {"redirect_uris": [f"{WEB}/cb", "https://other.example.gov.cn/cb"]},
    "a signature by nothing": {"id_token_signed_response_alg": "none"},
    "a signature that there is not": {"userinfo_signed_response_alg": "HS256"},
    "a request signed by nothing": {"request_object_signing_alg": "none"},
    "an assertion signed by nothing": {"token_endpoint_auth_signing_alg": "none"},
    "encryption by a password": {"id_token_encrypted_response_alg": "PBES2-HS256+A128KW", "jwks": KEYS},
    "encryption to no key": {"id_token_encrypted_response_alg": "ECDH-ES"},
    "a method of encryption alone": {"userinfo_encrypted_response_enc": "A128GCM", "jwks": KEYS},
    "a method of encryption that there is not": {
        "userinfo_encrypted_response_alg": "ECDH-ES",
        "userinfo_encrypted_response_enc": "A1",
        "jwks": KEYS,
    },
    "an age below nothing": {"default_max_age": -1},
    "an age that is no number": {"default_max_age": "3600"},
    "an age that is no whole number": {"default_max_age": 1.5},
    "an age that is true": {"default_max_age": True},
    "a flag that is a word": {"require_auth_time": "true"},
    "a flag that is a number": {"dpop_bound_access_tokens": 1},
    "an address to log out at by javascript": {"frontchannel_logout_uri": "javascript:alert(1)"},
    "an address to tell of logouts elsewhere": {"backchannel_logout_uri": "https://elsewhere.example/logout"},
    "an address to begin at of plain http": {"initiate_login_uri": "http://portal.example.gov.cn/login"},
    "a statement that is no JWT": {"software_statement": "x"},
}
OF_STATEMENTS = {"a statement that is no JWT": "invalid_software_statement"}


@pytest.mark.parametrize(("case", "changes"), BAD_MEMBERS.items(), ids=BAD_MEMBERS)
def test_a_bad_member_is_refused_by_name(client: FlaskClient, token: str, case: str, changes: dict[str, Any]) -> None:
    answer = register(client, token, portal_document(**changes))
    assert (answer.status_code, answer.json["error"]) == (400, OF_STATEMENTS.get(case, "invalid_client_metadata")), answer.text
    named = answer.json["error_description"].partition(":")[0]
    related = {"jwks": {"token_endpoint_auth_method", "id_token_encrypted_response_alg"}, "sector_identifier_uri": {"redirect_uris"}}
    assert named in changes or related.get(named, set()) & set(changes), answer.json
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("value", [None, True, 7, "x" * 20_000, ["x"], {"a": {}}, [[]], "\u202e", "\ud800".encode("utf-8", "surrogatepass").hex()])
@pytest.mark.parametrize(
    "name", ["redirect_uris", "jwks", "client_name", "scope", "contacts", "default_max_age", "software_statement", "response_types"]
)
def test_no_value_of_any_kind_is_a_failure_of_ours(client: FlaskClient, token: str, name: str, value: Any) -> None:
    assert register(client, token, {**keyed_document(), name: value}).status_code in (201, 400)


KEYS_AT = f"{WEB}/keys.json"
THEIRS = ["https://theirs.example.gov.cn/callback"]
JOINING: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "with neither redirect addresses nor an address of keys": ({"jwks": KEYS}, THEIRS, 400),
    "with keys at an address that is not named": ({"jwks_uri": KEYS_AT}, THEIRS, 400),
    "with keys at an address that is named": ({"jwks_uri": KEYS_AT}, [*THEIRS, KEYS_AT], 201),
    "with a redirect address that is named, and keys at one that is not": (
        {"jwks_uri": KEYS_AT, "redirect_uris": THEIRS, "grant_types": [AUTHORIZATION_CODE, CIBA]},
        THEIRS,
        400,
    ),
}


@pytest.mark.parametrize(("said", "named", "status"), JOINING.values(), ids=JOINING)
def test_who_asks_through_the_back_channel_joins_no_sector_that_does_not_name_its_keys(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], named: list[str], status: int
) -> None:
    """CIBA Core section 4: where its keys are is in the document; else it would know people by the names that another sector has for them."""
    monkeypatch.setattr(sectors.outbound, "fetch", lambda *_, **__: Answer(200, {}, json.dumps(named).encode()))
    with app.app_context(), transaction() as session:
        token = new_token(session, grant_types=[AUTHORIZATION_CODE, CIBA])
    document = {
        "redirect_uris": None,
        "grant_types": [CIBA],
        "token_endpoint_auth_method": "private_key_jwt",
        "backchannel_token_delivery_mode": "poll",
        "sector_identifier_uri": f"{WEB}/sector.json",
    }
    answer = register(client, token, portal_document(**{**document, **said}))
    assert answer.status_code == status, answer.text
    assert status == 201 or answer.json["error_description"].startswith("sector_identifier_uri")
