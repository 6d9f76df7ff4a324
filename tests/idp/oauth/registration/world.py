"""Policies, tokens and clients that register themselves, for tests."""

import secrets
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.oauth.registration import initial_tokens, policies
from keys import suites
from runtime.clock import now
from tests.world_clients import DEPARTMENT, bearer, jwks_of


def new_policy(session: Session, **changes: Any) -> str:
    """Write a policy, with some members changed (None takes one away), and return its name."""
    name = f"policy-{secrets.token_hex(5)}"
    document = {
        "name": name,
        "owner": DEPARTMENT,
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scopes": ["openid", "profile", "offline_access"],
        "auth_methods": ["private_key_jwt", "client_secret_basic", "none"],
        "redirect_hosts": ["*.example.gov.cn"],
    }
    policies.apply(session, {**document, **changes}, now=now())
    return name


def new_token(session: Session, *, uses: int = 100, **changes: Any) -> str:
    """Make an initial access token under a policy of its own, and return it."""
    policy = new_policy(session, **changes)
    return initial_tokens.issue(session, policy=policy, uses=uses, expires_at=now() + timedelta(days=1), now=now())[1]


def portal_document(**changes: Any) -> dict[str, Any]:
    """Return what a portal with a secret says of itself, with some members changed (None takes one away)."""
    document = {
        "client_name": "示例门户",
        "client_name#en": "Example portal",
        "redirect_uris": ["https://portal.example.gov.cn/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile",
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def keyed_document(**changes: Any) -> dict[str, Any]:
    """Return what a portal with a key says of itself."""
    return portal_document(token_endpoint_auth_method="private_key_jwt", jwks=jwks_of(suites.ES256.generate()), **changes)


def register(browser: FlaskClient, token: str | None, document: Any) -> Any:
    """Send a document to the registration endpoint and return the answer."""
    return browser.post("/register", json=document, headers=bearer(token) if token else {})


def registered(browser: FlaskClient, token: str, **changes: Any) -> dict[str, Any]:
    """Register a portal and return what it is told."""
    answer = register(browser, token, portal_document(**changes))
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json
    return told


def update_of(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a client sends to change its registration."""
    not_sent = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
    return {name: value for name, value in {**told, **changes}.items() if name not in not_sent and value is not None}


def manage(browser: FlaskClient, told: dict[str, Any], method: str = "GET", *, token: str | None = None, **more: Any) -> Any:
    """Ask the client configuration endpoint, with the registration's own token unless another is named."""
    path = "/register/" + told["client_id"]
    return browser.open(path, method=method, headers=bearer(token or told["registration_access_token"]), **more)
