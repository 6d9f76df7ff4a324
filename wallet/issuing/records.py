"""Writing a licence: its place in a status list, its row and its credential's, in one statement, the hottest of the register.

The statement is built once; building it anew would cost as much as running it.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BindParameter, Insert, Table, bindparam, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from runtime.database import Base
from wallet.issuing.credentials import Credential
from wallet.issuing.status_lists import VALID, Place, StatusEntry, draw
from wallet.register.licences import Licence

ATTEMPTS = 30
PLACES, LICENCES, CREDENTIALS = (Base.metadata.tables[one.__tablename__] for one in (StatusEntry, Licence, Credential))


def write(session: Session, licence: dict[str, Any], *, sign: Callable[[Place], dict[str, Any]], list_id: str) -> None:
    """Write a licence with the credential that `sign` makes for a place.

    If the place that was drawn is taken nothing is written, and another is drawn and signed for. A list is closed when half
    full, so a second draw is seldom needed and a thirtieth never.
    """
    for _ in range(ATTEMPTS):
        place = draw(list_id)
        rows = {PLACES: {"list_id": place.list_id, "index": place.index, "status": VALID}, LICENCES: licence, CREDENTIALS: sign(place)}
        values = {f"{table.name}_{name}": value for table, row in rows.items() for name, value in row.items()}
        if session.connection().scalar(WRITE, values) is not None:
            return
    raise RuntimeError("the open status list is full")


def _statement() -> Insert:
    place = insert_or(PLACES).values(_named(PLACES)).on_conflict_do_nothing().returning(PLACES.c.index).cte("place")
    licence = insert(LICENCES).from_select(list(_named(LICENCES)), select(*_named(LICENCES).values()).select_from(place))
    credential = insert(CREDENTIALS).from_select(list(_named(CREDENTIALS)), select(*_named(CREDENTIALS).values()).select_from(place))
    return credential.add_cte(licence.returning(LICENCES.c.id).cte("licence")).returning(CREDENTIALS.c.id)


def _named(table: Table) -> dict[str, BindParameter[Any]]:
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in table.columns}


WRITE = _statement()
