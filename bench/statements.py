"""How many statements go to PostgreSQL, however they are sent: by SQLAlchemy, or straight."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event


@dataclass
class Counted:
    """The statements that were sent, in their order, and how many transactions were committed."""

    sent: list[str] = field(default_factory=list)
    commits: int = 0


@contextmanager
def counted(app: Flask) -> Iterator[Counted]:
    """Take note of what an application in this process sends until the end of the block."""
    engine: Engine = app.extensions["kabao_engine"]
    found = Counted()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        found.sent.append(statement)

    def note_commit(_: Any) -> None:
        found.commits += 1

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", note_commit)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
        event.remove(engine, "commit", note_commit)
