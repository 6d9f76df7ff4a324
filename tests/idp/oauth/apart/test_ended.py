"""What was approved for another device, and not fetched yet, ends with everything else that ends: as a code does."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import cutoffs
from idp.oauth.clients import DEVICE_CODE, REFRESH_TOKEN
from idp.signin.sessions import SigninSession
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.apart.steps import SCOPES, Terminal, answer_device, error_of, good
from tests.idp.oauth.conftest import portal as portal
from tests.idp.oauth.journeys import Journey
from tests.idp.signin.test_devices import row_of
from tests.world_clients import System, new_portal
from tests.world_people import BROWSER, post_form


@pytest.fixture
def both(app: Flask) -> Terminal:
    """A client that signs people in in its browser and on its terminals."""
    with app.app_context(), transaction() as session:
        grants = ["authorization_code", DEVICE_CODE, REFRESH_TOKEN]
        return Terminal(app.test_client(), new_portal(session, scopes=SCOPES, grant_types=grants))


def approved(terminal: Terminal, browser: FlaskClient) -> str:
    codes = terminal.codes(scope="openid profile offline_access")
    assert answer_device(browser, codes["user_code"]).status_code == 200
    return str(codes["device_code"])


def test_who_ends_all_other_devices_takes_back_what_waits_to_be_fetched(terminal: Terminal, browser: FlaskClient) -> None:
    device_code = approved(terminal, browser)
    post_form(browser, "/account/devices/end-others", {}, form_at="/account/devices")
    assert error_of(terminal.poll(device_code)) == "access_denied"


def ends(session: Any, row: SigninSession, client_id: str) -> dict[str, Any]:
    return {
        "the person": lambda: cutoffs.cut(session, person_id=row.subject_id, now=now()),
        "the session": lambda: cutoffs.cut_session(session, row.id, now=now()),
        "the portal in the session": lambda: cutoffs.cut_portal(session, row.id, client_id, now=now()),
        "another person": lambda: cutoffs.cut(session, person_id=UUID(int=7), now=now()),
        "another session": lambda: cutoffs.cut_session(session, UUID(int=7), now=now()),
        "another portal": lambda: cutoffs.cut_portal(session, row.id, "another", now=now()),
    }


@pytest.mark.parametrize(
    ("whose", "is_over"),
    [
        ("the person", True),
        ("the session", True),
        ("the portal in the session", True),
        ("another person", False),
        ("another session", False),
        ("another portal", False),
    ],
)
def test_a_cut_takes_back_what_it_is_about(app: Flask, terminal: Terminal, browser: FlaskClient, whose: str, is_over: bool) -> None:
    device_code, row = approved(terminal, browser), row_of(app, browser)
    with app.app_context(), transaction() as session:
        ends(session, row, terminal.system.client_id)[whose]()
    if is_over:
        assert error_of(terminal.poll(device_code)) == "access_denied"
    else:
        assert "refresh_token" in good(terminal.poll(device_code))


def test_signing_in_again_does_not_bring_back_what_the_portal_left_behind(both: Terminal, browser: FlaskClient, portal: System) -> None:
    Journey(portal).tokens(browser)
    hint = Journey(both.system).tokens(browser)["id_token"]
    device_code = approved(both, browser)
    browser.get("/logout", query_string={"id_token_hint": hint}, headers=BROWSER)
    Journey(both.system).tokens(browser)
    assert error_of(both.poll(device_code)) == "access_denied"
