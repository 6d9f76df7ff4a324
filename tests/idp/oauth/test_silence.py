"""What a sign-in at a portal leaves behind: a row of the ledger, and no secret in any log or row of it."""

import logging

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, ask, bearer
from tests.world_people import Person


def test_no_log_line_holds_a_secret_or_a_person(
    app: Flask, browser: FlaskClient, portal: System, person: Person, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    journey = Journey(portal, scope="openid profile number offline_access")
    code = journey.code(browser)
    tokens = journey.exchange(browser, code).json
    journey.exchange(browser, code)
    browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    browser.get("/logout", query_string={"id_token_hint": tokens["id_token"]})
    said = caplog.text + "".join(capfd.readouterr())
    assert "/token" in said
    secrets = [code, journey.verifier, journey.state, journey.nonce, tokens["access_token"], tokens["refresh_token"], tokens["id_token"]]
    for secret in [*secrets, person.number, person.name]:
        assert secret not in said


def test_the_ledger_says_who_signed_in_where_and_what_was_allowed(app: Flask, browser: FlaskClient, portal: System) -> None:
    Journey(portal).tokens(browser)
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == portal.client_id).order_by(LedgerEntry.id)).all()
    assert [row.act for row in rows] == ["client.registered", "consent.given", "portal.signed_in"]
    assert rows[-1].actor == f"subject:{rows[-1].subject_id}"
    assert rows[-1].detail == {"scopes": ["openid", "profile"]}
