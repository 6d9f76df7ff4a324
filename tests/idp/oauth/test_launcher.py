"""From here to a portal, which begins the sign-in (OpenID Connect Core section 4)."""

from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.clients import ClientRefused
from idp.oauth.commands import client as client_commands
from runtime.database import transaction
from tests.world_clients import ISSUER, new_portal
from tests.world_people import BROWSER

START = "https://hall.example.gov.cn/login?by=kabao"


def test_a_portal_is_told_who_we_are_and_where_to_go(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        silent = new_portal(session)
        portal = new_portal(session, metadata={"initiate_login_uri": START, "client_uri": "https://hall.example.gov.cn/"})
    page = browser.get("/portals", headers=BROWSER).text
    assert silent.client_id not in page
    goal = urlsplit(unescape(page.split(f'id="go-{portal.client_id}" href="')[1].split('"')[0]))
    assert goal.netloc == "hall.example.gov.cn"
    assert parse_qs(goal.query) == {"by": ["kabao"], "iss": [ISSUER], "target_link_uri": ["https://hall.example.gov.cn/"]}


def test_who_is_not_signed_in_signs_in_first(client: FlaskClient) -> None:
    assert client.get("/portals", headers=BROWSER).location.startswith("/signin")


@pytest.mark.parametrize("uri", ["http://hall.example.gov.cn/login", "javascript:alert(1)", "https://hall.example.gov.cn/#x", "/login"])
def test_a_portal_begins_at_an_address_of_the_web(app: Flask, uri: str) -> None:
    with app.app_context(), transaction() as session, pytest.raises(ClientRefused):
        new_portal(session, metadata={"initiate_login_uri": uri})


def test_a_portal_on_the_developers_own_machine_begins_there_and_may_be_changed_later(app: Flask) -> None:
    start = "http://127.0.0.1:8001/login"
    with app.app_context(), transaction() as session:
        portal = new_portal(session, metadata={"initiate_login_uri": start})
    told = app.test_cli_runner().invoke(client_commands, ["edit", portal.client_id, "--set", "policy_uri=https://hall.example.gov.cn/privacy"])
    assert (told.exit_code, told.output.splitlines()[0]) == (0, f"{portal.client_id} is changed."), told.output
    shown = app.test_cli_runner().invoke(client_commands, ["edit", portal.client_id, "--set", "initiate_login_uri=http://hall.example.gov.cn/login"])
    assert (shown.exit_code, "https, or http to 127.0.0.1 or [::1] (not localhost)" in shown.output) == (1, True)
