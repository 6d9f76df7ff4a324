"""openid-client (npm), requests-oauth2client and Authlib's client prove themselves in every way, and bind tokens by DPoP."""

import secrets
from typing import Any

import jwt
import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from joserfc.jwk import ECKey
from requests_oauth2client import BearerToken, ClientSecretJwt, DPoPToken, OAuth2Client, PrivateKeyJwt

from idp.oauth import clients
from keys import suites
from runtime.clock import now
from runtime.languages import Text
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.world_clients import DEPARTMENT, jwks_of

pytestmark = pytest.mark.interop
EVENTS = "/api/v1/events"
FAPI = {"security_profile": "fapi2", "dpop_bound_access_tokens": True}
SECRET_METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt")


def register(kabao: AddressedKabao, method: str, **rest: Any) -> dict[str, Any]:
    """Register a system and return what it knows of itself."""
    client_id, key, secret = f"bound-{secrets.token_hex(6)}", suites.ES256.generate(), clients.new_secret()
    proof: dict[str, Any] = {"jwks": jwks_of(key)} if method == "private_key_jwt" else {"client_secret": secret}
    registration = {"name": Text("甲", "A"), "owner": DEPARTMENT, "scopes": ["events"], "auth_method": method, **proof, **rest}
    with kabao.world() as session:
        clients.register_client(session, client_id=client_id, now=now(), **registration)
    return {"client_id": client_id, "key": key, "secret": secret, "method": method}


def ask_node(node: Program, kabao: AddressedKabao, known: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"issuer": kabao.url, "scope": "events", "resource": kabao.url + EVENTS, "jwk": private_jwk(known["key"])}
    return node("bound", **asked, **{name: known[name] for name in ("client_id", "secret", "method")}, **more)


@pytest.mark.parametrize("method", SECRET_METHODS)
def test_openid_client_proves_itself_by_a_secret(node: Program, kabao: AddressedKabao, method: str) -> None:
    answer = ask_node(node, kabao, register(kabao, method))
    assert (answer["token_type"], answer["status"], answer["again"], answer["as_bearer"]) == ("bearer", 200, 200, 200)


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519", "PS256", "RS256"])
def test_openid_client_binds_its_tokens(node: Program, kabao: AddressedKabao, algorithm: str) -> None:
    answer = ask_node(node, kabao, register(kabao, "private_key_jwt", metadata={"dpop_bound_access_tokens": True}), dpop=algorithm)
    assert (answer["token_type"], answer["status"], answer["again"], answer["as_bearer"]) == ("dpop", 200, 200, 401)
    assert jwt.decode(answer["access_token"], options={"verify_signature": False})["cnf"] == {"jkt": answer["thumbprint"]}


def test_openid_client_sends_the_nonces_that_it_is_asked_for(node: Program, kabao: AddressedKabao) -> None:
    answer = ask_node(node, kabao, register(kabao, "private_key_jwt", metadata=FAPI), dpop="ES256")
    assert (answer["token_type"], answer["status"], answer["again"]) == ("dpop", 200, 200)


def of_requests(kabao: AddressedKabao, known: dict[str, Any], **more: Any) -> OAuth2Client:
    ways = {
        "private_key_jwt": lambda: PrivateKeyJwt(known["client_id"], private_jwk(known["key"]) | {"alg": "ES256"}, aud=kabao.url),
        "client_secret_jwt": lambda: ClientSecretJwt(known["client_id"], known["secret"]),
    }
    return OAuth2Client(token_endpoint=f"{kabao.url}/token", issuer=kabao.url, auth=ways[known["method"]](), testing=True, **more)


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
def test_requests_oauth2client_gets_a_token(kabao: AddressedKabao, method: str) -> None:
    token = of_requests(kabao, register(kabao, method)).client_credentials(scope="events")
    assert isinstance(token, BearerToken)
    assert requests.get(kabao.url + EVENTS, auth=token, timeout=10).status_code == 200


@pytest.mark.parametrize("profile", [None, "fapi2"], ids=["without nonces", "with nonces"])
def test_requests_oauth2client_binds_its_token(kabao: AddressedKabao, profile: str | None) -> None:
    known = register(kabao, "private_key_jwt", metadata=FAPI if profile else {})
    token = of_requests(kabao, known, dpop_bound_access_tokens=True).client_credentials(scope="events")
    assert isinstance(token, DPoPToken)
    for _ in range(2):
        assert requests.get(kabao.url + EVENTS, auth=token, timeout=10).status_code == 200
    bearer = {"Authorization": f"Bearer {token.access_token}"}
    assert requests.get(kabao.url + EVENTS, headers=bearer, timeout=10).status_code == 401


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_jwt"])
def test_authlib_s_client_gets_a_token(kabao: AddressedKabao, method: str) -> None:
    known, endpoint = register(kabao, method), f"{kabao.url}/token"
    secret = ECKey.import_key(private_jwk(known["key"])) if method == "private_key_jwt" else known["secret"]
    way = PrivateKeyJWT(endpoint, alg="ES256") if method == "private_key_jwt" else ClientSecretJWT(endpoint)
    with OAuth2Session(known["client_id"], secret, token_endpoint_auth_method=way, scope="events") as session:
        session.fetch_token(endpoint, grant_type="client_credentials")
        assert session.get(kabao.url + EVENTS, timeout=10).status_code == 200
