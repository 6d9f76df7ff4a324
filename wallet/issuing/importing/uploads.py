"""Files that officers upload: kept sealed in parts, worked at in the background, and forgotten seven days after their last use with their batch.

What the desk calls: `start` an import from a file that was read (`reading`), `progress_of` it, and `issued_rows` and `rejected_rows` as the lines
of a CSV file. A worker that is killed leaves a part half done; whoever goes on issues nothing twice, since the rows are the lines of a batch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime import jobs, ledger
from runtime.database import Base, prune, transaction
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import batches
from wallet.issuing.batch_groups import GROUP, Work
from wallet.issuing.batches import Batch, Outcome
from wallet.issuing.importing import running
from wallet.issuing.importing.mappings import ACT, FaultyMapping, Mapping, read_mapping
from wallet.issuing.importing.reasons import CsvRows, RejectedRows
from wallet.issuing.importing.tables import Row, open_table

MOST_ROWS = 100_000
JOB = "work_at_import"
FILES, PARTS = "import_files", "import_parts"
IDENTIFIER = ("证照标识 identifier",)


class ImportNotFound(Refusal):
    """There is no such import of this department's."""

    code, status, title = "import-not-found", 404, Text("没有此导入任务。", "No such import.")


class MappingRefused(Refusal):
    """The mapping cannot be used; `shown` says why."""

    code, status, title = "mapping-refused", 422, Text("对照表无法使用。", "The mapping cannot be used.")


class TooManyRows(Refusal):
    """The file has more rows than an import may have."""

    code, status = "too-many-rows", 422
    title = Text("文件超过{0}行，请拆分后导入。", "The file has more than {0} rows; split it.").format(MOST_ROWS)


class ImportFile(Base):
    """A file under import: `told_sealed` has its name, its columns and its mapping; `parts_done` of `parts` were worked at, with this result."""

    __tablename__ = FILES
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    department: Mapped[str] = mapped_column(index=True)
    started_by: Mapped[UUID]
    type_code: Mapped[str]
    told_sealed: Mapped[bytes]
    lines: Mapped[int]
    parts: Mapped[int]
    parts_done: Mapped[int]
    issued: Mapped[int] = mapped_column(server_default="0")
    refused: Mapped[int] = mapped_column(server_default="0")
    made_at: Mapped[datetime]


class ImportPart(Base):
    """A part of a file: its rows."""

    __tablename__ = PARTS
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    rows_sealed: Mapped[bytes]


sealed_tables.declare(ImportFile, row="batch_id", sealed={"told_sealed": "told_sealed"})
sealed_tables.declare(ImportPart, sealed={"rows_sealed": "rows_sealed"})


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that was read whole: its key, the type of its rows, what is told of it, and its rows, sealed in `parts` one after another."""

    key: str
    type_code: str
    told: dict[str, Any] = field(repr=False)
    lines: int
    parts: list[tuple[UUID, int]] = field(repr=False)
    kept: IO[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is."""

    batch_id: UUID
    name: str = field(repr=False)
    type_code: str
    started_by: UUID
    made_at: datetime
    lines: int
    issued: int
    refused: int
    is_over: bool


@contextmanager
def reading(file: Path, *, mapping_text: str, mapping_of_acts: str = "", sheet: str = "") -> Iterator[ReadFile]:
    """Read and seal a whole file, before any transaction, and keep it for the block; raises MappingRefused, TableUnreadable, TooManyRows.

    A table that has the column of what is to be done is read by `mapping_of_acts`, if there is one.
    """
    mapping, acts = _mapping(mapping_text), _mapping(mapping_of_acts) if mapping_of_acts else None
    with TemporaryFile() as kept:
        with open_table(file, sheet=sheet) as table:
            if acts is not None and acts.column_of(ACT) in table.columns:
                mapping, mapping_text = acts, mapping_of_acts
            if missing := mapping.missing(table.columns):
                raise MappingRefused("a column is missing", shown=Text(f"文件没有“{missing[0]}”列。", f"The file has no column {missing[0]}."))
            lines, parts = _seal_rows(table.rows, kept)
        key = running.key_of(file, mapping_text=mapping_text, sheet=sheet)
        yield ReadFile(key, mapping.licence_type.code, {"columns": table.columns, "mapping": mapping_text}, lines, parts, kept)


def start(session: Session, read: ReadFile, *, name: str, department: str, officer: UUID, now: datetime) -> UUID:
    """Have a file imported that was read, and return the id of its batch; the same file with the same mapping is one import.

    What is wrong with a row shows in the rejected rows.
    """
    batch = batches.open_batch(session, caller=running.caller_of(department), key=read.key, department=department, now=now)
    told = _sealed({"name": name, **read.told}, FILES, "told_sealed", batch.id)
    row = {"batch_id": batch.id, "department": department, "started_by": officer, "type_code": read.type_code, "told_sealed": told}
    new = insert(ImportFile).values(**row, lines=read.lines, parts=len(read.parts), parts_done=0, made_at=now).on_conflict_do_nothing()
    if session.scalar(new.returning(ImportFile.batch_id)) is not None:
        _write_parts(session, batch.id, read)
        actor = f"subject:{officer}"
        about: dict[str, Any] = {"department": department, "type": read.type_code, "lines": read.lines}
        ledger.record(session, "import.started", actor=actor, object_id=batch.id, now=now, **about)
    jobs.defer(session, JOB, batch_id=str(batch.id))
    return batch.id


def imports_of(session: Session, *, department: str, limit: int = 50) -> list[Progress]:
    """Return the newest imports of a department."""
    rows = select(ImportFile).where(ImportFile.department == department).order_by(ImportFile.made_at.desc()).limit(limit)
    return [_progress(row) for row in session.scalars(rows)]


def progress_of(session: Session, batch_id: UUID, *, department: str) -> Progress:
    """Return how far an import is; raises ImportNotFound."""
    return _progress(_get(session, batch_id, department=department))


def issued_rows(session: Session, batch_id: UUID, *, department: str) -> Iterator[str]:
    """Yield the lines of a CSV file of the rows that were issued, with the licences' identifiers; raises ImportNotFound at once."""
    return _csv(session, _get(session, batch_id, department=department), issued=True)


def rejected_rows(session: Session, batch_id: UUID, *, department: str) -> Iterator[str]:
    """Yield the lines of a CSV file of the rows that were refused, to be corrected and imported again; raises ImportNotFound at once."""
    return _csv(session, _get(session, batch_id, department=department), issued=False)


def work_at_next(settings: Settings, batch_id: UUID, *, now: datetime) -> bool:
    """Work at the next part of an import, and return whether there was one; each group of rows is a transaction of its own."""
    with transaction() as session:
        file = session.get(ImportFile, batch_id)
        if file is None or file.parts_done >= file.parts:
            return False
        part, told, rows = file.parts_done, _told(file), _rows(session, batch_id, file.parts_done)
        batches.touch(session, batch_id, now=now)
    mapping = read_mapping(told["mapping"])
    work = Work(settings, batch_id, running.caller_of(file.department), file.department, describe=running.describing(mapping), once=True)
    refused = sum(one.problem is not None for one in running.take_rows(work, mapping, told["columns"], rows))
    with transaction() as session:
        done = update(ImportFile).where(ImportFile.batch_id == batch_id, ImportFile.parts_done == part)
        so_far = {"issued": ImportFile.issued + len(rows) - refused, "refused": ImportFile.refused + refused}
        session.execute(done.values(parts_done=part + 1, **so_far))
    return True


def forget() -> int:
    """Forget the files whose batch is gone, in small transactions; for a job."""
    parts = prune(ImportPart, ~exists().where(Batch.id == ImportPart.batch_id))
    return parts + prune(ImportFile, ~exists().where(Batch.id == ImportFile.batch_id))


def _seal_rows(rows: Iterator[Row], kept: IO[bytes]) -> tuple[int, list[tuple[UUID, int]]]:
    """Seal rows part by part into a file; return how many there are, and of each part its id and its length in the file."""
    lines, parts = 0, []
    while group := list(islice(rows, GROUP)):
        lines += len(group)
        if lines > MOST_ROWS:
            raise TooManyRows("rows")
        part_id = new_id()
        parts.append((part_id, kept.write(_sealed([[row.line, row.cells] for row in group], PARTS, "rows_sealed", part_id))))
    return lines, parts


def _write_parts(session: Session, batch_id: UUID, read: ReadFile) -> None:
    read.kept.seek(0)
    for number, (part_id, length) in enumerate(read.parts):
        session.execute(insert(ImportPart).values(batch_id=batch_id, part=number, id=part_id, rows_sealed=read.kept.read(length)))


def _mapping(text: str) -> Mapping:
    try:
        return read_mapping(text)
    except FaultyMapping as fault:
        raise MappingRefused("faulty", shown=Text(f"对照表有误：{fault}", f"{fault}.")) from fault


def _get(session: Session, batch_id: UUID, *, department: str) -> ImportFile:
    file = session.get(ImportFile, batch_id)
    if file is None or file.department != department:
        raise ImportNotFound
    return file


def _progress(file: ImportFile) -> Progress:
    name, is_over = _told(file)["name"], file.parts_done >= file.parts
    return Progress(file.batch_id, name, file.type_code, file.started_by, file.made_at, file.lines, file.issued, file.refused, is_over)


def _csv(session: Session, file: ImportFile, *, issued: bool) -> Iterator[str]:
    out = StringIO()
    columns = _told(file)["columns"]
    rows: CsvRows = CsvRows(out, columns, IDENTIFIER) if issued else RejectedRows(out, columns)
    yield "\ufeff" + _taken(out)
    for part in range(file.parts_done):
        by_line = {row.line: row for row in _rows(session, file.batch_id, part)}
        for one in _outcomes(session, file.batch_id, min(by_line), max(by_line)):
            if isinstance(rows, RejectedRows):
                if one.problem is not None:
                    rows.add(by_line[one.line], one.problem)
            elif one.problem is None and one.licence is not None:
                rows.add_with(by_line[one.line], [one.licence.identifier])
        yield _taken(out)


def _outcomes(session: Session, batch_id: UUID, first: int, last: int) -> list[Outcome]:
    return batches.results(session, batch_id, after=first - 1, until=last)


def _rows(session: Session, batch_id: UUID, part: int) -> list[Row]:
    kept = session.get_one(ImportPart, (batch_id, part))
    return [Row(line, cells) for line, cells in json.loads(sealing.unseal(kept.rows_sealed, table=PARTS, column="rows_sealed", row=kept.id))]


def _told(file: ImportFile) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(sealing.unseal(file.told_sealed, table=FILES, column="told_sealed", row=file.batch_id))
    return told


def _sealed(document: Any, table: str, column: str, row: UUID) -> bytes:
    return sealing.seal(json.dumps(document, ensure_ascii=False, separators=(",", ":")), table=table, column=column, row=row)


def _taken(out: StringIO) -> str:
    written = out.getvalue()
    out.seek(0)
    out.truncate()
    return written
