"""Writing a licence: its place in a status list, its row, its first turn's and its credential's, and what is told of it, in one statement, the
hottest of the register.

The statements are built once; building them anew would cost as much as running them. Where a session gathers (`gathering_licences`), places are
taken for many licences at once, and the rows are written together.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import CTE, BindParameter, Insert, Select, Table, bindparam, delete, insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from runtime import gathering, ledger, straight
from runtime.database import Base
from runtime.events import Event
from runtime.gathering import Gathered
from runtime.idempotency import IdempotencyKey
from runtime.ledger import LedgerEntry
from runtime.straight import Straight
from wallet.issuing import telling
from wallet.issuing.credentials import Credential
from wallet.issuing.status_lists import VALID, Place, StatusEntry, draw
from wallet.issuing.status_places import take_some
from wallet.issuing.telling import Told
from wallet.register.licences import Licence
from wallet.register.turns import LicenceTurn, first_turn

ATTEMPTS = 30
RESERVED = "kabao_reserved_places"
PLACES, LICENCES, TURNS, CREDENTIALS, ENTRIES, EVENTS, KEYS = (
    Base.metadata.tables[one.__tablename__] for one in (StatusEntry, Licence, LicenceTurn, Credential, LedgerEntry, Event, IdempotencyKey)
)
LATER = frozenset({ENTRIES.c.position, EVENTS.c.sequence, EVENTS.c.transaction})  # what PostgreSQL or the sealing job gives
Row = dict[str, Any]
Sign = Callable[[Place], Row]


def write(session: Session, licence: Row, *, sign: Sign, list_id: str, told: Told | None = None) -> None:
    """Write a licence with its first turn, the credential that `sign` makes for a place, and what is `told` of it.

    If the place that was drawn is taken nothing is written, and another is drawn and signed for. A list is closed when half
    full, so a second draw is seldom needed and a thirtieth never.
    """
    turn = _turn(licence)
    if gathering.find(session) is None:
        rows = {LICENCES: licence, TURNS: turn, **_rows_of(told)}
        _write(session, WRITE if told is None else WRITE_TOLD, rows, sign=sign, list_id=list_id)
        if told is not None:
            ledger.let_hear(session, told.entry)
        return
    credential = _reserved_credential(session, sign=sign, list_id=list_id)
    for statement, row in ((ADD_LICENCE, licence), (ADD_TURN, turn), (ADD_CREDENTIAL, credential)):
        gathering.write(session, statement, row)
    if told is not None:
        telling.write(session, told)


def write_alone(licence: Row, *, sign: Sign, list_id: str, told: Told, claimed: Row | None) -> bool:
    """Write the same in a transaction of its own, and claim a key in it; False, and none of it is written, if the key was claimed before.

    Of two who claim it at the same moment the later takes a place all the same, which is nobody's. What is told may not be heard in the same
    transaction (`ledger.hears`).
    """
    rows = {LICENCES: licence, TURNS: _turn(licence), **_rows_of(told), **({} if claimed is None else {KEYS: claimed})}
    is_known = False
    for _ in range(ATTEMPTS):
        values = _values(rows, sign=sign, list_id=list_id)
        if claimed is None:
            is_placed = is_written = bool(straight.run_alone(WRITE_TOLD, values))
        else:
            ((is_placed, is_written, is_known),) = ((one is not None for one in row) for row in straight.run_alone(WRITE_CLAIMED, values))
        if is_placed or is_known:
            return is_written
    raise RuntimeError("the open status list is full")


def write_credential(session: Session, *, sign: Sign, list_id: str) -> None:
    """Write a further credential of a licence, such as another holder's."""
    if gathering.find(session) is None:
        _write(session, WRITE_CREDENTIAL, {}, sign=sign, list_id=list_id)
    else:
        gathering.write(session, ADD_CREDENTIAL, _reserved_credential(session, sign=sign, list_id=list_id))


def _write(session: Session, statement: Straight, rows: dict[Table, Row], *, sign: Sign, list_id: str) -> None:
    for _ in range(ATTEMPTS):
        if straight.run(session, statement, _values(rows, sign=sign, list_id=list_id)):
            return
    raise RuntimeError("the open status list is full")


def _values(rows: dict[Table, Row], *, sign: Sign, list_id: str) -> Row:
    """Draw a place, and return the values of the rows and of the credential that is signed for it."""
    place = draw(list_id)
    all_rows = {PLACES: {"list_id": place.list_id, "index": place.index, "status": VALID}, **rows, CREDENTIALS: sign(place)}
    return {f"{table.name}_{name}": value for table, row in all_rows.items() for name, value in row.items()}


def _turn(licence: Row) -> Row:
    return first_turn(licence, actor=f"department:{licence['issuer_code']}")


def _rows_of(told: Told | None) -> dict[Table, Row]:
    return {} if told is None else {ENTRIES: told.entry, EVENTS: told.event}


@contextmanager
def gathering_licences(session: Session, count: int) -> Iterator[Gathered]:
    """Write the licences that are issued in the block, `count` at most, together at its end; places that nobody took are given back."""
    reserved = session.info[RESERVED] = _Reserved(session, count)
    try:
        with gathering.gathering(session) as gathered:
            yield gathered
        reserved.give_back()
    finally:
        del session.info[RESERVED]


class _Reserved:
    """Places taken ahead, by list: as many as are still wanted, at the first licence that needs one there."""

    def __init__(self, session: Session, count: int) -> None:
        self.session, self.count = session, count
        self.free: dict[str, list[Place]] = {}

    def take(self, list_id: str) -> Place:
        for _ in range(ATTEMPTS):
            if self.free.get(list_id):
                self.count -= 1
                return self.free[list_id].pop()
            self.free[list_id] = take_some(list_id, max(self.count, 1))
        raise RuntimeError("the open status list is full")

    def give_back(self) -> None:
        unused = [(place.list_id, place.index) for places in self.free.values() for place in places]
        if unused:
            self.session.connection().execute(delete(PLACES).where(tuple_(PLACES.c.list_id, PLACES.c.index).in_(unused)))


def _reserved_credential(session: Session, *, sign: Sign, list_id: str) -> dict[str, Any]:
    reserved: _Reserved = session.info[RESERVED]
    return sign(reserved.take(list_id))


def _statement(*tables: Table) -> Insert:
    place = _place()
    return _insert(CREDENTIALS, place).add_cte(*_written(tables, place)).returning(CREDENTIALS.c.id)


def _claiming(*tables: Table) -> Select[Any]:
    """Return the statement that writes rows once a place was taken and a key claimed; it tells which of both were, and if the key was claimed before.

    Then no place is taken.
    """
    named = _named(KEYS)
    known = select(KEYS.c.result_id).where(KEYS.c.caller == named["caller"], KEYS.c.key == named["key"])
    free = insert_or(PLACES).from_select(list(_named(PLACES)), select(*_named(PLACES).values()).where(~known.exists()))
    place = free.on_conflict_do_nothing().returning(PLACES.c.index).cte("place")
    row = insert_or(KEYS).from_select(list(_named(KEYS)), select(*_named(KEYS).values()).select_from(place))
    claimed = row.on_conflict_do_nothing().returning(KEYS.c.result_id).cte("claimed")
    told = (select(place.c.index).scalar_subquery(), select(claimed.c.result_id).scalar_subquery(), known.scalar_subquery())
    return select(*told).add_cte(*_written(tables, claimed))


def _place() -> CTE:
    return insert_or(PLACES).values(_named(PLACES)).on_conflict_do_nothing().returning(PLACES.c.index).cte("place")


def _written(tables: Iterable[Table], condition: CTE) -> list[CTE]:
    return [_insert(table, condition).returning(table.c.id).cte(f"written_{table.name}") for table in tables]


def _insert(table: Table, condition: CTE) -> Insert:
    """Return the statement that writes a row of a table once there is another."""
    return insert(table).from_select(list(_named(table)), select(*_named(table).values()).select_from(condition))


def _named(table: Table) -> dict[str, BindParameter[Any]]:
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in table.columns if one not in LATER}


WRITE, WRITE_CREDENTIAL = Straight("write_licence", _statement(LICENCES, TURNS)), Straight("write_credential", _statement())
WRITE_TOLD = Straight("write_licence_told", _statement(LICENCES, TURNS, ENTRIES, EVENTS))
WRITE_CLAIMED = Straight("write_licence_claimed", _claiming(LICENCES, TURNS, CREDENTIALS, ENTRIES, EVENTS))
ADD_LICENCE, ADD_TURN, ADD_CREDENTIAL = insert(LICENCES), insert(TURNS), insert(CREDENTIALS)
