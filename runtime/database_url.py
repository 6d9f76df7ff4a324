"""The address of the database, which two read: libpq, for those who connect by its own library, and SQLAlchemy, which splits it itself."""

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

HINT = "@ : / ? % in a password are written %40 %3A %2F %3F %25, and several hosts ?host=db1,db2&port=5432,5432"


def is_read_by_all(unverified_url: str) -> bool:
    """Whether both who connect read the same in an address: libpq, and SQLAlchemy, which splits it itself.

    What either says of one that it cannot read may hold the password.
    """
    try:
        read, split = conninfo_to_dict(unverified_url), make_url(unverified_url)
    except (Error, ArgumentError, ValueError):
        return False
    parts = {"user": split.username, "password": split.password, "dbname": split.database}
    return "@" not in (split.host or "") and all((split.query.get(name) or part or None) == (read.get(name) or None) for name, part in parts.items())
