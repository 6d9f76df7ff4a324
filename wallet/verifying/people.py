"""Proving at a counter who somebody is (level 3): an officer sees the person and their document, and the registry knows number and name.

That says who stands there. Whose the account is, the person shows by a code from its own page; where they cannot get in, the officer lets
them back in instead (`recovery`), which proves nothing lasting. Nobody proves themselves, and a department withdraws what it proved in error.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import accounts, counter_codes, matching, notices, proofs, recovery, registration, stated
from idp.signin.assurance import IN_PERSON
from idp.signin.proofs import METHODS, Method, Witness
from idp.subjects import directory, registries
from idp.subjects.numbers import Number
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.departments import Action, check_authority, get_department

REASONS = {
    "mistake": Text("核实有误", "it was a mistake"),
    "fraud": Text("发现冒用或伪造", "someone posed as another, or a document was forged"),
}


class NotForOneself(Refusal):
    """An officer would prove themselves."""

    code, status, title = (
        "not-for-oneself",
        403,
        Text("不能为自己核实身份，请由其他工作人员办理。", "Nobody proves themselves; let a colleague do it."),
    )


class NoAccountYet(Refusal):
    """The person has no account that could be lifted."""

    code, status = "no-account-yet", 409
    title = Text("此人尚未开通账号，请先由本人开通，再来核实。", "The person has no account yet; they open one first, then come back.")


class NoProofToWithdraw(Refusal):
    """The department has proven nobody of this number, or has withdrawn it."""

    code, status, title = "no-proof-to-withdraw", 404, Text("本部门没有可撤回的核实记录。", "The department has no proof of this person to withdraw.")


@dataclass(frozen=True, slots=True)
class Seen:
    """Whom an officer has before them, as the document says, and the document: a licence type's code."""

    number: Number
    name: str
    document_type: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks: an officer of a department."""

    department: str
    officer_id: UUID


def prove(session: Session, seen: Seen, *, code: str, desk: Desk, now: datetime) -> UUID:
    """Lift the account of the person who is present to level 3, and return their subject id.

    Raises NoAuthority, RegistryUnavailable, NotInRegistry, NumberChanged, SubjectEnded, NotForOneself, NoAccountYet, CodeRefused.
    """
    subject_id = _check(session, seen, desk=desk, now=now)
    counter_codes.redeem(session, subject_id, code, now=now)
    if stated.is_stated(session, subject_id):
        subject_id = registration.match(session, subject_id, name=seen.name, now=now)
    witness = Witness(desk.department, get_department(desk.department).name, seen.document_type, desk.officer_id)
    evidence = f"{seen.document_type} {seen.number.value} {registries.name_key(seen.name)}"
    proofs.prove(session, subject_id, method=Method.COUNTER, evidence=evidence, by=witness, now=now)
    notices.tell(session, subject_id, "identity-proven", now=now, method=METHODS[Method.COUNTER], department=witness.name)
    return subject_id


def let_back_in(session: Session, seen: Seen, *, desk: Desk, now: datetime) -> str:
    """Let the person who is present set a new password, and return the code to hand over; raises as `prove` does, and NothingToRecover."""
    subject_id = _check(session, seen, desk=desk, now=now)
    if stated.is_stated(session, subject_id):
        raise recovery.NothingToRecover(field="number")
    return recovery.grant_at_counter(session, subject_id=subject_id, officer_id=desk.officer_id, department=desk.department, now=now)


def withdraw(session: Session, number: Number, *, why: str, desk: Desk, now: datetime) -> int:
    """Withdraw what the department proved of a person, and return how many proofs those were; raises NoProofToWithdraw."""
    account = accounts.find_account(session, number)
    theirs = proofs.proofs_of(session, account.subject_id) if account else []
    standing = [one for one in theirs if one.level == IN_PERSON and one.department == desk.department and one.holds_at(now)]
    done = sum(proofs.withdraw(session, one, actor=f"officer:{desk.officer_id}", why=why, now=now) for one in standing)
    if not done or account is None:
        raise NoProofToWithdraw(field="withdrawn_number")
    name = get_department(desk.department).name
    notices.tell(session, account.subject_id, "identity-withdrawn", now=now, department=name, why=REASONS[why])
    return done


def _check(session: Session, seen: Seen, *, desk: Desk, now: datetime) -> UUID:
    """Check all but whose the account is, and return the subject that it belongs to."""
    check_authority(department=desk.department, type_code=seen.document_type, action=Action.IDENTIFY, now=now)
    accounts.check_is_person(seen.number)
    matching.match(session, seen.number, seen.name)
    known = directory.find_subject(session, seen.number)
    account = accounts.find_account(session, seen.number)
    if desk.officer_id in {known.id if known else None, account.subject_id if account else None}:
        raise NotForOneself(field="number")
    if account is None:
        raise NoAccountYet(field="number")
    return account.subject_id
