"""What a registry's word does to a subject: a new name, an end, a return, another representative; each at once and once.

History, ledger and everything that hangs on it (powers, sessions, codes; see the hooks of the directory) are one
transaction. What is so already changes nothing, so that a registry may say the same thing twice.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.subjects import directory, history
from idp.subjects.directory import Subject
from idp.subjects.history import Told
from idp.subjects.records import ACTIVE, Record
from keys import sealing
from runtime import ledger


def follow(session: Session, subject: Subject, record: Record, *, told: Told) -> bool:
    """Let a subject become what its registry says: its name, its state; returns whether anything changed."""
    renamed = rename(session, subject, record.name, told=told)
    return set_state(session, subject, record.state, told=told) or renamed


def rename(session: Session, subject: Subject, name: str, *, told: Told) -> bool:
    """Give a subject the name that its registry has for it."""
    before = directory.name_of(subject)
    if before == name:
        return False
    subject.name_sealed = sealing.seal(name, table="subjects", column="name", row=subject.id)
    history.keep(session, subject.id, history.NAME, before=before, after=name, told=told)
    _record(session, "subject.renamed", subject, told)
    directory.tell_of_change(session, subject, history.NAME, told=told)
    return True


def set_state(session: Session, subject: Subject, state: str, *, told: Told) -> bool:
    """Let a subject end, or return if it was thought to have ended by mistake; what it could do ends with it, and does not return.

    The row is locked first: whoever signs in at this moment has done so before, and is signed out below, or finds that it ended.
    """
    if subject.state == state:
        return False
    session.scalars(select(Subject.id).where(Subject.id == subject.id).with_for_update()).one()
    session.refresh(subject, ["state"])
    if subject.state == state:
        return False
    history.keep(session, subject.id, history.STATE, before=subject.state, after=state, told=told)
    subject.state, subject.state_since = state, told.at
    session.flush()
    if state == ACTIVE:
        _record(session, "subject.restored", subject, told)
        directory.tell_of_change(session, subject, history.STATE, told=told)
        return True
    _record(session, "subject.ended", subject, told, state=state)
    for hear in directory.on_subject_end:
        hear(session, subject.id, told.at)
    return True


def change_representative(session: Session, organisation: Subject, *, before: str | None, after: str, told: Told) -> None:
    """Let everyone hear that an organisation has another legal representative; the registry knows who."""
    history.keep(session, organisation.id, history.REPRESENTATIVE, before=before, after=after, told=told)
    _record(session, "representative.changed", organisation, told)
    for hear in directory.on_representative_change:
        hear(session, organisation.id, told.at)


def _record(session: Session, act: str, subject: Subject, told: Told, **detail: Any) -> None:
    ledger.record(session, act, actor=told.by, object_id=subject.id, subject_id=subject.id, now=told.at, **detail)
