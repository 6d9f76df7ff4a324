"""openid-client and jose (npm) read what a portal is told: signed by each suite, encrypted to the portal's key, claim by claim."""

import json
from typing import Any

import jwt
import pytest

from demo.browser import Browser
from idp.oauth import clients
from keys import suites
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program, private_jwk
from tests.interop.test_openid_client import visit
from tests.world_clients import jwks_of, new_portal
from tests.world_people import Person, new_person, open_account

pytestmark = pytest.mark.interop
SCOPES = ("openid", "profile", "birthdate", "assurance")
ASKED = {
    "userinfo": {
        "birthdate": None,
        "verified_claims": {"verification": {"trust_framework": None, "assurance_level": {"value": "L2"}}, "claims": {"name": None}},
    }
}


@pytest.fixture(scope="module")
def person(kabao: AddressedKabao) -> Person:
    with kabao.world() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def decryption_jwk(key: suites.PrivateKey) -> dict[str, Any]:
    kind = "RS256" if suites.public_jwk(key.public_key())["kty"] == "RSA" else "ES256"
    jwk: dict[str, Any] = jwt.get_algorithm_by_name(kind).to_jwk(key, as_dict=True)
    return {**{name: value for name, value in jwk.items() if name != "key_ops"}, "kid": "to-me"}


@pytest.mark.parametrize(
    ("alg", "encryption_alg", "enc"),
    [
        ("ES256", None, None),
        ("RS256", "RSA-OAEP-256", "A256GCM"),
        ("PS256", "ECDH-ES", "A128CBC-HS256"),
        ("EdDSA", "ECDH-ES+A128KW", "A128GCM"),
        ("Ed25519", "ECDH-ES+A256KW", "A256CBC-HS512"),
    ],
)
def test_a_portal_reads_its_answers_as_it_registered_them(
    node: Program, kabao: AddressedKabao, portal_url: str, person: Person, alg: str, encryption_alg: str | None, enc: str | None
) -> None:
    key = (suites.RSA_OAEP_256 if encryption_alg == "RSA-OAEP-256" else suites.ECDH_ES).generate()
    metadata = {f"{answer}_signed_response_alg": alg for answer in ("id_token", "userinfo")}
    if encryption_alg is not None:
        metadata |= {
            f"{answer}_encrypted_response_{name}": value
            for answer in ("id_token", "userinfo")
            for name, value in (("alg", encryption_alg), ("enc", str(enc)))
        }
    with kabao.world() as session:
        portal = new_portal(session, scopes=SCOPES, redirect_uris=[f"{portal_url}/callback"], sector="interop.example", metadata=metadata)
        row = session.get(clients.RegisteredClient, portal.client_id)
        assert row is not None
        own = {**suites.public_jwk(key.public_key()), "kid": "to-me", "use": "enc"}
        row.jwks = {"keys": [*jwks_of(portal.private_key)["keys"], own]}
    asked = {
        "issuer": kabao.url,
        "client_id": portal.client_id,
        "jwk": private_jwk(portal.private_key),
        "redirect_uri": f"{portal_url}/callback",
        "scope": "openid profile",
        "metadata": metadata,
        "more": {"claims": json.dumps(ASKED)},
        **({"decryption_jwk": decryption_jwk(key), "enc": enc} if encryption_alg else {}),
    }
    begun = node("told", step="begin", **asked)
    callback = visit(Browser(language="zh"), person, begun["url"])
    read = node("told", step="finish", **asked, callback=callback, verifier=begun["verifier"], state=begun["state"])
    assert read["parts"] == (5 if encryption_alg else 3)
    assert read["claims"]["sub"] == read["userinfo"]["sub"] == read["verified"] == read["told"]["sub"]
    assert read["userinfo"]["name"] == person.name
    assert read["userinfo"]["birthdate"] == read["told"]["birthdate"]
    assert read["told"]["verified_claims"]["claims"] == {"name": person.name}
    assert not {"name", "birthdate", "verified_claims"} & set(read["claims"])
