import errno

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from runtime import clashes, database, ledger, problems
from runtime.clock import now
from runtime.database import engine, transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import Refusal, TooManyRequests
from runtime.settings import Settings
from wsgi import create_app


class Strange(Refusal):
    code, status, title = "strange", 409, Text("奇怪。", "Strange.")


def raising(error: Exception):
    def view() -> str:
        raise error

    return allow(anyone)(view)


@pytest.fixture(scope="module")
def strange_app(settings: Settings) -> Flask:
    app = create_app(settings)
    app.add_url_rule("/api/refusal", "refusal", raising(Strange("for the log", field="holder.number", shown=Text("详情", "More"), hint=3)))
    app.add_url_rule("/api/slow-down", "slow", raising(TooManyRequests(retry_after=7)))
    app.add_url_rule("/api/broken", "broken", raising(ZeroDivisionError("379999199001010019")))
    app.add_url_rule("/api/full", "full", raising(OSError(errno.ENOSPC, "No space left on device")))
    app.add_url_rule("/api/missing", "missing", raising(FileNotFoundError(errno.ENOENT, "No such file")))
    app.add_url_rule("/api/sql", "sql", allow(anyone)(bad_sql))
    app.add_url_rule("/page", "page", raising(Strange()))
    return app


def bad_sql() -> str:
    with transaction() as session:
        session.execute(text("SELECT 1 WHERE :value = 1::int/0"), {"value": "379999199001010019"})
    return ""


def test_a_refusal_is_a_problem_document_in_the_callers_language(strange_app: Flask) -> None:
    answer = strange_app.test_client().get("/api/refusal", headers={"Accept-Language": "en-GB,en"})
    assert answer.content_type == "application/problem+json"
    assert answer.status_code == 409
    document = answer.json
    assert document.pop("correlation_id") == answer.headers["X-Request-ID"]
    assert document == {
        "type": "urn:kabao:problem:strange",
        "title": "Strange.",
        "status": 409,
        "code": "strange",
        "detail": "More",
        "field": "holder.number",
        "hint": 3,
    }
    assert strange_app.test_client().get("/api/refusal").json["title"] == "奇怪。"


def test_what_is_for_the_log_is_kept_from_the_caller(strange_app: Flask) -> None:
    assert b"for the log" not in strange_app.test_client().get("/api/refusal").data


def test_a_browser_gets_a_page(strange_app: Flask) -> None:
    answer = strange_app.test_client().get("/page", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "奇怪。" in answer.text


def test_too_many_requests_says_when_to_come_back(strange_app: Flask) -> None:
    answer = strange_app.test_client().get("/api/slow-down")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize("path", ["/api/broken", "/api/sql"])
def test_the_unexpected_is_bare_and_its_log_holds_no_number(strange_app: Flask, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    answer = strange_app.test_client().get(path)
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert b"379999199001010019" not in answer.data
    assert "379999199001010019" not in capfd.readouterr().err


@pytest.mark.parametrize(("path", "status"), [("/api/full", 503), ("/api/missing", 500)])
def test_a_machine_without_room_is_said_to_be_unavailable(strange_app: Flask, path: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    answer = strange_app.test_client().get(path)
    assert (answer.status_code, "Retry-After" in answer.headers) == (status, status == 503)
    assert ("ENOSPC" in caplog.text) == (status == 503)


def test_a_lost_database_is_said_to_be_unavailable(settings: Settings) -> None:
    app = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/none", master_key=settings.master_key, development=True))
    app.add_url_rule("/api/sql", "sql", allow(anyone)(bad_sql))
    app.add_url_rule("/sql", "sql page", allow(anyone)(bad_sql))
    answer = app.test_client().get("/api/sql")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "unavailable", "2")
    assert app.test_client().get("/readyz").status_code == 503
    assert 'id="again" href=""' in app.test_client().get("/sql", headers={"Accept": "text/html"}).text


@pytest.mark.parametrize("straightly", [False, True])
def test_a_server_that_only_reads_since_another_took_its_place_is_said_to_be_unavailable_and_is_left(
    settings: Settings, straightly: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)

    def write() -> str:
        with transaction() as session:
            session.execute(text("SET TRANSACTION READ ONLY"))
            if straightly:
                ledger.record(session, "test.act", actor="operator", object_id="x", now=now())
            else:
                session.execute(text("CREATE TABLE never_made ()"))
        return ""

    app.add_url_rule("/api/sql", "sql", allow(anyone)(write))
    with app.app_context(), engine().connect() as connection:
        before = connection.scalar(text("SELECT pg_backend_pid()"))
    answer = app.test_client().get("/api/sql")
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert "ReadOnlySqlTransaction" in caplog.text
    with app.app_context(), engine().connect() as connection:
        assert connection.scalar(text("SELECT pg_backend_pid()")) != before


FAULTS: list[tuple[psycopg.Error, bool, str]] = [
    (psycopg.errors.DiskFull("could not extend file"), True, "OperationalError DiskFull"),
    (psycopg.errors.AdminShutdown("terminating"), True, "OperationalError AdminShutdown"),
    (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), True, "InternalError ReadOnlySqlTransaction"),
    (psycopg.OperationalError("connection failed: no\nmore"), True, "OperationalError: connection failed: no"),
    (psycopg.OperationalError("connection is bad: no such file\nmore"), True, "OperationalError: connection is bad: no such file"),
    (psycopg.OperationalError('invalid text: "379999199001010019"'), True, "OperationalError"),
    (psycopg.errors.LockNotAvailable("timeout"), False, "OperationalError LockNotAvailable"),
    (psycopg.errors.UniqueViolation("Key (number)=(379999199001010019)"), False, "IntegrityError UniqueViolation"),
]


@pytest.mark.parametrize(("fault", "is_away", "said"), FAULTS, ids=[type(fault).__name__ for fault, *_ in FAULTS])
def test_the_log_names_the_kind_of_what_failed_and_nothing_that_a_statement_was_about(fault: psycopg.Error, is_away: bool, said: str) -> None:
    error = DBAPIError.instance(None, None, fault, psycopg.Error)
    assert isinstance(error, DBAPIError)
    assert (clashes.is_away(error), clashes.what_failed(error)) == (is_away, said)


def test_nested_validation_messages_are_flattened_to_paths() -> None:
    messages = {"holder": {"number": ["Missing."]}, "fields": {"0": {"name": ["Too long.", "Odd."]}}}
    assert problems.flatten(messages) == [
        {"field": "holder.number", "detail": "Missing."},
        {"field": "fields.0.name", "detail": "Too long."},
        {"field": "fields.0.name", "detail": "Odd."},
    ]


def test_sql_parameters_are_hidden(settings: Settings) -> None:
    assert database.build_engine(settings).hide_parameters
