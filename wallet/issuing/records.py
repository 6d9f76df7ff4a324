"""Writing a licence: its place in a status list, its row and its credential's, in one statement, the hottest of the register.

The statement is built once; building it anew would cost as much as running it. Where a session gathers (`gathering_licences`), places are taken
for many licences at once, and the rows are written together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import BindParameter, Insert, Table, bindparam, delete, insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from runtime import gathering
from runtime.database import Base
from runtime.gathering import Gathered
from wallet.issuing.credentials import Credential
from wallet.issuing.status_lists import VALID, Place, StatusEntry, draw
from wallet.register.licences import Licence

ATTEMPTS = 30
RESERVED = "kabao_reserved_places"
PLACES, LICENCES, CREDENTIALS = (Base.metadata.tables[one.__tablename__] for one in (StatusEntry, Licence, Credential))


def write(session: Session, licence: dict[str, Any], *, sign: Callable[[Place], dict[str, Any]], list_id: str) -> None:
    """Write a licence with the credential that `sign` makes for a place.

    If the place that was drawn is taken nothing is written, and another is drawn and signed for. A list is closed when half
    full, so a second draw is seldom needed and a thirtieth never.
    """
    if gathering.find(session) is not None:
        _gather(session, licence, sign=sign, list_id=list_id)
        return
    for _ in range(ATTEMPTS):
        place = draw(list_id)
        rows = {PLACES: {"list_id": place.list_id, "index": place.index, "status": VALID}, LICENCES: licence, CREDENTIALS: sign(place)}
        values = {f"{table.name}_{name}": value for table, row in rows.items() for name, value in row.items()}
        if session.connection().scalar(WRITE, values) is not None:
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
    """Places taken ahead: as many as are still wanted, at the first licence that needs one."""

    def __init__(self, session: Session, count: int) -> None:
        self.session, self.count = session, count
        self.free: list[Place] = []

    def take(self, list_id: str) -> Place:
        for _ in range(ATTEMPTS):
            if self.free:
                self.count -= 1
                return self.free.pop()
            drawn = {draw(list_id).index for _ in range(max(self.count, 1))}
            rows = [{"list_id": list_id, "index": index, "status": VALID} for index in sorted(drawn)]
            taken = self.session.connection().scalars(insert_or(PLACES).values(rows).on_conflict_do_nothing().returning(PLACES.c.index))
            self.free = [Place(list_id, index) for index in taken]
        raise RuntimeError("the open status list is full")

    def give_back(self) -> None:
        unused = [(place.list_id, place.index) for place in self.free]
        if unused:
            self.session.connection().execute(delete(PLACES).where(tuple_(PLACES.c.list_id, PLACES.c.index).in_(unused)))


def _gather(session: Session, licence: dict[str, Any], *, sign: Callable[[Place], dict[str, Any]], list_id: str) -> None:
    reserved: _Reserved = session.info[RESERVED]
    credential = sign(reserved.take(list_id))
    gathering.write(session, ADD_LICENCE, licence)
    gathering.write(session, ADD_CREDENTIAL, credential)


def _statement() -> Insert:
    place = insert_or(PLACES).values(_named(PLACES)).on_conflict_do_nothing().returning(PLACES.c.index).cte("place")
    licence = insert(LICENCES).from_select(list(_named(LICENCES)), select(*_named(LICENCES).values()).select_from(place))
    credential = insert(CREDENTIALS).from_select(list(_named(CREDENTIALS)), select(*_named(CREDENTIALS).values()).select_from(place))
    return credential.add_cte(licence.returning(LICENCES.c.id).cte("licence")).returning(CREDENTIALS.c.id)


def _named(table: Table) -> dict[str, BindParameter[Any]]:
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in table.columns}


WRITE = _statement()
ADD_LICENCE, ADD_CREDENTIAL = insert(LICENCES), insert(CREDENTIALS)
