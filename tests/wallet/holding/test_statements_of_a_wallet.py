"""What the wallet's page costs the database: so many statements, however many cards it shows; more only where something is kept at hand."""

from flask import Flask
from flask.testing import FlaskClient

from bench.statements import counted
from runtime.database import transaction
from tests.world_people import BROWSER, Person, new_person, open_account, post_form, sign_in
from tests.world_wallet import new_department, new_licence

WAITS = "RECURSIVE"  # what waits for an answer, in all of the person's wallets
TYPES = ("driving-licence", "resident-identity-card")


def of_tables(app: Flask, client: FlaskClient) -> list[str]:
    """Return the table of which each of the page's statements reads its first column; each one of the wallet is counted."""
    with counted(app) as sent:
        assert client.get("/wallet", headers=BROWSER).status_code == 200
    assert sent.commits <= 1
    return [one.split()[1].split(".")[0] for one in sent.sent]


def holder_of_two(app: Flask) -> tuple[Person, str]:
    with app.app_context():
        department = new_department(issue=list(TYPES))
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
        licences = [new_licence(session, type=one, department=department, number=person.number) for one in TYPES]
        return person, str(licences[0].id)


def test_a_wallets_page_sends_six_statements_and_one_more_where_something_is_at_hand(app: Flask, client: FlaskClient) -> None:
    person, licence_id = holder_of_two(app)
    sign_in(client, person)
    client.get("/wallet", headers=BROWSER)
    assert of_tables(app, client) == ["signin_sessions", "subjects", WAITS, "each_one", "licences", "subjects"]
    assert post_form(client, "/wallet/favourites", {"add": licence_id}, form_at="/wallet").status_code == 303
    assert of_tables(app, client) == ["signin_sessions", "subjects", WAITS, "each_one", "licences", "licences", "subjects"]
