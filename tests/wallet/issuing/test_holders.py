from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.subjects import changes, directory
from idp.subjects.history import Told
from idp.subjects.numbers import parse_number
from idp.subjects.records import DECEASED
from runtime.clock import now
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_clients import bearer
from tests.world_people import Person, citizen_number, new_person, open_account, post_form, sign_in
from tests.world_types import FIELDS, new_type
from tests.world_verifying import new_browser, new_token
from tests.world_wallet import new_department
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.credentials import credential_of, credentials_of, text_of
from wallet.presenting import qr_codes
from wallet.register.licences import find_current, get_licence, holder_ids_of, licences_of

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}


@pytest.fixture
def spouse(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        return new_person(session)


@pytest.fixture
def deeds(app: Flask, client: FlaskClient) -> Desk:
    """A department that issues what three may hold together, of a type named `deeds.slug`."""
    with app.app_context():
        slug, _ = new_type(most_holders=3)
    desk = Desk(app, client, issue=[slug])
    desk.slug = slug  # type: ignore[attr-defined]
    return desk


def body(desk: Desk, first: Person, *others: Any) -> dict[str, Any]:
    named = [{"number": one.number, "name": one.name} if isinstance(one, Person) else one for one in others]
    slug = desk.slug  # type: ignore[attr-defined]
    return {"type": slug, "holder": {"number": first.number}, "co_holders": named, "fields": FIELDS, "valid_from": "2024-02-01"}


def subject_of(app: Flask, person: Person) -> UUID:
    with app.app_context(), transaction() as session:
        return directory.ensure_subject(session, parse_number(person.number), now=now()).id


def test_each_holder_has_a_credential_of_their_own_that_names_them(app: Flask, deeds: Desk, person: Person, spouse: Person) -> None:
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    with app.app_context(), transaction() as session:
        licence = get_licence(session, UUID(issued["id"]))
        holders = holder_ids_of(session, licence)
        assert (len(holders), len(credentials_of(session, licence))) == (2, 2)
        named, keys = [], set()
        for holder in holders:
            shown = sd_jwt.parse(text_of(credential_of(session, licence, holder_id=holder)))
            named.append({one.name: one.value for one in shown.disclosures}["holder_number"])
            keys.add(credential_of(session, licence, holder_id=holder).holder_key_sealed)
            assert [one.id for one in licences_of(session, holder_id=holder)] == [licence.id]
            assert find_current(session, holder_id=holder, type_code=licence.type_code, now=now()) is not None
    assert named == [person.number, spouse.number]
    assert len(keys) == 2
    assert [one["number"] for one in deeds.get(f"/licences/{issued['id']}").json["co_holders"]] == [spouse.number]


def test_each_holder_sees_it_in_their_wallet_and_can_show_it(app: Flask, deeds: Desk, person: Person, spouse: Person) -> None:
    with app.app_context(), transaction() as session:
        open_account(session, spouse)
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    browser = app.test_client()
    sign_in(browser, spouse)
    assert f"/wallet/cards/{issued['id']}" in browser.get("/wallet").text
    card = browser.get(f"/wallet/cards/{issued['id']}").text
    assert "共同持有" in card
    spouse_id = subject_of(app, spouse)
    with app.app_context(), transaction() as session:
        assert qr_codes.create(session, holder_id=spouse_id, licence_id=UUID(issued["id"]), fields=["holder_number"], now=now())
    with app.app_context(), transaction() as session, pytest.raises(Exception, match="licence-not-found"):
        qr_codes.create(session, holder_id=UUID(int=1), licence_id=UUID(issued["id"]), fields=[], now=now())


def test_each_holder_offers_it_to_wallets_of_their_own_and_sees_what_became_of_that(app: Flask, deeds: Desk, person: Person, spouse: Person) -> None:
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    pages = []
    for one in (person, spouse):
        with app.app_context(), transaction() as session:
            open_account(session, one)
        sign_in(browser := app.test_client(), one)
        made = post_form(browser, f"/wallet/cards/{issued['id']}/wallets", {"way": "pre-authorized"})
        pages.append((browser, made.location))
    assert [browser.get(f"{page}/state").json for browser, page in pages] == [{"state": "waiting"}] * 2
    assert [browser.get(page).status_code for browser, page in pages] == [200, 200]


def test_what_becomes_of_it_is_said_by_every_holders_credential(app: Flask, deeds: Desk, person: Person, spouse: Person) -> None:
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    deeds.post(f"/licences/{issued['id']}/suspension", WHY)
    with app.app_context(), transaction() as session:
        found = credentials_of(session, get_licence(session, UUID(issued["id"])))
        assert [status_lists.state_of(session, one.place) for one in found] == [status_lists.SUSPENDED] * 2


def test_a_successor_has_the_same_holders_unless_others_are_named(app: Flask, deeds: Desk, person: Person, spouse: Person) -> None:
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    changed = deeds.post(f"/licences/{issued['id']}/change", WHY).json
    assert [one["number"] for one in deeds.get(f"/licences/{changed['id']}").json["co_holders"]] == [spouse.number]
    alone = deeds.post(f"/licences/{changed['id']}/change", {**WHY, "co_holders": []}).json
    assert deeds.get(f"/licences/{alone['id']}").json["co_holders"] == []
    with app.app_context(), transaction() as session:
        assert [str(one.id) for one in licences_of(session, holder_id=subject_of(app, spouse))] == [changed["id"], issued["id"]]


def test_a_co_holder_who_died_is_shown_and_is_issued_nothing(app: Flask, deeds: Desk, person: Person, spouse: Person) -> None:
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(spouse.number))
        assert subject is not None
        changes.set_state(session, subject, DECEASED, told=Told("registry", now()))
    read = deeds.get(f"/licences/{issued['id']}").json
    assert (read["state"], read["due_for"], read["co_holders"][0]["state"]) == ("valid", ["ended"], DECEASED)
    refused = deeds.post(f"/licences/{issued['id']}/change", WHY)
    assert (refused.status_code, refused.json["code"], refused.json["field"]) == (422, "subject-ended", "co_holders")
    assert deeds.post(f"/licences/{issued['id']}/change", {**WHY, "co_holders": []}).status_code == 201


@pytest.mark.parametrize("key", [None, "once"], ids=["at once", "under a key"])
def test_whoever_outlives_the_first_holder_can_show_it_and_nobody_the_dead_one_s(
    app: Flask, deeds: Desk, person: Person, spouse: Person, key: str | None
) -> None:
    issued = deeds.post("/licences", body(deeds, person, spouse)).json
    with app.app_context(), transaction() as session:
        first = directory.find_subject(session, parse_number(person.number))
        assert first is not None
        changes.set_state(session, first, DECEASED, told=Told("registry", now()))
    with app.app_context():
        counter = new_browser(app)
        token = new_token(counter, new_department(verify=[issued["type"]]))
        found = []
        for holder_id in (subject_of(app, spouse), subject_of(app, person)):
            with transaction() as session:
                code = qr_codes.create(session, holder_id=holder_id, licence_id=UUID(issued["id"]), fields=[], now=now()).content
            headers = bearer(token) | ({"Idempotency-Key": f"{key}-{holder_id}"} if key else {})
            answer = counter.post("/api/v1/verifications", json={"presented": code, "cause": {"text": "过户"}}, headers=headers).json
            found.append(answer["conclusion"])
    assert found == ["valid", "not_in_force"]


@pytest.mark.parametrize(
    ("others", "code", "field"),
    [
        pytest.param([{"number": citizen_number()}], "unknown-number", "co_holders.0.number", id="a number that nobody has"),
        pytest.param([{"number": "1" * 15}], "number-refused", "co_holders.0.number", id="no number"),
        pytest.param([{"number": "same"}], "holder-twice", "co_holders.0.number", id="the first holder again"),
        pytest.param([{"number": "spouse", "name": "另一个人"}], "holder-name-differs", "co_holders.0.name", id="another name"),
        pytest.param([{"number": "spouse"}, {"number": "spouse"}], "holder-twice", "co_holders.1.number", id="one twice"),
        pytest.param([{"number": citizen_number()} for _ in range(3)], "too-many-holders", "co_holders", id="four in all"),
        pytest.param([{"name": "x"}], "invalid-request", "co_holders.0.number", id="no number at all"),
        pytest.param({}, "invalid-request", "co_holders", id="no list"),
    ],
)
def test_faulty_holders_are_refused_by_their_place(deeds: Desk, person: Person, spouse: Person, others: Any, code: str, field: str) -> None:
    numbers = {"same": person.number, "spouse": spouse.number}
    if isinstance(others, list):
        others = [{**one, **({"number": numbers.get(one["number"], one["number"])} if "number" in one else {})} for one in others]
    answer = deeds.post("/licences", {**body(deeds, person), "co_holders": others})
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (422, code, field), answer.text


def test_a_type_for_one_holder_has_one(desk: Desk, person: Person, spouse: Person) -> None:
    from tests.wallet.issuing.desks import body_for

    answer = desk.post("/licences", body_for(person, co_holders=[{"number": spouse.number}]))
    assert (answer.json["code"], answer.json["most_holders"]) == ("too-many-holders", 1)
