"""One code for several licences: a presentation each, one spend, one receipt that names all."""

import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, current_app
from flask.testing import FlaskClient

from keys import ring
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.wallet.holding.test_wallet_pages import SLUG, get, licensed, signed_in, someone, writing
from tests.wallet.issuing.documents.test_sealed import run
from tests.wallet.presenting.test_show_pages import code_of, make
from tests.world_people import new_person, post_form, sign_in
from tests.world_verifying import Counter, new_browser, new_counter
from tests.world_wallet import DEFINITIONS, make_officer, new_department, new_licence
from wallet.holding.uses import uses_of
from wallet.issuing import status_lists
from wallet.issuing.credentials import credential_of
from wallet.presenting import qr_codes
from wallet.presenting.choosing import MATTER
from wallet.presenting.qr_codes import CodeExpired, QrCode, TooManyLicences
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, LicenceNotFound
from wallet.verifying.attesting import Asker
from wallet.verifying.desk_receipts import count_own, types_met
from wallet.verifying.receipts import TYP, digest_of
from wallet.verifying.verification import VerificationRequest, verify_presented

OTHER = "degree-certificate"
Two = tuple[Counter, Licence]


def two_licences(app: Flask, *, verify: tuple[str, ...]) -> Two:
    """A holder with two licences, before a department that may verify some."""
    with app.app_context():
        counter = new_counter(new_browser(app), verify=verify)
        issuer = new_department(issue=[OTHER])
        with transaction() as session:
            return counter, new_licence(session, type=OTHER, department=issuer, number=counter.person.number)


@pytest.fixture
def two(app: Flask) -> Two:
    return two_licences(app, verify=(SLUG, OTHER))


def code_for(two: Two, *more: Any) -> QrCode:
    counter, other = two
    also = {other.id: ["major"], **{one: [] for one in more}}
    with transaction() as session:
        return qr_codes.create(session, holder_id=counter.holder_id, licence_id=counter.licence.id, fields=["vehicle_class"], also=also, now=now())


@pytest.mark.usefixtures("context")
def test_one_scan_verifies_each_with_one_receipt_that_names_all(two: Two) -> None:
    counter, other = two
    content = code_for(two).content
    answer = counter.verify(content).get_json()
    assert (answer["verdict"], answer["fields"]) == ("valid", {"vehicle_class": "C1"})
    assert (answer["verdict_of_all"], "verdict_of_all" in answer["further"][0]) == ("valid", False)
    (further,) = answer["further"]
    assert (further["verdict"], further["licence"]["identifier"], list(further["fields"])) == ("valid", other.identifier, ["major"])
    claims = ring.verify(answer["receipt"]["jws"], use=ring.RECEIPT, typ=TYP, audience=None)
    assert [one["licence"]["identifier"] for one in (claims, *claims["also"])] == [counter.licence.identifier, other.identifier]
    assert claims["also"][0]["fields"] == ["major"]
    with transaction() as session:
        uses = {use.licence_id: (use.fields, str(use.receipt_id)) for use in uses_of(session, holder_id=counter.holder_id)}
    assert uses == {counter.licence.id: (["vehicle_class"], answer["receipt"]["id"]), other.id: (["major"], answer["receipt"]["id"])}
    assert counter.verify(content).status_code == 409


@pytest.mark.usefixtures("context")
def test_a_batch_writes_each_use_too(two: Two) -> None:
    counter, other = two
    line = f'{{"presented": "{code_for(two).content}", "cause": {{"text": "核对"}}}}\n'
    headers = {"Authorization": f"Bearer {counter.token}", "Content-Type": "application/x-ndjson", "Idempotency-Key": "several-licences-1"}
    answer = counter.client.post("/api/v1/verifications:batch", data=line, headers=headers)
    assert answer.status_code == 200, answer.text
    with transaction() as session:
        assert {use.licence_id for use in uses_of(session, holder_id=counter.holder_id)} == {counter.licence.id, other.id}


def test_who_may_not_see_one_of_them_sees_none_and_spends_nothing(app: Flask) -> None:
    two = two_licences(app, verify=(SLUG,))
    with app.app_context():
        content = code_for(two).content
        assert two[0].verify(content).status_code == 403
        with transaction() as session:
            assert qr_codes.redeem(session, content, now=now()).also


@pytest.mark.usefixtures("context")
def test_a_new_code_of_any_of_them_withdraws_it(two: Two) -> None:
    counter, other = two
    both = code_for(two)
    with transaction() as session:
        qr_codes.create(session, holder_id=counter.holder_id, licence_id=other.id, fields=(), now=now())
    with transaction() as session, pytest.raises(CodeExpired):
        qr_codes.redeem(session, both.content, now=now())


@pytest.mark.usefixtures("context")
def test_another_holders_licence_or_too_many_make_no_code(app: Flask, two: Two) -> None:
    stranger = new_counter(new_browser(app))
    with pytest.raises(LicenceNotFound):
        code_for(two, stranger.licence.id)
    with pytest.raises(TooManyLicences):
        code_for(two, *(uuid4() for _ in range(9)))


@pytest.fixture
def holder(app: Flask) -> tuple[FlaskClient, list[Licence]]:
    person = someone(app)
    licences = licensed(app, person.number, SLUG, OTHER)
    return signed_in(app, person), licences


def test_the_page_offers_the_other_licences_and_says_what_is_seen_of_each(app: Flask, holder: tuple[FlaskClient, list[Licence]]) -> None:
    client, (first, other) = holder
    assert f'value="{other.id}"' in get(client, f"/wallet/cards/{first.id}/show")
    address = make(client, first, preset="usual", also=[str(other.id)]).headers["Location"]
    page = get(client, address)
    assert "学位证书" in page
    assert f'name="also" value="{other.id}"' in page
    with writing(app) as session:
        redeemed = qr_codes.redeem(session, code_of(page), now=now())
    assert [licence_id for licence_id, _ in redeemed.also] == [other.id]
    assert make(client, first, preset="usual", also=["01a20000-0000-7000-8000-000000000000"]).status_code == 422


def test_whoever_ticks_too_many_stands_before_the_same_form_with_their_ticks(app: Flask) -> None:
    person = someone(app)
    first, *others = licensed(app, person.number, *[SLUG] * (qr_codes.MOST_LICENCES + 1))
    client, ticked = signed_in(app, person), [str(one.id) for one in others]
    refused = make(client, first, preset="validity", also=ticked)
    assert refused.status_code == 422
    assert TooManyLicences.title.zh in refused.text
    assert re.findall(r'<input checked[^>]*name="also"[^>]*value="([^"]+)"', refused.text) == sorted(ticked, key=refused.text.index)
    assert make(client, first, preset="validity", also=ticked[1:]).status_code == 303
    assert make(client, first, preset="holds", also=ticked).status_code == 303, "an answer alone takes none of them along"


def test_a_matter_shows_what_it_needs_and_is_remembered_and_of_a_licence_that_it_does_not_know_only_that_it_is_valid(
    app: Flask, holder: tuple[FlaskClient, list[Licence]]
) -> None:
    client, (first, other) = holder
    (matter, *_) = DEFINITIONS[SLUG].matters
    preset = f"{MATTER}{matter.code}"
    make(client, first, preset=preset, also=[str(other.id)])
    with writing(app) as session:
        shown = session.query(qr_codes.Presentation).filter_by(licence_id=first.id).one()
    assert (set(shown.fields), shown.also) == (set(matter.needs or ()), {str(other.id): []})
    radio = re.search(rf'<input[^>]*value="{preset}"[^>]*>', get(client, f"/wallet/cards/{first.id}/show"))
    assert radio is not None
    assert "checked" in radio[0]
    assert make(client, first, preset=f"{MATTER}NO-SUCH-1").status_code == 422


def test_one_that_was_revoked_meanwhile_is_seen_in_the_verdict_of_all_and_large_on_the_desk(app: Flask, two: Two) -> None:
    counter, other = two
    officer = someone(app)
    with writing(app) as session:
        make_officer(session, department=counter.department, person=officer)
    with app.app_context():
        first = code_for(two)
        with transaction() as session:
            status_lists.set_status(session, credential_of(session, other).place, status_lists.INVALID)
        answer = counter.verify(first.content).get_json()
        content = code_for(two).content
    assert (answer["verdict"], answer["verdict_of_all"], answer["further"][0]["conclusion"]) == ("valid", "invalid", "revoked")
    desk = new_browser(app)
    assert sign_in(desk, officer).status_code == 303
    verified = post_form(desk, "/desk", {"presented": content, "cause": "核对", "request_id": ""})
    page = get(desk, verified.headers["Location"])
    assert 'id="verdict" role="status" data-verdict="invalid"' in page
    assert "部分证照核验未通过" in page
    assert 'id="next-step"' in page
    assert all(told in page for told in ('id="checks-1"', other.identifier))
    number = verified.headers["Location"].rsplit("/", 1)[1]
    for query in ({"verdict": "invalid"}, {"type": SLUG}, {"type": OTHER}):
        found = get(desk, "/desk/receipts", **query)
        assert f"/desk/receipts/{number}" in found, query
        assert "机动车驾驶证、学位证书" in found
    assert f"/desk/receipts/{number}" not in get(desk, "/desk/receipts", verdict="valid")


@pytest.mark.usefixtures("context")
def test_figures_and_lists_count_a_code_for_all_that_it_showed(two: Two) -> None:
    counter, other = two
    with transaction() as session:
        officer_id = make_officer(session, department=counter.department, person=new_person(session))
    asker = Asker(counter.department, Text("窗口", "Counter"), officer_id)
    for status in (None, status_lists.INVALID):
        content = code_for(two).content
        with transaction() as session:
            if status is not None:
                status_lists.set_status(session, credential_of(session, other).place, status)
            request = VerificationRequest(content, {"text": "核对"})
            verify_presented(session, current_app.extensions["kabao_settings"], request, asker=asker, receipt_id=uuid4(), now=now())
    with transaction() as session:
        figures = count_own(session, officer_id, department=counter.department, now=now())
        codes = {get_type(slug).code for slug in (SLUG, OTHER)}
        assert set(types_met(session, officer_id, department=counter.department, now=now())) == codes
    assert (figures.total, figures.valid, figures.days[-1].invalid) == (2, 1, 1)
    assert {code: (day.valid, day.invalid) for code, day in figures.types.items()} == dict.fromkeys(codes, (1, 1))
    headers = {"Authorization": f"Bearer {counter.token}"}
    for query, count in ({"type": OTHER}, 2), ({"type": SLUG}, 2), ({"verdict": "invalid"}, 1), ({"verdict": "valid", "type": OTHER}, 1):
        listed = counter.client.get("/api/v1/receipts", query_string=query, headers=headers).get_json()["receipts"]
        assert len(listed) == count, query
        assert listed[0]["further_types"] == [get_type(OTHER).code]
    first = counter.client.get("/api/v1/receipts?verdict=invalid", headers=headers).get_json()["receipts"][0]
    whole = counter.client.get(f"/api/v1/receipts/{first['id']}", headers=headers).get_json()
    assert (whole["verdict"], whole["claims"]["verdict"], whole["claims"]["also"][0]["verdict"]) == ("invalid", "valid", "invalid")


def test_the_officers_receipt_shows_each(app: Flask, two: Two) -> None:
    counter, _ = two
    officer = someone(app)
    with writing(app) as session:
        make_officer(session, department=counter.department, person=officer)
    with app.app_context():
        content = code_for(two).content
    desk = new_browser(app)
    assert sign_in(desk, officer).status_code == 303
    verified = post_form(desk, "/desk", {"presented": content, "cause": "核对", "request_id": ""})
    assert verified.status_code == 303
    page = get(desk, verified.headers["Location"])
    assert 'id="also-1" data-verdict="valid"' in page


@pytest.mark.usefixtures("context")
def test_the_document_and_the_public_pages_name_each_of_them_and_nobody(two: Two, tmp_path: Path) -> None:
    counter, other = two
    receipt = counter.verify(code_for(two).content).get_json()["receipt"]
    headers = {"Authorization": f"Bearer {counter.token}"}
    document = counter.client.get(f"/api/v1/receipts/{receipt['id']}/document", headers=headers)
    assert document.status_code == 200, document.text
    read = run("pdftotext", document.data, tmp_path, "-raw", "document.pdf", "-").replace("\n", "").replace(" ", "")
    for expected in ("机动车驾驶证", "学位证书", "第2张证照", "2张", counter.licence.identifier, other.identifier, "准驾车型", "专业"):
        assert expected in read, expected
    asked = {"id": receipt["id"], "digest": digest_of(receipt["jws"])}
    statement = counter.client.post("/api/v1/receipts/check", json=asked).get_json()["statement"]
    assert statement["also"] == [{"verdict": "valid", "licence_type": {"zh": "学位证书", "en": DEFINITIONS[OTHER].name.en}}]
    public = counter.client.get(f"/receipts/{receipt['id']}/{asked['digest']}", headers={"Accept": "text/html"}).text
    assert "同一码的第2张证照" in public
    assert "学位证书" in public
    checked = post_form(counter.client, "/receipts/check", {"receipt": receipt["jws"]}).text
    assert other.identifier in checked
    for hidden in (counter.person.name, counter.person.number):
        assert hidden not in read + public + checked
