"""Which fields of a licence a matter needs (事项所需项目): kept for each type by the department that defines it.

A draw on authority gives no more than its matter needs; where nothing is said of a matter, no more than what a holder shows as a rule.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from schemas.causes import is_readable
from wallet.register.definitions import LicenceType

LONGEST_MATTER, MOST_MATTERS = 64, 500


class MatterRefused(Refusal):
    """What a matter is said to need is not acceptable."""

    code, status, title = "matter-refused", 422, Text("事项或项目有误。", "The matter or its fields are not acceptable.")


class MatterFields(Base):
    """What one matter needs of licences of one type."""

    __tablename__ = "matter_fields"
    type_code: Mapped[str] = mapped_column(primary_key=True)
    matter: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[list[str]]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]


def set_fields(session: Session, licence_type: LicenceType, matter: str, fields: Collection[str], *, actor: str, now: datetime) -> None:
    """Say what a matter needs, anew or for the first time; raises MatterRefused. What is not a code, a field or too many is refused by its name."""
    matter = matter.strip()
    if not 0 < len(matter) <= LONGEST_MATTER or not is_readable(matter):
        raise MatterRefused("no code", field="matter", shown=Text("请填写事项编码，最多64字。", "Give the matter's code, 64 characters at most."))
    unknown = next((name for name in fields if licence_type.find_field(name) is None), None)
    if unknown is not None:
        raise MatterRefused("no such field", field="fields", shown=Text("此类证照没有所选项目。", "Licences of this type have no such field."))
    kept = [one.name for one in licence_type.fields if one.name in set(fields)]
    if len(entries(session, licence_type.code)) >= MOST_MATTERS:
        raise MatterRefused("too many", field="matter", shown=Text("事项过多。", "There are too many matters."))
    said = {"fields": kept, "changed_at": now, "changed_by": actor}
    row = insert(MatterFields).values(type_code=licence_type.code, matter=matter, **said)
    session.execute(row.on_conflict_do_update(index_elements=["type_code", "matter"], set_=said))
    ledger.record(session, "matter.fields-set", actor=actor, object_id=licence_type.code, now=now, matter=matter, fields=kept)


def remove(session: Session, licence_type: LicenceType, matter: str, *, actor: str, now: datetime) -> None:
    """Say no more of a matter; doing it again changes nothing."""
    gone = delete(MatterFields).where(MatterFields.type_code == licence_type.code, MatterFields.matter == matter).returning(MatterFields.matter)
    if session.execute(gone).first() is not None:
        ledger.record(session, "matter.fields-removed", actor=actor, object_id=licence_type.code, now=now, matter=matter)


def entries(session: Session, type_code: str) -> list[MatterFields]:
    """Return all that is said of a type, by matter."""
    return list(session.scalars(select(MatterFields).where(MatterFields.type_code == type_code).order_by(MatterFields.matter)))


def needed(session: Session, licence_type: LicenceType, matter: str | None) -> list[str]:
    """Return what a matter needs, or, where nothing is said of it, what a holder of the type shows as a rule."""
    said = select(MatterFields.fields).where(MatterFields.type_code == licence_type.code, MatterFields.matter == matter)
    found = session.scalar(said) if matter else None
    return [one.name for one in licence_type.fields if not one.hidden_by_default] if found is None else found
