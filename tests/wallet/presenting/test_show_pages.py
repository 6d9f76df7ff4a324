import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.wallet.holding.test_wallet_pages import INLINE, SLUG, get, licensed, signed_in, someone, writing
from tests.world_clients import bearer
from tests.world_people import BROWSER, post_form
from tests.world_verifying import new_browser, new_token
from tests.world_wallet import DEFINITIONS, new_department
from wallet.presenting import qr_codes
from wallet.presenting.qr_codes import Presentation
from wallet.register.departments import get_department
from wallet.register.licences import Licence, LicenceState

USUAL = [one.name for one in DEFINITIONS[SLUG].fields if not one.hidden_by_default]
NAMES = [one.name for one in DEFINITIONS[SLUG].fields]


Holder = tuple[FlaskClient, Licence]


@pytest.fixture
def holder(app: Flask) -> Holder:
    """Someone signed in, with one licence."""
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    return signed_in(app, person), licence


def make(client: FlaskClient, licence: Licence, **data: Any) -> TestResponse:
    return post_form(client, f"/wallet/cards/{licence.id}/show", data)


def code_of(page: str) -> str:
    found = re.search(r'id="spoken-code">([^<]+)<', page)
    assert found is not None, "the page shows no code"
    return found[1]


def presented(app: Flask, licence: Licence) -> Presentation:
    """The newest presentation of a licence."""
    with writing(app) as session:
        rows = session.query(Presentation).filter_by(holder_id=licence.holder_id, licence_id=licence.id).order_by(Presentation.id.desc())
        found = rows.first()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        pytest.param({"preset": "validity"}, [], id="only that it is valid"),
        pytest.param({"preset": "validity", "chosen": NAMES}, [], id="ticks do not count beside a preset"),
        pytest.param({"preset": "own", "chosen": [NAMES[0], "holder_name"]}, ["holder_name", NAMES[0]], id="one's own choice"),
        pytest.param({"preset": "usual"}, ["holder_name", *USUAL], id="the usual"),
    ],
)
def test_a_code_shows_the_chosen_fields_and_no_other(app: Flask, holder: Holder, data: dict[str, Any], fields: list[str]) -> None:
    client, licence = holder
    answer = make(client, licence, **data)
    assert answer.status_code == 303
    assert sorted(presented(app, licence).fields) == sorted(fields)


def test_everything_is_all_fields_with_holder_and_number(app: Flask, holder: Holder) -> None:
    client, licence = holder
    make(client, licence, preset="all")
    assert set(presented(app, licence).fields) >= {"holder_name", "holder_number", *NAMES}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"preset": "own"}, id="one's own choice of nothing"),
        pytest.param({"preset": "own", "chosen": ["password_hash"]}, id="a field that is not there"),
        pytest.param({"preset": "everyone"}, id="a preset that is not there"),
    ],
)
def test_a_faulty_choice_is_told_and_makes_no_code(app: Flask, holder: Holder, data: dict[str, Any]) -> None:
    client, licence = holder
    answer = make(client, licence, **data)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    with writing(app) as session:
        assert session.query(Presentation).filter_by(holder_id=licence.holder_id).count() == 0


def test_the_code_page_holds_the_code_as_letters_and_no_address_does(app: Flask, holder: Holder) -> None:
    client, licence = holder
    answer = make(client, licence, preset="usual")
    page = get(client, answer.headers["Location"])
    spoken = code_of(page)
    assert re.fullmatch(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", spoken)
    assert spoken.replace(" ", "") not in answer.headers["Location"]
    assert "data:image/svg+xml" in page
    assert INLINE.search(page) is None
    assert code_of(get(client, answer.headers["Location"])) == spoken, "loading the page again shows the same code"
    with writing(app) as session:
        assert qr_codes.redeem(session, spoken, now=now()).licence_id == licence.id


def test_the_page_tells_when_the_code_was_used(app: Flask, holder: Holder) -> None:
    client, licence = holder
    address = make(client, licence, preset="validity").headers["Location"]
    assert client.get(f"{address}/state").json["state"] == "waiting"
    with writing(app) as session:
        qr_codes.redeem(session, code_of(get(client, address)), now=now())
    assert client.get(f"{address}/state").json["state"] == "spent"
    page = get(client, address)
    assert "已被核验" in page
    assert "spoken-code" not in page


@pytest.mark.parametrize("key", [None, "a-key"], ids=["alone", "with a key"])
@pytest.mark.parametrize(("is_suspended", "told"), [(False, "已被核验"), (True, "核验未通过")])
def test_the_page_tells_who_checked_and_how_it_went(app: Flask, holder: Holder, is_suspended: bool, told: str, key: str | None) -> None:
    client, licence = holder
    address = make(client, licence, preset="validity").headers["Location"]
    code = code_of(get(client, address))
    with app.app_context():
        department, counter = new_department(verify=[SLUG]), new_browser(app)
        if is_suspended:
            with transaction() as session:
                session.get_one(Licence, (licence.holder_id, licence.id)).state = LicenceState.SUSPENDED.value
        token, name = new_token(counter, department), get_department(department).name
    headers = bearer(token) | ({"Idempotency-Key": key + department} if key else {})
    answer = counter.post("/api/v1/verifications", json={"presented": code, "cause": {"text": "办理车辆年检"}}, headers=headers)
    assert answer.status_code == 201, answer.text
    page = get(client, address)
    assert told in page
    assert "办理车辆年检" in page
    assert name.zh in page


def test_the_page_tells_when_the_code_ran_out_and_offers_the_same_again(app: Flask, holder: Holder) -> None:
    client, licence = holder
    address = make(client, licence, preset="own", chosen=["holder_name"]).headers["Location"]
    with shifted(timedelta(minutes=5, seconds=1)):
        assert client.get(f"{address}/state").json == {"state": "expired", "seconds_left": 0}
        page = get(client, address)
    assert "已失效" in page
    assert 'name="chosen" value="holder_name"' in page
    assert "spoken-code" not in page


def test_a_new_code_ends_the_one_before(app: Flask, holder: Holder) -> None:
    client, licence = holder
    first = make(client, licence, preset="validity").headers["Location"]
    make(client, licence, preset="validity")
    assert client.get(f"{first}/state").json["state"] == "expired"


def test_a_code_that_its_holder_withdraws_shows_nothing(app: Flask, holder: Holder) -> None:
    client, licence = holder
    address = make(client, licence, preset="usual").headers["Location"]
    code = code_of(get(client, address))
    assert post_form(client, f"{address}/withdrawal", {}).headers["Location"] == address
    page = get(client, address)
    assert "此码已失效" in page
    assert "spoken-code" not in page
    with writing(app) as session, pytest.raises(qr_codes.CodeExpired):
        qr_codes.redeem(session, code, now=now())
    assert post_form(client, f"{address}/withdrawal", {}, form_at="/account").status_code == 303, "again, which changes nothing"
    with writing(app) as session:
        (row,) = session.scalars(select(LedgerEntry).where(LedgerEntry.act == "presentation.withdrawn", LedgerEntry.subject_id == licence.holder_id))
        assert (row.object_id, row.actor) == (address.rsplit("/", 1)[1], f"subject:{licence.holder_id}")


def test_a_code_whose_card_was_suspended_meanwhile_is_not_shown(app: Flask, holder: Holder) -> None:
    client, licence = holder
    address = make(client, licence, preset="usual").headers["Location"]
    with writing(app) as session:
        session.execute(update(Licence).where(Licence.id == licence.id).values(state=LicenceState.SUSPENDED))
    page = get(client, address)
    assert "现在不能出示" in page
    assert "已被暂扣" in page
    assert "spoken-code" not in page


def test_nobody_withdraws_the_code_of_another(app: Flask, holder: Holder) -> None:
    client, licence = holder
    address = make(client, licence, preset="usual").headers["Location"]
    assert post_form(signed_in(app, someone(app)), f"{address}/withdrawal", {}).status_code == 404
    assert client.get(f"{address}/state").json["state"] == "waiting"


def test_a_code_is_withdrawn_at_its_own_card_alone(app: Flask) -> None:
    """Who acts for another is let to some cards: by the address of one of these no code of another card ends."""
    person = someone(app)
    shown, other = licensed(app, person.number, SLUG, "marriage-certificate")
    client = signed_in(app, person)
    address = make(client, shown, preset="usual").headers["Location"]
    assert post_form(client, f"{address.replace(str(shown.id), str(other.id))}/withdrawal", {}).status_code == 404
    assert client.get(f"{address}/state").json["state"] == "waiting"


def test_a_waiting_code_is_seen_in_its_own_browser_alone(app: Flask) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    address = make(signed_in(app, person), licence, preset="usual").headers["Location"]
    elsewhere = signed_in(app, person).get(address, headers=BROWSER)
    assert elsewhere.status_code == 303
    assert elsewhere.headers["Location"] == f"/wallet/cards/{licence.id}/show"


@pytest.mark.parametrize("suffix", ["/show", "/codes/{code}", "/codes/{code}/state"])
def test_the_card_and_the_code_of_another_are_not_there(app: Flask, holder: Holder, suffix: str) -> None:
    client, licence = holder
    code = make(client, licence, preset="usual").headers["Location"].rsplit("/", 1)[1]
    stranger = signed_in(app, someone(app))
    assert stranger.get(f"/wallet/cards/{licence.id}{suffix.format(code=code)}", headers=BROWSER).status_code == 404


def test_a_revoked_card_makes_no_code(app: Flask, holder: Holder) -> None:
    client, licence = holder
    with writing(app) as session:
        session.merge(licence).state = "revoked"
    answer = client.get(f"/wallet/cards/{licence.id}/show", headers=BROWSER)
    assert answer.status_code == 409
    assert "已吊销" in answer.text
