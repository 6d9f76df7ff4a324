"""A mapping: from the columns of a file to a licence request, or to an act on a licence. Pure, but for the catalogue that names the fields.

Cells are read as people write them: dates in the usual Chinese forms, choices by their code or their name in either language, "长期" for no end.
What a cell becomes is checked like any request; here only what cannot be read at all is refused, by the column that has it.
"""

from collections.abc import Mapping as Names
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from marshmallow import ValidationError

from runtime.languages import Text
from runtime.problems import flatten
from schemas.mappings import MappingSchema
from wallet.issuing.orders import SCHEMAS
from wallet.register.acts import Act
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.definitions import LicenceType
from wallet.register.fields import Field

PLAIN = ("holder.number", "holder.name", "licence_number", "valid_from", "valid_until")
REQUIRED = ("holder.number", "valid_from")
ACT = "act"
OF_ACTS = (ACT, "licence", "reason", "legal_basis", "effective_on", "to")
REQUIRED_OF_ACTS = ("licence", "reason", "legal_basis")
DATES = ("valid_from", "valid_until", "effective_on")
FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
WITHOUT_END = ("长期", "长期有效", "永久", "永久有效", "permanent")
LARGEST_FILE = 256 * 1024
LONGEST_NUMBER = 16
DIGITS_LOST = Text(
    "该单元格以数值保存，位数已丢失；请将该列设为文本格式。", "The cell was kept as a number and has lost digits; make the column text."
)
NO_DATE = Text("不是日期。", "It is no date.")
NO_NUMBER = Text("不是整数。", "It is no whole number.")
NO_ACT = Text("没有此项业务。", "There is no such act.")
NOT_READ = Text("此项业务不需要该列，请留空。", "This act does not take the column; leave the cell empty.")
TOO_MANY = Text("该行的单元格多于列名。", "The row has more cells than there are columns.")
READ = {act.value: frozenset({*schema().fields, ACT, *(("licence",) if act is not Act.ISSUE else ())}) for act, schema in SCHEMAS.items()}
READ = {act: names - {"fields_"} | {"fields"} if "fields_" in names else names for act, names in READ.items()}
ACTS = {name.casefold(): act for act in READ for name in (act, Act(act).text.zh, Act(act).text.en)}


class FaultyMapping(ValueError):
    """A mapping that cannot be used; the message names the member and the fault."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a member comes from, and how it is written there."""

    column: str
    date: str | None = None
    choices: Names[str, str] = field(default_factory=dict)
    empty: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping that fits its licence type."""

    licence_type: LicenceType
    sources: Names[str, Source]
    constants: Names[str, str | int]

    @property
    def acts(self) -> bool:
        """Whether rows say what is to be done."""
        return ACT in self.sources or ACT in self.constants

    def column_of(self, member: str | None) -> str | None:
        """Return the column that a member comes from."""
        source = self.sources.get(member or "")
        return source.column if source else None

    def missing(self, columns: list[str]) -> list[str]:
        """Return the columns that the mapping names and a table lacks."""
        return sorted({source.column for source in self.sources.values()} - set(columns))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: the column, if one is at fault, and why."""

    column: str | None
    why: Text


def read_mapping(text: str) -> Mapping:
    """Read a mapping file; raises FaultyMapping."""
    if len(text) > LARGEST_FILE:
        raise FaultyMapping("the file is too large")
    try:
        loaded = MappingSchema().load(yaml.safe_load(text) or {})
        licence_type = get_type(loaded["type"])
    except (yaml.YAMLError, ValidationError, ValueError, RecursionError) as error:
        raise FaultyMapping(_said(error)) from error
    except LicenceTypeNotFound as error:
        raise FaultyMapping(f"type: there is no licence type {loaded['type']}") from error
    sources = {member: Source(**source) for member, source in loaded["columns"].items()}
    constants = loaded["constants"]
    if ACT in constants and (act := ACTS.get(str(constants[ACT]).casefold())) is None:
        raise FaultyMapping(f"{ACT}: there is no act {constants[ACT]}; there are {', '.join(READ)}")
    if ACT in constants:
        constants[ACT] = act
    members = [*sources, *constants]
    _check_members(licence_type, members, act=constants.get(ACT), acts=ACT in members)
    return Mapping(licence_type, sources, constants)


def read_file(path: Path) -> Mapping:
    """Read a mapping from a file; raises FaultyMapping."""
    try:
        return read_mapping(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise FaultyMapping("the file cannot be read as UTF-8") from error


def convert(mapping: Mapping, columns: list[str], cells: list[str | None]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the request that a row makes, and what of it cannot be read."""
    faults = [Fault(None, TOO_MANY)] if len(cells) > len(columns) else []
    places = {name: place for place, name in enumerate(columns)}
    by_member = {member: cells[places[source.column]] for member, source in mapping.sources.items()}
    act = _act(mapping, by_member)
    if act is None:
        return {}, [*faults, Fault(mapping.column_of(ACT), NO_ACT)]
    values: dict[str, Any] = {member: value for member, value in mapping.constants.items() if _is_read(mapping, act, member)}
    for member, source in mapping.sources.items():
        cell = by_member[member]
        is_read = _is_read(mapping, act, member)
        if not is_read and cell is not None and not cell.strip():
            continue
        value, why = _value(mapping.licence_type, member, source, cell) if is_read else (None, NOT_READ)
        if why is not None:
            faults.append(Fault(source.column, why))
        elif value is not None:
            values[member] = value
    return _document(mapping.licence_type, {**values, ACT: act}), faults


def _act(mapping: Mapping, cells: Names[str, str | None]) -> str | None:
    """Return what a row wants done: to issue, where nothing is said; None for something that nobody does."""
    source = mapping.sources.get(ACT)
    if source is None:
        return str(mapping.constants.get(ACT, Act.ISSUE.value))
    text = (cells[ACT] or "").strip() or source.empty or Act.ISSUE.value
    return ACTS.get(source.choices.get(text, text).casefold())


def _value(licence_type: LicenceType, member: str, source: Source, cell: str | None) -> tuple[str | int | None, Text | None]:
    if cell is None:
        return None, DIGITS_LOST
    text = cell.strip() or source.empty or ""
    if not text or (member == "valid_until" and text in WITHOUT_END):
        return None, None
    known = licence_type.find_field(member.removeprefix("fields.")) if member.startswith("fields.") else None
    if member in DATES or (known is not None and known.type == "date"):
        day = _day(text, source.date)
        return day, None if day else NO_DATE
    if known is not None and known.type == "integer":
        is_whole = text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= LONGEST_NUMBER
        return (int(text), None) if is_whole else (None, NO_NUMBER)
    return (_choice(known, source, text) if known is not None and known.type == "choice" else text), None


def _day(text: str, form: str | None) -> str | None:
    for one in (form,) if form else FORMS:
        try:
            return datetime.strptime(text, one).date().isoformat()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            continue
    return None


def _choice(known: Field, source: Source, text: str) -> str:
    """Return the code of a choice; a text that is none of them stays, and is refused by the type's own check."""
    if text in source.choices:
        return source.choices[text]
    named = {name.strip().casefold(): code for code, label in known.choices.items() for name in (label.zh, label.en)}
    return text if text in known.choices else named.get(text.casefold(), text)


def _document(licence_type: LicenceType, values: Names[str, Any]) -> dict[str, Any]:
    fields = {one.name: values[f"fields.{one.name}"] for one in licence_type.fields if f"fields.{one.name}" in values}
    if values[ACT] != Act.ISSUE.value:
        plain = {member: values[member] for member in (*OF_ACTS, "licence_number", "valid_until") if member in values}
        ends = {"valid_until": values.get("valid_until")} if values[ACT] == Act.RENEW.value else {}
        return {"type": licence_type.code, **plain, **ends, **({"fields": fields} if fields else {})}
    holder = {member: values[f"holder.{member}"] for member in ("number", "name") if f"holder.{member}" in values}
    plain = {member: values[member] for member in ("valid_from", "valid_until", "licence_number") if member in values}
    return {"type": licence_type.code, "holder": holder, "fields": fields, **plain}


def _is_read(mapping: Mapping, act: str, member: str) -> bool:
    """Whether an act takes a member; what is written where it is not read was meant for something else."""
    return not mapping.acts or member.split(".")[0] in READ[act]


def _check_members(licence_type: LicenceType, members: list[str], *, act: Any, acts: bool) -> None:
    known = {*PLAIN, *(OF_ACTS if acts else (ACT,)), *(f"fields.{one.name}" for one in licence_type.fields)}
    if unknown := [member for member in members if member not in known]:
        raise FaultyMapping(f"{unknown[0]}: {licence_type.slug} has no such member; it has {', '.join(sorted(known))}")
    wanted = list(REQUIRED_OF_ACTS)
    if not acts or act == Act.ISSUE.value:
        wanted = [*REQUIRED, *(f"fields.{one.name}" for one in licence_type.fields if one.required)]
    if licence_type.validity.rule == "dated" and (not acts or act in (Act.ISSUE.value, Act.RENEW.value)):
        wanted.append("valid_until")
    if missing := [member for member in wanted if member not in members]:
        raise FaultyMapping(f"{missing[0]} is required and comes from no column and no constant")


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = flatten(error.messages)[0]
        return f"{first['field']}: {first['detail']}"
    return "it is no YAML of a mapping"
