"""Rows that one transaction adds to the same tables many times, gathered and written together: hundreds of acts, a few statements.

`write` adds a row at once, as everyone does, unless the session gathers; what is gathered is in no table until the block ends, so
whoever gathers reads none of it before. What failed half-way is cut off again, and leaves nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.orm import Session

from runtime import straight
from runtime.straight import Straight

KEY = "kabao_gathered"
Row = dict[str, Any]


class Gathered:
    """The rows so far, by the statement that will add them, in the order in which those were first used."""

    def __init__(self) -> None:
        self.rows: dict[Executable, list[Row]] = {}

    def flush(self, session: Session) -> None:
        """Write what was gathered so far."""
        for statement, rows in self.rows.items():
            if rows:
                session.connection().execute(statement, rows)
        self.rows.clear()

    def mark(self) -> dict[Executable, int]:
        """Return how far each statement's rows go now."""
        return {statement: len(rows) for statement, rows in self.rows.items()}

    def cut(self, mark: dict[Executable, int]) -> None:
        """Forget what was added since a mark."""
        for statement, rows in self.rows.items():
            del rows[mark.get(statement, 0) :]


def write(session: Session, statement: Executable, row: Row, *, alone: Straight | None = None) -> None:
    """Add a row: now, by the statement for one alone if there is one, or with the others where the session gathers."""
    gathered = find(session)
    if gathered is None and alone is not None:
        straight.run(session, alone, row)
    elif gathered is None:
        session.connection().execute(statement, row)
    else:
        gathered.rows.setdefault(statement, []).append(row)


def find(session: Session) -> Gathered | None:
    """Return what a session gathers, or None if it does not."""
    found: Gathered | None = session.info.get(KEY)
    return found


@contextmanager
def gathering(session: Session) -> Iterator[Gathered]:
    """Gather through the block, and write all of it at its end; nothing if the block raises."""
    gathered = session.info[KEY] = Gathered()
    try:
        yield gathered
    finally:
        del session.info[KEY]
    gathered.flush(session)
