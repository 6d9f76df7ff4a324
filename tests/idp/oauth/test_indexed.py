"""No hot statement, and none that forgets, reads a whole table: a million grants are no slower than a thousand.

The statements are taken as they are sent, and PostgreSQL is asked how it would run each if it could not read tables from end to end: what it
must read so all the same has no index.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, text

from idp.oauth.clients import NONE, PRE_AUTHORIZED_CODE
from idp.oauth.exchange import pre_authorized
from idp.oauth.exchange.pre_authorized import PreAuthorizedCode
from idp.oauth.grantees import Grantee
from idp.oauth.pruning import prune_oauth
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.ids import new_id
from tests.idp.oauth.exchange.conftest import exchange, new_exchanger
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, ask, bearer, new_portal

SCOPE = "openid profile offline_access"
# Tables of which a province has some dozens or hundreds of rows, kept in the process.
SMALL = {"clients", "signing_keys", "data_keys", "token_cutoffs", "trusted_issuers", "resource_servers"}
NUMBERED = re.compile(r"\$1\b")
Sent = list[tuple[str, Any]]


@contextmanager
def statements(app: Flask) -> Iterator[Sent]:
    """Take note of each statement that is sent, with its parameters."""
    sent: Sent = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            sent.append((statement, parameters))

    with app.app_context():
        watched = engine()
    event.listen(watched, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(watched, "before_cursor_execute", note)


def read_whole(app: Flask, sent: Sent) -> set[str]:
    """Return the tables that some statement reads from end to end, though it should not."""
    found: set[str] = set()
    with app.app_context(), engine().connect() as connection:
        connection.execute(text("SET enable_seqscan = off"))
        for statement, given in dict(sent).items():
            if NUMBERED.search(statement):  # sent straight
                plan = connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement}").scalar_one()
            else:
                parameters = given[0] if isinstance(given, list) else given  # rows that are written together
                plan = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
            found |= set(_read_whole(plan[0]["Plan"]))
        connection.rollback()
    return found - SMALL


def _read_whole(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for below in plan.get("Plans", []):
        yield from _read_whole(below)


def test_the_whole_way_of_a_portal_reads_no_table_whole(app: Flask, browser: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, metadata={"may_exchange_from": [portal.client_id]})
    Journey(portal, scope=SCOPE).tokens(browser)
    with statements(app) as sent:
        tokens = Journey(portal, scope=SCOPE).tokens(browser)
        assert browser.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 200
        again = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert exchange(browser, system, again.json["access_token"]).status_code == 200
        assert ask(browser, portal, grant_type="refresh_token", refresh_token=again.json["refresh_token"]).status_code == 200
        assert browser.post("/revoke", data={**portal.proof(), "token": again.json["refresh_token"]}).status_code == 200
    assert len(sent) > 12
    assert read_whole(app, sent) == set()


def test_a_refresh_sends_two_statements(app: Flask, browser: FlaskClient, portal: System) -> None:
    token = Journey(portal, scope=SCOPE).tokens(browser)["refresh_token"]
    token = ask(browser, portal, grant_type="refresh_token", refresh_token=token).json["refresh_token"]
    with statements(app) as sent:
        assert ask(browser, portal, grant_type="refresh_token", refresh_token=token).status_code == 200
    assert [statement.split()[0] for statement, _ in sent if "refresh_families" in statement] == ["SELECT", "UPDATE"]
    assert {statement.split()[2] for statement, _ in sent if "refresh_families" not in statement} <= {"client_assertions"}


def test_an_offer_is_redeemed_without_reading_a_table_whole(app: Flask, client: FlaskClient) -> None:
    me = new_id()
    with app.app_context(), transaction() as session:
        wallet = new_portal(session, scopes=[], auth_method=NONE, grant_types=[PRE_AUTHORIZED_CODE], redirect_uris=[])
        details = [{"type": "openid_credential", "credential_configuration_id": "x", "credential_identifiers": ["y"]}]
        code = pre_authorized.issue(session, Grantee(me, me), client_id=None, authorization_details=details, tx_code=False, now=now()).code
    with statements(app) as sent:
        form = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, "client_id": wallet.client_id}
        assert client.post("/token", data=form).status_code == 200
    assert read_whole(app, sent) == set()


def test_forgetting_reads_no_table_whole_and_holds_few_rows(app: Flask) -> None:
    with statements(app) as sent, app.app_context():
        prune_oauth()
    deletions = [statement for statement, _ in sent if statement.startswith("DELETE")]
    tables = {statement.split()[2] for statement in deletions}
    assert {"authorization_codes", "client_assertions", "refresh_families", "portal_sessions", "token_cutoffs", "pre_authorized_codes"} <= tables
    assert all("SKIP LOCKED" in statement and "LIMIT" in statement for statement in deletions)
    assert read_whole(app, sent) == set()


def test_what_another_holds_is_left_to_a_later_run_and_nobody_waits(app: Flask) -> None:
    me, code = new_id(), Grantee(new_id(), new_id())
    with app.app_context(), transaction() as session:
        pre_authorized.issue(session, code, client_id=str(me), authorization_details=[], tx_code=False, now=now() - timedelta(days=1))
    mine = select(PreAuthorizedCode.code_hash).where(PreAuthorizedCode.client_id == str(me))
    with app.app_context():
        with transaction() as holding:
            assert holding.scalars(mine.with_for_update()).all()
            pre_authorized.forget(now=now())
        with transaction() as session:
            assert session.scalars(mine).all()
        pre_authorized.forget(now=now())
        with transaction() as session:
            assert not session.scalars(mine).all()
