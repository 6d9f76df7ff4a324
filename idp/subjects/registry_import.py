"""Filling the registries from rows of a table, as a CSV file gives them.

A bad row is reported with its line and its reasons, and never costs a good one. Loading a file again changes what
changed. A subject that is known already follows its registry: a new name there is its name here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from idp.subjects import directory
from idp.subjects.numbers import REASONS, Number, NumberRefused, parse_number
from idp.subjects.registries import RegisteredOrganisation, RegisteredPerson, sealed_record
from keys import sealing
from runtime.languages import Text

LONGEST_VALUE = 200
SEXES = {"男": "male", "女": "female", "m": "male", "f": "female", "male": "male", "female": "female", "1": "male", "2": "female"}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the row on a line was left out; never holds the row's own values."""

    line: int
    why: Text


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of file: the columns that it must and may have, each with the names that it goes by."""

    table: type[RegisteredPerson | RegisteredOrganisation]
    required: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]]

    def column_names(self, header: Iterable[str]) -> dict[str, str]:
        """Return our name of each column that is known; raises KeyError with the first required one that is missing."""
        written = {name.strip(): name for name in header}
        found = {ours: written[alias] for ours, aliases in {**self.required, **self.optional}.items() for alias in aliases if alias in written}
        for name in self.required:
            if name not in found:
                raise KeyError(name)
        return {theirs: ours for ours, theirs in found.items()}


PEOPLE = Source(
    RegisteredPerson,
    {"number": ("number", "公民身份号码", "身份证号码", "证件号码"), "name": ("name", "姓名")},
    {"born": ("born", "出生日期"), "sex": ("sex", "性别"), "ethnicity": ("ethnicity", "民族"), "address": ("address", "住址")},
)
ORGANISATIONS = Source(
    RegisteredOrganisation,
    {
        "number": ("number", "统一社会信用代码"),
        "name": ("name", "名称"),
        "representative": ("representative", "法定代表人证件号码"),
    },
    {"address": ("address", "住所")},
)
SOURCES = {"people": PEOPLE, "organisations": ORGANISATIONS}


class RowError(Exception):
    """A row that cannot be taken, and why."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


@dataclass
class Loading:
    """One file on its way in: remembers which numbers it has held, over all its batches."""

    source: Source
    loaded: int = 0
    faults: list[Fault] = field(default_factory=list)
    lines: dict[bytes, int] = field(default_factory=dict)

    def load(self, session: Session, rows: Iterable[tuple[int, Mapping[str, str]]]) -> None:
        """Take a batch of rows, each with its line, in one statement; the bad ones join `faults`.

        What was indexed under an older key goes, so that a number never has two records.
        """
        good: list[dict[str, Any]] = []
        names: dict[bytes, str] = {}
        for line, row in rows:
            try:
                values, indexes, name = self._read(line, row)
            except RowError as bad:
                self.faults.append(Fault(line, bad.why))
                continue
            good.append(values)
            names.update(dict.fromkeys(indexes, name))
        if good:
            self._write(session, good, stale=set(names) - {values["number_index"] for values in good})
            directory.rename(session, names)
        self.loaded += len(good)

    def _write(self, session: Session, rows: list[dict[str, Any]], *, stale: set[bytes]) -> None:
        table = self.source.table
        if stale:
            session.execute(delete(table).where(table.number_index.in_(stale)))
        statement = insert(table)
        changed = {column: statement.excluded[column] for column in rows[0] if column != "number_index"}
        session.execute(statement.values(rows).on_conflict_do_update(index_elements=["number_index"], set_=changed))

    def _read(self, line: int, row: Mapping[str, str]) -> tuple[dict[str, Any], list[bytes], str]:
        members = {name: checked_value(name, value) for name, value in row.items() if value and value.strip()}
        number = self._number(members, "number")
        indexes = sealing.indexes_of(number.value)
        index = indexes[0]
        if index in self.lines:
            raise RowError(Text(f"与第{self.lines[index]}行的号码相同", f"the same number as on line {self.lines[index]}"))
        if "name" not in members:
            raise RowError(Text("缺少姓名或名称", "the name is missing"))
        values: dict[str, Any] = {"number_index": index}
        if self.source is ORGANISATIONS:
            members["representative"] = self._number(members, "representative").value
            values["representative_index"] = sealing.index_of(members["representative"])
        members["number"] = number.value
        self.lines[index] = line
        return {**values, "record_sealed": sealed_record(self.source.table, index, members)}, indexes, members["name"]

    def _number(self, members: Mapping[str, str], name: str) -> Number:
        try:
            number = parse_number(members.get(name, ""))
        except NumberRefused as refused:
            reason = REASONS[refused.why]
            raise RowError(Text(f"{name}：{reason.zh}", f"{name}: {reason.en}")) from refused
        if number.is_person != (self.source is PEOPLE or name == "representative"):
            raise RowError(Text(f"{name}：号码种类不对（人与组织不可混放）", f"{name}: a number of the wrong kind (people and organisations apart)"))
        return number


def checked_value(name: str, value: str) -> str:
    """Return a cell as it is kept; raises RowError."""
    value = value.strip()
    if "\ufffd" in value:
        raise RowError(Text(f"{name}：有无法按文件编码读出的字符", f"{name}: characters that the file's encoding does not explain"))
    if len(value) > LONGEST_VALUE or not value.isprintable():
        raise RowError(
            Text(f"{name}：超过{LONGEST_VALUE}字或含控制字符", f"{name}: longer than {LONGEST_VALUE} characters, or with control characters")
        )
    if name == "sex":
        if value.lower() not in SEXES:
            raise RowError(Text("sex：应为男或女", "sex: male or female"))
        return SEXES[value.lower()]
    return checked_date(value) if name == "born" else value


def checked_date(value: str) -> str:
    """Return a date as ISO 8601 writes it, from that form, 2001/2/3 or 20010203; raises RowError."""
    for written in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"):
        try:
            return datetime.strptime(value, written).replace(tzinfo=UTC).date().isoformat()
        except ValueError:
            continue
    raise RowError(Text("born：不是日期，应写作2001-02-03", "born: not a date such as 2001-02-03"))


def load_people(session: Session, rows: Iterable[Mapping[str, str]]) -> list[Fault]:
    """Put people (number, name, and born, sex, ethnicity, address where known) in the registry; returns the faults."""
    return _load(session, PEOPLE, rows)


def load_organisations(session: Session, rows: Iterable[Mapping[str, str]]) -> list[Fault]:
    """Put organisations (number, name, representative, and address where known) in the registry; returns the faults."""
    return _load(session, ORGANISATIONS, rows)


def _load(session: Session, source: Source, rows: Iterable[Mapping[str, str]]) -> list[Fault]:
    loading = Loading(source)
    loading.load(session, enumerate(rows, 1))
    return loading.faults
