import secrets
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.idp.oauth.journeys import Journey
from tests.idp.subjects.firms import Firm, new_firm
from tests.world_clients import System, bearer, new_portal, new_system, token_of
from tests.world_people import BROWSER, act_for, citizen_number, credit_code, sign_in
from tests.world_wallet import apply_catalogue, new_department, new_licence
from wallet.register import catalogue

SHOP, FOOD = "business-licence", "food-business-licence"
CAUSE = {"text": "办理企业变更登记"}


@pytest.fixture
def firm(app: Flask) -> Firm:
    with app.app_context():
        apply_catalogue()
        with transaction() as session:
            return new_firm(session)


@pytest.fixture
def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, department=new_department(session), scopes=["mandates", "verifications"])


@pytest.fixture
def number(app: Flask, firm: Firm) -> str:
    """The number of a handler for business licences at one portal."""
    with app.app_context(), transaction() as session:
        person_id, _ = firm.appoint(session, types={catalogue.get_type(SHOP).code}, portals={"hall"})
    return firm.people[person_id].number


def ask(client: FlaskClient, system: System, scope: str = "mandates", **body: Any) -> Any:
    return client.post("/api/v1/mandates/check", json={"cause": CAUSE, **body}, headers=bearer(token_of(client, system, scope)))


def test_a_system_learns_whether_somebody_may_act_and_the_organisation_who_asked(
    app: Flask, client: FlaskClient, firm: Firm, system: System, number: str
) -> None:
    parties = {"person": {"number": number}, "organisation": {"number": firm.organisation.number}}
    yes = ask(client, system, **parties)
    assert (yes.status_code, yes.json["may_act"], yes.json["role"], yes.json["valid_until"]) == (200, True, "handler", None)
    for more, expected in (
        ({"licence_type": SHOP}, True),
        ({"licence_type": FOOD}, False),
        ({"portal": "hall"}, True),
        ({"portal": "elsewhere"}, False),
    ):
        answer = ask(client, system, **parties, **more).json
        assert answer["may_act"] is expected
        assert ("role" in answer) is expected
    browser = app.test_client()
    browser.environ_base["REMOTE_ADDR"] = f"10.9.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    assert sign_in(browser, firm.boss).status_code == 303
    page = browser.get(f"/enterprise/{firm.id}", headers=BROWSER).text.split('id="asked"')[1]
    assert page.count(CAUSE["text"]) == 5
    assert number not in page


def test_whoever_is_unknown_may_not_act_as_much_as_whoever_has_no_mandate(client: FlaskClient, firm: Firm, system: System) -> None:
    for person, organisation in (
        (citizen_number(), firm.organisation.number),
        (firm.boss.number, credit_code()),
        (firm.organisation.number, firm.organisation.number),
    ):
        answer = ask(client, system, person={"number": person}, organisation={"number": organisation})
        assert answer.status_code == 200
        assert {name: value for name, value in answer.json.items() if name != "checked_at"} == {"may_act": False}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({"cause": None}, 422, id="no cause"),
        pytest.param({"cause": {"text": " "}}, 422, id="a blank cause"),
        pytest.param({"person": {"number": "1"}}, 422, id="no number"),
        pytest.param({"person": {"number": "9" * 65}}, 422, id="a number too long"),
        pytest.param({"more": 1}, 422, id="a member too many"),
        pytest.param({"licence_type": "nothing"}, 404, id="no such type"),
    ],
)
def test_a_question_that_is_wrong_is_refused(client: FlaskClient, firm: Firm, system: System, change: dict[str, Any], status: int) -> None:
    body = {"person": {"number": firm.boss.number}, "organisation": {"number": firm.organisation.number}, **change}
    assert ask(client, system, **body).status_code == status


def test_the_scope_is_needed(client: FlaskClient, firm: Firm, system: System) -> None:
    parties = {"person": {"number": firm.boss.number}, "organisation": {"number": firm.organisation.number}}
    assert ask(client, system, scope="verifications", **parties).status_code == 403
    assert client.get("/api/v1/mandates", headers=bearer(token_of(client, system, "mandates"))).status_code == 403


def test_a_draw_with_a_handlers_token_keeps_to_the_types_of_the_mandate(app: Flask, client: FlaskClient, firm: Firm) -> None:
    with app.app_context(), transaction() as session:
        department = new_department(session, issue=[SHOP, FOOD])
        portal = new_portal(session, scopes=("openid", "licences"), owner=department)
        for slug in (SHOP, FOOD):
            new_licence(session, type=slug, department=department, number=firm.organisation.number)
        person_id, _ = firm.appoint(session, types={catalogue.get_type(SHOP).code}, portals={portal.client_id})
    client.environ_base["REMOTE_ADDR"] = f"10.8.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    assert sign_in(client, firm.people[person_id]).status_code == 303
    assert act_for(client, firm.id).status_code == 303
    token = Journey(portal, scope="openid licences").tokens(client)["access_token"]

    def draw(slug: str) -> Any:
        headers = {**bearer(token), "Idempotency-Key": secrets.token_hex(16)}
        return client.post("/api/v1/draws", json={"type": slug, "cause": CAUSE}, headers=headers)

    assert draw(SHOP).status_code == 201
    refused = draw(FOOD)
    assert (refused.status_code, refused.json["code"]) == (403, "not-within-mandate")
    found = client.get("/api/v1/mandates", headers=bearer(token)).json["mandates"]  # type: ignore[index]
    with app.app_context():
        assert found[0]["licence_types"] == [catalogue.get_type(SHOP).code]
