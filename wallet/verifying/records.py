"""Writing what remains of a look at a licence: the receipt, its row in the ledger and the holder's history, in one statement.

The statements are built once; building them anew would cost as much as running them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, BindParameter, Insert, Table, bindparam, insert, select
from sqlalchemy.orm import Session

from runtime import straight
from runtime.database import Base
from runtime.ledger import LedgerEntry
from runtime.straight import Alone, Straight
from wallet.holding.uses import Use
from wallet.presenting.qr_codes import SPENDING, STILL_WAITS, Presentation
from wallet.verifying.receipts import Receipt

Look = tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]
"""The rows of one look: its entry in the ledger, its receipt, and its use where somebody's licence was recognised."""
ENTRIES, RECEIPTS, USES = (Base.metadata.tables[one.__tablename__] for one in (LedgerEntry, Receipt, Use))


def write(session: Session, *, entry: dict[str, Any], receipt: dict[str, Any], use: dict[str, Any] | None, is_last: bool) -> None:
    """Write the rows; there is no use where nobody's licence was recognised. `is_last` commits with them."""
    straight.run(session, _statement_of(use), _values(entry, receipt, use), is_last=is_last)


def write_all(alone: Alone, looks: Sequence[Look]) -> None:
    """Write the rows of some looks in one transaction of their own."""
    alone.run_all([(_statement_of(use), _values(entry, receipt, use)) for entry, receipt, use in looks])


def write_spending(alone: Alone, looks: Sequence[tuple[bytes, datetime, Look]]) -> list[bool]:
    """Spend the code of each look and write its rows, in one transaction of their own; returns whose code waited still.

    Whether it does is asked as of a moment; it is spent at that of its use, by which its holder's page finds who looked. Of any other nothing is
    written, nor of one that another transaction holds: for that one nobody waits here, and so no two processes wait for each other.
    """
    return [bool(written) for written in alone.run_all([_spending_of(*look) for look in looks])]


def _spending_of(code_hash: bytes, at: datetime, look: Look) -> tuple[Straight, dict[str, Any]]:
    use = look[2]
    assert use is not None
    return WRITE_SPENDING, {**_values(*look), "hash": code_hash, "at": at, "spent": use["at"]}


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


def _spending() -> Insert:
    free = select(Presentation.code_hash).where(*STILL_WAITS).with_for_update(skip_locked=True).scalar_subquery()
    spent = SPENDING.where(Presentation.code_hash == free).returning(Presentation.id).cte("spent")
    others = [_insert(table, spent).returning(table.c.id).cte(f"written_{table.name}") for table in (RECEIPTS, USES)]
    return _insert(ENTRIES, spent).add_cte(*others).returning(ENTRIES.c.id)


def _insert(table: Table, condition: CTE) -> Insert:
    return insert(table).from_select(list(_named(table)), select(*_named(table).values()).select_from(condition))


def _named(table: Table) -> dict[str, BindParameter[Any]]:
    return {one.name: bindparam(f"{table.name}_{one.name}", type_=one.type) for one in table.columns if one.name != "position"}


WRITE, WRITE_WITH_USE = Straight("write_receipt", _statement(RECEIPTS)), Straight("write_receipt_and_use", _statement(RECEIPTS, USES))
WRITE_SPENDING = Straight("spend_and_write_receipt", _spending())
