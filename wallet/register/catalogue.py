"""The catalogue: which licence types there are, each version kept, the newest in force.

Types are written as YAML files (`catalogue/`), applied by `kabao licence-type apply`, and read by the service from the
table, through the process's cache. A version that was in force is never changed: a licence names the one it was issued under.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.definitions import FAMILIES, FaultyDefinition, LicenceType, read_definition
from wallet.register.fields import Field

__all__ = [
    "CATALOGUE",
    "Change",
    "FaultyDefinition",
    "Field",
    "LicenceType",
    "LicenceTypeNotFound",
    "all_types",
    "apply",
    "differences",
    "get_type",
    "get_version",
    "read_folder",
]

CATALOGUE = Path(__file__).with_name("catalogue")
TOPIC = "licence_types"
APPLY_LOCK = 0x6B617479


class LicenceTypeNotFound(Refusal):
    """There is no licence type of that code or short name."""

    code, status, title = "licence-type-not-found", 404, Text("没有此证照类型。", "No such licence type.")


class LicenceTypeVersion(Base):
    """A version of a licence type: its whole definition, as it was applied."""

    __tablename__ = "licence_types"
    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    applied_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a type changes: `parts` are the members that differ; all of a new type's."""

    licence_type: LicenceType
    document: dict[str, Any]
    parts: tuple[str, ...]

    @property
    def is_new(self) -> bool:
        """Whether there was no such type before."""
        return self.licence_type.version == 1


def get_type(code_or_slug: str) -> LicenceType:
    """Return the version in force of a type, by its code or its short name; raises LicenceTypeNotFound."""
    found = _in_force().get(code_or_slug)
    if found is None:
        raise LicenceTypeNotFound(field="type")
    return found


def get_version(code: str, version: int) -> LicenceType:
    """Return a version of a type by its code, such as the one that a licence was issued under; raises LicenceTypeNotFound."""
    found = cache.get(TOPIC, (code, version), lambda: _load_version(code, version))
    if found is None:
        raise LicenceTypeNotFound(field="version")
    return found


def all_types() -> list[LicenceType]:
    """Return the version in force of every type, by family and code."""
    return sorted({one.code: one for one in _in_force().values()}.values(), key=lambda one: (list(FAMILIES).index(one.family), one.code))


def read_folder(folder: Path = CATALOGUE) -> Iterator[dict[str, Any]]:
    """Yield the documents of a folder's files, each checked; raises FaultyDefinition that names the file and the fault."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise FaultyDefinition(f"{folder}: there is no .yaml file")
    for file in files:
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
            licence_type = read_definition(document)
        except (FaultyDefinition, yaml.YAMLError, UnicodeDecodeError) as error:
            raise FaultyDefinition(f"{file.name}: {error}") from error
        if licence_type.slug != file.stem:
            raise FaultyDefinition(f"{file.name}: slug: the file should be named {licence_type.slug}.yaml")
        yield document


def differences(session: Session, documents: list[dict[str, Any]]) -> list[Change]:
    """Return what applying the documents would change; raises FaultyDefinition."""
    newest = _newest(session)
    changes = [change for document in documents if (change := _change(document, newest.get(document["code"]))) is not None]
    _check_slugs(newest, changes)
    return changes


def apply(session: Session, documents: list[dict[str, Any]], *, now: datetime) -> list[Change]:
    """Store a new version of each type that differs from the one in force, and return what changed.

    Types that are not among the documents stay as they are. Of two who apply at once, one waits. Raises FaultyDefinition.
    """
    session.execute(select(func.pg_advisory_xact_lock(APPLY_LOCK)))
    changes = differences(session, documents)
    for change in changes:
        code, version = change.licence_type.code, change.licence_type.version
        session.add(LicenceTypeVersion(code=code, version=version, definition=change.document, applied_at=now))
        ledger.record(session, "licence-type.applied", actor="operator", object_id=code, now=now, version=version, parts=list(change.parts))
    if changes:
        session.flush()
        cache.changed(session, TOPIC)
    return changes


def _change(document: dict[str, Any], before: LicenceTypeVersion | None) -> Change | None:
    licence_type = read_definition(document, version=before.version + 1 if before else 1)
    was = before.definition if before else {}
    parts = tuple(sorted(name for name in {*document, *was} if document.get(name) != was.get(name)))
    return Change(licence_type, document, parts) if parts else None


def _check_slugs(newest: dict[str, LicenceTypeVersion], changes: list[Change]) -> None:
    slugs = {code: row.definition["slug"] for code, row in newest.items()} | {one.licence_type.code: one.licence_type.slug for one in changes}
    for slug in slugs.values():
        if list(slugs.values()).count(slug) > 1:
            raise FaultyDefinition(f"slug: {slug} belongs to two types")


def _newest(session: Session) -> dict[str, LicenceTypeVersion]:
    rows = session.scalars(select(LicenceTypeVersion).order_by(LicenceTypeVersion.code, LicenceTypeVersion.version))
    return {row.code: row for row in rows}


def _in_force() -> dict[str, LicenceType]:
    return cache.get(TOPIC, "in force", _load) or {}


def _load() -> dict[str, LicenceType] | None:
    with transaction() as session:
        types = [replace(read_definition(row.definition), version=row.version) for row in _newest(session).values()]
    return {name: one for one in types for name in (one.code, one.slug)} or None


def _load_version(code: str, version: int) -> LicenceType | None:
    with transaction() as session:
        row = session.get(LicenceTypeVersion, (code, version))
        return read_definition(row.definition, version=version) if row is not None else None
