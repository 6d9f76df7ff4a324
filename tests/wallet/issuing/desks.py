"""An issuing department's system at work, over HTTP."""

from datetime import date
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person
from tests.world_wallet import example_fields, new_department
from wallet.register import catalogue, departments
from wallet.register.departments import Action
from wallet.register.licences import china_date

TYPES = ("driving-licence", "business-licence", "food-business-licence", "marriage-certificate", "road-transport-qualification")
SCOPES = ("licences:issue", "licences:read", "events")
YEAR = china_date(now()).year
BEGINS, ENDS = date(YEAR - 2, 2, 1), date(YEAR + 8, 1, 31)  # of the licences here: ten years, whenever it is now


class Desk:
    """A department with a system of its own, and what the system sends."""

    def __init__(self, app: Flask, client: FlaskClient, *, scopes: tuple[str, ...] = SCOPES, **authorities: Any) -> None:
        self.app, self.client, self.scopes = app, client, scopes
        with app.app_context(), transaction() as session:
            self.department = new_department(**({"issue": TYPES} | authorities))
            self.system = new_system(session, department=self.department, scopes=scopes)
        self.renew_token()

    def renew_token(self) -> None:
        """Get another token, such as for another day."""
        self.headers = {**bearer(token_of(self.client, self.system, " ".join(self.scopes))), "Accept-Language": "en"}

    def limit(self, type_name: str, *, acts: list[str]) -> None:
        """Limit what the department may do with licences of a type to some acts of issuing."""
        with self.app.app_context(), transaction() as session:
            code = catalogue.get_type(type_name).code
            departments.grant(session, department=self.department, type_code=code, action=Action.ISSUE, acts=acts, now=now())

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
        "valid_from": BEGINS.isoformat(),
        "valid_until": ENDS.isoformat(),
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}
