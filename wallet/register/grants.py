"""Grants by the department that defined a type: who may do what with its licences, from when until when, and which acts of issuing.

Only the defining department grants and withdraws here; the operator does so by command. A withdrawal holds at once, in every process.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal
from wallet.register.catalogue import LicenceType
from wallet.register.departments import Action, Authority, DepartmentNotFound, NoAuthority, get_department, grant, withdraw
from wallet.register.licences import beginning_of, china_date


class NotTheDefiner(NotAllowed):
    """The department did not define the type, so that others' authority over it is not its to give."""

    code, status = "not-the-definer", 403
    title = Text("只有定义该证照类型的机关可以授予或收回权限。", "Only the department that defined the type may grant or withdraw authority over it.")


class GrantRefused(Refusal):
    """The grant contradicts itself or the calendar."""

    code, status, title = "grant-refused", 422, Text("授权内容有误。", "The grant is not acceptable.")


class GrantNotFound(Refusal):
    """There is no such authority that could be withdrawn."""

    code, status, title = "grant-not-found", 404, Text("没有这项授权。", "There is no such grant.")


@dataclass(frozen=True, slots=True)
class Grant:
    """What is to be granted: days in China, from today and for good unless said; `acts` None: all acts of issuing."""

    department: str
    action: Action
    acts: Collection[str] | None = None
    valid_from: date | None = None
    valid_until: date | None = None


def grants_over(session: Session, licence_type: LicenceType, *, definer: str) -> list[Authority]:
    """Return every authority over a type, ended ones too, for the department that defined it; raises NotTheDefiner."""
    _check_definer(licence_type, definer)
    rows = select(Authority).where(Authority.type_code == licence_type.code)
    return list(session.scalars(rows.order_by(Authority.department_code, Authority.action)))


def grant_over(session: Session, licence_type: LicenceType, asked: Grant, *, definer: str, now: datetime) -> Authority:
    """Give a department an authority over a type, or change it, and return it; raises NotTheDefiner, GrantRefused."""
    _check_definer(licence_type, definer)
    _check(asked, today=china_date(now))
    begins = beginning_of(asked.valid_from) if asked.valid_from and asked.valid_from > china_date(now) else None
    lasting = asked.valid_until is None or asked.valid_until == date.max  # the last day that there is means that there is no end
    ends = beginning_of(asked.valid_until + timedelta(days=1)) if asked.valid_until and not lasting else None
    terms = {"valid_from": begins, "valid_until": ends}
    by = f"department:{definer}"
    return grant(session, department=asked.department, type_code=licence_type.code, action=asked.action, acts=asked.acts, now=now, by=by, **terms)


def withdraw_over(session: Session, licence_type: LicenceType, *, department: str, action: Action, definer: str, now: datetime) -> None:
    """Take an authority over a type from a department, at once; raises NotTheDefiner, GrantNotFound."""
    _check_definer(licence_type, definer)
    try:
        withdraw(session, department=department, type_code=licence_type.code, action=action, now=now, by=f"department:{definer}")
    except NoAuthority as error:
        raise GrantNotFound(field="department") from error


def _check_definer(licence_type: LicenceType, definer: str) -> None:
    if licence_type.defining_authority != definer:
        raise NotTheDefiner("another department's type")


def _check(asked: Grant, *, today: date) -> None:
    try:
        get_department(asked.department)
    except DepartmentNotFound as error:
        raise DepartmentNotFound(field="department") from error
    if asked.acts is not None and asked.action is not Action.ISSUE:
        raise GrantRefused("acts of another action", field="acts", shown=Text("只有签发权限可以限定业务。", "Only issuing is limited to acts."))
    if asked.valid_until is not None and asked.valid_until < max(asked.valid_from or today, today):
        raise GrantRefused("over", field="valid_until", shown=Text("截止日期已过，或早于起始日期。", "It ends before it begins, or is over."))
