from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from runtime import clock
from tests.idp.signin.test_signin_pages import ELSEWHERE
from tests.world_people import BROWSER, PASSWORD, Person, post_form, sign_in

STEP_UP = "/signin/step-up?aal=1&next=/account?x=1"


def test_a_fresh_proof_leads_on_to_where_one_was_and_changes_the_token(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    before = client.get_cookie("kabao_session")
    with clock.shifted(timedelta(minutes=5)):
        page = client.get(STEP_UP, headers=BROWSER)
        assert person.number[-4:] in page.text
        assert person.number not in page.text
        answer = post_form(client, STEP_UP, {"password": PASSWORD, "next": "/account?x=1"})
        assert (answer.status_code, answer.location) == (303, "/account?x=1")
        after = client.get_cookie("kabao_session")
        assert before is not None
        assert after is not None
        assert before.value != after.value
        client.set_cookie("kabao_session", before.value)
        assert client.get("/account", headers=BROWSER).status_code == 303


def test_another_password_raises_nothing(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    before = client.get_cookie("kabao_session")
    answer = post_form(client, STEP_UP, {"password": "not this one"})
    assert answer.status_code == 422
    assert client.get_cookie("kabao_session") == before


@pytest.mark.parametrize("goal", ELSEWHERE)
def test_a_step_up_never_leads_elsewhere(client: FlaskClient, person: Person, goal: str) -> None:
    sign_in(client, person)
    assert post_form(client, STEP_UP, {"password": PASSWORD, "next": goal}).location == "/wallet"


def test_a_step_up_needs_someone_signed_in_and_the_forms_token(client: FlaskClient, person: Person) -> None:
    assert client.get(STEP_UP, headers=BROWSER).location == "/signin?next=/signin/step-up?aal%3D1%26next%3D/account?x%3D1"
    sign_in(client, person)
    assert client.post("/signin/step-up", data={"password": PASSWORD}, headers=BROWSER).status_code == 400
