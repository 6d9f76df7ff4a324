"""Whether the database has the shape that this version needs. It may have a newer one: while one version follows another, both are at work."""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from runtime.settings import Settings

NEWEST = max(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))


class OldShape(Exception):
    """The database lacks what this version needs, and `kabao init` makes it."""


def find(session: Session) -> str:
    """Return the revision that a database is at; empty before the first."""
    if session.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return ""
    return session.scalar(text("SELECT max(version_num) FROM alembic_version")) or ""


def check(session: Session, _: Settings) -> None:
    """Raise OldShape if the database is not as far as this version."""
    at = find(session)
    if at < NEWEST:
        found = f"at {at}" if at else "empty"
        raise OldShape(f"The database is {found}, and this version needs it at {NEWEST}. Run `kabao init`: it makes what is missing.")


def is_new_enough(session: Session) -> bool:
    """Whether the database is as far as this version."""
    return find(session) >= NEWEST
