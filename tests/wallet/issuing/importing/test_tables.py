"""Files as tables: what is read of them, and what is not."""

from datetime import date
from io import StringIO
from pathlib import Path

import pytest

from tests.workbooks import cell, sheet_of, workbook, write
from wallet.issuing.importing.reasons import CsvRows
from wallet.issuing.importing.tables import FAULTS, Row, TableUnreadable, open_table


def read(file: Path, **options: str) -> tuple[list[str], list[tuple[int, list[str | None]]]]:
    with open_table(file, **options) as table:
        return table.columns, [(row.line, row.cells) for row in table.rows]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("姓名,号\n王建国,1\n".encode(), id="UTF-8"),
        pytest.param("姓名,号\r\n王建国,1".encode("utf-8-sig"), id="UTF-8 with a byte order mark"),
        pytest.param("姓名,号\n王建国,1\n".encode("gb18030"), id="GB18030"),
        pytest.param("姓名;号\n王建国;1\n".encode(), id="semicolons"),
        pytest.param("姓名\t号\n王建国\t1\n".encode(), id="tabs"),
        pytest.param('"姓名","号"\n"王建国","1"\n'.encode(), id="quotes"),
        pytest.param("姓名,号,,\n王建国,1,,\n\n,,\n".encode(), id="empty columns and rows"),
        pytest.param("姓名,号,原因,reason,行号 line\n王建国,1,长,long,7\n".encode(), id="what a file of rejected rows adds"),
    ],
)
def test_a_csv_file_is_read_as_it_comes(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    assert read(file) == (["姓名", "号"], [(2, ["王建国", "1"])])


def test_a_row_that_spans_lines_is_named_by_its_first(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('a,b\n"x\ny",1\nz,2\n')
    assert read(file)[1] == [(2, ["x\ny", "1"]), (4, ["z", "2"])]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\n\n", id="blank lines"),
        pytest.param(b"a,a\n1,2\n", id="a column twice"),
        pytest.param(b"a,,b\n1,2,3\n", id="a column without a name"),
        pytest.param(b"a\xff\xff\xff\n", id="bytes of no encoding"),
        pytest.param(b'a,b\n"1,2\n', id="an open quote"),
        pytest.param(b"a,b\n1,\0\n", id="a zero byte"),
        pytest.param(b"a,b\n1," + b"x" * 40_000, id="a cell without end"),
        pytest.param(",".join(f"c{n}" for n in range(501)).encode(), id="five hundred and one columns"),
    ],
)
def test_a_csv_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    if content.endswith(b"\0\n"):
        assert read(file)[1] == [(2, ["1", "\0"])]  # PostgreSQL never sees it: the line's own check refuses it
        return
    with pytest.raises(TableUnreadable) as refused:
        read(file)
    assert refused.value.shown is not None


def test_the_cells_of_a_workbook_are_text_dates_are_days_and_formulas_are_not_run(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.xlsx", [["号", "日", "数", "式"], ["00120", date(2026, 1, 31), 12.0, "=1+1"], ["379999199005180121", "2026", 1.5, "x"]]
    )
    columns, rows = read(file)
    assert columns == ["号", "日", "数", "式"]
    assert rows == [(2, ["00120", "2026-01-31", "12", ""]), (3, ["379999199005180121", "2026", "1.5", "x"])]


def test_a_number_whose_digits_are_lost_is_no_number(tmp_path: Path) -> None:
    file = write(tmp_path / "a.xlsx", [["号"], [379999199005180121]])
    assert read(file)[1] == [(2, [None])]


def test_a_sheet_is_found_by_its_name(tmp_path: Path) -> None:
    file = write(tmp_path / "a.xlsx", [["号"], ["1"]])
    assert read(file, sheet="名单")[1] == [(2, ["1"])]
    with pytest.raises(TableUnreadable):
        read(file, sheet="别的")


BOMB = {"xl/media/a.bin": b"\0" * 600_000_000}
CORNER = '<row r="1">' + cell("A1", "号") + '</row><row r="1048576">' + cell("XFD1048576", "1") + "</row>"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04", id="the beginning of an archive"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, id="a workbook of the old kind, or an encrypted one"),
        pytest.param("号\n1\n".encode(), id="CSV under another name"),
        pytest.param(workbook("")[:-40], id="a workbook cut short"),
        pytest.param(workbook("<row><c r='ZZZZZZ9'><v>1</v></c></row>"), id="a cell beyond all columns"),
        pytest.param(workbook(CORNER), id="a cell in the last corner"),
        pytest.param(workbook(""), id="an empty sheet"),
    ],
)
def test_a_workbook_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.xlsx"
    file.write_bytes(content)
    with pytest.raises(TableUnreadable):
        read(file)


@pytest.mark.slow
def test_a_workbook_that_unpacks_to_too_much_is_refused_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    file.write_bytes(workbook(sheet_of([["号"], ["1"]]), more=BOMB))
    assert file.stat().st_size < 1_000_000
    with pytest.raises(TableUnreadable):
        read(file)


def test_a_reader_knows_no_secret() -> None:
    from wallet.issuing.importing import sheet_process

    source = Path(sheet_process.__file__).read_text()
    assert not [line for line in source.splitlines() if line.strip().startswith(("from runtime", "from keys", "from wallet", "from idp"))]


def test_a_row_that_says_too_much_stays_in_the_process_that_reads_it(tmp_path: Path) -> None:
    file = write(tmp_path / "a.xlsx", [["号"], ["长" * 30_000] * 26, ["1"]])
    assert file.stat().st_size < 100_000
    with pytest.raises(TableUnreadable) as refused:
        read(file)
    assert refused.value.shown == FAULTS["too-large"]


def test_a_column_that_a_spreadsheet_would_run_goes_out_harmless_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = CsvRows(out := StringIO(), ["=1+1", "号"], ["@added"])
    rows.add_with(Row(2, ["-1", "1"]), ["+1"])
    file.write_text(out.getvalue())
    assert out.getvalue().splitlines() == ["'=1+1,号,@added", "'-1,1,'+1"]
    assert read(file) == (["=1+1", "号", "@added"], [(2, ["-1", "1", "+1"])])
