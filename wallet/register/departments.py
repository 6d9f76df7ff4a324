"""Departments: public bodies, what each may do with which licence types, and the officers who act for it.

A department is known by its credit code. Being added gives it a signing key with a certificate under the root. What it may do
is an authority: one action on one licence type, from a moment on, until another or for good, of which issuing may be limited to some acts.
What a type opens to everyone (`open_to`) needs none.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import owners
from idp.signin import notices, regaining
from idp.signin.notice_texts import NOTICES, NoticeText
from idp.subjects import credit_codes
from keys import certificates
from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register.catalogue import all_types, get_type

NOTICES["officer-post-ended"] = NoticeText(
    Text("您不再是部门工作人员", "You act for a department no longer"),
    Text(
        "您的账号在窗口恢复，“{department}”工作人员的身份随之终止。需要时请由系统运营人员重新添加。",
        "Your account was recovered at a counter, and with that you act for {department} no longer. If you still should, an operator adds you again.",
    ),
)
TOPIC = "departments"
OPERATOR = "operator"


LONGEST_NAME = 64
BAD_NAME = Text("中英文名称各须1至64个字符。", "It needs a name of 1 to 64 characters in each language.")


class Action(StrEnum):
    """What a department may do with licences of a type; to `identify` is to prove at a counter, by that document, who somebody is."""

    ISSUE = "issue"
    VERIFY = "verify"
    DRAW = "draw"
    SUPERVISE = "supervise"
    IDENTIFY = "identify"


class DepartmentNotFound(Refusal):
    """There is no department of that code."""

    code, status, title = "department-not-found", 404, Text("没有此部门。", "No such department.")


class DepartmentRefused(Refusal):
    """The department cannot be added as it is given."""

    code, status, title = "department-refused", 422, Text("部门信息有误。", "The department is not acceptable.")


class NoAuthority(Refusal):
    """The department has no authority for this action on this licence type."""

    code, status, title = (
        "no-authority",
        403,
        Text("本部门没有办理此类证照该项业务的权限。", "The department has no authority to do this with licences of this type."),
    )


class NoSuchOfficer(Refusal):
    """The person does not act for the department."""

    code, status, title = "no-such-officer", 404, Text("此人不是该部门的工作人员。", "The person does not act for the department.")


class Department(Base):
    """A public body."""

    __tablename__ = "departments"
    code: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    added_at: Mapped[datetime]

    @property
    def name(self) -> Text:
        """The name in both languages."""
        return Text(self.name_zh, self.name_en)


class Authority(Base):
    """One action that a department may do with licences of one type; `acts` are those of issuing that it is limited to, None: all."""

    __tablename__ = "authorities"
    department_code: Mapped[str] = mapped_column(primary_key=True)
    type_code: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    acts: Mapped[list[str] | None]
    granted_by: Mapped[str] = mapped_column(server_default=OPERATOR)

    def holds_at(self, now: datetime) -> bool:
        """Whether the authority has begun and not ended."""
        return self.valid_from <= now and (self.valid_until is None or now < self.valid_until)

    def allows(self, action: Action | str, act: str | None, *, now: datetime) -> bool:
        """Whether it is for an action, and for one act of it where that is asked, and holds now."""
        return self.action == str(action) and (act is None or self.acts is None or act in self.acts) and self.holds_at(now)


class Officer(Base):
    """A person who acts for a department."""

    __tablename__ = "officers"
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    department_code: Mapped[str] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]


def add_department(session: Session, settings: Settings, *, code: str, name: Text, now: datetime, in_token: bool = False) -> Department:
    """Add a department with its key, in the security module if so wanted, and its chain; raises DepartmentRefused for a code malformed or taken, or a
    name that says nothing or is longer than its certificate can tell.
    """
    if credit_codes.fault(code) is not None:
        raise DepartmentRefused("not a credit code", field="code", shown=Text("不是有效的统一社会信用代码。", "It is not a valid credit code."))
    if session.get(Department, code) is not None:
        raise DepartmentRefused("already there", field="code", shown=Text("该部门已存在。", "The department is there already."))
    if not all(one.strip() and one.isprintable() and len(one) <= LONGEST_NAME for one in (name.zh, name.en)):
        raise DepartmentRefused("no name", field="name", shown=BAD_NAME)
    department = Department(code=code, name_zh=name.zh, name_en=name.en, added_at=now)
    session.add(department)
    use, uri = certificates.department_use(code), certificates.department_uri(settings, code)
    certificates.issue_leaf(session, settings, use=use, common_name=name.zh, uri=uri, now=now, organisation_code=code, in_token=in_token)
    ledger.record(session, "department.added", actor="operator", object_id=code, now=now)
    _changed(session)
    return department


def grant(
    session: Session,
    *,
    department: str,
    type_code: str,
    action: Action,
    now: datetime,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    acts: Collection[str] | None = None,
    by: str = OPERATOR,
) -> Authority:
    """Give a department an authority, from now on unless said, or change from when, how long and for which acts it has it; return it."""
    terms = {"valid_until": valid_until, "acts": sorted(acts) if acts is not None else None, "granted_by": by}
    row = insert(Authority).values(department_code=department, type_code=type_code, action=action.value, valid_from=valid_from or now, **terms)
    has_ended = Authority.valid_until <= now
    begins = valid_from or case((has_ended, now), else_=Authority.valid_from)  # what is renewed while it holds has held since then
    row = row.on_conflict_do_update(index_elements=["department_code", "type_code", "action"], set_={**terms, "valid_from": begins})
    granted = session.scalars(row.returning(Authority), execution_options={"populate_existing": True}).one()
    details: dict[str, Any] = {"type": type_code, "action": action.value, **({"acts": terms["acts"]} if acts is not None else {})}
    ledger.record(session, "authority.granted", actor=by, object_id=department, now=now, **details)
    _changed(session)
    return granted


def withdraw(session: Session, *, department: str, type_code: str, action: Action, now: datetime, by: str = OPERATOR) -> None:
    """End an authority now, or before it begins; raises NoAuthority if the department has none."""
    row = session.get(Authority, (department, type_code, action.value), with_for_update=True)
    if row is None or (row.valid_until is not None and row.valid_until <= now):
        raise NoAuthority("nothing to withdraw")
    row.valid_until = now
    ledger.record(session, "authority.withdrawn", actor=by, object_id=department, now=now, type=type_code, action=action.value)
    _changed(session)


def add_officer(session: Session, *, department: str, subject_id: UUID, now: datetime) -> None:
    """Let a person act for a department; doing it again changes nothing."""
    row = (
        insert(Officer).values(subject_id=subject_id, department_code=department, added_at=now).on_conflict_do_nothing().returning(Officer.subject_id)
    )
    if session.execute(row).first() is not None:
        ledger.record(session, "officer.added", actor="operator", object_id=department, subject_id=subject_id, now=now)


def remove_officer(session: Session, *, department: str, subject_id: UUID, now: datetime) -> None:
    """Let a person act for a department no longer, from their next request on; raises NoSuchOfficer."""
    gone = delete(Officer).where(Officer.subject_id == subject_id, Officer.department_code == department).returning(Officer.subject_id)
    if session.execute(gone).first() is None:
        raise NoSuchOfficer
    ledger.record(session, "officer.removed", actor="operator", object_id=department, subject_id=subject_id, now=now)


def end_posts(session: Session, subject_id: UUID, now: datetime) -> None:
    """Let someone who starts afresh after a counter act for no department, until an operator names them again, and tell them."""
    gone = delete(Officer).where(Officer.subject_id == subject_id).returning(Officer.department_code)
    for code in sorted(session.scalars(gone)):
        ledger.record(session, "officer.removed", actor=f"subject:{subject_id}", object_id=code, subject_id=subject_id, now=now)
        notices.tell(session, subject_id, "officer-post-ended", now=now, department=get_department(code).name)


def get_department(code: str) -> Department:
    """Return a department by its credit code, from the process's cache; raises DepartmentNotFound."""
    found = cache.get(TOPIC, ("department", code), lambda: _load_department(code)) if credit_codes.fault(code) is None else None
    if found is None:
        raise DepartmentNotFound
    return found


def all_departments(session: Session) -> list[Department]:
    """Return every department, by code."""
    return list(session.scalars(select(Department).order_by(Department.code)))


def check_authority(*, department: str, type_code: str, action: Action | str, now: datetime, act: str | None = None) -> None:
    """Raise NoAuthority unless the department may do this with licences of this type now; `act` is one among those of issuing."""
    for one in _authorities(department):
        if one.type_code == type_code and one.allows(action, act, now=now):
            return
    if str(action) not in get_type(type_code).open_to:
        raise NoAuthority(f"no {action} authority", field="type")


def types_under(*, department: str, action: Action | str, now: datetime) -> set[str]:
    """Return the codes of the licence types with which a department may do something now, those that are open to every department included."""
    granted = {one.type_code for one in _authorities(department) if one.allows(action, None, now=now)}
    return granted | {one.code for one in all_types() if str(action) in one.open_to}


def _authorities(department: str) -> list[Authority]:
    return cache.get(TOPIC, ("authorities", department), lambda: _load_authorities(department)) or []


def _changed(session: Session) -> None:
    session.flush()
    cache.changed(session, TOPIC)


def _load_department(code: str) -> Department | None:
    with transaction() as session:
        return session.get(Department, code)


def _load_authorities(department: str) -> list[Authority]:
    with transaction() as session:
        return list(session.scalars(select(Authority).where(Authority.department_code == department)))


def _is_there(session: Session, code: str) -> bool:
    return session.get(Department, code) is not None


owners.known_by.append(_is_there)
regaining.on_fresh_start.append(end_posts)
