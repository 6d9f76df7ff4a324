"""`python -m bench.growth`: whether a register of a million licences is as fast as one of ten thousand, in the same database as it grows.

Everything is asked in this process, one at a time and without a network, on a durable PostgreSQL under var/bench; the database is dropped at the
end. What a figure says is processor time, of this process and of PostgreSQL, since the machine may be shared; `bench.crowding` says what is faked.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count, cycle
from statistics import median

import click
from flask.testing import FlaskClient
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from bench import acts
from bench.acts import Request
from bench.crowding import crowd
from bench.paths import presentations
from bench.stand import FOLDER, OTHER_TYPES, SYSTEM_SCOPES, TYPE, Stand, family, filled, spent
from demo import postgres
from keys.init import init_keys
from runtime import events
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests import schema
from tests.batch_sending import peak_memory
from tests.served import Kabao, Processes
from tests.world_clients import token_of
from tests.world_people import sign_in
from wallet.holding import expiry_notices, use_notices
from wallet.issuing import expiry, status_building
from wallet.issuing.credentials import credential_of
from wallet.issuing.desk import looking, statistics, watch
from wallet.issuing.listing import Filter, list_own
from wallet.issuing.status_lists import INVALID, VALID, set_status
from wallet.register.catalogue import get_type
from wallet.register.licences import china_date, find_by_identifier, get_licence, licence_number_of, licences_of
from wsgi import create_app

NAME = "bench_growth"
MASTER_KEY = bytes(range(9, 41))
FEW, MORE = 10_000, 1.2
ASKED_OF = 5  # of the first citizens is asked, and so nothing more is issued to them
RARELY = 4  # what takes long is done no more often than this; even, as is the number of runs before, since acts come in pairs
LONG_MS = 500
MIB = 1024 * 1024
Thing = Callable[[], object]


@dataclass
class Found:
    """What each thing takes at each size: processor time of this process and of PostgreSQL, and the median of the clock, in ms."""

    sizes: list[int] = field(default_factory=list)
    costs: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)


@click.command()
@click.option("--sizes", default="10000,100000,1000000", show_default=True, help="How many licences there are, smallest first.")
@click.option("--times", default=60, show_default=True, help="How often each thing is done.")
@click.option("--only", default="", help="Measure only what has this in its name.")
def main(sizes: str, times: int, only: str) -> None:
    """Measure the same things as the register grows, and print them side by side."""
    console, progress = Console(width=150), Console(stderr=True)
    server, found, last = postgres.start(FOLDER / "postgres-alone"), Found(), 1
    try:
        with progress.status("Setting the stand up ...") as status, small_stand(server) as standing:
            for size in (int(one) for one in sizes.split(",")):
                status.update(f"Filling up to {size:,} licences ...")
                begun = time.monotonic()
                fill(standing, first=last, last=size)
                progress.print(f"{size:,} licences after {time.monotonic() - begun:.0f} s more")
                found.sizes.append(size)
                last = size
                _measure(with_new_token(standing), found, times, only, lambda title, size=size: status.update(f"{size:,} licences: {title} ..."))  # type: ignore[misc]
    finally:
        console.print(_table(found))
    console.print(f"This process, service and load in one, has had {peak_memory(os.getpid()) / MIB:.0f} MiB at most.")


def with_new_token(standing: Stand) -> Stand:
    """Return the stand with a token that has just been made: filling may take longer than one lives."""
    return replace(standing, token=token_of(standing.kabao.app.test_client(), standing.system, " ".join(SYSTEM_SCOPES)))


def _measure(standing: Stand, found: Found, times: int, only: str, tell: Callable[[str], None]) -> None:
    with standing.kabao.app.app_context():
        for title, thing in things(standing).items():
            if only not in title:
                continue
            tell(title)
            found.costs.setdefault(title, []).append(_cost(thing, standing, times))


def fill(standing: Stand, *, first: int, last: int) -> None:
    """Let there be more licences, half of them the department's own."""
    settings: Settings = standing.kabao.app.extensions["kabao_settings"]
    citizen = standing.citizens[-1]
    with standing.kabao.app.app_context():
        types = [get_type(one).code for one in (TYPE, *OTHER_TYPES)]
        crowd(settings, first=first, last=last, like=citizen.licence_id, holder=citizen.subject_id, types=types)


@contextmanager
def small_stand(server: postgres.PostgresServer) -> Iterator[Stand]:
    """Set up what is measured without its processes: a database of its own and an application in this process."""
    url = schema.create(server, NAME)
    settings = Settings(database_url=url, master_key=MASTER_KEY, development=True, throttle_enforced=False, log_level="ERROR")
    app, none = create_app(settings), Processes(FOLDER / "logs" / "growth", url)
    app.config["TESTING"] = True
    try:
        kabao = Kabao(none, app)
        with kabao.world() as session:
            init_keys(session, settings, now=now())
        yield filled(kabao, server, none, token=partial(token_of, app.test_client()))
    finally:
        app.extensions["kabao_cache"].stop()
        app.extensions["kabao_engine"].dispose()
        server.psql(f"DROP DATABASE {NAME} WITH (FORCE)")


def things(standing: Stand) -> dict[str, Thing]:
    """Return what is measured: by HTTP where a licence is real, else the statement alone.

    A holder's pages come after the desk's looks, which fill the history that they show from the first size on.
    """
    return {**_by_http(standing), **_questions(standing), **_holder(standing), **_changes(standing)}


def _by_http(standing: Stand) -> dict[str, Thing]:
    client, me = standing.kabao.app.test_client(), standing.citizens[0]
    number = {"holder": {"number": me.person.number}, "cause": {"text": "基准"}}
    read = Request("GET", f"/api/v1/licences/{me.licence_id}", standing.authorization)
    turned = standing.citizens[2].licence_id
    return {
        "issue a licence by API": _each(client, acts.issue(standing, len(standing.citizens))[ASKED_OF:]),
        "read a licence by API": _each(client, [read]),
        "search by the holder's number, by API": _each(client, [acts.post(standing, "licences/search", number)]),
        "verify a presentation by API": _each(client, [acts.post(standing, "verifications", one) for one in presentations(standing)]),
        "suspend a licence, or resume it, by API": _each(
            client, [acts.post(standing, f"licences/{turned}/{path}", acts.WHY) for path in ("suspension", "resumption")]
        ),
    }


def _holder(standing: Stand) -> dict[str, Thing]:
    me, browser = standing.citizens[0], standing.kabao.app.test_client()
    sign_in(browser, me.person)
    page = partial(_get_page, browser)
    remind = {stage: partial(expiry_notices.remind, stage, after=after) for stage, after in ((90, 30), (30, 7), (7, -1))}
    for one in remind.values():
        while one(now=now()) == expiry_notices.BATCH:
            continue
    while use_notices.tell(now=now()) == use_notices.BATCH:
        continue
    return {
        "the wallet's page": page("/wallet"),
        "the wallet's page of a card": page(f"/wallet/cards/{me.licence_id}"),
        "the wallet's timeline": page("/wallet/timeline"),
        "the wallet's history": page("/wallet/history"),
        "the wallet's reminders of ends, with nothing to do": lambda: [one(now=now()) for one in remind.values()],
        "the wallet's notices of uses": lambda: use_notices.tell(now=now()),
    }


def _questions(standing: Stand) -> dict[str, Thing]:
    department, some = standing.department, standing.citizens[0]
    acts.issue(standing, ASKED_OF)[-1].within(standing.kabao.app.test_client())
    with transaction() as session:
        licence = get_licence(session, some.licence_id)
        numbered = licences_of(session, holder_id=standing.citizens[ASKED_OF - 1].subject_id)[0]
        deep = session.scalar(text(DEEP), {"department": department})
        end = events.end(session)
    late = replace(end, transaction=end.transaction - 1)
    soon = china_date(now()) + timedelta(days=7)
    topics = {licence.type_code}
    look = looking.Look(sought=some.person.number, cause="基准", officer_id=some.subject_id, department=department)
    by_identifier, by_number = replace(look, sought=licence.identifier), replace(look, sought=licence_number_of(numbered))
    own = partial(list_own, limit=50, now=now(), department=department)
    return {
        "find a licence by its identifier": _asked(lambda session: find_by_identifier(session, licence.identifier)),
        "look at the desk, by a holder's number": _asked(lambda session: looking.find(session, look, now=now())),
        "look at the desk, by an identifier": _asked(lambda session: looking.find(session, by_identifier, now=now())),
        "look at the desk, by a licence number": _asked(lambda session: looking.find(session, by_number, now=now())),
        "what arrives at the desk": _asked(lambda session: looking.arriving(session, department=department)),
        "list own, first page": _asked(lambda session: own(session, Filter())),
        "list own, a page at nine tenths": _asked(lambda session: own(session, Filter(after=deep))),
        "list own, suspended": _asked(lambda session: own(session, Filter(state="suspended"))),
        "list own, due": _asked(lambda session: own(session, Filter(due=True))),
        "list own, expiring within a week": _asked(lambda session: own(session, Filter(expiring_before=soon))),
        "the watch's lights": _asked(lambda session: watch.lights(session, now=now(), department=department)),
        "the watch's red page": _asked(lambda session: watch.showing(session, watch.Light.RED, now=now(), department=department)),
        "statistics: how licences stand": _asked(lambda session: statistics.standings(session, department=department)),
        "statistics: twelve months": _asked(lambda session: statistics.months(session, now=now(), department=department)),
        "events, from near the end": _asked(lambda session: events.read(session, topics=topics, after=late, limit=50)),
    }


DEEP = """SELECT type_code || '.' || id FROM licences WHERE issuer_code = :department ORDER BY type_code, id
    OFFSET (SELECT count(*) * 9 / 10 FROM licences WHERE issuer_code = :department) LIMIT 1"""


def _changes(standing: Stand) -> dict[str, Thing]:
    settings: Settings = standing.kabao.app.extensions["kabao_settings"]
    with transaction() as session:
        place = credential_of(session, get_licence(session, standing.citizens[1].licence_id)).place
    turns = count()
    return {
        "change a status": _asked(lambda session: set_status(session, place, (INVALID, VALID)[next(turns) % 2])),
        "the job that lapses, with nothing to do": _asked(lambda session: expiry.lapse_expired(session, now=now())),
        "the job that builds lists, one of each call": _asked(
            lambda session: status_building.rebuild_next(session, settings, now=now(), thorough=False)
        ),
    }


def _each(client: FlaskClient, requests: list[Request]) -> Thing:
    turning = cycle(requests)
    return lambda: next(turning).within(client)


def _asked(ask: Callable[..., object]) -> Thing:
    def once() -> object:
        with transaction() as session:
            return ask(session)

    return once


def _get_page(browser: FlaskClient, path: str) -> Thing:
    def once() -> None:
        answer = browser.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.status

    return once


def _cost(thing: Thing, standing: Stand, times: int) -> tuple[float, float, float]:
    """Return what one run takes in ms: of this process, of PostgreSQL, and of the clock."""
    begun = time.perf_counter()
    for _ in range(2):
        thing()
    rounds = times if (time.perf_counter() - begun) * 500 < LONG_MS else RARELY
    taken, backend = [], _postgres(standing)
    own = time.process_time()
    for _ in range(rounds):
        begun = time.perf_counter()
        thing()
        taken.append((time.perf_counter() - begun) * 1000)
    return (time.process_time() - own) * 1000 / rounds, (_postgres(standing) - backend) * 1000 / rounds, median(taken)


def _postgres(standing: Stand) -> float:
    return spent(family(standing.database.get_pid()))


def _table(found: Found) -> Table:
    title = "processor ms of this process + of PostgreSQL (median of the clock)"
    table = Table("what", *(f"{size:,}" for size in found.sizes), "times the first", title=title, title_justify="left")
    for what, costs in found.costs.items():
        first, last = (sum(one[:2]) for one in (costs[0], costs[-1]))
        grown = last / first if first else 1.0
        cells = [f"{own:.2f} + {backend:.2f} ({clock:.2f})" for own, backend, clock in costs]
        table.add_row(what, *cells, f"{grown:.2f}{' !' if grown > MORE else ''}")
    return table


if __name__ == "__main__":
    main()
