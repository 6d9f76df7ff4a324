"""Opening an account, and matching it with the registry: number and name are the two fields, and their match is level 2.

While the registry cannot be asked, an account may be opened at level 1, on what the person says (`stated`); it is matched later. It never
stands in the way of someone whom the registry knows: their registration takes the number over, and ends that account.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from idp.signin import accounts, clearing, matching, notices, passwords, proofs, sessions, stated
from idp.signin.accounts import Account
from idp.signin.proofs import Method
from idp.subjects import directory, guardians, registries
from idp.subjects.directory import Subject
from idp.subjects.history import Told
from idp.subjects.numbers import Number
from idp.subjects.registries import Record, RegistryUnavailable
from keys import sealing
from runtime import jobs, ledger
from runtime.clock import now as clock_now
from runtime.database import transaction


def register(session: Session, *, number: Number, name: str, password: str, may_state: bool = False, now: datetime) -> UUID:
    """Open the account of a person whom the registry knows by number and name, and return their subject id.

    With `may_state`, it is opened at level 1 where the registry cannot be asked. The password is hashed before the registry or any row is
    asked, so that every answer takes the same time and no connection waits meanwhile. Raises OrganisationsActThroughPeople, PasswordRefused,
    TooYoung, NotInRegistry, NumberChanged, SubjectEnded, RegistryUnavailable, AccountExists, AccountClosed.
    """
    accounts.check_is_person(number)
    guardians.check_may_sign_in(number.born, now=now)
    passwords.check_password(password, number=number, name=name)
    password_hash = passwords.hash_password(password)
    try:
        record = matching.match(session, number, name)
    except RegistryUnavailable:
        if not may_state:
            raise
        return _open_stated(session, number, name, password_hash, now)
    guardians.check_may_sign_in(record.born, now=now)
    sealing.hold(session, number.value)
    taken = stated.take(session, number)
    if taken is not None:
        _end_stated(session, taken, now)
    subject = directory.meet(session, record, told=Told(directory.REGISTRY, now))
    accounts.add(session, subject.id, password_hash=password_hash, now=now)
    _prove(session, subject.id, record, now)
    return subject.id


def match(session: Session, subject_id: UUID, *, name: str | None = None, now: datetime) -> UUID:
    """Match someone with the registry, by their number and the name that they give (or gave, at level 1), and return their subject id.

    Raises NotInRegistry, RegistryUnavailable, AccountExists. The id differs, and the sessions end, where the number was met meanwhile: the
    account goes over to the subject that the number's licences are kept under.
    """
    subject = directory.get_subject(session, subject_id)
    number, is_stated = directory.number_of(subject), stated.is_stated(session, subject_id)
    record = matching.match(session, number, (name if name is not None or not is_stated else directory.name_of(subject)) or "")
    if is_stated:
        subject_id = _confirm(session, subject, record, now)
    _prove(session, subject_id, record, now)
    return subject_id


def match_soon(session: Session, subject_id: UUID) -> None:
    """Have someone who is at level 1 matched behind the scenes; it is tried again while the registry stays away."""
    if stated.is_stated(session, subject_id):
        jobs.defer(session, "match_stated", subject_id=str(subject_id))


@jobs.outward
def match_stated(subject_id: str) -> None:
    """Match one person who is at level 1 with the registry; raises RegistryUnavailable, to be run again."""
    with transaction() as session:
        if not stated.is_stated(session, UUID(subject_id)) or not jobs.is_first_run(session):
            return
        try:
            with session.begin_nested():
                match(session, UUID(subject_id), now=clock_now())
        except (accounts.NotInRegistry, accounts.AccountExists, matching.NumberChanged, directory.SubjectEnded):
            notices.tell(session, UUID(subject_id), "not-matched", now=clock_now())


def _open_stated(session: Session, number: Number, name: str, password_hash: str, now: datetime) -> UUID:
    """Open an account on what someone says; of several who say the same number is theirs, one."""
    sealing.hold(session, number.value)
    known = directory.find_subject(session, number)
    if known is not None and accounts.find_opened_at(session, known.id) is not None:
        raise accounts.AccountExists(field="number")
    subject_id = stated.add(session, number=number, name=name.strip(), now=now)
    if subject_id is None:
        raise accounts.AccountExists(field="number")
    accounts.add(session, subject_id, password_hash=password_hash, now=now)
    return subject_id


def _end_stated(session: Session, subject_id: UUID, now: datetime) -> None:
    """End the account of someone who only said that the number was theirs, and all that was given in its name."""
    session.execute(delete(Account).where(Account.subject_id == subject_id))
    sessions.end_all(session, subject_id, now=now)
    sessions.cut(session, subject_id, now=now)
    ledger.record(session, "account.taken_over", actor="registry", object_id=subject_id, subject_id=subject_id, now=now)


def _confirm(session: Session, subject: Subject, record: Record, now: datetime) -> UUID:
    """Let someone have the number that they stated, unless another came first."""
    sealing.hold(session, record.number.value)
    if stated.take(session, record.number, of=subject.id) is None:
        raise accounts.AccountExists(field="number")
    known = directory.find_subject(session, record.number)
    if known is None:
        stated.confirm(session, subject.id, number=record.number, name=record.name, now=now)
        return subject.id
    if accounts.find_opened_at(session, known.id) is not None:
        raise accounts.AccountExists(field="number")  # whose number became this one, and who had an account before
    session.execute(update(Account).where(Account.subject_id == subject.id).values(subject_id=known.id))
    clearing.move_ways(session, subject.id, to=known.id)
    sessions.end_all(session, subject.id, now=now)
    sessions.cut(session, subject.id, now=now)
    ledger.record(session, "account.moved", actor=f"subject:{subject.id}", object_id=known.id, subject_id=known.id, now=now)
    return known.id


def _prove(session: Session, subject_id: UUID, record: Record, now: datetime) -> None:
    evidence = f"{record.number.value} {registries.name_key(record.name)}"
    proofs.prove(session, subject_id, method=Method.REGISTRY, evidence=evidence, now=now)
