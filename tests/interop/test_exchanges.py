"""openid-client (npm) and requests-oauth2client exchange tokens and bring assertions at ours."""

import secrets
import time
from typing import Any

import jwt
import pytest
import requests
from requests_oauth2client import OAuth2Client, PrivateKeyJwt

from idp.oauth import consents
from idp.oauth.access_tokens import sign_access_token
from idp.oauth.authentication import Authentication
from idp.oauth.clients import JWT_BEARER, TOKEN_EXCHANGE, find_client
from idp.oauth.exchange import issuers
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sub
from keys import suites
from runtime.clock import now
from runtime.ids import new_id
from tests.at_address import AddressedKabao
from tests.idp.oauth.exchange.conftest import ACCESS_TOKEN, new_exchanger
from tests.interop.conftest import Program, private_jwk
from tests.world_clients import System, jwks_of, new_portal
from tests.world_people import new_person, open_account

pytestmark = pytest.mark.interop
ISSUER_KEY = suites.ES256.generate()


@pytest.fixture(scope="module")
def passed(kabao: AddressedKabao) -> tuple[System, str]:
    """A system with both grants, and a person's token that it may bring."""
    with kabao.world() as session:
        portal = new_portal(session, scopes=["openid", "profile"])
        system = new_exchanger(session, grant_types=[TOKEN_EXCHANGE, JWT_BEARER], metadata={"may_exchange_from": [portal.client_id]})
        person_id = open_account(session, new_person(session))
    with kabao.world():
        client = find_client(portal.client_id)
        assert client is not None
        signed_in = Authentication(new_id(), now(), ["pwd"], ial=2)
        token = sign_access_token(
            client,
            scopes="openid profile",
            settings=kabao.app.extensions["kabao_settings"],
            now=now(),
            grantee=Grantee(person_id, person_id),
            authentication=signed_in,
        )
    return system, token


@pytest.fixture(scope="module")
def vouched(kabao: AddressedKabao, passed: tuple[System, str]) -> dict[str, Any]:
    """What a trusted identity system says of a person who allowed the system to know them."""
    system, issuer = passed[0], "https://id.example.gov.cn"
    with kabao.world() as session:
        person_id = open_account(session, new_person(session))
        issuers.trust(session, issuer=issuer, client_id=system.client_id, jwks=jwks_of(ISSUER_KEY), asked=["openid"], now=now())
        client = find_client(system.client_id)
        assert client is not None
        consents.give(session, Grantee(person_id, person_id), client, ["openid"], now=now())
        return {"iss": issuer, "sub": pairwise_sub(person_id, client.sector), "aud": kabao.url}


def assertion(vouched: dict[str, Any]) -> str:
    claims = {**vouched, "iat": int(time.time()), "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(12)}
    return jwt.encode(claims, ISSUER_KEY, algorithm="ES256")


def sub_of(kabao: AddressedKabao, token: str) -> Any:
    return requests.get(f"{kabao.url}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=10).json()["sub"]


def test_openid_client_exchanges_a_token_and_brings_an_assertion(
    node: Program, kabao: AddressedKabao, passed: tuple[System, str], vouched: dict[str, Any]
) -> None:
    system, token = passed
    asked = {"issuer": kabao.url, "client_id": system.client_id, "jwk": private_jwk(system.private_key)}
    parameters = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "scope": "openid"}
    exchanged = node("exchange", **asked, grant_type=TOKEN_EXCHANGE, parameters=parameters)
    assert (exchanged["issued_token_type"], exchanged["scope"]) == (ACCESS_TOKEN, "openid")
    assert sub_of(kabao, exchanged["access_token"])
    refused = node("exchange", **asked, grant_type=TOKEN_EXCHANGE, parameters={**parameters, "audience": "nobody"})
    assert refused == {"refused": "invalid_target", "status": 400}
    borne = node("exchange", **asked, grant_type=JWT_BEARER, parameters={"assertion": assertion(vouched)})
    assert sub_of(kabao, borne["access_token"]) == vouched["sub"]


def test_requests_oauth2client_exchanges_a_token_and_brings_an_assertion(
    kabao: AddressedKabao, passed: tuple[System, str], vouched: dict[str, Any]
) -> None:
    system, token = passed
    auth = PrivateKeyJwt(system.client_id, private_jwk(system.private_key), alg="ES256", aud=kabao.url)
    client = OAuth2Client(token_endpoint=f"{kabao.url}/token", auth=auth, testing=True)
    exchanged = client.token_exchange(subject_token=token, subject_token_type=ACCESS_TOKEN, scope="openid")
    assert (exchanged.issued_token_type, exchanged.scope) == (ACCESS_TOKEN, "openid")
    borne = client.jwt_bearer(assertion(vouched))
    assert sub_of(kabao, borne.access_token) == vouched["sub"]
