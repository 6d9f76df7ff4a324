"""The holder's own receipt: read, kept as text and as a sealed PDF, and found genuine by anyone; nobody else's, and no officer in it."""

from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyhanko.pdf_utils.reader import PdfFileReader

from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.subjects.firms import new_firm
from tests.wallet.holding.test_wallet_pages import get, signed_in, someone
from tests.wallet.issuing.documents.test_sealed import run, validated
from tests.world_people import BROWSER, act_for, new_person, open_account, post_form, sign_in
from tests.world_verifying import Counter, new_browser
from tests.world_wallet import make_officer, new_department, new_licence
from wallet.holding.uses import Way, record_use, uses_of
from wallet.presenting import qr_codes
from wallet.register.departments import get_department
from wallet.verifying.attesting import Asker
from wallet.verifying.ledger_jobs import seal_now
from wallet.verifying.verification import VerificationRequest, verify_presented

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")
OFFICER, CAUSE = "司徒经办", {"text": "办理车辆年检"}


@pytest.fixture
def holder(app: Flask, counter: Counter) -> FlaskClient:
    with transaction() as session:
        open_account(session, counter.person)
    client = new_browser(app)
    assert sign_in(client, counter.person).status_code == 303
    return client


@pytest.fixture
def officer_id(counter: Counter) -> UUID:
    with transaction() as session:
        return make_officer(session, department=counter.department, person=new_person(session, name=OFFICER))


@pytest.fixture
def use_id(app: Flask, counter: Counter, officer_id: UUID) -> UUID:
    """A use that an officer made."""
    code, asker = counter.code("vehicle_class", "holder_name"), Asker(counter.department, get_department(counter.department).name, officer_id)
    with transaction() as session:
        settings = app.extensions["kabao_settings"]
        verify_presented(session, settings, VerificationRequest(code, CAUSE), asker=asker, receipt_id=new_id(), now=now())
    seal_now()
    with transaction() as session:
        return uses_of(session, holder_id=counter.holder_id, limit=1)[0].id


def test_a_holder_keeps_the_receipt_and_anyone_finds_it_genuine(
    app: Flask, counter: Counter, holder: FlaskClient, officer_id: UUID, use_id: UUID, tmp_path: Path
) -> None:
    at = f"/wallet/history/{use_id}/receipt"
    assert f'href="{at}"' in get(holder, "/wallet/history")
    assert f'href="{at}"' in get(holder, f"/wallet/cards/{counter.licence.id}")
    page = get(holder, at)
    assert "Your receipt" in get(holder, at, lang="en")
    jws, pdf = holder.get(f"{at}/signed", headers=BROWSER), holder.get(f"{at}/document", headers=BROWSER)
    assert (jws.status_code, jws.content_type, jws.headers["Cache-Control"]) == (200, "application/jwt", "no-store")
    assert (pdf.status_code, pdf.content_type, pdf.headers["Cache-Control"]) == (200, "application/pdf", "no-store")
    assert validated(app, pdf.data).bottom_line
    files = PdfFileReader(BytesIO(pdf.data)).root["/AF"]
    inside = {files[place]["/UF"]: files[place]["/EF"]["/F"].data.decode() for place in range(len(files))}
    assert inside["receipt.jws"] == jws.text
    read = run("pdftotext", pdf.data, tmp_path, "-raw", "document.pdf", "-")
    for hidden in (OFFICER, str(officer_id), counter.person.name, counter.person.number):
        assert not any(hidden in text for text in (page, jws.text, read, *inside.values())), hidden
    stranger = new_browser(app)
    checked = post_form(stranger, "/receipts/check", {"receipt": jws.text}).text
    assert "回执属实" in checked
    assert "已存入账本第" in checked
    address = page.split('id="check-it" href="', 1)[1].split('"', 1)[0]
    assert "回执属实" in stranger.get("/" + address.split("/", 3)[3], headers=BROWSER).text
    assert "不是本系统出具的回执" in post_form(stranger, "/receipts/check", {"receipt": jws.text[:-6] + "AAAAAA"}).text


@pytest.mark.parametrize("suffix", ["", "/signed", "/document"])
def test_a_receipt_is_nobody_else_s_and_a_use_may_have_none(app: Flask, counter: Counter, holder: FlaskClient, use_id: UUID, suffix: str) -> None:
    other = signed_in(app, someone(app))
    told = {"holder_id": counter.holder_id, "licence_id": counter.licence.id, "department": counter.department, "cause": "测试", "fields": []}
    with transaction() as session:
        record_use(session, **told, way=Way.DOCUMENT, verdict="valid", receipt_id=new_id(), now=now())
        record_use(session, **told, way=Way.ANSWER, verdict="valid", receipt_id=None, now=now())
        answer, document = uses_of(session, holder_id=counter.holder_id, limit=2)
    for client, which in ((other, use_id), (holder, answer.id), (holder, document.id), (holder, UUID(int=0))):
        refused = client.get(f"/wallet/history/{which}/receipt{suffix}", headers=BROWSER)
        assert refused.status_code == 404
        assert counter.licence.identifier not in refused.text
    assert new_browser(app).get(f"/wallet/history/{use_id}/receipt{suffix}", headers=BROWSER).status_code == 303
    assert holder.get(f"/wallet/history/nonsense/receipt{suffix}", headers=BROWSER).status_code == 404
    history = get(holder, "/wallet/history")
    assert f"/wallet/history/{document.id}/receipt" not in history
    assert f"/wallet/history/{answer.id}/receipt" not in history


@pytest.mark.parametrize("within", [0, 1], ids=["of the first", "of one beside it"])
def test_who_acts_within_one_type_is_given_no_receipt_that_names_a_licence_of_another(app: Flask, within: int) -> None:
    slugs = ("business-licence", "food-business-licence")
    with app.app_context():
        issuer, office = new_department(issue=slugs), new_department(verify=slugs)
        with transaction() as session:
            firm = new_firm(session)
            first, other = (new_licence(session, type=one, department=issuer, number=firm.organisation.number) for one in slugs)
            limited_id, _ = firm.appoint(session, types={(first, other)[within].type_code})
            whole_id, _ = firm.appoint(session)
        with transaction() as session:
            code = qr_codes.create(session, holder_id=firm.id, licence_id=first.id, fields=(), also={other.id: ()}, now=now()).content
        with transaction() as session:
            asker, settings = Asker(office, get_department(office).name), app.extensions["kabao_settings"]
            verify_presented(session, settings, VerificationRequest(code, CAUSE), asker=asker, receipt_id=new_id(), now=now())
        with transaction() as session:
            use = next(one for one in uses_of(session, holder_id=firm.id) if one.licence_id == (first, other)[within].id)
    told, histories = {}, {}
    for person_id in (limited_id, whole_id):
        client = signed_in(app, firm.people[person_id])
        act_for(client, firm.id)
        told[person_id] = [client.get(f"/wallet/history/{use.id}/receipt{suffix}", headers=BROWSER) for suffix in ("", "/signed")]
        histories[person_id] = [get(client, path) for path in ("/wallet/history", f"/wallet/history/{use.id}/rating")]
    links = {person_id: [f"/wallet/history/{use.id}/receipt" in page for page in pages] for person_id, pages in histories.items()}
    assert links == {limited_id: [False, False], whole_id: [True, True]}
    assert all(f"/wallet/history/{use.id}/rating" in pages[0] for pages in histories.values())
    assert [one.status_code for one in told[limited_id]] == [404, 404]
    assert [one.status_code for one in told[whole_id]] == [200, 200]
    assert "食品经营许可" in told[whole_id][0].text
