"""A person at a portal, and a department's system that may pass their tokens on."""

import secrets
from collections.abc import Iterable
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.oauth import clients
from idp.oauth.clients import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey
from tests.world_clients import DEPARTMENT, System, ask, jwks_of

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def new_exchanger(session: Session, *, scopes: Iterable[str] = SCOPES, department: str = DEPARTMENT, **rest: Any) -> System:
    """Register a department's system with some grants."""
    client_id, key = f"system-{secrets.token_hex(6)}", suites.ES256.generate()
    registration = {"grant_types": [TOKEN_EXCHANGE, CLIENT_CREDENTIALS], "sector": f"{client_id}.example", **rest}
    name = Text("部门业务系统", "A department's system")
    clients.register_client(
        session, client_id=client_id, name=name, owner=department, jwks=jwks_of(key), scopes=list(scopes), now=now(), **registration
    )
    return System(client_id, key)


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, unverified."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def exchange(http_client: FlaskClient, system: System, token: str, **changes: Any) -> Any:
    """Send a token exchange; a change to None takes a parameter away."""
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, **changes}
    return ask(http_client, system, **{name: value for name, value in form.items() if value is not None})


@pytest.fixture
def system(app: Flask, portal: System) -> System:
    """A system that may bring the portal's tokens."""
    with app.app_context(), transaction() as session:
        return new_exchanger(session, metadata={"may_exchange_from": [portal.client_id]})


@pytest.fixture
def token(browser: FlaskClient, portal: System) -> str:
    """A person's access token at the portal."""
    return str(Journey(portal, scope="openid profile licences offline_access").tokens(browser)["access_token"])
