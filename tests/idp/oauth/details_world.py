"""Portals that ask for authorization details and for tokens of other resources, what they ask, and what tokens say."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from idp.oauth import clients, resources
from keys import suites
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.languages import Text
from tests.world_clients import DEPARTMENT, ISSUER, System, jwks_of, new_portal
from tests.world_wallet import apply_catalogue

OWN = f"{ISSUER}/api"
LICENCE = {"type": "licence", "actions": ["draw"], "licence_types": ["driving-licence"], "cause": "办理车辆年检"}
CREDENTIAL = {"type": "openid_credential", "credential_configuration_id": "driving-licence"}
SCOPES = ("openid", "profile", "licences", "offline_access")
SCOPE = "openid licences offline_access"
TYPES = ["licence", "openid_credential"]


def detail(**changes: Any) -> dict[str, Any]:
    """Return a licence detail with some fields changed (None takes one away)."""
    return {name: value for name, value in {**LICENCE, **changes}.items() if value is not None}


def details(*them: Any) -> str:
    """Return the parameter."""
    return json.dumps(list(them), ensure_ascii=False)


def new_asker(app: Flask, *, types: list[str] = TYPES, allowed: tuple[str, ...] = (), **rest: Any) -> System:
    """Register a portal that may ask for details, and for tokens of some resources besides ours."""
    with app.app_context():
        apply_catalogue()
        with transaction() as session:
            metadata = {"authorization_details_types": types, "resources": list(allowed), **rest.pop("metadata", {})}
            return new_portal(session, scopes=rest.pop("scopes", SCOPES), metadata=metadata, **rest)


def new_machine(app: Flask, *, scopes: tuple[str, ...] = ("draws", "verifications"), **metadata: Any) -> System:
    """Register a department's system with metadata."""
    client_id, key = f"system-{secrets.token_hex(6)}", suites.ES256.generate()
    with app.app_context():
        apply_catalogue()
        with transaction() as session:
            clients.register_client(
                session,
                client_id=client_id,
                name=Text("测试业务系统", "Test system"),
                owner=DEPARTMENT,
                jwks=jwks_of(key),
                scopes=list(scopes),
                metadata=metadata,
                now=now(),
            )
    return System(client_id, key)


def new_resource(app: Flask, *, asks_as: System | None = None, **rest: Any) -> str:
    """Register a resource server and return its identifier."""
    identifier = f"https://{secrets.token_hex(6)}.example.gov.cn/api"
    with app.app_context(), transaction() as session:
        resources.add_resource(
            session,
            identifier=identifier,
            name=Text("测试公积金系统", "Test housing fund"),
            owner=DEPARTMENT,
            client_id=asks_as.client_id if asks_as else None,
            settings=app.extensions["kabao_settings"],
            now=now(),
            **rest,
        )
    return identifier


def said_by(token: str) -> dict[str, Any]:
    """Return the claims of a token."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def introspect(browser: FlaskClient, caller: System, token: str, **more: Any) -> TestResponse:
    """Ask about a token."""
    headers = more.pop("headers", {})
    return browser.post("/introspect", data={**caller.proof(exp=int(now().timestamp()) + 60), "token": token, **more}, headers=headers)


def revoke(browser: FlaskClient, caller: System, token: str, **more: str) -> TestResponse:
    """Give a token back."""
    return browser.post("/revoke", data={**caller.proof(exp=int(now().timestamp()) + 60), "token": token, **more})


def queries_of(app: Flask, act: Callable[[], Any]) -> list[str]:
    """Return what an act asks the database once caches are warm and listen."""
    heard: list[str] = []
    with app.app_context():
        for _ in range(50):
            heard.clear()
            event.listen(engine(), "before_cursor_execute", hear := lambda *said: heard.append(said[2]))
            act()
            event.remove(engine(), "before_cursor_execute", hear)
            if not heard:
                break
            time.sleep(0.05)
    return heard
