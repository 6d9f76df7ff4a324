import base64
from typing import Any

import jwt
import pytest
from cryptography import x509
from flask import Flask
from flask.testing import FlaskClient

from keys import certificates
from runtime.database import transaction
from tests.world_clients import bearer, new_system, token_of
from tests.world_people import Person, new_person
from tests.world_wallet import example_fields, new_department
from wallet.issuing import sd_jwt
from wallet.issuing.credentials import credential_of, text_of
from wallet.register.licences import get_licence

TYPES = ["driving-licence", "business-licence", "food-business-licence", "marriage-certificate"]


class Desk:
    """An issuing department's system at work."""

    def __init__(self, app: Flask, client: FlaskClient, **authorities: Any) -> None:
        self.client = client
        with app.app_context(), transaction() as session:
            self.department = new_department(**({"issue": TYPES} | authorities))
            system = new_system(session, department=self.department, scopes=["licences:issue", "licences:read", "events"])
        self.headers = bearer(token_of(client, system, "licences:issue licences:read events"))

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(f"/api/v1{path}", json=body, headers={**self.headers, "Accept-Language": "en", **headers})

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers=self.headers)


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    return Desk(app, client)


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        return new_person(session)


def body_for(person: Person, **changes: Any) -> dict[str, Any]:
    body = {
        "type": "driving-licence",
        "holder": {"number": person.number, "name": person.name},
        "fields": example_fields("driving-licence"),
        "valid_from": "2024-02-01",
        "valid_until": "2034-01-31",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not ...}


def test_an_issued_licence_carries_a_credential_that_its_departments_key_signed(app: Flask, desk: Desk, person: Person) -> None:
    answer = desk.post("/licences", body_for(person))
    assert answer.status_code == 201, answer.text
    with app.app_context(), transaction() as session:
        presented = sd_jwt.parse(text_of(credential_of(session, get_licence(session, answer.json["id"]))))
    header = jwt.get_unverified_header(presented.jwt)
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    with app.app_context():
        leaf.verify_directly_issued_by(certificates.root_certificate())
    payload = jwt.decode(presented.jwt, leaf.public_key(), algorithms=["ES256"])  # type: ignore[arg-type]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert (header["typ"], len(header["x5c"])) == ("dc+sd-jwt", 1)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [payload["iss"]]
    assert payload["vct"] == "http://127.0.0.1:8000/types/driving-licence"
    assert payload["licence_identifier"] == answer.json["identifier"]
    assert set(payload) == {"iss", "vct", "iat", "nbf", "exp", "cnf", "status", "licence_identifier", "_sd", "_sd_alg"}
    opened = sd_jwt.reveal(payload, presented.disclosures)
    expected = {"holder_name": person.name, "holder_number": person.number, "licence_number": person.number, **example_fields("driving-licence")}
    assert {name: opened[name] for name in expected} == expected
    assert len(presented.disclosures) == len(expected)
