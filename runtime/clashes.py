"""What a failed statement says of its cause: the database is away, or others were at the same rows and it is worth another try."""

import psycopg
from sqlalchemy.exc import DBAPIError

OF_CONNECTIONS = ("connection failed", "connection is bad", "connection timeout", "failed to resolve")  # how what was said of one begins
READ_ONLY = "25006"
CLASHES = ("40001", "40P01", "55P03")  # serialization, deadlock, a lock not had in time: others were at the same rows


def is_away(error: Exception) -> bool:
    """Whether the database could not be reached, went away, or is for reading alone, as one is that was the first until another took its place."""
    if not isinstance(error, DBAPIError):
        return False
    is_operational = isinstance(error.orig, psycopg.OperationalError)
    return error.connection_invalidated or (is_operational and not is_clash(error)) or _state_of(error) == READ_ONLY


def is_clash(error: Exception) -> bool:
    """Whether others were at the same rows, so that the same may succeed a moment later."""
    return isinstance(error, DBAPIError) and _state_of(error) in CLASHES


def what_failed(error: BaseException) -> str:
    """Return an error's kind and its driver's, such as `DiskFull`, for the log; and what was said where no connection was had.

    What PostgreSQL says of a statement is left out: it may hold what the statement was about.
    """
    cause = (error.orig if isinstance(error, DBAPIError) else error.__cause__) or error
    kinds = dict.fromkeys((type(error).__name__, type(cause).__name__))
    said = [str(cause).partition("\n")[0]] if str(cause).startswith(OF_CONNECTIONS) else []
    return ": ".join([" ".join(kinds), *said])


def _state_of(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)
