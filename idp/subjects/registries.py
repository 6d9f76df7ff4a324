"""The population registry (人口库) and the legal-person registry (法人库), behind one interface.

A registry gives three answers about a number: its record (match), no record (None), or RegistryUnavailable; the last is
never taken for the second. The settings choose for each of the two: an address that is asked over HTTP (`registry_http`), or
the tables that `registry_import` fills. There, what a registry says rests sealed, as one JSON text a row; a row is
found by the number's keyed index.
"""

import hmac
import json
import unicodedata
from dataclasses import dataclass

from flask import current_app
from sqlalchemy import Index, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects.numbers import Number
from idp.subjects.records import ACTIVE, DECEASED, DISSOLVED, MATCH, NO_MATCH, UNAVAILABLE, Record, Registry, RegistryUnavailable, record_of
from idp.subjects.registry_http import HttpRegistry
from keys import sealed_tables, sealing
from runtime.database import Base
from runtime.settings import Settings

__all__ = ("ACTIVE", "DECEASED", "DISSOLVED", "MATCH", "NO_MATCH", "UNAVAILABLE", "Record", "Registry", "RegistryUnavailable", "record_of")
DOTS = dict.fromkeys(map(ord, "•・‧∙⋅．.●"), "·")


class RegisteredPerson(Base):
    """A row of the population registry. `record_sealed`: number, name, and the further members that `registry_rows` knows."""

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


@dataclass(frozen=True, slots=True)
class BothRegistries:
    """The registry of people and that of organisations, each asked for its own."""

    people: Registry
    organisations: Registry

    def find(self, number: Number) -> Record | None:
        """Return the record of a number, or None if there is none; raises RegistryUnavailable."""
        return (self.people if number.is_person else self.organisations).find(number)

    def represented_by(self, number: Number) -> list[Record]:
        """Return the organisations whose legal representative has this number; raises RegistryUnavailable."""
        return self.organisations.represented_by(number)


def open_registry(session: Session) -> Registry:
    """Return the registry of this installation."""
    settings: Settings = current_app.extensions["kabao_settings"]
    imported = ImportedRegistry(session)
    people, organisations = settings.people_registry_url, settings.organisations_registry_url
    return BothRegistries(
        HttpRegistry("people", people, session, settings) if people else imported,
        HttpRegistry("organisations", organisations, session, settings) if organisations else imported,
    )


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
