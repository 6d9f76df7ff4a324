"""Yes or no by a code, verified at the same door, without the data behind it."""

from datetime import date

import pytest
from flask import Flask
from sqlalchemy import update

from runtime.clock import now
from runtime.database import transaction
from tests.flows.test_logs import forms_of
from tests.idp.subjects.firms import new_firm
from tests.wallet.holding.test_wallet_pages import SLUG, get, licensed, signed_in, someone, writing
from tests.wallet.presenting.answering.test_nothing_hidden import opened_up
from tests.wallet.presenting.test_show_pages import code_of, make
from tests.world_people import BROWSER, post_form, sign_in
from tests.world_verifying import Counter, new_browser, new_counter
from tests.world_wallet import make_officer, new_department
from wallet.holding.uses import uses_of
from wallet.presenting import qr_codes, statements, stating
from wallet.presenting.qr_codes import FieldUnknown
from wallet.presenting.statements import HOLDS, OVER_18, OVER_60, REPRESENTS, Question
from wallet.register.licences import Licence, LicenceState

TODAY = date(2026, 3, 1)


def content_of(counter: Counter, kind: str) -> str:
    with transaction() as session:
        made = qr_codes.create(session, holder_id=counter.holder_id, licence_id=counter.licence.id, fields=("address",), statement=kind, now=now())
    return made.content


@pytest.mark.parametrize(
    ("kind", "born", "says"),
    [
        pytest.param(OVER_18, date(2008, 3, 1), True, id="of age on the day"),
        pytest.param(OVER_18, date(2008, 3, 2), False, id="a day too young"),
        pytest.param(OVER_18, date(2008, 2, 29), True, id="born on a day that this year lacks"),
        pytest.param(OVER_60, date(1966, 3, 1), True, id="sixty on the day"),
        pytest.param(OVER_60, date(1970, 1, 1), False, id="not sixty"),
    ],
)
def test_a_statement_says_what_is_so(kind: str, born: date, says: bool) -> None:
    assert statements.is_of_age(kind, born=born, today=TODAY) == says


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("kind", [OVER_18, OVER_60, HOLDS])
def test_a_counter_gets_the_answer_and_nothing_of_the_licence(counter: Counter, kind: str) -> None:
    with transaction() as session:
        presented = qr_codes.redeem(session, content_of(counter, kind), now=now()).presented
    secret = (counter.person.number, counter.person.name, counter.licence.identifier, counter.person.number[6:14], "address")
    assert [value for value in secret if any(form in opened_up(presented) for form in forms_of(value))] == []
    answer = counter.verify(content := content_of(counter, kind)).get_json()
    assert (answer["verdict"], list(answer["fields"]), answer["licence"]["identifier"]) == ("valid", [kind], "")
    assert {check["outcome"] for check in answer["checks"]} == {"passed"}
    assert counter.verify(content).status_code == 409
    with transaction() as session:
        assert [use.fields for use in uses_of(session, holder_id=counter.holder_id)] == [[kind]]


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("kind", [REPRESENTS, "represents:x", "address", ""])
def test_nothing_else_is_stated_under_a_card_of_one_s_own(counter: Counter, kind: str) -> None:
    with pytest.raises(FieldUnknown):
        content_of(counter, kind)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("kind", [OVER_18, HOLDS])
def test_nothing_is_stated_under_a_licence_that_is_not_in_force(counter: Counter, kind: str) -> None:
    with transaction() as session:
        session.execute(update(Licence).where(Licence.id == counter.licence.id).values(state=LicenceState.SUSPENDED))
    with pytest.raises(FieldUnknown):
        content_of(counter, kind)


@pytest.mark.usefixtures("context")
def test_any_department_may_have_an_answer_and_no_other_key_can_make_one(app: Flask, counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = new_counter(new_browser(app), slug="degree-certificate", verify=())
    assert elsewhere.verify(content_of(counter, OVER_18)).get_json()["verdict"] == "valid"
    monkeypatch.setattr("wallet.presenting.statements.ring.ANSWERS", "status")
    forged = content_of(counter, OVER_18)
    monkeypatch.undo()
    refused = counter.verify(forged).get_json()
    assert (refused["verdict"], refused["fields"]) == ("invalid", {})


def test_the_page_offers_it_and_the_officer_reads_it(app: Flask) -> None:
    person, officer = someone(app), someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    with app.app_context():
        department = new_department()
    with writing(app) as session:
        make_officer(session, department=department, person=officer)
    client, desk = signed_in(app, person), new_browser(app)
    address = make(client, licence, preset=OVER_18).headers["Location"]
    page = get(client, address)
    assert "是否已满18周岁" in page
    assert f'name="preset" value="{OVER_18}"' in page
    assert sign_in(desk, officer).status_code == 303
    verified = post_form(desk, "/desk", {"presented": code_of(page), "cause": "购票", "request_id": ""})
    assert verified.status_code == 303, verified.text
    receipt = get(desk, verified.headers["Location"])
    assert "是否已满18周岁" in receipt
    number = verified.headers["Location"].rsplit("/", 1)[1]
    assert desk.get(f"/desk/receipts/{number}/document", headers=BROWSER).status_code == 200
    assert OVER_18 not in get(client, f"/wallet/cards/{licence.id}/offline")


def test_that_somebody_may_act_for_an_organisation_is_said_under_no_code_of_their_own(app: Flask) -> None:
    with writing(app) as session:
        firm = new_firm(session)
    licence = licensed(app, firm.boss.number, SLUG)[0]
    with writing(app) as session:
        assert len(stating.statements_of(session, Question(REPRESENTS), holder_id=firm.boss_id, person_id=firm.boss_id, now=now())) == 1
        with pytest.raises(FieldUnknown):
            qr_codes.create(session, holder_id=firm.boss_id, licence_id=licence.id, fields=(), statement=REPRESENTS, now=now())
