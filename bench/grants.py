"""`python -m bench.grants`: whether what is asked most is as fast among a million live grants as among a thousand.

Each run has a database of its own that is dropped at its end. It is filled with families, spent and unspent codes and consents of people that
nobody knows, of whom a tenth are over; then one portal and one person go their ways among them, in this process and without a network.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
from flask import Flask
from flask.testing import FlaskClient
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from bench.stand import FOLDER
from demo import postgres
from idp.oauth import codes, refresh_tokens
from keys.init import init_keys
from runtime import database
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from tests.idp.oauth.journeys import Journey, answer_of, signed_in_browser
from tests.world_clients import System, ask, new_portal
from tests.world_people import new_person, open_account
from wsgi import create_app

NAME, SCOPE = "bench_grants", "openid profile offline_access"
MASTER_KEY = bytes(range(7, 39))
FILL = (
    """
    INSERT INTO refresh_families (id, client_id, holder_id, person_id, session_id, scopes, auth_time, amr, generation, rotated_at,
        expires_at, ended_at)
    SELECT gen_random_uuid(), 'portal-' || n % 500, p, p, gen_random_uuid(), '["openid", "offline_access"]', now(), '["pwd"]', n % 50, now(),
        now() + CASE WHEN n % 10 = 0 THEN interval '-3 days' ELSE interval '20 days' END, NULL
    FROM (SELECT n, gen_random_uuid() AS p FROM generate_series(1, :rows) n) made
    """,
    """
    INSERT INTO authorization_codes (code_hash, client_id, holder_id, person_id, session_id, family_id, redirect_uri, scopes, nonce, code_challenge,
        auth_time, amr, issued_at, spent_at)
    SELECT sha256(gen_random_uuid()::text::bytea), 'portal-' || n % 500, p, p, gen_random_uuid(), gen_random_uuid(),
        'https://portal.example.gov.cn/callback', '["openid"]', NULL, repeat('x', 43), now(), '["pwd"]',
        now() - CASE WHEN n % 10 = 0 THEN interval '3 hours' ELSE interval '10 minutes' END, CASE WHEN n % 2 = 0 THEN now() END
    FROM (SELECT n, gen_random_uuid() AS p FROM generate_series(1, :rows) n) made
    """,
    """
    INSERT INTO consents (holder_id, client_id, given_by, scopes, given_at)
    SELECT p, 'portal-' || n % 500, p, '["openid", "profile"]', now()
    FROM (SELECT n, gen_random_uuid() AS p FROM generate_series(1, :rows) n) made
    """,
)


@dataclass(frozen=True)
class Stand:
    """An application on its own database, and who goes through it."""

    app: Flask
    browser: FlaskClient
    portal: System


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="How many grants of each kind there are in the full database.")
@click.option("--few", default=1_000, show_default=True, help="How many there are in the other.")
@click.option("--times", default=200, show_default=True, help="How often each thing is done.")
def main(rows: int, few: int, times: int) -> None:
    """Measure the same things in both databases, and print the medians side by side."""
    table = Table("what", *(f"{count:,} grants" for count in (few, rows)), title="milliseconds, median (95th of a hundred)")
    server = postgres.start(FOLDER / "postgres")
    found = []
    for count in (few, rows):
        with stand(server, rows=count) as standing:
            found.append(measure(standing, times=times))
    for what in found[0]:
        table.add_row(what, *(each[what] for each in found))
    Console().print(table)


@contextmanager
def stand(server: postgres.PostgresServer, *, rows: int) -> Iterator[Stand]:
    """Fill a database, and let somebody sign in who knows a portal; all of it is gone afterwards."""
    url = schema.create(server, NAME)
    settings = Settings(database_url=url, master_key=MASTER_KEY, development=True, throttle_enforced=False, log_level="ERROR")
    app = create_app(settings)
    try:
        with app.app_context():
            with transaction() as session:
                init_keys(session, settings, now=now())
            with transaction() as session:
                portal, person = new_portal(session, scopes=SCOPE.split()), new_person(session)
                open_account(session, person)
            fill(rows)
        yield Stand(app, signed_in_browser(app.test_client(), person), portal)
    finally:
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()
        server.psql(f"DROP DATABASE {NAME} WITH (FORCE)")


def fill(rows: int) -> None:
    """Fill the tables, and let PostgreSQL know what is in them."""
    with transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in FILL:
            session.execute(text(statement), {"rows": rows})
        session.execute(text("ANALYZE refresh_families, authorization_codes, consents"))


def measure(standing: Stand, *, times: int) -> dict[str, str]:
    """Return how long each thing takes."""
    app, browser, portal = standing.app, standing.browser, standing.portal
    first = Journey(portal, scope=SCOPE)
    token = [first.tokens(browser)["refresh_token"]]  # the first consent is given here
    journeys = [Journey(portal, scope=SCOPE) for _ in range(times)]
    brought: list[str] = []

    def refresh(_: int) -> None:
        answer = ask(browser, portal, grant_type="refresh_token", refresh_token=token[0])
        token[0] = answer.json["refresh_token"]

    def authorize(number: int) -> None:
        brought.append(answer_of(journeys[number].authorize(browser))["code"])

    def redeem(number: int) -> None:
        assert journeys[number].exchange(browser, brought[number]).status_code == 200

    def introspect(_: int) -> None:
        assert browser.post("/introspect", data={**portal.proof(), "token": token[0]}).status_code == 200

    found = {
        "refresh": _timed(refresh, times),
        "authorize, on an open session": _timed(authorize, times),
        "redeem a code": _timed(redeem, times),
        "introspect a refresh token": _timed(introspect, times) if _answers(app, "/introspect") else "-",
    }
    with app.app_context():
        found["forget a batch of codes"] = _timed(lambda _: _prune_once(codes.forget), 5)
        found["forget a batch of families"] = _timed(lambda _: _prune_once(refresh_tokens.forget), 5)
    return found


def _answers(app: Flask, path: str) -> bool:
    return any(rule.rule == path for rule in app.url_map.iter_rules())


def _prune_once(forget: Callable[..., None]) -> None:
    whole, database.PRUNE_SECONDS = database.PRUNE_SECONDS, -1.0  # one batch, then the time is up
    forget(now=now())
    database.PRUNE_SECONDS = whole


def _timed(do: Callable[[int], None], times: int) -> str:
    taken = []
    for number in range(times):
        begun = time.perf_counter()
        do(number)
        taken.append((time.perf_counter() - begun) * 1000)
    return f"{statistics.median(taken):.2f} ({sorted(taken)[int(0.95 * len(taken))]:.2f})"


if __name__ == "__main__":
    main()
