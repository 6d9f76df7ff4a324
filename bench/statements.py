"""How many statements go to PostgreSQL, however they are sent: by SQLAlchemy, or straight."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event


@dataclass
class Counted:
    """The statements that were sent, in their order, how many rows came of them or were written, and how many transactions were committed."""

    sent: list[str] = field(default_factory=list)
    rows: int = 0
    commits: int = 0


@contextmanager
def counted(app: Flask) -> Iterator[Counted]:
    """Take note of what an application in this process sends until the end of the block."""
    engine: Engine = app.extensions["kabao_engine"]
    found = Counted()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.sent.append(statement)

    def note_rows(_: Any, cursor: Any, *__: Any) -> None:
        found.rows += max(cursor.rowcount, 0)

    def note_commit(_: Any) -> None:
        found.commits += 1

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "after_cursor_execute", note_rows)
    event.listen(engine, "commit", note_commit)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "after_cursor_execute", note_rows)
        event.remove(engine, "commit", note_commit)
