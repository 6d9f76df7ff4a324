"""No kind of token opens another kind's door, even where it says all that is asked there and the right key signed it (RFC 8725 section 3.12)."""

import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.id_tokens import read_hint
from keys import ring, suites
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, ask, bearer, new_portal, new_system, token_of

KINDS = (
    "at+jwt",
    "JWT",
    "logout+jwt",
    "secevent+jwt",
    "token-introspection+jwt",
    "dpop+jwt",
    "oauth-authz-req+jwt",
    "client-authentication+jwt",
    "x-else+jwt",
    None,
)
USES = (ring.OIDC, ring.RECEIPT, ring.LEDGER, ring.STATUS, ring.REQUESTS)


@dataclass
class World:
    """A system and a portal, and a token that says everything that some door asks for."""

    app: Flask
    client: FlaskClient
    system: System
    portal: System
    said: dict[str, Any]

    def of_ours(self, use: str, typ: str | None) -> str:
        """Return it, signed by a key of ours."""
        with self.app.app_context():
            signer = ring.signer(use)
        return jwt.encode(self.said, signer.key, algorithm=signer.suite, headers={"kid": signer.kid, "typ": typ})

    def of_the(self, client: System, typ: str | None) -> str:
        """Return it, signed by a client's key."""
        said = {**self.said, "iss": client.client_id, "sub": client.client_id, "aud": ISSUER, "jti": secrets.token_urlsafe(12)}
        del said["act"]
        jwk = suites.public_jwk(client.private_key.public_key())
        return jwt.encode(said, client.private_key, algorithm="ES256", headers={"typ": typ, "jwk": jwk})


@pytest.fixture(scope="module")
def world(app: Flask) -> World:
    with app.app_context(), transaction() as session:
        system, portal = new_system(session, scopes=["events"]), new_portal(session)
    client = app.test_client()
    token = token_of(client, system, "events")
    moment = int(time.time())
    whole = jwt.decode(token, options={"verify_signature": False}) | Journey(portal).parameters()
    whole |= {"iss": ISSUER, "client_id": system.client_id, "sid": "x", "act": {"sub": "x"}, "htm": "POST", "htu": f"{ISSUER}/token"}
    whole |= {"exp": moment + 60, "iat": moment, "nbf": moment, "nonce": "x", "events": {}, "scope": "openid events", "jti": "x"}
    return World(app, client, system, portal, whole)


def _cases(takes: set[tuple[str, str | None]]) -> list[Any]:
    return [pytest.param(use, kind, (use, kind) in takes, id=f"{use} {kind}") for use in USES for kind in KINDS]


@pytest.mark.parametrize(("use", "kind", "is_taken"), _cases({(ring.OIDC, "at+jwt")}))
def test_an_access_token_alone_opens_the_api(world: World, use: str, kind: str | None, is_taken: bool) -> None:
    token = world.of_ours(use, kind)
    assert (world.client.get("/api/v1/events", headers=bearer(token)).status_code == 200) == is_taken
    assert world.client.post("/userinfo", data={"access_token": token}).status_code == 401, "it is nobody's"
    assert ask_about(world, token) == is_taken


def ask_about(world: World, token: str) -> bool:
    told = world.client.post("/introspect", data={"token": token, **world.system.proof()}).json or {}
    return bool(told["active"])


@pytest.mark.parametrize(("use", "kind", "is_taken"), _cases({(ring.OIDC, "JWT")}))
def test_an_id_token_alone_is_a_hint(world: World, use: str, kind: str | None, is_taken: bool) -> None:
    with world.app.app_context():
        assert (read_hint(world.of_ours(use, kind), world.app.extensions["kabao_settings"]) is not None) == is_taken


@pytest.mark.parametrize("kind", KINDS)
def test_an_assertion_alone_proves_a_client(world: World, kind: str | None) -> None:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": world.of_the(world.system, kind)}
    assert (world.client.post("/token", data=form).status_code == 200) == (kind in ("JWT", "client-authentication+jwt", None))


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_alone_proves_a_key(world: World, kind: str | None) -> None:
    said = {name: value for name, value in world.said.items() if name != "nonce"}
    unsaid = World(world.app, world.client, world.system, world.portal, said)
    form = {"grant_type": "client_credentials", **world.system.proof()}
    response = world.client.post("/token", data=form, headers={"DPoP": unsaid.of_the(world.system, kind)})
    assert (response.status_code == 200) == (kind == "dpop+jwt"), response.text


@pytest.mark.parametrize("kind", KINDS)
def test_what_proves_a_client_is_no_request_of_it(world: World, kind: str | None) -> None:
    asked = {**world.said, "client_id": world.portal.client_id}
    unsaid = World(world.app, world.client, world.system, world.portal, asked)
    form = {"client_id": world.portal.client_id, "request": unsaid.of_the(world.portal, kind), **world.portal.proof()}
    assert world.client.post("/par", data=form).json["error"] == "invalid_request_object"


@pytest.mark.parametrize("kind", KINDS)
def test_none_of_ours_is_a_client_s_word(world: World, kind: str | None) -> None:
    token = world.of_ours(ring.OIDC, kind)
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": token}
    assert world.client.post("/token", data=form).json["error"] == "invalid_client"
    bound = ask_with_proof(world, token)
    assert bound.status_code == 400
    out = world.client.get("/authorize", query_string={"client_id": world.portal.client_id, "request": token})
    assert "code" not in parse_qs(urlsplit(out.location or "").query)
    assert ask(world.client, world.system, grant_type="refresh_token", refresh_token=token).status_code == 400


def ask_with_proof(world: World, token: str) -> Any:
    return world.client.post("/token", data={"grant_type": "client_credentials", **world.system.proof()}, headers={"DPoP": token})
