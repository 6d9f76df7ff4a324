"""What a failed statement says of its cause: the database is away, or others were at the same rows and it is worth another try."""

from sqlalchemy.exc import DBAPIError, OperationalError

CLASHES = ("40001", "40P01", "55P03")  # serialization, deadlock, a lock not had in time: others were at the same rows


def is_away(error: Exception) -> bool:
    """Whether the database could not be reached, or went away."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or (isinstance(error, OperationalError) and not is_clash(error)))


def is_clash(error: Exception) -> bool:
    """Whether others were at the same rows, so that the same may succeed a moment later."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in CLASHES
