from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import sessions
from idp.signin.sessions import Lifetimes, SigninSession
from idp.subjects import directory, mandates, registry_import
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from tests.world_people import BROWSER, Person, act_for, new_organisation, new_person, open_account, post_form, sign_in

LIFETIMES = Lifetimes(timedelta(minutes=15), timedelta(hours=12))


def row_of(app: Flask, client: FlaskClient) -> SigninSession | None:
    cookie = client.get_cookie("kabao_session")
    assert cookie is not None
    with app.app_context():
        found = sessions.find(cookie.value, lifetimes=LIFETIMES, now=now())
        return found.row if found is not None else None


def test_the_account_page_shows_who_is_signed_in_with_the_number_masked(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    page = client.get("/account", headers=BROWSER).text
    assert person.name in page
    assert person.number not in page
    assert f"379***********{person.number[-4:]}" in page
    assert 'id="no-organisations"' in page


def test_the_account_page_speaks_english_too(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    page = client.get("/account?lang=en", headers=BROWSER).text
    assert "My account" in page
    assert "legal representative of no organisation" in page


@pytest.fixture
def firm_id(app: Flask, person: Person) -> UUID:
    """The id of an organisation that the person represents."""
    with app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
        return directory.ensure_subject(session, parse_number(firm.number), now=now()).id


def test_a_legal_representative_acts_for_the_organisation_and_for_themselves_again(
    app: Flask, client: FlaskClient, person: Person, firm_id: UUID
) -> None:
    sign_in(client, person)
    assert act_for(client, firm_id).location == "/wallet"
    row = row_of(app, client)
    assert row is not None
    signed_in = sessions.as_signed_in(row)
    assert (signed_in.acting_for, signed_in.holder_id) == (firm_id, firm_id)
    assert "改为本人办理" in client.get("/account", headers=BROWSER).text
    assert post_form(client, "/account/acting", {"organisation": ""}, form_at="/account").status_code == 303
    row = row_of(app, client)
    assert row is not None
    assert sessions.as_signed_in(row).holder_id == row.subject_id


def test_nobody_acts_for_an_organisation_without_a_mandate(app: Flask, client: FlaskClient, person: Person, firm_id: UUID) -> None:
    with app.app_context(), transaction() as session:
        stranger = new_person(session)
        open_account(session, stranger)
    sign_in(client, stranger)
    for organisation, status in ((str(firm_id), 403), (str(new_id()), 403), ("x" * 10_000, 422), ("\x00", 400)):
        assert post_form(client, "/account/acting", {"organisation": organisation}, form_at="/account").status_code == status
    row = row_of(app, client)
    assert row is not None
    assert row.acting_for is None


def test_a_mandate_that_ended_ends_the_acting_within_a_minute(app: Flask, client: FlaskClient, person: Person, firm_id: UUID) -> None:
    sign_in(client, person)
    act_for(client, firm_id)
    with app.app_context(), transaction() as session:
        successor = new_person(session)
        firm = directory.get_subject(session, firm_id)
        row = {"number": directory.number_of(firm).value, "name": directory.name_of(firm), "representative": successor.number}
        assert not registry_import.load_organisations(session, [row])
    with shifted(timedelta(seconds=61)):
        page = client.get("/account", headers=BROWSER)
        assert "改为本人办理" not in page.text
        row_now = row_of(app, client)
        assert row_now is not None
        assert row_now.acting_for is None
    with app.app_context(), transaction() as session, pytest.raises(mandates.NoMandate):
        mandates.check_mandate(session, person_id=row_now.subject_id, organisation_id=firm_id, now=now())
