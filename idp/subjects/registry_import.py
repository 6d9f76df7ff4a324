"""Filling the registries from rows of a table, as a CSV file gives them.

A bad row is reported with its line and its reasons, and never costs a good one. Loading a file again changes what
changed. A subject that is known already follows its registry: a new name there is its name here, a new number
leads to it, and with its end everything ends that it could do. What a file does not say of someone's state, guardians
and former numbers stays as it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from idp.subjects import changes, directory
from idp.subjects.directory import FormerNumber, Subject
from idp.subjects.history import Told
from idp.subjects.numbers import Number, parse_number
from idp.subjects.records import ACTIVE
from idp.subjects.registries import Record, RegisteredOrganisation, RegisteredPerson, record_of, sealed_record, unsealed_record
from idp.subjects.registry_rows import ORGANISATION, ORGANISATIONS, PEOPLE, PERSON, RowError, Source, read_row
from keys import sealing
from runtime import clock
from runtime.languages import Text

Table = type[RegisteredPerson | RegisteredOrganisation]
TABLES: dict[str, Table] = {PERSON: RegisteredPerson, ORGANISATION: RegisteredOrganisation}
REMEMBERED = ("state", "ended_on", "guardians", "former_numbers")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the row on a line was left out; never holds the row's own values."""

    line: int
    why: Text


@dataclass(slots=True)
class Entry:
    """One row on its way in: its number, the number before it (if the row tells of a change), and what it says."""

    line: int
    number: Number
    former: Number | None
    members: dict[str, str] = field(repr=False)
    before: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def indexes(self) -> list[bytes]:
        """Every index under which the registry may have had it."""
        return sealing.indexes_of(self.number.value) + (sealing.indexes_of(self.former.value) if self.former else [])

    @property
    def record(self) -> Record:
        """The row as a record of the registry."""
        return record_of(self.members)


@dataclass
class Loading:
    """One file on its way in: remembers which numbers it has held, over all its batches."""

    source: Source
    by: str = directory.REGISTRY
    at: datetime = field(default_factory=clock.now)
    loaded: int = 0
    faults: list[Fault] = field(default_factory=list)
    lines: dict[bytes, int] = field(default_factory=dict)

    def load(self, session: Session, rows: Iterable[tuple[int, Mapping[str, str]]]) -> None:
        """Take a batch of rows, each with its line, in one statement; the bad ones join `faults`.

        What was indexed under an older key goes, so that a number never has two records.
        """
        entries: list[Entry] = []
        for line, row in rows:
            try:
                entries.append(self._read(line, row))
            except RowError as bad:
                self.faults.append(Fault(line, bad.why))
        self.loaded += len(self.put(session, entries)) if entries else 0

    def put(self, session: Session, entries: list[Entry]) -> list[Entry]:
        """Put what was read in the registry, and let the subjects follow; returns what was taken."""
        self._recall(session, entries)
        taken = [entry for entry in entries if entry.former is None or self._renumber(session, entry)]
        if taken:
            _name_representatives(session, taken)
            _write(session, TABLES[self.source.kind], taken)
            self._follow(session, taken)
        return taken

    def find(self, session: Session, number: Number) -> dict[str, str] | None:
        """Return what the registry's table says of a number, or None; nobody else changes it until the transaction ends."""
        table = TABLES[self.source.kind]
        statement = select(table.number_index, table.record_sealed).where(table.number_index.in_(sealing.indexes_of(number.value))).with_for_update()
        row = session.execute(statement).first()
        return None if row is None else unsealed_record(table, *row)

    def _read(self, line: int, row: Mapping[str, str]) -> Entry:
        number, members = read_row(self.source, row)
        if "ended_on" in members and members.get("state", ACTIVE) == ACTIVE:
            raise RowError(Text("ended_on：填写了日期，而state不是死亡或注销", "ended_on: a day, while the state is neither deceased nor dissolved"))
        index = sealing.index_of(number.value)
        if index in self.lines:
            raise RowError(Text(f"与第{self.lines[index]}行的号码相同", f"the same number as on line {self.lines[index]}"))
        self.lines[index] = line
        former = members.pop("former_number", None)
        return Entry(line, number, parse_number(former) if former else None, members)

    def _recall(self, session: Session, entries: list[Entry]) -> None:
        """Read what the registry said before of these numbers, hold it until it is written, and keep of it what the rows leave unsaid."""
        table = TABLES[self.source.kind]
        indexes = [index for entry in entries for index in entry.indexes]
        before = select(table.number_index, table.record_sealed).where(table.number_index.in_(indexes))
        rows = session.execute(before.order_by(table.number_index).with_for_update())
        known = {row.number_index: unsealed_record(table, *row) for row in rows}
        for entry in entries:
            entry.before = next((known[index] for index in entry.indexes if index in known), {})
            kept = {name: entry.before[name] for name in REMEMBERED if name in entry.before}
            entry.members = {**kept, **entry.members}
            if entry.former is not None:
                formers = dict.fromkeys([entry.former.value, *kept.get("former_numbers", "").split()])
                entry.members["former_numbers"] = " ".join(one for one in formers if one != entry.number.value)

    def _renumber(self, session: Session, entry: Entry) -> bool:
        assert entry.former is not None
        try:
            directory.renumber(session, entry.former, entry.number, told=self._told(entry))
        except directory.TwoSubjects as two:
            self.faults.append(Fault(entry.line, two.title))
            return False
        _carry_over(session, entry.former, entry.number)
        return True

    def _follow(self, session: Session, entries: list[Entry]) -> None:
        for entry in self._of_others(session, entries):
            directory.part(session, entry.record, told=self._told(entry))
        by_index = {index: entry for entry in entries for index in entry.indexes}
        for subject in session.scalars(select(Subject).where(Subject.number_index.in_(list(by_index)))).all():
            entry = by_index[subject.number_index]
            changes.follow(session, subject, entry.record, told=self._told(entry))
            before, after = entry.before.get("representative"), entry.members.get("representative")
            if after is not None and before not in (None, after):
                changes.change_representative(session, subject, before=before, after=after, told=self._told(entry))

    def _of_others(self, session: Session, entries: list[Entry]) -> list[Entry]:
        """Return the rows under numbers that others had."""
        by_index = {index: entry for entry in entries for index in sealing.indexes_of(entry.number.value)}
        return [by_index[index] for index in session.scalars(select(FormerNumber.number_index).where(FormerNumber.number_index.in_(list(by_index))))]

    def _told(self, entry: Entry) -> Told:
        ended_on = entry.members.get("ended_on")
        return Told(self.by, self.at, date.fromisoformat(ended_on) if ended_on else None)


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


def _write(session: Session, table: Table, entries: list[Entry]) -> None:
    """Write the rows; a former number's row goes, and so does one under an older index key."""
    rows = {sealing.index_of(entry.number.value): entry for entry in entries}
    stale = {index for entry in entries for index in entry.indexes} - rows.keys()
    if stale:
        sealing.hold(session, table.__tablename__)  # two files at once may differ over which index key is in use
        session.execute(delete(table).where(table.number_index.in_(stale)))
    values = [{"number_index": index, "record_sealed": sealed_record(table, index, entry.members)} for index, entry in rows.items()]
    if table is RegisteredOrganisation:
        for row, entry in zip(values, rows.values(), strict=True):
            row["representative_index"] = sealing.index_of(entry.members["representative"])
    statement = insert(table)
    changed = {column: statement.excluded[column] for column in values[0] if column != "number_index"}
    session.execute(statement.values(values).on_conflict_do_update(index_elements=["number_index"], set_=changed))


def _name_representatives(session: Session, entries: list[Entry]) -> None:
    """Name each representative by their present number: a file may still have a former one."""
    named = {number for entry in entries for number in (entry.members.get("representative"), entry.before.get("representative")) if number}
    present = directory.present_numbers(session, named) if named else {}
    for entry in entries:
        for members in (entry.members, entry.before):
            if members.get("representative") in present:
                members["representative"] = present[members["representative"]]


def _carry_over(session: Session, former: Number, number: Number) -> None:
    """Let the organisations that someone represents know them by the new number."""
    table = RegisteredOrganisation
    rows = session.execute(select(table.number_index, table.record_sealed).where(table.representative_index.in_(sealing.indexes_of(former.value))))
    for index, record_sealed in rows.all():
        members = {**unsealed_record(table, index, record_sealed), "representative": number.value}
        values = {"representative_index": sealing.index_of(number.value), "record_sealed": sealed_record(table, index, members)}
        session.execute(update(table).where(table.number_index == index).values(values))
