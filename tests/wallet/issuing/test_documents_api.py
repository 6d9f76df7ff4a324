from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select

from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from wallet.issuing.documents.kept import LicenceDocument


@pytest.mark.parametrize(("query", "pages"), [("", 1), ("?kind=a4", 1), ("?kind=card", 2)])
def test_a_department_gets_a_licence_of_its_own_as_a_sealed_document(desk: Desk, person: Person, query: str, pages: int) -> None:
    issued = desk.issue(person)
    answer = desk.get(f"/licences/{issued['id']}/document{query}")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    read = PdfFileReader(BytesIO(answer.data))
    assert read.root["/Pages"]["/Count"] == pages
    assert read.embedded_signatures[0].signer_cert.subject.native["organization_identifier"] == f"GOVCN-{desk.department}"


def test_each_is_written_down(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    for _ in range(2):
        desk.get(f"/licences/{issued['id']}/document")
    with app.app_context(), transaction() as session:
        made = session.scalars(select(LicenceDocument).where(LicenceDocument.licence_id == issued["id"])).all()
        assert {one.made_by for one in made} == {f"department:{desk.department}"}
        assert len({one.status_index for one in made}) == 2


def test_another_departments_licence_is_not_found(app: Flask, client: FlaskClient, desk: Desk, person: Person) -> None:
    other = Desk(app, client)
    assert other.get(f"/licences/{desk.issue(person)['id']}/document").status_code == 404
    assert desk.get("/licences/01a2237f-0000-7000-8000-000000000000/document").status_code == 404


@pytest.mark.parametrize("query", ["?kind=a3", "?kind=", "?kind=A4"])
def test_another_form_is_refused_and_named(desk: Desk, person: Person, query: str) -> None:
    answer = desk.get(f"/licences/{desk.issue(person)['id']}/document{query}")
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"


def test_what_is_revoked_has_no_document(desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    desk.post(f"/licences/{issued['id']}/revocation", {"reason": "测试", "legal_basis": "测试"})
    answer = desk.get(f"/licences/{issued['id']}/document")
    assert (answer.status_code, answer.json["code"]) == (409, "licence-not-in-force")


def test_without_a_token_there_is_none(client: FlaskClient, desk: Desk, person: Person) -> None:
    assert client.get(f"/api/v1/licences/{desk.issue(person)['id']}/document").status_code == 401
