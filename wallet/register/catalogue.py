"""The catalogue: which licence types there are, each version kept, the newest in force.

Types are written as YAML files (`catalogue/`), applied by `kabao licence-type apply` or on the pages of the department that defines
them, and read by the service from the table, through the process's cache. A version that was in force is never changed: a licence
names the one it was issued under.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.definitions import FAMILIES, FaultyDefinition, LicenceType, default_doctype, document_of, read_definition, read_stored
from wallet.register.fields import Field
from wallet.register.type_changes import Difference, breaks_of, differences_of
from wallet.register.type_files import read_folder as read_files

__all__ = [
    "CATALOGUE",
    "BreakingChange",
    "Change",
    "FaultyDefinition",
    "Field",
    "LicenceType",
    "LicenceTypeNotFound",
    "StaleEdit",
    "all_types",
    "apply",
    "differences",
    "get_type",
    "get_version",
    "read_folder",
    "versions_of",
]

CATALOGUE = Path(__file__).with_name("catalogue")
TOPIC = "licence_types"
APPLY_LOCK = 0x6B617479
MOST_VERSIONS = 2**31


class LicenceTypeNotFound(Refusal):
    """There is no licence type of that code or short name."""

    code, status, title = "licence-type-not-found", 404, Text("没有此证照类型。", "No such licence type.")


class StaleEdit(Refusal):
    """Somebody else changed the type since the caller began to edit it."""

    code, status, title = (
        "licence-type-changed",
        409,
        Text("您编辑期间，此证照类型已被他人更改。", "The type was changed by someone else while you were editing it."),
    )


class BreakingChange(Refusal):
    """The new version would change what words of older ones mean, and nobody said that it may."""

    code, status, title = (
        "licence-type-breaks",
        422,
        Text("此更改会使已发证照的字段含义发生变化。", "The change would alter what fields of issued licences mean."),
    )


class LicenceTypeVersion(Base):
    """A version of a licence type: its whole definition, as it was applied."""

    __tablename__ = "licence_types"
    code: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)  # as it was written: the order of choices and of fields counts
    applied_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Change:
    """What applying a type changes: where it differs from the version in force, and what would change the meaning of older words."""

    licence_type: LicenceType
    before: LicenceType | None
    differences: tuple[Difference, ...]
    breaks: tuple[tuple[str, Text], ...]

    @property
    def is_new(self) -> bool:
        """Whether there was no such type before."""
        return self.before is None

    @property
    def parts(self) -> tuple[str, ...]:
        """The members that differ; none of a new type's."""
        return tuple(sorted({one.path.split(".")[0].removesuffix(" (order)") for one in self.differences} - {""}))


def get_type(code_or_slug: str) -> LicenceType:
    """Return the version in force of a type, by its code or its short name; raises LicenceTypeNotFound."""
    found = _in_force().get(code_or_slug)
    if found is None:
        raise LicenceTypeNotFound(field="type")
    return found


def get_version(code: str, version: int) -> LicenceType:
    """Return a version of a type by its code, such as the one that a licence was issued under; raises LicenceTypeNotFound."""
    is_possible = 0 < version < MOST_VERSIONS
    found = cache.get(TOPIC, (code, version), lambda: _load_version(code, version)) if is_possible else None
    if found is None:
        raise LicenceTypeNotFound(field="version")
    return found


def all_types() -> list[LicenceType]:
    """Return the version in force of every type, by family and code."""
    return sorted({one.code: one for one in _in_force().values()}.values(), key=lambda one: (list(FAMILIES).index(one.family), one.code))


def versions_of(session: Session, code: str) -> list[LicenceType]:
    """Return every version of a type, the first one first."""
    rows = select(LicenceTypeVersion).where(LicenceTypeVersion.code == code).order_by(LicenceTypeVersion.version)
    return [_read(row) for row in session.scalars(rows)]


def read_folder(folder: Path = CATALOGUE) -> Iterator[dict[str, Any]]:
    """Yield the documents of a folder's files, each checked; raises FaultyDefinition that names the file and the fault."""
    return read_files(folder)


def differences(session: Session, documents: Sequence[dict[str, Any]]) -> list[Change]:
    """Return what applying the documents would change; raises FaultyDefinition."""
    stored = _stored(session)
    changes = [change for document in documents if (change := _change(document, stored)) is not None]
    _check_unique({code: versions[-1] for code, versions in stored.items()}, changes)
    _check_documents(stored, changes)
    return changes


def apply(
    session: Session,
    documents: Sequence[dict[str, Any]],
    *,
    now: datetime,
    actor: str = "operator",
    breaking: bool = False,
    expected: int | None = None,
) -> list[Change]:
    """Store a new version of each type that differs from the one in force, and return what changed.

    Types that are not among the documents stay as they are. Of two who apply at once, one waits. Raises FaultyDefinition; BreakingChange
    unless `breaking`; StaleEdit if the version in force is not the `expected` one (0: there is none).
    """
    session.execute(select(func.pg_advisory_xact_lock(APPLY_LOCK)))
    changes = differences(session, documents)
    for change in changes:
        if expected is not None and expected != (change.before.version if change.before else 0):
            raise StaleEdit(field="version")
        if change.breaks and not breaking:
            raise BreakingChange(field=change.breaks[0][0])
        _store(session, change, actor=actor, now=now)
    if changes:
        session.flush()
        cache.changed(session, TOPIC)
    return changes


def _store(session: Session, change: Change, *, actor: str, now: datetime) -> None:
    code, version, definition = change.licence_type.code, change.licence_type.version, document_of(change.licence_type)
    session.add(LicenceTypeVersion(code=code, version=version, definition=definition, applied_at=now))
    ledger.record(session, "licence-type.applied", actor=actor, object_id=code, now=now, version=version, parts=list(change.parts))


def _change(document: dict[str, Any], stored: dict[str, list[LicenceType]]) -> Change | None:
    versions = stored.get(str(document.get("code")), [])
    before = versions[-1] if versions else None
    licence_type = read_definition(document, version=before.version + 1 if before else 1)
    if before is not None and before.slug != licence_type.slug:
        why = Text(f"已发凭证以{before.slug}为地址，不能更改。", f"Credentials were issued under the address {before.slug}; it cannot be changed.")
        raise FaultyDefinition("slug", why)
    found = differences_of(before, licence_type)
    return Change(licence_type, before, tuple(found), tuple(breaks_of(versions, licence_type))) if found else None


def _check_unique(newest: dict[str, LicenceType], changes: list[Change]) -> None:
    codes = [one.licence_type.code for one in changes]
    types = newest | {one.licence_type.code: one.licence_type for one in changes}
    slugs = [one.slug for one in types.values()]
    for values in (codes, slugs):
        for value in set(values):
            if values.count(value) > 1:
                raise FaultyDefinition("slug", Text(f"{value}属于两个证照类型。", f"{value} belongs to two types."))


def _check_documents(stored: dict[str, list[LicenceType]], changes: list[Change]) -> None:
    """Check that a mobile document's name is one type's alone, for good: it says of which type a document is, here and in the trust list.

    What a type is called that says nothing of it is that type's own, be there one already or not.
    """
    owners = {one.doctype: code for code, versions in stored.items() for one in versions}
    for one in (change.licence_type for change in changes):
        is_others = one.doctype.startswith(default_doctype("")) and one.doctype != default_doctype(one.code)
        if is_others or owners.setdefault(one.doctype, one.code) != one.code:
            raise FaultyDefinition("doctype", Text("该文档类型属于另一证照类型。", "It is the document of another type."))


def _stored(session: Session) -> dict[str, list[LicenceType]]:
    stored: dict[str, list[LicenceType]] = {}
    for row in session.scalars(select(LicenceTypeVersion).order_by(LicenceTypeVersion.code, LicenceTypeVersion.version)):
        stored.setdefault(row.code, []).append(_read(row))
    return stored


def _in_force() -> dict[str, LicenceType]:
    return cache.get(TOPIC, "in force", _load) or {}


def _load() -> dict[str, LicenceType] | None:
    newest = select(LicenceTypeVersion).ext(distinct_on(LicenceTypeVersion.code))
    newest = newest.order_by(LicenceTypeVersion.code, LicenceTypeVersion.version.desc())
    with transaction() as session:
        types = [_read(row) for row in session.scalars(newest)]
    return {name: one for one in types for name in (one.code, one.slug)} or None


def _load_version(code: str, version: int) -> LicenceType | None:
    with transaction() as session:
        row = session.get(LicenceTypeVersion, (code, version))
        return _read(row) if row is not None else None


def _read(row: LicenceTypeVersion) -> LicenceType:
    return _parsed(json.dumps(row.definition), row.version)


@lru_cache(maxsize=4096)
def _parsed(definition: str, version: int) -> LicenceType:
    """Read a stored version, once a process: the cache forgets by the minute, and a version never changes."""
    return read_stored(json.loads(definition), version=version)
