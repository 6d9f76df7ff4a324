"""No number, name, password, token or field of a licence is readable in a log, in the ledger, in the events, or in any table.

One walk through everything, refusals included, with the service and the worker logging at DEBUG; then all that they wrote and all
that the database holds is searched for whatever was secret on the way.
"""

import base64
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from demo import postgres
from keys import rotation, rotation_jobs
from keys.rotation import Stage
from keys.sealed_tables import declared
from keys.sealing import INDEX, SEAL
from runtime.clock import now
from runtime.database import transaction
from tests.flows.walking import Browser, Walk
from tests.flows.walking_accounts import walk_accounts
from tests.flows.walking_issuing import walk_issuing
from tests.served import Kabao, kabao
from tests.world_asking import asking, of_department, sd_jwt_query, shown_in
from tests.world_clients import bearer, new_portal, new_system
from tests.world_people import BROWSER, citizen_number, csrf_token, new_person, open_account, post_form, sign_in
from tests.world_wallet import example_dates, example_fields, make_officer, new_department
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import get_type

TYPE = "driving-licence"
CONSOLE = "a message, shown here because no sender is set"
NOT_WALKED = {"registry_answers": "only where a registry is asked over HTTP"}
SCOPES = "licences:issue licences:read verifications draws receipts events ssf.manage"
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Traces:
    """What a walk left behind: the secrets, every line of the logs, the metrics, and every row of every table as text."""

    secret: dict[str, str]
    lines: list[str]
    metrics: str
    tables: dict[str, list[str]]
    rotated: dict[tuple[str, str], int]

    def leaks_in(self, text: str) -> list[str]:
        """Return which secrets can be read in a text, in any of the forms that they may take."""
        return [what for what, value in self.secret.items() if any(form in text for form in forms_of(value))]


@pytest.fixture(scope="module")
def traces(server: postgres.PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    name = "logs_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    with kabao(server, name=name, folder=tmp_path_factory.mktemp("logs"), log_level="DEBUG") as running:
        walk = Walk(running)
        walk_accounts(walk, department=walk_everywhere(walk))
        walk_issuing(walk)
        time.sleep(4)  # the worker seals the ledger and builds the status list
        metrics = walk.browser().get("/metrics").text
        running.processes.stop()
        lines = [line for process in ("serve", "worker") for line in running.processes.log(process).splitlines()]
        tables = rows_of(running.processes.database_url)
        yield Traces(walk.secret, lines, metrics, tables, rotate(running))


def rotate(running: Kabao) -> dict[tuple[str, str], int]:
    """Rotate both data keys, and return how many rows of each table followed; raises if one cannot be opened in its place."""
    with running.world() as session:
        at_once, settings = timedelta(0), running.app.extensions["kabao_settings"]
        session.execute(text("DELETE FROM procrastinate_jobs"))
        for purpose in (SEAL, INDEX):
            rotation.begin(session, settings, purpose, now=now(), lead=at_once, settle=at_once)
    with running.app.app_context():
        assert [rotation_jobs.work(which, goes_on=lambda: True) for which in rotation_jobs.due(now=now())] == [Stage.DONE] * 2
        with transaction() as session:
            steps = [step for each in rotation.rotations(session) for step in rotation.steps_of(session, each)]
    return {(step.purpose, step.table_name): step.renewed for step in steps}


def walk_everywhere(walk: Walk) -> str:
    """Walk the journey, from the registry to the revocation, and return the department's code."""
    with walk.kabao.world():
        department = new_department(issue=[TYPE], verify=[TYPE], draw=[TYPE], supervise=[TYPE])
        begins, ends = example_dates(get_type(TYPE))
        dates = {"valid_from": str(begins), "valid_until": str(ends)}
        fields = example_fields(TYPE, address="垦利区黄河口镇听涛里九号", file_number=f"{secrets.randbelow(10**12):012}")
    with walk.kabao.world() as session:
        system = new_system(session, department=department, scopes=SCOPES.split())
        portal = new_portal(session, owner=department, scopes=["openid", "profile", "number", "licences", "offline_access"])
        person, clerk = new_person(session, name="垦利听涛"), new_person(session, name="窗口值班员")
        open_account(session, clerk)
    with walk.kabao.world() as session:
        make_officer(session, department=department, person=clerk)
    for each in (person, clerk):
        walk.note("number", each.number)
        walk.note("name", each.name)
    walk.note("address", fields["address"])
    walk.note("file number", fields["file_number"])

    browser = walk.register(person, walk.note("password", "湿地的芦苇-" + secrets.token_hex(6)))
    tokens = walk.sign_in_at(portal, browser, scope="openid profile number licences offline_access")
    walk.ask_token(portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    token = walk.ask_token(system, grant_type="client_credentials", scope=SCOPES)["access_token"]

    walk.listen(token)
    holder = {"number": person.number, "name": person.name}
    order = {"type": TYPE, "holder": holder, "fields": fields, **dates}
    licence = walk.post("licences", token, order, expect=201)
    walk.post("licences", token, {**order, "holder": {**holder, "name": walk.note("another name", "黄河入海")}}, expect=422)
    walk.post("licences", token, {**order, "holder": {"number": walk.note("unknown number", citizen_number())}}, expect=422)
    walk.post("licences", token, {**order, "fields": {**fields, "file_number": walk.note("bad field", "绝密档案号")}}, expect=422)
    walk.post("licences", token, {**order, walk.note("unknown member", person.number): 1}, expect=422)

    cause = {"text": walk.note("cause", f"为{person.name}的母亲办理手续")}
    code = walk.show(browser, licence["id"], chosen=["holder_name", "address", "file_number"])
    walk.copy(browser, licence["id"])
    seen = walk.post("verifications", token, {"presented": f"KABAO1:{code}", "cause": cause}, expect=201)
    assert seen["fields"]["address"] == fields["address"]
    walk.note("receipt", seen["receipt"]["jws"])
    walk.post("verifications", token, {"presented": f"KABAO1:{code}", "cause": cause}, expect=409)
    walk.post("receipts/check", token, {"receipt": seen["receipt"]["jws"]}, expect=200)
    drawn = walk.post("draws", token, {"type": TYPE, "holder": {"number": person.number}, "cause": cause}, expect=201)
    walk.note("receipt", drawn["receipt"]["jws"])
    walk.rate(browser)
    walk.post("draws", tokens["access_token"], {"type": TYPE, "cause": cause}, expect=201)

    walk_request(walk, browser, department=department, licence_id=licence["id"])
    walk_own_request(walk, browser, token, number=person.number, licence_id=licence["id"])
    desk = walk.browser()
    assert sign_in(desk, clerk).status_code == 303  # type: ignore[arg-type]
    shown = {"presented": walk.show(browser, licence["id"], chosen=["holder_name"]), "cause": cause["text"]}
    assert post_form(desk, "/desk", shown).status_code == 303  # type: ignore[arg-type]
    assert post_form(desk, "/desk", shown).status_code == 409  # type: ignore[arg-type]
    assert post_form(desk, "/receipts/check", {"receipt": seen["receipt"]["jws"]}).status_code == 200  # type: ignore[arg-type]
    walk.note_cookies(desk)

    for path in (f"/wallet/{person.number}", f"/api/v1/licences/{person.number}?name={person.name}", f"/wallet?number={person.number}"):
        browser.get(path, headers=BROWSER)
    reason = {"reason": walk.note("reason", f"{person.name}累计记满十二分"), "legal_basis": "《机动车驾驶证申领和使用规定》第七十九条"}
    walk.post(f"licences/{licence['id']}/revocation", token, reason, expect=201)
    assert browser.post("/signout", data={"csrf_token": csrf_token(browser.get("/account", headers=BROWSER).text)}).status_code == 303
    return department


def walk_request(walk: Walk, browser: Browser, *, department: str, licence_id: str) -> None:
    """Let a department ask the holder's wallet over OpenID4VP, and the holder answer with two fields, and go on to the department's page."""
    settings, cause = walk.kabao.app.extensions["kabao_settings"], walk.note("cause of a request", "核对黄河口住址")
    with asking() as verifier:
        verifier.answer = (200, json.dumps({"redirect_uri": walk.note("goal", f"https://verifier.example/{secrets.token_hex(16)}")}).encode())
        with walk.kabao.world():
            query = sd_jwt_query(type_uri(settings, get_type(TYPE)), "address", "file_number")
            told = [{"format": "urn:kabao:cause", "data": {"text": cause}}]
            link = verifier.link(of_department(department), query, verifier_info=told, state=walk.note("state", secrets.token_urlsafe(16)))
        at = post_form(browser, "/wallet/requests", {"link": link}).headers["Location"]  # type: ignore[arg-type]
        assert post_form(browser, at, {"answer": "approve", "licence-licence": licence_id}).status_code == 303  # type: ignore[arg-type]
        walk.note("presentation", shown_in(verifier.received[0]).split("~")[-1])
    browser.get(at, headers=BROWSER)


def walk_own_request(walk: Walk, browser: Browser, token: str, *, number: str, licence_id: str) -> None:
    """Let the department ask at our own doors, in the holder's inbox, and the holder answer and confirm."""
    cause, act = {"text": walk.note("cause of an own request", "核对芦苇荡住址")}, walk.note("act", "同意迁往黄河口九号")
    wanted = {"type": TYPE, "fields": ["address"], "optional": ["file_number"]}
    order = {"credentials": [wanted], "cause": cause, "confirm": act, "holder": {"number": number}}
    made = walk.post("requests", token, order, expect=201)
    walk.note("request", made["request_uri"].rsplit("/", 1)[-1])
    at = post_form(browser, "/wallet/requests", {"link": made["link"]}).headers["Location"]  # type: ignore[arg-type]
    assert post_form(browser, at, {"answer": "approve", f"licence-{TYPE}-1": licence_id}).status_code == 303  # type: ignore[arg-type]
    told = browser.get(f"/api/v1/requests/{made['id']}", headers=bearer(token)).json()
    assert (told["result"]["verdict"], told["result"]["confirmed"]) == ("valid", act)
    walk.note("receipt", told["result"]["presentations"][0]["receipt"]["jws"])


def forms_of(value: str) -> set[str]:
    """Return the forms in which a secret could be read: as it is, in an address, in JSON, in hexadecimal, in base64, hashed without a key."""
    raw = value.encode()
    forms = {
        value,
        quote(value),
        json.dumps(value)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode(),
    }
    if value.isascii() and len(value) == 18:
        forms |= {hashlib.sha256(raw).hexdigest(), hashlib.md5(raw, usedforsecurity=False).hexdigest()}
    if value.count(".") >= 2:
        forms |= {part for part in value.split(".")[1:3] if len(part) > 20}
    return forms


def rows_of(database_url: str) -> dict[str, list[str]]:
    """Return every row of every table, as text; bytes are in hexadecimal."""
    with psycopg.connect(database_url) as connection:
        names = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        dumped = {name: connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))) for name in names}
        return {name: [row[0] for row in rows] for name, rows in dumped.items()}


def test_the_walk_left_traces_to_search(traces: Traces) -> None:
    assert len(traces.secret) > 40
    assert len(traces.lines) > 60
    assert any('"level": "debug"' in line for line in traces.lines)
    filled = {name for name, rows in traces.tables.items() if rows}
    assert {"ledger_entries", "events", *declared} - NOT_WALKED.keys() <= filled, "a new table with something sealed wants a step of the walk"


def test_whatever_the_walk_left_sealed_follows_a_rotation(traces: Traces) -> None:
    held = {(purpose, table.name) for table in declared.values() for purpose in (SEAL, INDEX) if table.columns_of(purpose)}
    assert {at for at in held if not traces.rotated[at]} <= {(purpose, name) for purpose in (SEAL, INDEX) for name in NOT_WALKED}


def test_a_secret_would_be_found() -> None:
    traces = Traces({"number": "379999199001010014", "name": "垦利听涛"}, [], "", {}, {})
    assert traces.leaks_in('{"event": "379999199001010014"}') == ["number"]
    assert traces.leaks_in("\\x" + "垦利听涛".encode().hex()) == ["name"]
    assert traces.leaks_in(quote("垦利听涛")) == ["name"]
    assert traces.leaks_in(hashlib.sha256(b"379999199001010014").hexdigest()) == ["number"]


def test_no_log_line_holds_a_secret(traces: Traces) -> None:
    leaking = {line: leaks for line in traces.lines if CONSOLE not in line and (leaks := traces.leaks_in(line))}
    assert leaking == {}


def test_in_development_alone_a_message_is_shown_where_no_sender_is_set(traces: Traces) -> None:
    shown = [json.loads(line) for line in traces.lines if CONSOLE in line]
    assert shown
    assert {line["logger"] for line in shown} == {"idp.signin.senders"}


def test_the_metrics_hold_no_secret(traces: Traces) -> None:
    assert "kabao_requests_total" in traces.metrics
    assert traces.leaks_in(traces.metrics) == []


@pytest.mark.parametrize("table", ["ledger_entries", "events"])
def test_the_ledger_and_the_events_hold_no_secret(traces: Traces, table: str) -> None:
    assert traces.tables[table]
    assert traces.leaks_in("\n".join(traces.tables[table])) == []


def test_no_column_of_any_table_holds_a_secret(traces: Traces) -> None:
    leaking = {name: leaks for name, rows in traces.tables.items() if (leaks := traces.leaks_in("\n".join(rows)))}
    assert leaking == {}
