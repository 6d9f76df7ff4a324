"""Writing what remains of a look at a licence: the receipt, its row in the ledger and the holder's history, in one statement.

The statements are built once; building them anew would cost as much as running them.
"""

from typing import Any

from sqlalchemy import BindParameter, Insert, Table, bindparam, insert
from sqlalchemy.orm import Session

from runtime import straight
from runtime.database import Base
from runtime.ledger import LedgerEntry
from runtime.straight import Straight
from wallet.holding.uses import Use
from wallet.verifying.receipts import Receipt

ENTRIES, RECEIPTS, USES = (Base.metadata.tables[one.__tablename__] for one in (LedgerEntry, Receipt, Use))


def write(session: Session, *, entry: dict[str, Any], receipt: dict[str, Any], use: dict[str, Any] | None, is_last: bool) -> None:
    """Write the rows; there is no use where nobody's licence was recognised. `is_last` commits with them."""
    straight.run(session, _statement_of(use), _values(entry, receipt, use), is_last=is_last)


def write_alone(*, entry: dict[str, Any], receipt: dict[str, Any], use: dict[str, Any] | None) -> None:
    """Write the rows in a transaction of their own."""
    straight.run_alone(_statement_of(use), _values(entry, receipt, use))


def _statement_of(use: dict[str, Any] | None) -> Straight:
    return WRITE_WITH_USE if use else WRITE


def _values(entry: dict[str, Any], receipt: dict[str, Any], use: dict[str, Any] | None) -> dict[str, Any]:
    rows = {ENTRIES: entry, RECEIPTS: receipt, **({USES: use} if use else {})}
    return {f"{table.name}_{name}": value for table, row in rows.items() for name, value in row.items()}


def _statement(*others: Table) -> Insert:
    statement = insert(ENTRIES).values(_named(ENTRIES))
    for table in others:
        statement = statement.add_cte(insert(table).values(_named(table)).returning(table.c.id).cte(f"written_{table.name}"))
    return statement


def _named(table: Table) -> dict[str, BindParameter[Any]]:
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in table.columns if one.name != "position"}


WRITE, WRITE_WITH_USE = Straight("write_receipt", _statement(RECEIPTS)), Straight("write_receipt_and_use", _statement(RECEIPTS, USES))
