"""Access tokens are JWTs as the profile wants them, and what is none is refused (RFC 9068)."""

from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import resources
from idp.oauth.resources import ResourceRefused
from keys import ring
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.details_world import OWN, new_asker, new_machine, new_resource, said_by
from tests.idp.oauth.exchange.conftest import exchange, new_exchanger
from tests.idp.oauth.journeys import Journey
from tests.idp.oauth.registration.world import new_token, portal_document, register
from tests.world_clients import DEPARTMENT, ISSUER, System, ask, bearer, token_of


@pytest.fixture
def token(browser: FlaskClient, portal: System) -> str:
    return str(Journey(portal).tokens(browser)["access_token"])


def sign(app: Flask, claims: dict[str, Any], *, typ: str = "at+jwt") -> str:
    """Sign claims with our own key."""
    with app.app_context():
        return ring.signer(ring.OIDC).sign(claims, typ=typ)


def test_2_1_the_type_is_at_jwt_and_it_is_signed(token: str) -> None:
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt"
    assert header["alg"] not in ("none", "HS256")


def test_2_1_rs256_is_among_the_algorithms(app: Flask, client: FlaskClient) -> None:
    """Section 2.1: both servers MUST include RS256; a resource server takes it by asking so."""
    fund = new_resource(app, signing_alg="RS256")
    system = new_machine(app, resources=[fund])
    answer = ask(client, system, grant_type="client_credentials", resource=fund).json
    assert jwt.get_unverified_header(answer["access_token"])["alg"] == "RS256"


@pytest.mark.parametrize("name", ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
def test_2_2_a_required_claim_is_there(token: str, name: str) -> None:
    assert said_by(token)[name]


def test_2_2_every_token_has_an_id_of_its_own(browser: FlaskClient, portal: System) -> None:
    assert len({said_by(Journey(portal).tokens(browser)["access_token"])["jti"] for _ in range(3)}) == 3


def test_2_2_the_subject_of_a_system_s_own_token_is_the_system(app: Flask, client: FlaskClient) -> None:
    system = new_machine(app)
    claims = said_by(token_of(client, system, "draws"))
    assert (claims["sub"], claims["client_id"]) == (system.client_id, system.client_id)
    assert not {"auth_time", "acr", "sid", "gid"} & set(claims)


def test_2_2_1_how_the_person_signed_in_is_said_and_stays_the_same_on_refresh(app: Flask, browser: FlaskClient) -> None:
    asker = new_asker(app)
    tokens = Journey(asker, scope="openid offline_access").tokens(browser)
    refreshed = ask(browser, asker, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json
    before, after = said_by(tokens["access_token"]), said_by(refreshed["access_token"])
    assert (before["auth_time"], before["acr"]) == (after["auth_time"], after["acr"])


def test_2_2_3_the_scope_is_said(token: str) -> None:
    assert said_by(token)["scope"] == "openid profile"


def test_3_the_audience_is_the_resource_or_ours(app: Flask, client: FlaskClient) -> None:
    fund = new_resource(app)
    system = new_machine(app, resources=[fund])
    named = ask(client, system, grant_type="client_credentials", resource=fund).json["access_token"]
    assert (said_by(named)["aud"], said_by(token_of(client, system, "draws"))["aud"]) == (fund, OWN)


def test_6_nothing_of_the_person_is_said(token: str) -> None:
    assert not {"name", "number", "email", "phone_number"} & set(said_by(token))


def test_2_2_1_how_the_person_signed_in_stays_the_same_where_a_token_is_exchanged(app: Flask, browser: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, metadata={"may_exchange_from": [portal.client_id]})
    token = Journey(portal).tokens(browser)["access_token"]
    before, after = said_by(token), said_by(exchange(browser, system, token).json["access_token"])
    assert (after["auth_time"], after["acr"]) == (before["auth_time"], before["acr"])


def test_4_both_documents_name_the_issuer_and_the_keys_by_which_a_token_is_verified(browser: FlaskClient, token: str) -> None:
    one, other = (browser.get(f"/.well-known/{name}").json for name in ("openid-configuration", "oauth-authorization-server"))
    assert (one["issuer"], one["jwks_uri"]) == (other["issuer"], other["jwks_uri"]) == (said_by(token)["iss"], f"{ISSUER}/jwks")
    keys = jwt.PyJWKSet.from_dict(browser.get("/jwks").json)
    header = jwt.get_unverified_header(token)
    assert jwt.decode(token, keys[header["kid"]], algorithms=[header["alg"]], audience=OWN, issuer=one["issuer"])["sub"]


@pytest.mark.parametrize("identifier", [OWN, ISSUER], ids=["our own API", "the issuer of credentials"])
def test_5_no_other_resource_is_named_like_ours(app: Flask, identifier: str) -> None:
    """What is for one resource must not be for another: each is registered once, and none by a name of this service's own."""
    with app.app_context(), pytest.raises(ResourceRefused, match="identifier"), transaction() as session:
        resources.add_resource(
            session, identifier=identifier, name=Text("冒名", "Imposter"), owner=DEPARTMENT, settings=app.extensions["kabao_settings"], now=now()
        )


def test_5_nobody_who_registers_chooses_the_name_that_becomes_the_subject(app: Flask, client: FlaskClient, token: str) -> None:
    with app.app_context(), transaction() as session:
        initial = new_token(session)
    wished = said_by(token)["sub"]
    told = register(client, initial, portal_document(client_id=wished))
    assert (told.status_code, told.json["client_id"] == wished) == (201, False)


REFUSED = {
    "4: typ of an ID token": ({}, "JWT"),
    "4: no type": ({}, ""),
    "4: another issuer": ({"iss": "https://elsewhere.example"}, "at+jwt"),
    "4: another audience": ({"aud": "https://elsewhere.example"}, "at+jwt"),
    "4: an audience among others that is not ours": ({"aud": ["https://elsewhere.example", ISSUER]}, "at+jwt"),
    "4: an audience of another kind": ({"aud": {"api": OWN}}, "at+jwt"),
    "4: expired": ({"exp": 1}, "at+jwt"),
    "4: expiry of another kind": ({"exp": "soon"}, "at+jwt"),
    "2.2: no expiry": ({"exp": None}, "at+jwt"),
    "2.2: no audience": ({"aud": None}, "at+jwt"),
    "2.2: no subject": ({"sub": None}, "at+jwt"),
    "2.2: no client": ({"client_id": None}, "at+jwt"),
    "2.2: no id": ({"jti": None}, "at+jwt"),
    "2.2: a scope of another kind": ({"scope": ["openid"]}, "at+jwt"),
    "2.2: a client that there is not": ({"client_id": "nobody"}, "at+jwt"),
}


@pytest.mark.parametrize(("changes", "typ"), REFUSED.values(), ids=REFUSED.keys())
def test_4_what_is_no_access_token_for_us_is_refused(app: Flask, browser: FlaskClient, token: str, changes: dict[str, Any], typ: str) -> None:
    claims = {name: value for name, value in {**said_by(token), **changes}.items() if value is not None}
    assert browser.get("/userinfo", headers=bearer(sign(app, said_by(token)))).status_code == 200
    refused = browser.get("/userinfo", headers=bearer(sign(app, claims, typ=typ)))
    assert (refused.status_code, 'error="invalid_token"' in refused.headers["WWW-Authenticate"]) == (401, True)


def test_4_none_is_no_algorithm(browser: FlaskClient, token: str) -> None:
    unsigned = jwt.encode(said_by(token), None, algorithm="none", headers={"typ": "at+jwt", "kid": jwt.get_unverified_header(token)["kid"]})
    assert browser.get("/userinfo", headers=bearer(unsigned)).status_code == 401


def test_4_a_signature_of_another_is_refused(app: Flask, browser: FlaskClient, portal: System, token: str) -> None:
    header = {"typ": "at+jwt", "kid": jwt.get_unverified_header(token)["kid"]}
    forged = jwt.encode(said_by(token), portal.private_key, algorithm="ES256", headers=header)
    assert browser.get("/userinfo", headers=bearer(forged)).status_code == 401
    with app.app_context(), transaction():
        assert browser.get("/userinfo", headers=bearer(token)).status_code == 200
