"""The population registry (人口库) and the legal-person registry (法人库), behind one interface.

A registry gives three answers about a number: its record (match), no record (None), or RegistryUnavailable; the last is
never taken for the second. The first implementation is two tables that `registry_import` fills. What a registry says
of a person or an organisation rests sealed, as one JSON text a row; a row is found by the number's keyed index.
"""

import hmac
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from sqlalchemy import Index, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects.numbers import Number, parse_number
from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal

ACTIVE, DECEASED, DISSOLVED = "active", "deceased", "dissolved"
MATCH, NO_MATCH, UNAVAILABLE = "match", "no_match", "unavailable"
DOTS = dict.fromkeys(map(ord, "•・‧∙⋅．.●"), "·")


class RegistryUnavailable(Refusal):
    """The registry gives no answer now, which says nothing of the person."""

    code, status, title = (
        "registry-unavailable",
        503,
        Text("人口库或法人库暂时无法查询，请稍后再试。", "The registry cannot be asked at the moment; try again later."),
    )

    def __init__(self, reason: str) -> None:
        super().__init__(reason, headers={"Retry-After": "30"}, registry=UNAVAILABLE)


class RegisteredPerson(Base):
    """A row of the population registry. `record_sealed`: number, name, born, sex, ethnicity, address."""

    __tablename__ = "registry_people"
    number_index: Mapped[bytes] = mapped_column(primary_key=True)
    record_sealed: Mapped[bytes]


class RegisteredOrganisation(Base):
    """A row of the legal-person registry. `record_sealed`: number, name, address, representative; found by its representative too."""

    __tablename__ = "registry_organisations"
    number_index: Mapped[bytes] = mapped_column(primary_key=True)
    representative_index: Mapped[bytes]
    record_sealed: Mapped[bytes]
    __table_args__ = (Index("ix_registry_organisations_representative", "representative_index"),)


def _member(name: str) -> sealed_tables.ValueOf:
    return lambda row: json.loads(row["record_sealed"] or "{}").get(name)


sealed_tables.declare(RegisteredPerson, row="number_index", sealed={"record_sealed": "record"}, indexed={"number_index": _member("number")})
sealed_tables.declare(
    RegisteredOrganisation,
    row="number_index",
    sealed={"record_sealed": "record"},
    indexed={"number_index": _member("number"), "representative_index": _member("representative")},
)


@dataclass(frozen=True, slots=True)
class Record:
    """What a registry says of one number; `detail` holds the further fields that the source gave, checked when they were taken.

    Asked for a former number, a registry may answer with the present one, and the former one among `former_numbers`.
    """

    number: Number
    name: str
    detail: dict[str, str]

    @property
    def state(self) -> str:
        """Whether it is `active`, `deceased` or `dissolved`; whoever is not said to have ended is active."""
        return self.detail.get("state", ACTIVE)

    @property
    def born(self) -> date | None:
        """The date of birth, the number's own if the registry gives none."""
        return date.fromisoformat(self.detail["born"]) if "born" in self.detail else self.number.born

    @property
    def guardians(self) -> tuple[Number, ...]:
        """The numbers of a minor's guardians."""
        return self._numbers("guardians")

    @property
    def former_numbers(self) -> tuple[Number, ...]:
        """The numbers that the subject had before."""
        return self._numbers("former_numbers")

    @property
    def representative(self) -> Number | None:
        """The number of an organisation's legal representative."""
        return next(iter(self._numbers("representative")), None)

    def _numbers(self, name: str) -> tuple[Number, ...]:
        return tuple(parse_number(value) for value in self.detail.get(name, "").split())

    def __repr__(self) -> str:
        return f"Record({self.number!r})"


class Registry(Protocol):
    """Where people and organisations come from."""

    def find(self, number: Number) -> Record | None:
        """Return the record of a number, or None if there is none; raises RegistryUnavailable."""

    def represented_by(self, number: Number) -> list[Record]:
        """Return the organisations whose legal representative has this number; raises RegistryUnavailable."""


class ImportedRegistry:
    """Both registries as `kabao registry import` filled them. A registry that nobody filled is unavailable, not empty."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def find(self, number: Number) -> Record | None:
        """Return the record of a number, or None if there is none; raises RegistryUnavailable."""
        table: type[RegisteredPerson] | type[RegisteredOrganisation] = RegisteredPerson if number.is_person else RegisteredOrganisation
        found = select(table.number_index, table.record_sealed).where(table.number_index.in_(sealing.indexes_of(number.value)))
        row = self.session.execute(found).first()
        if row is not None:
            return record_of(unsealed_record(table, *row))
        if not self.session.scalar(select(exists().select_from(table))):
            raise RegistryUnavailable(f"{table.__tablename__} was never imported")
        return None

    def represented_by(self, number: Number) -> list[Record]:
        """Return the organisations whose legal representative has this number."""
        indexes = sealing.indexes_of(number.value)
        table = RegisteredOrganisation
        rows = self.session.execute(select(table.number_index, table.record_sealed).where(table.representative_index.in_(indexes)))
        return sorted((record_of(unsealed_record(table, *row)) for row in rows), key=lambda record: record.number.value)


def open_registry(session: Session) -> Registry:
    """Return the registry of this installation."""
    return ImportedRegistry(session)


def is_same_name(one: str, other: str) -> bool:
    """Whether two names are the same, whatever their width, spacing, capitals and kind of middle dot; in constant time."""
    return hmac.compare_digest(name_key(one).encode(), name_key(other).encode())


def name_key(name: str) -> str:
    """Return the form of a name in which names are compared."""
    return "".join(unicodedata.normalize("NFKC", name).translate(DOTS).split()).casefold()


def sealed_record(table: type[RegisteredPerson | RegisteredOrganisation], index: bytes, members: dict[str, str]) -> bytes:
    """Seal what a registry says of one number for its row."""
    return sealing.seal(json.dumps(members, ensure_ascii=False), table=table.__tablename__, column="record", row=index.hex())


def unsealed_record(table: type[RegisteredPerson | RegisteredOrganisation], index: bytes, record_sealed: bytes) -> dict[str, str]:
    """Return what a registry's row says."""
    members: dict[str, str] = json.loads(sealing.unseal(record_sealed, table=table.__tablename__, column="record", row=index.hex()))
    return members


def record_of(members: Mapping[str, str]) -> Record:
    """Return what a registry says of one number as its record."""
    rest = {name: value for name, value in members.items() if name not in ("number", "name")}
    return Record(parse_number(members["number"]), members["name"], rest)
