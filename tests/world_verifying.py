"""A counter for tests: a holder with a licence, a department that may look at it, and a system with a token that does."""

from contextvars import Context
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person, new_person
from tests.world_wallet import new_department, new_licence
from wallet.presenting import qr_codes
from wallet.register.licences import Licence


class Browser(FlaskClient):
    """A client whose requests know nothing of the application context that a test stands in, as in the world."""

    def open(self, *args: Any, **rest: Any) -> TestResponse:
        """Send a request in a context of its own."""
        return Context().run(super().open, *args, **rest)


def new_browser(app: Flask) -> Browser:
    """Return a browser with cookies of its own."""
    return Browser(app, app.response_class, use_cookies=True)


TYPE, OTHER_TYPE = "driving-licence", "marriage-certificate"
SCOPES = ("verifications", "draws", "receipts")
CAUSE = {"text": "办理车辆年检"}


@dataclass
class Counter:
    """A licence of a holder, and a department's system that looks at it through a client."""

    client: FlaskClient
    person: Person
    holder_id: UUID
    licence: Licence
    issuer: str
    department: str
    token: str = field(repr=False)

    def code(self, *fields: str) -> str:
        """Return the content of a fresh QR code."""
        with transaction() as session:
            shown = fields or ("vehicle_class",)
            return qr_codes.create(session, holder_id=self.holder_id, licence_id=self.licence.id, fields=shown, now=now()).content

    def post(self, path: str, body: Any, *, key: str | None = None, token: str | None = None) -> TestResponse:
        """Send a document to the API."""
        headers = bearer(token or self.token) | ({"Idempotency-Key": key} if key else {})
        return self.client.post(f"/api/v1/{path}", json=body, headers=headers)

    def verify(self, presented: str, **more: Any) -> TestResponse:
        """Ask for a verification."""
        how = {name: more.pop(name) for name in ("key", "token") if name in more}
        return self.post("verifications", {"presented": presented, "cause": CAUSE, **more}, **how)

    def draw(self, **more: Any) -> TestResponse:
        """Ask for a draw on the department's authority."""
        how = {name: more.pop(name) for name in ("key", "token") if name in more}
        return self.post("draws", {"type": TYPE, "holder": {"number": self.person.number}, "cause": CAUSE, **more}, **how)


def new_token(client: FlaskClient, department: str, *, scopes: tuple[str, ...] = SCOPES) -> str:
    """Return a token of a new system of a department."""
    with transaction() as session:
        system = new_system(session, department=department, scopes=scopes)
    return token_of(client, system, " ".join(scopes))


def new_counter(
    client: FlaskClient, *, slug: str = TYPE, verify: tuple[str, ...] = (TYPE,), draw: tuple[str, ...] = (TYPE,), **issued: Any
) -> Counter:
    """Issue a licence to a new person, and set a department with authority before it. Call it in an application context."""
    issuer, department = new_department(issue=[slug]), new_department(verify=verify, draw=draw)
    with transaction() as session:
        person = new_person(session)
        holder_id = ensure_subject(session, parse_number(person.number), now=now()).id
    with transaction() as session:
        licence = new_licence(session, type=slug, department=issuer, number=person.number, **issued)
    return Counter(client, person, holder_id, licence, issuer, department, new_token(client, department))
