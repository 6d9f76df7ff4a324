"""What a sign-in at a portal leaves, in one statement: the portal among those of the session, the act in the ledger, and the code.

All of it only if the session still stands; whoever ends it at this moment waits, and then takes it back.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Insert, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from idp.oauth import portal_sessions
from idp.oauth.codes import AuthorizationCode
from runtime import straight
from runtime.database import Base
from runtime.ledger import LedgerEntry
from runtime.straight import Straight

CODES, ENTRIES = (Base.metadata.tables[one.__tablename__] for one in (AuthorizationCode, LedgerEntry))
NOTED = portal_sessions.remembering().cte("noted")


def write(session: Session, *, code: dict[str, Any], entry: dict[str, Any], now: datetime, is_last: bool) -> bool:
    """Write the rows; False, and nothing is written, if the session has ended meanwhile. `is_last` commits with them."""
    portal = {"standing": code["session_id"], "client": code["client_id"], "holder": code["holder_id"], "now": now}
    return bool(straight.run(session, WRITE, {**portal, **_valued(CODES, code), **_valued(ENTRIES, entry)}, is_last=is_last))


def _valued(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {f"{table.name}_{name}": value for name, value in row.items()}


def _added(table: Table) -> Insert:
    """Return the statement that adds a row where the portal was noted."""
    names = [one.name for one in table.columns if one.name != "position"]
    return insert(table).from_select(names, select(*(_named(table, name) for name in names)).select_from(NOTED))


def _named(table: Table, name: str) -> BindParameter[Any]:
    return bindparam(f"{table.name}_{name}", type_=table.c[name].type)


WRITE = Straight("write_code", _added(CODES).add_cte(_added(ENTRIES).returning(ENTRIES.c.id).cte("recorded")).returning(CODES.c.code_hash))
