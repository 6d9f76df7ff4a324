"""A department's system gets a token for an organisation, by a person's token and their mandate (RFC 8693 with an actor's token)."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import consents
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.subjects import appointments
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.exchange.conftest import ACCESS_TOKEN, claims_of, exchange, new_exchanger
from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.idp.subjects.firms import Firm, new_firm
from tests.world_clients import System, bearer
from tests.world_people import BROWSER, Person, act_for, credit_code, new_organisation, new_person

CREDIT_CODE = "urn:kabao:token-type:credit-code"


@pytest.fixture
def firm(app: Flask) -> Firm:
    with app.app_context(), transaction() as session:
        return new_firm(session)


@pytest.fixture
def handler(app: Flask, firm: Firm) -> tuple[Person, Any, Any]:
    with app.app_context(), transaction() as session:
        person_id, mandate_id = firm.appoint(session)
    return firm.people[person_id], person_id, mandate_id


@pytest.fixture
def theirs(client: FlaskClient, portal: System, handler: tuple[Person, Any, Any]) -> str:
    """The token of somebody who may act for the firm, in their own name."""
    return str(Journey(portal, scope="openid profile").tokens(signed_in_browser(client, handler[0]))["access_token"])


@pytest.fixture
def hall(app: Flask, portal: System) -> System:
    """The government's own system."""
    with app.app_context(), transaction() as session:
        return new_exchanger(session, first_party=True, metadata={"may_exchange_from": [portal.client_id]})


def acting(http_client: FlaskClient, system: System, number: str, actor: str, **changes: Any) -> Any:
    form = {"subject_token_type": CREDIT_CODE, "actor_token": actor, "actor_token_type": ACCESS_TOKEN, **changes}
    return exchange(http_client, system, number, **form)


def number_of(firm: Firm) -> str:
    return firm.organisation.number


def test_who_has_a_mandate_gets_a_token_for_the_organisation(client: FlaskClient, hall: System, firm: Firm, theirs: str) -> None:
    response = acting(client, hall, number_of(firm), theirs)
    assert response.status_code == 200, response.text
    claims = claims_of(response.json["access_token"])
    assert claims["sub_type"] == "organisation"
    assert claims["act"]["sub"] == hall.client_id
    assert set(claims["act"]["act"]) == {"sub"}, "innermost stands the person"
    assert response.json["issued_token_type"] == ACCESS_TOKEN
    who = client.get("/userinfo", headers=bearer(response.json["access_token"])).json
    assert who is not None
    assert (who["sub"], who["sub_type"]) == (claims["sub"], "organisation")


def test_the_end_of_the_mandate_ends_the_token(
    app: Flask, client: FlaskClient, hall: System, firm: Firm, handler: tuple[Person, Any, Any], theirs: str
) -> None:
    token = acting(client, hall, number_of(firm), theirs).json["access_token"]
    with app.app_context(), transaction() as session:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=handler[2], now=now())
    assert client.get("/userinfo", headers=bearer(token)).status_code == 401
    assert acting(client, hall, number_of(firm), theirs).json["error"] == "invalid_request"


def test_an_organisation_that_allowed_nothing_is_not_acted_for_at_another_s_system(
    app: Flask, client: FlaskClient, portal: System, firm: Firm, handler: tuple[Person, Any, Any], theirs: str
) -> None:
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, metadata={"may_exchange_from": [portal.client_id]})
    assert acting(client, system, number_of(firm), theirs).json["error"] == "invalid_scope"
    with app.app_context(), transaction() as session:
        known = find_client(system.client_id)
        assert known is not None
        consents.give(session, Grantee(firm.id, firm.boss_id), known, ["openid"], now=now())
    assert acting(client, system, number_of(firm), theirs, scope="openid").status_code == 200
    assert acting(client, system, number_of(firm), theirs, scope="openid profile").json["error"] == "invalid_scope"


def test_another_organisation_an_unknown_one_and_a_person_are_refused_alike(
    app: Flask, client: FlaskClient, hall: System, handler: tuple[Person, Any, Any], theirs: str
) -> None:
    with app.app_context(), transaction() as session:
        other = new_organisation(session, representative=new_person(session))
    errors = {acting(client, hall, number, theirs).text for number in (other.number, credit_code(), handler[0].number)}
    assert len(errors) == 1
    assert "invalid_request" in errors.pop()
    assert acting(client, hall, "91379999", theirs).json["error"] == "invalid_request"


def test_a_mandate_that_does_not_reach_the_system_is_not_enough(app: Flask, client: FlaskClient, portal: System, hall: System) -> None:
    with app.app_context(), transaction() as session:
        firm = new_firm(session)
        person_id, _ = firm.appoint(session, portals=[portal.client_id])
    token = Journey(portal, scope="openid").tokens(signed_in_browser(client, firm.people[person_id]))["access_token"]
    assert acting(client, hall, number_of(firm), token).json["error"] == "invalid_request"


def test_who_acts_already_does_not_act_on(client: FlaskClient, portal: System, hall: System, firm: Firm, handler: tuple[Person, Any, Any]) -> None:
    browser = signed_in_browser(client, handler[0])
    assert act_for(browser, firm.id).status_code == 303
    token = Journey(portal, scope="openid").tokens(browser)["access_token"]
    assert acting(client, hall, number_of(firm), token).json["error"] == "invalid_request"
    passed = exchange(client, hall, token)
    act = claims_of(passed.json["access_token"])["act"]
    assert (act["sub"], set(act["act"])) == (hall.client_id, {"sub"})


def test_both_see_it_in_their_history(client: FlaskClient, hall: System, firm: Firm, theirs: str) -> None:
    assert acting(client, hall, number_of(firm), theirs).status_code == 200
    page = client.get("/account/history", headers=BROWSER).text
    assert "代表单位办理的凭证" in page
