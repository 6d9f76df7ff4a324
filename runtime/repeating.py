"""What repeats within a minute is asked for first: each second, one statement says which of it has anything to do, and that alone is queued.

A condition asks for the rows that its work would take, so nothing hangs on the worker that asked: another finds the same. A worker that begins
asks nothing and queues all of it once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import SQLAlchemyError

from runtime.clashes import what_failed
from runtime.clock import now as clock_now
from runtime.database import transaction

log = structlog.get_logger(__name__)
Condition = Callable[[datetime], ColumnElement[bool]]
BEGINNING = 0


@dataclass(frozen=True, slots=True)
class Repeated:
    """Work that is looked at every so many seconds, and runs if its condition holds."""

    seconds: int
    if_any: Condition


declared: dict[str, Repeated] = {}


def declare(name: str, cron: str, if_any: Condition) -> None:
    """Declare work by its job's name; `cron` is six fields of which the last alone says when: `*`, or `*/n`."""
    *rest, by_seconds = cron.split()
    if rest != ["*"] * 5:
        raise ValueError(f"{name} does not repeat by seconds alone: {cron}")
    declared[name] = Repeated(int(by_seconds.removeprefix("*").removeprefix("/") or 1), if_any)


def find_due(*, last: int, this: int) -> list[str]:
    """Return the work whose time came between two seconds of the clock and that has something to do.

    Where it cannot be asked, all whose time came: the queue then says what is wrong.
    """
    in_time = {name: each.if_any for name, each in declared.items() if this // each.seconds != last // each.seconds}
    if last == BEGINNING or not in_time:
        return list(in_time)
    try:
        with transaction() as session:
            answers = session.execute(select(*(if_any(clock_now()) for if_any in in_time.values()))).one()
    except SQLAlchemyError as error:
        log.warning("what is due cannot be asked", error=what_failed(error))
        return list(in_time)
    return [name for name, has_work in zip(in_time, answers, strict=True) if has_work]
