"""Why a row was refused, in both languages and by its column, and the file in which refused rows go back to be corrected.

The file is CSV in UTF-8 with a byte order mark, as spreadsheets open it. A cell that a spreadsheet would run stands behind an apostrophe; whoever
imports the file again gets the cell without it.
"""

import csv
from collections.abc import Sequence
from typing import IO, Any

from runtime.languages import Text
from runtime.problems import TYPE_PREFIX, Refusal
from wallet.issuing.importing.mappings import Fault, Mapping
from wallet.issuing.importing.tables import ADDED, RUNS, Row

Reasons = list[dict[str, str | None]]
CELL_LOST = Text("（位数已丢失）", "(digits lost)")


class RowUnreadable(Refusal):
    """Cells of the row cannot be read."""

    code, status, title = "row-unreadable", 422, Text("该行有无法识别的单元格。", "Cells of the row cannot be read.")

    def __init__(self, found: Sequence[Fault]) -> None:
        super().__init__("cells")
        self.faults = [(fault.column or "", fault.why) for fault in found]


def reasons_of(refusal: Refusal, mapping: Mapping) -> dict[str, Any]:
    """Return a refusal as the import keeps it: its kind, and each reason with its column."""
    reasons: Reasons = [_reason(mapping.column_of(member) or member, why) for member, why in _faults(refusal)]
    return {"status": refusal.status, "type": TYPE_PREFIX + refusal.code, "reasons": reasons}


class CsvRows:
    """A file of rows as they came, with further columns, written row by row."""

    def __init__(self, out: IO[str], columns: list[str], added: Sequence[str]) -> None:
        self.writer = csv.writer(out)
        self.writer.writerow([*(harmless(name) for name in columns), *added])
        self.columns = columns

    def add_with(self, row: Row, added: Sequence[str]) -> None:
        """Write a row and what is added to it."""
        cells = [CELL_LOST.zh if cell is None else harmless(cell) for cell in row.cells[: len(self.columns)]]
        cells += [""] * (len(self.columns) - len(cells))
        self.writer.writerow([*cells, *(harmless(one) for one in added)])


class RejectedRows(CsvRows):
    """A file of rejected rows."""

    def __init__(self, out: IO[str], columns: list[str]) -> None:
        super().__init__(out, columns, ADDED)

    def add(self, row: Row, problem: dict[str, Any]) -> None:
        """Write a row, with its line and its reasons."""
        said = ["；".join(_said(one, tongue, colon) for one in problem["reasons"]) for tongue, colon in (("zh", "："), ("en", ": "))]
        self.add_with(row, [str(row.line), *said])


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs."""
    return f"'{cell}" if cell.startswith(tuple(RUNS)) or (cell.startswith("'") and cell[1:2] in tuple(RUNS)) else cell


def _faults(refusal: Refusal) -> Sequence[tuple[str, Text]]:
    if refusal.faults:
        return refusal.faults
    if errors := refusal.more.get("errors"):
        return [(error["field"], Text(error["detail"], error["detail"])) for error in errors]
    shown = refusal.shown or Text("", "")
    return [(refusal.field or "", Text(refusal.title.zh + shown.zh, f"{refusal.title.en} {shown.en}".strip()))]


def _reason(column: str, why: Text) -> dict[str, str | None]:
    return {"column": column or None, "zh": why.zh, "en": why.en}


def _said(reason: dict[str, str | None], tongue: str, colon: str) -> str:
    return f"{reason['column']}{colon}{reason[tongue]}" if reason["column"] else str(reason[tongue])
