import threading
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select

from runtime import ledger
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from wallet.issuing import status_lists
from wallet.issuing.documents import kept, pades, sealed
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


def test_no_connection_is_held_while_a_document_is_sealed(app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    issued, seal, held = desk.issue(person), pades.seal, []

    def watched(*document: Any, **about: Any) -> bytes:
        held.append(app.extensions["kabao_engine"].pool.checkedout())
        return seal(*document, **about)

    monkeypatch.setattr(pades, "seal", watched)
    assert desk.get(f"/licences/{issued['id']}/document").status_code == 200
    assert held == [0]


def test_a_licence_that_ends_while_its_document_is_made_has_none(app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    issued, why = desk.issue(person), {"reason": "测试", "legal_basis": "测试"}
    ending = threading.Thread(target=lambda: app.test_client().post(f"/api/v1/licences/{issued['id']}/revocation", json=why, headers=desk.headers))

    def while_it_ends(*_: Any, **__: Any) -> bytes:
        ending.start()
        ending.join()
        return b"%PDF"

    monkeypatch.setattr(sealed, "make", while_it_ends)
    answer = desk.get(f"/licences/{issued['id']}/document")
    assert (answer.status_code, answer.json["code"]) == (409, "licence-not-in-force")
    assert desk.get(f"/licences/{issued['id']}").json["state"] == "revoked"


def test_a_document_that_is_made_while_its_licence_ends_ends_with_it(app: Flask, desk: Desk, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    issued, why = desk.issue(person), {"reason": "测试", "legal_basis": "测试"}
    ending = threading.Thread(target=lambda: app.test_client().post(f"/api/v1/licences/{issued['id']}/revocation", json=why, headers=desk.headers))
    note = ledger.record

    def while_it_ends(session: Any, what: str, **about: Any) -> Any:
        if what == "document.made":
            ending.start()
            ending.join(timeout=1)
        return note(session, what, **about)

    monkeypatch.setattr(sealed, "make", lambda *_, **__: b"%PDF")
    monkeypatch.setattr(kept.ledger, "record", while_it_ends)
    assert desk.get(f"/licences/{issued['id']}/document").status_code == 200
    ending.join()
    with app.app_context(), transaction() as session:
        made = session.scalars(select(LicenceDocument).where(LicenceDocument.licence_id == issued["id"])).one()
        assert status_lists.state_of(session, made.place) == status_lists.INVALID
