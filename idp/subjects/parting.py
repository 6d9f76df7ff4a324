"""Who a number leads to where two people had one (重号), and the registry just gave a record by it: see `directory.part`."""

from datetime import datetime

from sqlalchemy.orm import Session

from idp.subjects import directory, registries
from idp.subjects.directory import Subject
from idp.subjects.history import Told
from idp.subjects.numbers import Number
from idp.subjects.records import Record


def find_other(session: Session, number: Number, *, now: datetime) -> Subject | None:
    """Return who the registry has by a number that leads to somebody who had it, or None if it has nobody else by it.

    Raises RegistryUnavailable.
    """
    record = registries.open_registry(session).find(number)
    is_parted = record is not None and record.number == number and directory.part(session, record, told=Told(directory.REGISTRY, now))
    return directory.add_subject(session, record, now=now) if record is not None and is_parted else None


def subject_of(session: Session, number: Number, record: Record, *, now: datetime) -> Subject:
    """Return the subject of a number by which a registry just gave a record; it is added on first sight."""
    directory.part(session, record, told=Told(directory.REGISTRY, now))
    return directory.find_subject(session, number) or directory.add_subject(session, record, now=now)
