"""A file as a table: the names of its columns, and its rows with the line each begins on. Every cell is text.

CSV is read as it is, in UTF-8 or GB18030; a workbook by a process of its own (`sheet_process.py`). A cell of None lost digits before it came here.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from runtime.languages import Text
from runtime.problems import Refusal

PROCESS = Path(__file__).with_name("sheet_process.py")
WORKBOOKS = (".xlsx", ".xlsm")
ENCODINGS = ("utf-8-sig", "gb18030")
SEPARATORS = {",": ",", ";": ";", "tab": "\t", "|": "|"}
MOST_COLUMNS, LONGEST_CELL = 500, 32_768
LONGEST_ROW = 4 * 1024 * 1024  # of JSON: a shared text of megabytes in each of a row's cells stays in the process that reads it
ADDED = ("行号 line", "原因", "reason")  # what a file of rejected rows adds; left out when it comes back
RUNS = "=+-@\t\r"  # what makes a spreadsheet run a cell; such a cell goes out behind an apostrophe and comes back without it


class TableUnreadable(Refusal):
    """The file cannot be read as a table; `shown` says why."""

    code, status, title = "table-unreadable", 422, Text("无法读取该文件。", "The file cannot be read.")


FAULTS = {
    "too-large": Text("工作簿过大。", "The workbook is too large."),
    "encrypted": Text("工作簿已加密，请去除密码后再导入。", "The workbook is encrypted; take its password away first."),
    "no-such-sheet": Text("工作簿中没有该工作表。", "The workbook has no such sheet."),
    "not-a-workbook": Text("不是有效的XLSX工作簿，或其内容已损坏。", "It is no XLSX workbook, or a broken one."),
}
TOO_MANY_COLUMNS = Text("列数超过{0}。", "It has more than {0} columns.").format(MOST_COLUMNS)
NO_COLUMNS = Text("第一行应为列名，且不得重复。", "Its first line must name the columns, each once.")
ENCODING = Text("文件既不是UTF-8也不是GB18030编码。", "The file is neither in UTF-8 nor in GB18030.")
CSV_FAULT = Text("第{0}行起不是有效的CSV。", "From line {0} on it is no CSV.")


@dataclass(frozen=True, slots=True)
class Row:
    """A row: where it begins, and its cells, as many as there are columns or more."""

    line: int
    cells: list[str | None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its rows still to be read, once."""

    columns: list[str]
    rows: Iterator[Row] = field(repr=False)


@contextmanager
def open_table(file: Path, *, sheet: str = "", encoding: str = "", separator: str = "") -> Iterator[Table]:
    """Open a file; raises TableUnreadable, while rows are read too."""
    is_workbook = file.suffix.lower() in WORKBOOKS
    opened = _workbook(file, sheet) if is_workbook else _csv(file, encoding or find_encoding(file), separator)
    with opened as rows:
        yield _table(rows)


def find_encoding(file: Path) -> str:
    """Return the first of the encodings that the whole file is in; raises TableUnreadable."""
    for encoding in ENCODINGS:
        try:
            with file.open(encoding=encoding, newline="") as text:
                while text.read(1 << 20):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    raise TableUnreadable("encoding", shown=ENCODING)


def _table(rows: Iterator[Row]) -> Table:
    first = next(rows, None)
    columns = [(_released(cell) or "").strip() for cell in first.cells] if first else []
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MOST_COLUMNS:
        raise TableUnreadable("columns", shown=TOO_MANY_COLUMNS)
    if not columns or not all(columns) or len(set(columns)) != len(columns):
        raise TableUnreadable("columns", shown=NO_COLUMNS)
    kept = [place for place, name in enumerate(columns) if name not in ADDED]
    return Table([columns[place] for place in kept], (_row(row, kept, len(columns)) for row in rows if _holds_something(row)))


def _holds_something(row: Row) -> bool:
    return any(cell is None or cell.strip() for cell in row.cells)


def _row(row: Row, kept: list[int], width: int) -> Row:
    """Take the columns that a file of rejected rows added away; what stands beyond the last column stays there."""
    cells = [*row.cells, *[""] * (width - len(row.cells))]
    beyond = [cell for cell in cells[width:] if cell]
    return Row(row.line, [*(_released(cells[place]) for place in kept), *beyond])


def _released(cell: str | None) -> str | None:
    return cell[1:] if cell and cell[0] == "'" and cell[1:2] in tuple(RUNS) else cell


@contextmanager
def _csv(file: Path, encoding: str, separator: str) -> Iterator[Iterator[Row]]:
    csv.field_size_limit(LONGEST_CELL)
    try:
        with file.open(encoding=encoding, newline="") as text:
            found = SEPARATORS[separator] if separator else _separator(text)
            text.seek(0)
            yield _csv_rows(text, found)
    except (UnicodeDecodeError, LookupError) as error:
        raise TableUnreadable("encoding", shown=ENCODING) from error


def _csv_rows(text: IO[str], separator: str) -> Iterator[Row]:
    reader, line = csv.reader(text, delimiter=separator, strict=True), 0
    try:
        for cells in reader:
            yield Row(line + 1, list(cells))
            line = reader.line_num
    except csv.Error as error:
        raise TableUnreadable("csv", shown=CSV_FAULT.format(line + 1)) from error


def _separator(text: IO[str]) -> str:
    first = text.readline(LONGEST_CELL)
    return max(SEPARATORS.values(), key=first.count)


@contextmanager
def _workbook(file: Path, sheet: str) -> Iterator[Iterator[Row]]:
    with (
        file.open("rb") as content,
        subprocess.Popen(  # noqa: S603 (this very program's own reader)
            [sys.executable, "-I", str(PROCESS), sheet], stdin=content, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, text=True
        ) as process,
    ):
        try:
            yield _workbook_rows(process)
        finally:
            process.kill()


def _workbook_rows(process: subprocess.Popen[str]) -> Iterator[Row]:
    out = process.stdout
    assert out is not None
    for line, written in enumerate(iter(lambda: out.readline(LONGEST_ROW + 1), ""), 1):
        if len(written) > LONGEST_ROW:
            raise TableUnreadable("a row is too long", shown=FAULTS["too-large"])
        cells = json.loads(written)
        if isinstance(cells, dict):
            raise TableUnreadable(cells["fault"], shown=FAULTS[cells["fault"]])
        yield Row(line, cells)
    if process.wait() != 0:
        raise TableUnreadable("the reader ended", shown=FAULTS["too-large"])
