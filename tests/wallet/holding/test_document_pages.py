from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.signin.doors import DOORS
from runtime.clock import now
from runtime.ledger import LedgerEntry
from tests.wallet.holding.test_wallet_pages import SLUG, licensed, signed_in, someone, writing
from tests.world_people import BROWSER, Person, post_form
from tests.world_wallet import DEFINITIONS
from wallet.holding.uses import uses_of
from wallet.issuing import status_lists
from wallet.issuing.documents import pades
from wallet.issuing.documents.kept import LicenceDocument
from wallet.issuing.life import revoke_licence
from wallet.register.licences import Licence


@pytest.fixture
def holder(app: Flask) -> Person:
    return someone(app)


@pytest.fixture
def licence(app: Flask, holder: Person) -> Licence:
    return licensed(app, holder.number, SLUG)[0]


@pytest.fixture
def browser(app: Flask, holder: Person, licence: Licence) -> FlaskClient:
    return signed_in(app, holder)


def asked(browser: FlaskClient, licence: Licence, kind: str = "a4", form_at: str = "") -> TestResponse:
    return post_form(browser, f"/wallet/cards/{licence.id}/document", {"kind": kind}, form_at=form_at or f"/wallet/cards/{licence.id}")


def documents_of(app: Flask, licence: Licence) -> list[LicenceDocument]:
    with writing(app) as session:
        return list(session.scalars(select(LicenceDocument).where(LicenceDocument.licence_id == licence.id)))


@pytest.mark.parametrize(("kind", "plain", "read"), [("a4", SLUG, "机动车驾驶证"), ("card", f"{SLUG}-card", "机动车驾驶证（卡面）")])
def test_a_holder_takes_a_sealed_document_and_sees_it_in_the_history(
    app: Flask, browser: FlaskClient, licence: Licence, holder: Person, kind: str, plain: str, read: str
) -> None:
    answer = asked(browser, licence, kind)
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == f"attachment; filename=\"{plain}.pdf\"; filename*=UTF-8''{quote(read)}.pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(PdfFileReader(BytesIO(answer.data)).embedded_signatures) == 1
    page = browser.get(f"/wallet/cards/{licence.id}").text
    assert "您取得了盖章文件" in page
    assert "您本人" in page
    assert f"制作了“{DEFINITIONS[SLUG].name.zh}”的盖章文件" in browser.get("/account/history").text
    (made,) = documents_of(app, licence)
    with writing(app) as session:
        (use,) = uses_of(session, holder_id=licence.holder_id, licence_id=licence.id)
        row = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == str(licence.id), LedgerEntry.act == "document.made")).one()
        assert (use.receipt_id, use.verdict) == (made.id, "valid")
        assert row.detail["document"] == str(made.id)
        assert holder.number not in str(row.detail)


@pytest.mark.parametrize("kind", ["a4", "card"])
@pytest.mark.parametrize(("asked_in", "read_in"), [("zh", "en"), ("en", "zh")])
def test_that_it_was_taken_is_told_in_the_language_of_whoever_reads(
    browser: FlaskClient, licence: Licence, kind: str, asked_in: str, read_in: str
) -> None:
    browser.get(f"/wallet?lang={asked_in}")
    assert asked(browser, licence, kind).status_code == 200
    page = browser.get(f"/wallet/cards/{licence.id}?lang={read_in}").text
    told = {"zh": "下载电子证照文件", "en": "Downloaded as a sealed file"}
    assert (told[read_in] in page, told[asked_in] in page) == (True, False)


def test_no_connection_is_held_while_it_is_sealed(app: Flask, browser: FlaskClient, licence: Licence, monkeypatch: pytest.MonkeyPatch) -> None:
    seal, held = pades.seal, []

    def watched(*document: Any, **about: Any) -> bytes:
        held.append(app.extensions["kabao_engine"].pool.checkedout())
        return seal(*document, **about)

    monkeypatch.setattr(pades, "seal", watched)
    assert asked(browser, licence).status_code == 200
    assert held == [0]


def test_each_document_has_its_own_place_and_all_follow_the_licence(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    asked(browser, licence), asked(browser, licence, "card")
    made = documents_of(app, licence)
    assert len({(one.status_list, one.status_index) for one in made}) == 2
    with writing(app) as session:
        found = session.get_one(Licence, (licence.holder_id, licence.id))
        revoke_licence(session, found, reason="测试", legal_basis="测试", department=licence.issuer_code, now=now())
    with writing(app) as session:
        assert {status_lists.state_of(session, one.place) for one in made} == {status_lists.INVALID}


def test_what_is_not_in_force_has_no_document_and_no_button(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    with writing(app) as session:
        found = session.get_one(Licence, (licence.holder_id, licence.id))
        revoke_licence(session, found, reason="测试", legal_basis="测试", department=licence.issuer_code, now=now())
    assert 'id="document"' not in browser.get(f"/wallet/cards/{licence.id}").text
    assert asked(browser, licence, form_at="/account").status_code == 409
    assert documents_of(app, licence) == []


def test_anothers_card_is_not_found(app: Flask, browser: FlaskClient) -> None:
    other = licensed(app, someone(app).number, SLUG)[0]
    answer = asked(browser, other, form_at="/account")
    assert answer.status_code == 404


@pytest.mark.parametrize("kind", ["", "a3", "A4", "../a4", "a4\x00", "x" * 5000])
def test_another_form_of_document_is_refused_by_name(app: Flask, browser: FlaskClient, licence: Licence, kind: str) -> None:
    assert asked(browser, licence, kind).status_code in (400, 422)
    assert documents_of(app, licence) == []


def test_without_the_forms_token_nothing_is_made(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    assert browser.post(f"/wallet/cards/{licence.id}/document", data={"kind": "a4"}, headers=BROWSER).status_code in (400, 403)
    assert browser.get(f"/wallet/cards/{licence.id}/document").status_code in (404, 405)


def test_who_takes_too_many_is_slowed(app: Flask, browser: FlaskClient, licence: Licence, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from idp.signin import doors

    few = doors.Bucket(1, doors.DOORS["document"].pair.leak)
    monkeypatch.setitem(DOORS, "document", replace(DOORS["document"], pair=few))
    assert [asked(browser, licence).status_code for _ in range(2)] == [200, 429]
    assert len(documents_of(app, licence)) == 1
