"""Statements that stand alone: what they wrote is there for everyone, and a server that was away is found again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from flask import Flask
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError

from runtime import quick
from runtime.clashes import is_away, is_clash
from runtime.quick import Quick, Statement
from tests.waiting import until

KEEP = Statement(b"keep", b"INSERT INTO quick_things (name, at) VALUES ($1::bytea, $2::timestamptz) ON CONFLICT DO NOTHING RETURNING name")
MOMENT = datetime(2026, 11, 23, 4, 5, 6, 789012, tzinfo=UTC)


@pytest.fixture(scope="module")
def lines(app: Flask, database_url: str) -> Iterator[Quick]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE quick_things (name bytea PRIMARY KEY, at timestamptz)")
    lines = Quick(database_url)
    yield lines
    lines.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP TABLE quick_things")


def end_connections(database_url: str) -> None:
    """End the quick connections, as a server that goes away does."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kabao quick' AND datname = current_database()"
        )


def test_a_row_is_written_once_and_seen_by_others_at_once(lines: Quick, database_url: str) -> None:
    assert [lines.run(KEEP, b"one", quick.moment(MOMENT)) for _ in range(3)] == [[b"one"], [], []]
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT at FROM quick_things WHERE name = %s", (b"one",)).fetchone() == (MOMENT,)


@pytest.mark.parametrize("when", [MOMENT, datetime(1970, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, tzinfo=UTC) - timedelta(microseconds=1)])
def test_a_moment_is_the_one_that_is_kept(lines: Quick, database_url: str, when: datetime) -> None:
    name = when.isoformat().encode()
    lines.run(KEEP, name, quick.moment(when))
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT at FROM quick_things WHERE name = %s", (name,)).fetchone() == (when,)


def test_of_many_at_once_one_writes(lines: Quick) -> None:
    with ThreadPoolExecutor(20) as threads:
        wrote = list(threads.map(lambda _: lines.run(KEEP, b"at once", quick.moment(MOMENT)), range(200)))
    assert sorted(wrote) == [[]] * 199 + [[b"at once"]]


def test_a_server_that_was_away_is_found_again(lines: Quick, database_url: str) -> None:
    lines.run(KEEP, b"before", quick.moment(MOMENT))
    end_connections(database_url)
    assert lines.run(KEEP, b"after", quick.moment(MOMENT)) == [b"after"]


def test_what_is_under_way_when_the_server_goes_is_sent_once_more(lines: Quick, database_url: str) -> None:
    lines.run(KEEP, b"connected", quick.moment(MOMENT))
    with psycopg.connect(database_url, autocommit=True) as looking, psycopg.connect(database_url) as holding, ThreadPoolExecutor(1) as threads:
        holding.execute("INSERT INTO quick_things (name) VALUES ('held up')")
        begun = threads.submit(lines.run, KEEP, b"held up", quick.moment(MOMENT))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kabao quick' AND wait_event_type = 'Lock'"
        until(lambda: looking.execute(waits).fetchone() == (1,))
        end_connections(database_url)
        holding.rollback()
        assert begun.result(30) == [b"held up"]
    assert lines.run(KEEP, b"held up", quick.moment(MOMENT)) == []


@pytest.mark.parametrize("many", [1, 2, 300])
def test_a_list_of_values_is_read_as_it_was_written(lines: Quick, database_url: str, many: int) -> None:
    keep = Statement(
        b"keep_all",
        b"INSERT INTO quick_things (name, at) SELECT * FROM unnest($1::bytea[], $2::timestamptz[]) ON CONFLICT DO NOTHING RETURNING name",
    )
    names = [b"%d of %d \x00\xff" % (number, many) for number in range(many)]
    moments = [quick.moment(MOMENT + timedelta(days=number)) for number in range(many)]
    assert lines.run(keep, quick.array(quick.BYTEA, names), quick.array(quick.TIMESTAMPTZ, moments)) == names
    with psycopg.connect(database_url) as connection:
        kept = connection.execute("SELECT name, at FROM quick_things WHERE name = ANY (%s)", (names,)).fetchall()
    assert sorted(kept) == sorted((name, MOMENT + timedelta(days=number)) for number, name in enumerate(names))


WRONG = {
    "22012": (Statement(b"wrong", b"SELECT 1 / (length($1::text) - length($1::text))"), DataError),
    "42601": (Statement(b"no SQL", b"SELEKT $1"), ProgrammingError),
    "23505": (Statement(b"twice", b"INSERT INTO quick_things VALUES ('twice'), (substr('twice' || $1::bytea, 1, 5))"), IntegrityError),
    "55P03": (Statement(b"held", b"UPDATE quick_things SET at = now() WHERE name = $1"), OperationalError),
}


@pytest.mark.parametrize(("state", "wrong", "kind"), [(state, *wrong) for state, wrong in WRONG.items()], ids=WRONG)
def test_a_statement_that_fails_says_how_and_the_next_goes_on(
    lines: Quick, database_url: str, monkeypatch: pytest.MonkeyPatch, state: str, wrong: Statement, kind: type[DBAPIError]
) -> None:
    lines.run(KEEP, b"x", quick.moment(MOMENT))
    lines.close()
    monkeypatch.setattr(quick, "OPTIONS", quick.OPTIONS.replace("lock_timeout=10000", "lock_timeout=20"))
    with psycopg.connect(database_url) as holding:
        holding.execute("SELECT FROM quick_things WHERE name = 'x' FOR UPDATE")
        with pytest.raises(kind) as failed:
            lines.run(wrong, b"x")
    assert failed.value.orig is not None
    assert (failed.value.orig.sqlstate, is_clash(failed.value), is_away(failed.value)) == (state, state == "55P03", False)  # type: ignore[attr-defined]
    assert lines.run(KEEP, b"the next " + state.encode(), quick.moment(MOMENT)) == [b"the next " + state.encode()]
