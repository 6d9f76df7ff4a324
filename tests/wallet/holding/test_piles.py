"""Page by page a wallet shows just what it holds, in its order, whatever lies in it; and a page reads no more than it might show."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.holding.test_paging import more_like
from tests.wallet.holding.test_wallet_pages import licensed, someone, writing
from wallet.holding import favourites, timeline
from wallet.holding.cards import Card
from wallet.holding.piles import Place, sums_of
from wallet.holding.shelf import shelf_of
from wallet.holding.sifting import ENDING, FAVOURITE, OVER, SHOWS, VALID, Sieve
from wallet.holding.timeline import timeline_of
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES
from wallet.register.licences import Licence, LicenceHolder, LicenceState, china_date, seal_details

SLUGS = ("driving-licence", "degree-certificate", "business-licence", "birth-certificate", "marriage-certificate")
MANY, FEW = 2000, 3


@dataclass(frozen=True)
class Viewer:
    """Whoever looks at a wallet."""

    holder_id: UUID
    subject_id: UUID
    types: frozenset[str] | None = None


@pytest.fixture(scope="module")
def viewer(app: Flask) -> Viewer:
    """The holder of a wallet with licences of five types in every standing, some of them shared with another, some kept at hand."""
    (model,) = licensed(app, someone(app).number, SLUGS[0])
    other = someone(app)
    with writing(app) as session:
        other_id = ensure_subject(session, parse_number(other.number), now=now()).id
        rows = list(_rows(model, other_id))
        session.execute(insert(Licence), [row for row, _ in rows])
        shared = [row["id"] for row, _ in rows if row["holder_id"] == other_id]
        session.execute(
            insert(LicenceHolder),
            [{"holder_id": model.holder_id, "licence_id": one, "first_holder_id": other_id, "place": 2} for one in shared],
        )
        for row, is_kept in rows:
            if is_kept:
                favourites.add(session, model.holder_id, row["id"], now=now())
    return Viewer(model.holder_id, model.holder_id)


def _rows(model: Licence, other_id: UUID) -> Iterator[tuple[dict[str, object], bool]]:
    today = china_date(now())
    own = {column.key: getattr(model, column.key) for column in Licence.__table__.columns}
    standings = (
        {"state": "valid", "valid_until": None},
        {"state": "valid", "valid_until": today + timedelta(days=30)},
        {"state": "valid", "valid_until": today - timedelta(days=1)},
        {"state": "valid", "valid_from": today + timedelta(days=1), "valid_until": None},
        {"state": "suspended"},
        {"state": "cancelled", "successor_id": new_id()},
        {"state": "valid", "valid_until": None, "successor_id": new_id()},
    )
    for place, (standing, slug, holder) in enumerate(product(standings, SLUGS, (model.holder_id, model.holder_id, other_id))):
        licence_id = new_id()
        named = {"id": licence_id, "holder_id": holder, "identifier": f"{model.identifier}-{licence_id}", "type_code": get_type(slug).code}
        sealed = seal_details(licence_id, licence_number=f"测{place}", fields={})
        yield {**own, "type_version": 1, **standing, **named, **sealed}, place % 11 == 0


def expected(session: Session, viewer: Viewer, sieve: Sieve, *, without_favourites: bool) -> list[UUID]:
    """Return what stands in a wallet, all of it read and put in order here."""
    kept = set(session.scalars(favourites.kept_by(viewer.subject_id)))
    shared = set(session.scalars(text("SELECT licence_id FROM licence_holders WHERE holder_id = :holder"), {"holder": viewer.holder_id}))
    found = [one for one in session.query(Licence) if one.holder_id == viewer.holder_id or one.id in shared]
    today, ranks = china_date(now()), list(FAMILIES)

    def is_let_through(one: Licence) -> bool:
        is_valid = one.state_at(now()) is LicenceState.VALID
        is_ending = is_valid and one.valid_until is not None and one.valid_until <= today + timedelta(days=90)
        ways = {VALID: is_valid, OVER: not is_valid, ENDING: is_ending, FAVOURITE: one.id in kept, None: one.successor_id is None}
        fits = viewer.types is None or one.type_code in viewer.types
        of_family = sieve.family is None or get_type(one.type_code).family == sieve.family
        return fits and of_family and ways[sieve.show] and not (without_favourites and one.id in kept)

    def place(one: Licence) -> tuple[int, bool, int]:
        return ranks.index(get_type(one.type_code).family), one.state_at(now()) is not LicenceState.VALID, -one.id.int

    return [one.id for one in sorted(filter(is_let_through, found), key=place)]


SIEVES = [Sieve(family=family, show=show) for family in (None, "life", "education-profession") for show in (None, *SHOWS)]


@pytest.mark.parametrize("sieve", SIEVES, ids=lambda sieve: f"{sieve.family}, {sieve.show}")
def test_its_pages_together_are_the_wallet(app: Flask, viewer: Viewer, sieve: Sieve) -> None:
    with app.app_context(), transaction() as session:
        for slugs, limit in ((None, 4), (None, 48), (SLUGS[:2], 7)):
            who = Viewer(viewer.holder_id, viewer.subject_id, frozenset(get_type(one).code for one in slugs) if slugs else None)
            seen = list(walked(session, who, sieve, limit=limit))
            assert [one.id for page in seen for one in page] == expected(session, who, sieve, without_favourites=sieve.is_open)
            assert all(len(page) <= limit for page in seen)


def walked(session: Session, who: Viewer, sieve: Sieve, *, limit: int) -> Iterator[list[Card]]:
    after: Place | None = None
    is_first, moment = True, now()
    while is_first or after is not None:
        page = shelf_of(session, who, sieve, now=moment, after=after, limit=limit, without_favourites=sieve.is_open)  # type: ignore[arg-type]
        yield page.cards
        after, is_first = page.after, False


@pytest.fixture(scope="module")
def crowded(app: Flask) -> Viewer:
    """The holder of very many licences."""
    (model,) = licensed(app, someone(app).number, SLUGS[0])
    with writing(app) as session:
        more_like(session, model, MANY)
    return Viewer(model.holder_id, model.holder_id)


def scanned(session: Session, plan: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan read, those that they put aside among them; an index that is read alone counts for nothing."""
    is_scan = plan["Node Type"] in ("Seq Scan", "Index Scan", "Bitmap Heap Scan")
    own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"] if is_scan else 0
    return int(own) + sum(scanned(session, one) for one in plan.get("Plans", ()))


def rows_read(session: Session, do: Callable[[], object]) -> int:
    """Return how many rows of tables PostgreSQL reads for something, where it goes by the indexes that there are."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    for way in ("seqscan", "sort", "hashjoin", "mergejoin"):  # which few rows would be reason enough for
        session.execute(text(f"SET LOCAL enable_{way} = off"))
    event.listen(session.connection(), "before_cursor_execute", note)
    do()
    event.remove(session.connection(), "before_cursor_execute", note)
    plans = []
    for statement, parameters in sent:
        answer = session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
        plans.append(answer[0]["Plan"])
    return sum(scanned(session, plan) for plan in plans)


READS: dict[str, Callable[[Session, Any], object]] = {
    "the first page": lambda session, who: shelf_of(session, who, Sieve(), now=now(), limit=FEW),
    "those in force": lambda session, who: shelf_of(session, who, Sieve(show=VALID), now=now(), limit=FEW),
    "the counts": lambda session, who: sums_of(session, who, now=now()),
    "the timeline": lambda session, who: timeline_of(session, who, now=now()),
    "the timeline, the latest first": lambda session, who: timeline_of(session, who, now=now(), backwards=True),
}


@pytest.mark.parametrize("read", READS)
def test_a_page_reads_no_more_rows_than_it_might_show(app: Flask, crowded: Viewer, monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    monkeypatch.setattr(timeline, "PAGE", FEW)
    with app.app_context():
        with app.extensions["kabao_engine"].connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE) licences, licence_turns"))
        with transaction() as session:
            assert rows_read(session, lambda: READS[read](session, crowded)) <= 12 * (FEW + 1)
