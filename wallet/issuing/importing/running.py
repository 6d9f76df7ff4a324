"""An import at work: the rows of a table become the lines of a batch, so that each is issued once, however often the import is started anew.

The batch of an import is known by its department and by what is imported: the same file with the same mapping goes on where it was cut off.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from runtime.clock import now
from runtime.ids import new_id
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import batches
from wallet.issuing.batch_groups import GROUP, Work
from wallet.issuing.batch_lines import Line, read_document
from wallet.issuing.importing.mappings import Mapping, convert
from wallet.issuing.importing.reasons import RowUnreadable, reasons_of
from wallet.issuing.importing.tables import Row, Table


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a row: `problem` is None if it has its licence."""

    row: Row = field(repr=False)
    problem: dict[str, Any] | None = field(repr=False)


def key_of(file: Path, *, mapping_text: str, sheet: str = "") -> str:
    """Return the key of what is imported: the file, the mapping, the sheet."""
    with file.open("rb") as content:
        whole = hashlib.file_digest(content, "sha256")
    whole.update(f"\0{sheet}\0{mapping_text}".encode())
    return whole.hexdigest()


def caller_of(department: str) -> str:
    """Return the caller under which a department's imports are known."""
    return f"import:{department}"


def begin(session: Session, settings: Settings, mapping: Mapping, *, department: str, key: str, again: bool, now: datetime) -> Work:
    """Return the work at a batch, a new one or one that was cut off; `again` lets rows be issued that were imported before."""
    batch = batches.open_batch(session, caller=caller_of(department), key=key, department=department, now=now)
    return Work(settings, batch.id, batch.caller, department, describe=describing(mapping), once=not again)


def rehearse(settings: Settings, mapping: Mapping, *, department: str, again: bool) -> Work:
    """Return work that does everything and takes it back."""
    return Work(settings, new_id(), caller_of(department), department, describe=describing(mapping), once=not again, dry=True)


def describing(mapping: Mapping) -> Callable[[Refusal], dict[str, Any]]:
    """Return what says of a refusal how the import keeps it."""
    return lambda refusal: reasons_of(refusal, mapping)


def take(work: Work, mapping: Mapping, table: Table) -> Iterator[list[Taken]]:
    """Take every row of a table, and yield what became of each group of them once that is durable."""
    rows = iter(table.rows)
    while group := list(islice(rows, GROUP)):
        yield take_rows(work, mapping, table.columns, group)


def take_rows(work: Work, mapping: Mapping, columns: list[str], rows: Iterable[Row]) -> list[Taken]:
    """Take some rows."""
    by_line = {row.line: row for row in rows}
    lines = [read_row(mapping, columns, row) for row in by_line.values()]
    return [Taken(by_line[one.line], one.problem) for done in work.take(lines, now=now()) for one in done]


def read_row(mapping: Mapping, columns: list[str], row: Row) -> Line:
    """Return the line that a row makes, or its fault."""
    document, faults = convert(mapping, columns, row.cells)
    return Line(row.line, fault=RowUnreadable(faults)) if faults else read_document(row.line, document)
