"""The one place where the present is read: a view asks once and passes `now` down."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_shift = timedelta(0)
_stood: datetime | None = None


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return (_stood or datetime.now(UTC)) + _shift


def ahead_of_here(moment: datetime) -> timedelta:
    """Return how far another clock, which shows `moment`, is ahead of this machine's; less than a second is none."""
    ahead = moment - datetime.now(UTC)
    return ahead if abs(ahead) >= timedelta(seconds=1) else timedelta(0)


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """Move the clock of this process for the length of the block; for tests of what expires."""
    global _shift
    before, _shift = _shift, _shift + by
    try:
        yield
    finally:
        _shift = before


@contextmanager
def stopped() -> Iterator[None]:
    """Let the clock of this process stand for the length of the block; for tests of what wears off, on however slow a machine."""
    global _stood
    before, _stood = _stood, datetime.now(UTC)
    try:
        yield
    finally:
        _stood = before
