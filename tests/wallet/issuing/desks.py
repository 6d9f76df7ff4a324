"""An issuing department's system at work, over HTTP."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person
from tests.world_wallet import example_fields, new_department

TYPES = ("driving-licence", "business-licence", "food-business-licence", "marriage-certificate")
SCOPES = ("licences:issue", "licences:read", "events")


class Desk:
    """A department with a system of its own, and what the system sends."""

    def __init__(self, app: Flask, client: FlaskClient, *, scopes: tuple[str, ...] = SCOPES, **authorities: Any) -> None:
        self.client = client
        with app.app_context(), transaction() as session:
            self.department = new_department(**({"issue": TYPES} | authorities))
            system = new_system(session, department=self.department, scopes=scopes)
        self.headers = {**bearer(token_of(client, system, " ".join(scopes))), "Accept-Language": "en"}

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers={**self.headers, **headers})

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers=self.headers)

    def issue(self, person: Person, **changes: Any) -> Any:
        answer = self.post("/licences", body_for(person, **changes))
        assert answer.status_code == 201, answer.text
        return answer.json


def body_for(person: Person, **changes: Any) -> dict[str, Any]:
    """Return a request for a driving licence, with some members changed (`...` takes one away)."""
    body = {
        "type": "driving-licence",
        "holder": {"number": person.number, "name": person.name},
        "fields": example_fields("driving-licence"),
        "valid_from": "2024-02-01",
        "valid_until": "2034-01-31",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}
