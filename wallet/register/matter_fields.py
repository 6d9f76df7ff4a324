"""Which fields of a licence a matter needs (事项所需项目): declared in each type's file, or said since by the department that defines it.

A draw on authority gives no more than its matter needs; where nothing is said of a matter, no more than what a holder shows as a rule. The wallet
and the desk offer the same matters to choose from.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.causes import is_readable
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType, Matter

LONGEST_MATTER, MOST_MATTERS = 64, 500


class MatterRefused(Refusal):
    """What a matter is said to need is not acceptable."""

    code, status, title = "matter-refused", 422, Text("事项或项目有误。", "The matter or its fields are not acceptable.")


class MatterChanged(Refusal):
    """Somebody else said something of the matter, or took it back, since the caller looked."""

    code, status, title = "matter-changed", 409, Text("该事项已另有设置，请看过现行设置再保存。", "It was set otherwise meanwhile; look at it again.")


class MatterFields(Base):
    """What one matter needs of licences of one type."""

    __tablename__ = "matter_fields"
    type_code: Mapped[str] = mapped_column(primary_key=True)
    matter: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[list[str]]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]

    @property
    def mark(self) -> str:
        """What tells this from what was said before and will be said after it."""
        return self.changed_at.astimezone(UTC).isoformat()


def set_fields(
    session: Session, licence_type: LicenceType, matter: str, fields: Collection[str], *, actor: str, now: datetime, seen: str | None = None
) -> None:
    """Say what a matter needs, anew or for the first time; raises MatterRefused. What is not a code, a field or too many is refused by its name.

    Who looked before says by its mark what was `seen`, empty where nothing was said: raises MatterChanged if that holds no longer.
    """
    matter = matter.strip()
    if not 0 < len(matter) <= LONGEST_MATTER or not is_readable(matter):
        raise MatterRefused("no code", field="matter", shown=Text("请填写事项编码，最多64字。", "Give the matter's code, 64 characters at most."))
    unknown = next((name for name in fields if licence_type.find_field(name) is None), None)
    if unknown is not None:
        raise MatterRefused("no such field", field="fields", shown=Text("此类证照没有所选项目。", "Licences of this type have no such field."))
    kept = [one.name for one in licence_type.fields if one.name in set(fields)]
    before = _look(session, licence_type, matter)
    _check_seen(before, seen)
    if before is None and len(entries(session, licence_type.code)) >= MOST_MATTERS:
        raise MatterRefused("too many", field="matter", shown=Text("事项过多。", "There are too many matters."))
    said = {"fields": kept, "changed_at": now, "changed_by": actor}
    row = insert(MatterFields).values(type_code=licence_type.code, matter=matter, **said)
    session.execute(row.on_conflict_do_update(index_elements=["type_code", "matter"], set_=said))
    ledger.record(session, "matter.fields-set", actor=actor, object_id=licence_type.code, now=now, matter=matter, fields=kept)


def remove(session: Session, licence_type: LicenceType, matter: str, *, actor: str, now: datetime, seen: str | None = None) -> None:
    """Say no more of a matter; doing it again changes nothing. Raises MatterChanged if other is said of it than was `seen`."""
    before = _look(session, licence_type, matter)
    if before is not None:
        _check_seen(before, seen)
    gone = delete(MatterFields).where(MatterFields.type_code == licence_type.code, MatterFields.matter == matter).returning(MatterFields.matter)
    if session.execute(gone).first() is not None:
        ledger.record(session, "matter.fields-removed", actor=actor, object_id=licence_type.code, now=now, matter=matter)


def _look(session: Session, licence_type: LicenceType, matter: str) -> MatterFields | None:
    """Return what is said of a matter, which nobody else changes until the transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"matters of {licence_type.code}", 0))))
    return session.get(MatterFields, (licence_type.code, matter), populate_existing=True)


def _check_seen(row: MatterFields | None, seen: str | None) -> None:
    if seen is not None and seen != (row.mark if row is not None else ""):
        raise MatterChanged("set meanwhile", field="matter")


def entries(session: Session, type_code: str) -> list[MatterFields]:
    """Return all that is said of a type, by matter."""
    return list(session.scalars(select(MatterFields).where(MatterFields.type_code == type_code).order_by(MatterFields.matter)))


def matters_of(session: Session, licence_type: LicenceType) -> list[Matter]:
    """Return the matters that licences of a type are shown for, with what each needs: what its department said last counts, then what its file says.

    What only the page says has no name but its code.
    """
    return matters_of_each(session, [licence_type])[licence_type.code]


def matters_of_each(session: Session, types: Iterable[LicenceType]) -> dict[str, list[Matter]]:
    """Return the matters of some types by the types' codes, in one query."""
    known = {one.code: one for one in types}
    rows = session.scalars(select(MatterFields).where(MatterFields.type_code.in_(known)).order_by(MatterFields.matter))
    said: dict[str, dict[str, list[str]]] = {code: {} for code in known}
    for row in rows:
        said[row.type_code][row.matter] = row.fields
    return {code: _together(one, said[code]) for code, one in known.items()}


def needed(session: Session, licence_type: LicenceType, matter: str | None) -> list[str]:
    """Return which fields a matter needs, or, where nothing is said of it, those that a holder of the type shows as a rule."""
    said = select(MatterFields.fields).where(MatterFields.type_code == licence_type.code, MatterFields.matter == matter)
    found = session.scalar(said) if matter else None
    if found is not None:
        return found
    in_force = get_type(licence_type.code)  # a licence has the fields of its own version, and the matters of today
    declared = next((one.needs for one in in_force.matters if one.code == matter), None)
    return [one.name for one in licence_type.fields if (not one.hidden_by_default if declared is None else one.name in declared)]


def _together(licence_type: LicenceType, said: Mapping[str, list[str]]) -> list[Matter]:
    declared = {one.code: one for one in licence_type.matters}
    found = [_said_anew(licence_type, one, said.get(one.code)) for one in declared.values() if one.needs is not None or one.code in said]
    return found + [Matter(code, Text(code, code), tuple(fields)) for code, fields in said.items() if code not in declared]


def _said_anew(licence_type: LicenceType, declared: Matter, fields: list[str] | None) -> Matter:
    """Return a matter with the fields that its department said since; of what every licence has, its file is left to speak."""
    if fields is None:
        return declared
    of_every_licence = [name for name in declared.needs or () if licence_type.find_field(name) is None]
    return replace(declared, needs=(*of_every_licence, *fields))
