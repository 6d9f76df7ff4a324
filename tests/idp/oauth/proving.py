"""A system that proves a key, as the tests of DPoP want it."""

from typing import Any

import jwt
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.world_clients import System
from tests.world_proofs import Prover

EVENTS = "/api/v1/events"


def token_request(client: FlaskClient, system: System, headers: Any, **parameters: str) -> TestResponse:
    form = {"grant_type": "client_credentials", "scope": "events", **system.proof(), **parameters}
    return client.post("/token", data=form, headers=headers)


def bound_token(client: FlaskClient, system: System, prover: Prover) -> str:
    response = token_request(client, system, prover.headers())
    assert response.status_code == 200, response.text
    return str(response.json["access_token"])


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found
