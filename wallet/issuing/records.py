"""Writing a licence: its place in a status list, its row, its first turn's and its credential's, in one statement, the hottest of the register.

The statement is built once; building it anew would cost as much as running it. Where a session gathers (`gathering_licences`), places are taken
for many licences at once, and the rows are written together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import CTE, BindParameter, Insert, Table, bindparam, delete, insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from runtime import gathering, straight
from runtime.database import Base
from runtime.gathering import Gathered
from runtime.straight import Straight
from wallet.issuing.credentials import Credential
from wallet.issuing.status_lists import VALID, Place, StatusEntry, draw
from wallet.issuing.status_places import take_some
from wallet.register.licences import Licence
from wallet.register.turns import LicenceTurn, first_turn

ATTEMPTS = 30
RESERVED = "kabao_reserved_places"
PLACES, LICENCES, TURNS, CREDENTIALS = (Base.metadata.tables[one.__tablename__] for one in (StatusEntry, Licence, LicenceTurn, Credential))
Sign = Callable[[Place], dict[str, Any]]


def write(session: Session, licence: dict[str, Any], *, sign: Sign, list_id: str) -> None:
    """Write a licence with its first turn and the credential that `sign` makes for a place.

    If the place that was drawn is taken nothing is written, and another is drawn and signed for. A list is closed when half
    full, so a second draw is seldom needed and a thirtieth never.
    """
    turn = first_turn(licence, actor=f"department:{licence['issuer_code']}")
    if gathering.find(session) is None:
        _write(session, WRITE, {LICENCES: licence, TURNS: turn}, sign=sign, list_id=list_id)
        return
    credential = _reserved_credential(session, sign=sign, list_id=list_id)
    for statement, row in ((ADD_LICENCE, licence), (ADD_TURN, turn), (ADD_CREDENTIAL, credential)):
        gathering.write(session, statement, row)


def write_credential(session: Session, *, sign: Sign, list_id: str) -> None:
    """Write a further credential of a licence, such as another holder's."""
    if gathering.find(session) is None:
        _write(session, WRITE_CREDENTIAL, {}, sign=sign, list_id=list_id)
    else:
        gathering.write(session, ADD_CREDENTIAL, _reserved_credential(session, sign=sign, list_id=list_id))


def _write(session: Session, statement: Straight, rows: dict[Table, dict[str, Any]], *, sign: Sign, list_id: str) -> None:
    for _ in range(ATTEMPTS):
        place = draw(list_id)
        all_rows = {PLACES: {"list_id": place.list_id, "index": place.index, "status": VALID}, **rows, CREDENTIALS: sign(place)}
        values = {f"{table.name}_{name}": value for table, row in all_rows.items() for name, value in row.items()}
        if straight.run(session, statement, values):
            return
    raise RuntimeError("the open status list is full")


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
    place = insert_or(PLACES).values(_named(PLACES)).on_conflict_do_nothing().returning(PLACES.c.index).cte("place")
    statement = _insert(CREDENTIALS, place)
    for table in tables:
        statement = statement.add_cte(_insert(table, place).returning(table.c.id).cte(f"written_{table.name}"))
    return statement.returning(CREDENTIALS.c.id)


def _insert(table: Table, place: CTE) -> Insert:
    """Return the statement that writes a row of a table once a place was taken."""
    return insert(table).from_select(list(_named(table)), select(*_named(table).values()).select_from(place))


def _named(table: Table) -> dict[str, BindParameter[Any]]:
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in table.columns}


WRITE, WRITE_CREDENTIAL = Straight("write_licence", _statement(LICENCES, TURNS)), Straight("write_credential", _statement())
ADD_LICENCE, ADD_TURN, ADD_CREDENTIAL = insert(LICENCES), insert(TURNS), insert(CREDENTIALS)
