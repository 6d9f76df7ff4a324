"""What a sign-in at a second portal costs the database: so many statements, and a transaction only where something is written."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from bench.statements import Counted, counted
from idp.oauth import code_records, codes
from idp.oauth.acquaintances import SIGNED_IN
from idp.oauth.codes import AuthorizationCode
from idp.oauth.grantees import Grantee
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.ledger import LedgerEntry
from tests.idp.oauth.journeys import Journey, answer_of
from tests.world_clients import System, bearer, new_portal
from tests.world_people import Person, sign_in


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, first_party=True, scopes=["openid", "profile"])


def of_tables(found: Counted) -> list[str]:
    """Return the statements but those that fill a cache of the process."""
    return [one for one in found.sent if "revoked_tokens" not in one and "token_cutoffs" not in one]


def test_a_second_portals_sign_in_sends_four_statements(app: Flask, client: FlaskClient, person: Person, portal: System) -> None:
    sign_in(client, person)
    before = Journey(portal, scope="openid profile").tokens(client)
    client.get("/userinfo", headers=bearer(before["access_token"]))
    journey = Journey(portal, scope="openid profile")
    with counted(app) as authorizing:
        code = answer_of(journey.authorize(client))["code"]
    with counted(app) as redeeming:
        tokens = journey.exchange(client, code).json
    with counted(app) as telling:
        assert client.get("/userinfo", headers=bearer(tokens["access_token"])).json["name"]
    looked, written = of_tables(authorizing)
    assert looked.startswith("SELECT signin_sessions.id")
    assert written.startswith("WITH noted AS")
    (spent,) = of_tables(redeeming)
    assert spent.startswith("UPDATE authorization_codes")
    (asked,) = of_tables(telling)
    assert asked.startswith("SELECT subjects.")


def test_who_somebody_is_is_told_alike_by_both_ways(app: Flask, client: FlaskClient, person: Person, portal: System) -> None:
    sign_in(client, person)
    headers = bearer(Journey(portal, scope="openid profile").tokens(client)["access_token"])
    lean, cookies = app.test_client(use_cookies=False), app.test_client()
    cookies.set_cookie("any", "thing")  # whoever has cookies goes Flask's way
    answers = [one.get("/userinfo", headers=headers) for one in (lean, cookies)]
    assert answers[0].data == answers[1].data
    first, second = ({name: value for name, value in one.headers if name not in {"Vary", "X-Request-ID"}} for one in answers)
    assert first == second
    assert first["Cache-Control"] == "no-store"


def test_nothing_is_written_for_a_session_that_is_gone(app: Flask) -> None:
    me = new_id()
    within = {"client_id": "portal-gone", "session_id": new_id(), "redirect_uri": "https://portal.example/cb", "scopes": ["openid"]}
    how = {"nonce": None, "code_challenge": "x" * 43, "auth_time": now(), "amr": ["pwd"], "ial": 2, "now": now()}
    _, row = codes.new(Grantee(me, me), **within, **how)
    entry = ledger.row_of(SIGNED_IN, actor=f"subject:{me}", object_id="portal-gone", subject_id=me, now=now())
    with app.app_context(), transaction() as session:
        assert not code_records.write(session, code=row, entry=entry, now=now(), is_last=True)
    with app.app_context(), transaction() as session:
        assert session.get(AuthorizationCode, row["code_hash"]) is None
        assert session.scalars(select(LedgerEntry).where(LedgerEntry.id == entry["id"])).first() is None


def test_nobody_has_to_hear_of_a_sign_in_at_a_portal(app: Flask) -> None:
    assert ledger.hears, "whoever hears of anything has joined by now"
    assert SIGNED_IN not in ledger.hears, "who hears of it must be told by `code_records.write`, too"
