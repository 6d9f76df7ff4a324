"""Clients for tests: departments' systems and portals with keys of their own, and the tokens that they ask for."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jwt
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.oauth import clients
from idp.oauth.client_authentication import ASSERTION_TYPE
from keys import suites
from runtime.clock import now
from runtime.languages import Text

ISSUER = "http://127.0.0.1:8000"
DEPARTMENT = "11379999000000035T"


@dataclass(frozen=True)
class System:
    """A client that proves itself by private_key_jwt."""

    client_id: str
    private_key: suites.PrivateKey
    redirect_uri: str = ""

    def assertion(self, **changes: Any) -> str:
        """Return a fresh assertion, with some claims changed (None takes one away)."""
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "exp": int(now().timestamp()) + 60, "jti": secrets.token_urlsafe(16)}
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(claims, self.private_key, algorithm=suites.suite_of(self.private_key).name)

    def proof(self, **changes: Any) -> dict[str, str]:
        """Return the members of a token request that prove the client."""
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(**changes)}


def new_system(session: Session, *, department: str = DEPARTMENT, scopes: Iterable[str] = (), suite: suites.Suite = suites.ES256) -> System:
    """Register a department's system with some scopes of systems."""
    client_id = f"system-{secrets.token_hex(6)}"
    key = suite.generate()
    name = Text("测试业务系统", "Test system")
    clients.register_client(session, client_id=client_id, name=name, owner=department, jwks=jwks_of(key), scopes=list(scopes), now=now())
    return System(client_id, key)


def new_portal(session: Session, *, scopes: Iterable[str] = ("openid", "profile", "licences"), owner: str = DEPARTMENT, **rest: Any) -> System:
    """Register a portal that people sign in to."""
    client_id = f"portal-{secrets.token_hex(6)}"
    key = suites.ES256.generate()
    redirect_uri = f"https://{client_id}.example.gov.cn/callback"
    grant_types = [clients.AUTHORIZATION_CODE, clients.REFRESH_TOKEN]
    registration = {
        "redirect_uris": [redirect_uri],
        "grant_types": grant_types,
        "name": Text("测试门户", "Test portal"),
        "jwks": jwks_of(key),
        **rest,
    }
    clients.register_client(session, client_id=client_id, owner=owner, scopes=list(scopes), now=now(), **registration)
    return System(client_id, key, redirect_uri)


def jwks_of(key: suites.PrivateKey) -> dict[str, Any]:
    """Return the key set to register for a private key."""
    jwk = suites.public_jwk(key.public_key())
    return {"keys": [{**jwk, "kid": suites.thumbprint(jwk)}]}


def ask(http_client: FlaskClient, system: System, **parameters: str) -> Any:
    """Send a token request and return the response."""
    return http_client.post("/token", data={**system.proof(), **parameters})


def token_of(http_client: FlaskClient, system: System, scope: str) -> str:
    """Return an access token that a system asked for in its own name."""
    response = ask(http_client, system, grant_type="client_credentials", scope=scope)
    assert response.status_code == 200, response.text
    return str(response.json["access_token"])


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries an access token."""
    return {"Authorization": f"Bearer {token}"}
