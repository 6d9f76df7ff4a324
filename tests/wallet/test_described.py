"""What the API answers is what its description says: each status, content type and member, for a licence from its issue to its receipts."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.scopes import OF_SYSTEMS
from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import new_person
from tests.world_wallet import example_fields, new_department

TYPE, NDJSON = "driving-licence", "application/x-ndjson"
CAUSE, WHY = {"text": "办理年检", "matter": "JZDJ-001"}, {"reason": "住址变更", "legal_basis": "道路交通安全法"}
KINDS: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}


def unlike(spec: dict[str, Any], schema: dict[str, Any], value: Any, at: str = "") -> Iterator[str]:
    """Tell where a value is not what the description says: of another type, with a member that it does not name, or without one it must have."""
    for part in schema.get("allOf", ()):
        yield from unlike(spec, part, value, at)
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if either := schema.get("oneOf") or schema.get("anyOf"):
        faults = [list(unlike(spec, one, value, at)) for one in either]
        yield from min(faults, key=len)
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(value is None if kind == "null" else isinstance(value, KINDS[kind]) for kind in kinds):
        yield f"{at} is {type(value).__name__}, not {kinds}"
    elif isinstance(value, dict) and "properties" in schema:
        yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, inner in value.items():
            known = schema["properties"].get(name)
            yield from [f"{at}.{name} is not described"] if known is None else unlike(spec, known, inner, f"{at}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from unlike(spec, schema.get("items", {}), inner, f"{at}[]")


@dataclass
class Described:
    """A department's system whose every answer is held beside the description."""

    http: FlaskClient
    token: str
    spec: dict[str, Any]

    def __call__(self, method: str, path: str, body: Any = None, *, status: int, query: str = "", **named: str) -> Any:
        headers = {**bearer(self.token), "Idempotency-Key": secrets.token_urlsafe(12)}
        sent = {"json": body} if isinstance(body, dict) else {"data": body, "content_type": NDJSON} if body is not None else {}
        answer = self.http.open(path.format(**named) + query, method=method, headers=headers, **sent)
        assert answer.status_code == status, answer.text
        said = self.spec["paths"][path][method.lower()]["responses"]
        assert str(status) in said, f"{method} {path}: {status} is not described"
        assert answer.mimetype in said[str(status)].get("content", {}), f"{method} {path}: {answer.mimetype} is not described"
        if "json" not in answer.mimetype:
            return None
        lines = answer.text.splitlines() if answer.mimetype == NDJSON else [answer.text]
        schema = said[str(status)]["content"][answer.mimetype]["schema"]
        assert [fault for line in lines for fault in unlike(self.spec, schema, json.loads(line))] == [], f"{method} {path}"
        return json.loads(lines[0])


@pytest.fixture
def system(app: Flask, client: FlaskClient) -> Described:
    with app.app_context():
        department = new_department(issue=[TYPE], verify=[TYPE], draw=[TYPE])
    with app.app_context(), transaction() as session:
        known = new_system(session, department=department, scopes=tuple(OF_SYSTEMS))
    return Described(client, token_of(client, known, " ".join(OF_SYSTEMS)), client.get("/api/openapi.json").json)


def test_what_is_answered_is_what_is_described(app: Flask, system: Described) -> None:
    with app.app_context(), transaction() as session:
        holder = {"number": new_person(session).number}
    dates = {"valid_from": f"{now().year}-01-01", "valid_until": f"{now().year + 4}-01-01"}
    asked = {"type": TYPE, "holder": holder, "fields": example_fields(TYPE), **dates}
    licence, at = system("POST", "/api/v1/licences", asked, status=201), "/api/v1/licences/{licence_id}"
    changed = system("POST", f"{at}/change", WHY, status=201, licence_id=licence["id"])
    one = {"licence_id": changed["id"]}
    system("POST", f"{at}/suspension", WHY, status=201, **one)
    system("GET", at, status=200, query="?at=2026-11-01", **one)
    system("POST", f"{at}/resumption", WHY, status=201, **one)
    for path in ("/history", "/document"):
        system("GET", at + path, status=200, **one)
    system("POST", "/api/v1/licences/search", {"holder": holder, "cause": CAUSE}, status=200)
    system("POST", "/api/v1/licences:batch", f"{json.dumps(asked)}\n{{}}\nno JSON\n", status=200)
    named = {"licence": {"identifier": changed["identifier"], **holder}, "cause": CAUSE}
    system("POST", "/api/v1/verifications:batch", f"{json.dumps(named)}\n{{}}\nno JSON\n", status=200)
    system("POST", "/api/v1/verifications", {"presented": "no licence~", "cause": CAUSE, "binding": "none"}, status=201)
    found = system("POST", "/api/v1/verifications", {**named, "at": "2026-11-01"}, status=201)["receipt"]
    system("POST", "/api/v1/draws", {"type": TYPE, "holder": holder, "cause": CAUSE}, status=201)
    for path in ("", "/document"):
        system("GET", f"/api/v1/receipts/{{receipt_id}}{path}", status=200, receipt_id=found["id"])
    system("POST", "/api/v1/receipts/check", {"receipt": found["jws"]}, status=200)
    for path in ("licences", "receipts", "events", "matters", "licence-types", "departments", "webhooks", "act-requests"):
        system("GET", f"/api/v1/{path}", status=200)
    asking = {"credentials": [{"type": TYPE, "fields": ["vehicle_class"]}], "cause": CAUSE}
    system("GET", "/api/v1/requests/{request_id}", status=200, request_id=system("POST", "/api/v1/requests", asking, status=201)["id"])
