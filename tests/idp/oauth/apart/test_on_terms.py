"""What is approved apart is given on the same terms as at the authorization endpoint: details, resources, mandates and levels."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.clients import CIBA, DEVICE_CODE, REFRESH_TOKEN
from idp.signin.assurance import Level
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.apart.steps import Counter, Terminal, answer_device, answer_request, claims_in, error_of, good, inbox_of, press, type_code
from tests.idp.oauth.details_world import OWN, SCOPE, detail, details, new_asker, new_resource
from tests.idp.oauth.journeys import signed_in_browser
from tests.world_clients import System, new_portal
from tests.world_people import BROWSER, Person, act_for, new_organisation, post_form


@pytest.fixture
def resource(app: Flask) -> str:
    return new_resource(app)


def asker(app: Flask, grant: str, *resources: str) -> System:
    metadata = {"backchannel_token_delivery_mode": "poll"} if grant == CIBA else {}
    return new_asker(app, redirect_uris=[], grant_types=[grant, REFRESH_TOKEN], allowed=resources, metadata=metadata)


def test_a_device_s_details_are_shown_and_given(app: Flask, browser: FlaskClient) -> None:
    terminal = Terminal(app.test_client(), asker(app, DEVICE_CODE))
    codes = terminal.codes(scope=SCOPE, authorization_details=details(detail()))
    page = browser.get(type_code(browser, codes["user_code"]).location, headers=BROWSER)
    assert "办理车辆年检" in page.text
    press(browser, page, "approve")
    tokens = good(terminal.poll(codes["device_code"]))
    assert tokens["authorization_details"][0]["cause"] == "办理车辆年检"
    assert good(terminal.send("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]))["authorization_details"]


def test_a_counter_s_details_are_shown_and_given(app: Flask, browser: FlaskClient, person: Person) -> None:
    counter = Counter(app.test_client(), asker(app, CIBA))
    asked = counter.asked(login_hint=person.number, scope=SCOPE, authorization_details=details(detail()))
    page = browser.get(inbox_of(browser)[0], headers=BROWSER)
    assert "办理车辆年检" in page.text
    press(browser, page, "approve")
    assert good(counter.poll(asked["auth_req_id"]))["authorization_details"]


def test_tokens_of_a_device_are_for_the_resources_that_it_asked_for(app: Flask, browser: FlaskClient, resource: str) -> None:
    terminal = Terminal(app.test_client(), asker(app, DEVICE_CODE, resource))
    codes = terminal.codes(scope=SCOPE, resource=[resource, OWN])
    page = browser.get(type_code(browser, codes["user_code"]).location, headers=BROWSER)
    assert "测试公积金系统" in page.text
    press(browser, page, "approve")
    assert claims_in(good(terminal.poll(codes["device_code"], resource=resource))["access_token"])["aud"] == resource


@pytest.mark.parametrize("grant", [DEVICE_CODE, CIBA])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [({"resource": "https://nobody.example/api"}, "invalid_target"), ({"authorization_details": "["}, "invalid_authorization_details")],
    ids=["resource", "details"],
)
def test_an_answer_that_was_fetched_with_wrong_terms_is_fetched_yet_and_once(
    app: Flask, browser: FlaskClient, person: Person, grant: str, wrong: dict[str, str], error: str
) -> None:
    poll = answered(app, browser, person, grant)
    assert error_of(poll(**wrong)) == error
    assert error_of(poll(**wrong)) == error
    good(poll(scope="number"))  # which is no parameter of this request (RFC 8628 section 3.4, CIBA section 10.1)
    assert error_of(poll()) == "invalid_grant"


@pytest.mark.parametrize("grant", [DEVICE_CODE, CIBA])
def test_of_many_who_fetch_at_once_some_with_wrong_terms_one_is_answered(app: Flask, browser: FlaskClient, person: Person, grant: str) -> None:
    poll, gate = answered(app, browser, person, grant), Barrier(8)

    def fetch(number: int) -> int:
        gate.wait(timeout=30)
        return poll(**({"resource": "https://nobody.example/api"} if number % 2 else {})).status_code

    with ThreadPoolExecutor(gate.parties) as pool:
        assert sorted(pool.map(fetch, range(gate.parties)))[:2] == [200, 400]


def answered(app: Flask, browser: FlaskClient, person: Person, grant: str) -> Callable[..., TestResponse]:
    """Return how a client fetches what was approved."""
    if grant == CIBA:
        counter = Counter(app.test_client(), asker(app, CIBA))
        asked = counter.asked(login_hint=person.number)
        answer_request(browser)
        return partial(counter.poll, asked["auth_req_id"])
    terminal = Terminal(app.test_client(), asker(app, DEVICE_CODE))
    codes = terminal.codes()
    answer_device(browser, codes["user_code"])
    return partial(terminal.poll, codes["device_code"])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"authorization_details": "["}, "invalid_authorization_details"),
        ({"authorization_details": details({"type": "nothing"})}, "invalid_authorization_details"),
        ({"resource": "https://nobody.example/api"}, "invalid_target"),
        ({"resource": "no address"}, "invalid_target"),
    ],
    ids=["no JSON", "an unknown type", "an unknown resource", "no address"],
)
def test_wrong_terms_are_refused_at_once(app: Flask, person: Person, changes: dict[str, Any], error: str) -> None:
    terminal, counter = Terminal(app.test_client(), asker(app, DEVICE_CODE)), Counter(app.test_client(), asker(app, CIBA))
    assert error_of(terminal.ask(scope=SCOPE, **changes)) == error
    assert error_of(counter.ask(scope=SCOPE, login_hint=person.number, **changes)) == error


def test_who_acts_for_an_organisation_lets_a_device_in_for_it(app: Flask, terminal: Terminal, browser: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
        firm_id = directory.ensure_subject(session, parse_number(firm.number), now=now()).id
    act_for(browser, firm_id)
    codes = terminal.codes()
    page = browser.get(type_code(browser, codes["user_code"]).location, headers=BROWSER)
    assert firm.name in page.text
    assert 'id="act-myself"' in page.text
    press(browser, page, "approve")
    assert claims_in(good(terminal.poll(codes["device_code"]))["id_token"])["sub_type"] == "organisation"


@pytest.mark.parametrize(("level", "path"), [(Level(2, 2), "/signin/step-up?aal=2"), (Level(3, 1), "/account/level?ial=3")])
def test_the_level_that_a_scope_demands_is_reached_first(app: Flask, browser: FlaskClient, level: Level, path: str) -> None:
    with app.app_context(), transaction() as session:
        system = new_portal(session, redirect_uris=[], grant_types=[DEVICE_CODE], levels={"openid": level})
    terminal = Terminal(app.test_client(), system)
    codes = terminal.codes()
    answered = answer_device(browser, codes["user_code"])
    assert answered.status_code == 303
    assert answered.location.startswith(path)
    assert "next=%2Fdevice%2Frequest" in answered.location
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"


def test_what_was_consented_to_elsewhere_is_asked_for_again_in_the_inbox(counter: Counter, browser: FlaskClient, person: Person) -> None:
    for _ in range(2):
        asked = counter.asked(login_hint=person.number)
        assert error_of(counter.poll(asked["auth_req_id"])) == "authorization_pending"
        answer_request(browser)
        good(counter.poll(asked["auth_req_id"]))


def test_withdrawing_the_consent_of_a_counter_takes_its_answer_back(counter: Counter, browser: FlaskClient, person: Person) -> None:
    asked = counter.asked(login_hint=person.number)
    answer_request(browser)
    post_form(browser, "/account/portals/withdrawal", {"client_id": counter.system.client_id}, form_at="/account/portals")
    assert error_of(counter.poll(asked["auth_req_id"])) == "access_denied"


@pytest.mark.parametrize("grant", [DEVICE_CODE, CIBA])
def test_a_client_s_usual_level_holds_where_it_names_none(app: Flask, browser: FlaskClient, person: Person, grant: str) -> None:
    metadata = {"backchannel_token_delivery_mode": "poll"} if grant == CIBA else {}
    with app.app_context(), transaction() as session:
        usual = {"default_acr_values": ["urn:kabao:acr:ial1:aal2"], **metadata}
        system = new_portal(session, redirect_uris=[], grant_types=[grant], metadata=usual)
    answered = answered_apart(app, browser, person, system, grant)
    assert answered.location.startswith("/signin/step-up?aal=2")


@pytest.mark.parametrize("grant", [DEVICE_CODE, CIBA])
def test_a_sign_in_that_is_too_old_for_the_client_is_made_anew_once(app: Flask, browser: FlaskClient, person: Person, grant: str) -> None:
    metadata = {"backchannel_token_delivery_mode": "poll"} if grant == CIBA else {}
    with app.app_context(), transaction() as session:
        system = new_portal(session, redirect_uris=[], grant_types=[grant], metadata={"default_max_age": 0, **metadata})
    answered = answered_apart(app, browser, person, system, grant)
    assert (answered.status_code, answered.location.partition("?")[0]) == (303, "/signin")
    assert "again=1" in answered.location
    signed_in_browser(browser, person)
    if grant == CIBA:
        assert answer_request(browser).status_code == 200
    else:
        assert press(browser, browser.get("/device/request", headers=BROWSER), "approve").status_code == 200


def answered_apart(app: Flask, browser: FlaskClient, person: Person, system: System, grant: str) -> TestResponse:
    if grant == CIBA:
        Counter(app.test_client(), system).asked(login_hint=person.number)
        return answer_request(browser)
    return answer_device(browser, Terminal(app.test_client(), system).codes()["user_code"])
