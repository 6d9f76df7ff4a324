"""What an issuing department asks for, and whether it may have it: the type, the authority, the fields, the dates, the holders.

Each fault is named by the member of the request that has it, and repeats nothing of what was sent.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from idp.subjects.directory import Known, Subject, get_subject
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.issuing.holders import CheckedHolder, HolderRequest, check_holder, check_others, find_holder, present_holder
from wallet.issuing.validity import check_dates
from wallet.register.acts import Act
from wallet.register.catalogue import LicenceType, LicenceTypeNotFound, get_type
from wallet.register.departments import Action, check_authority
from wallet.register.fields import check_values
from wallet.register.licences import Licence, china_date, fields_of, holder_ids_of, licence_number_of


class UnknownType(Refusal):
    """The request names a licence type that there is not."""

    code, status, title = "unknown-licence-type", 422, Text("没有此证照类型。", "There is no such licence type.")


class LicenceNumberRefused(Refusal):
    """The type's licence number is the holder's number, and another was sent."""

    code, status, title = (
        "licence-number-refused",
        422,
        Text("此类证照的证照编号应为持证主体号码。", "The licence number of this type is the holder's number."),
    )


@dataclass(frozen=True, slots=True)
class LicenceRequest:
    """A licence that a department asks to issue, unchecked. `type` is a code or a short name; `co_holders` hold it with the first one."""

    type: str
    holder_number: str = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    valid_from: date
    valid_until: date | None = None
    holder_name: str | None = field(default=None, repr=False)
    licence_number: str | None = field(default=None, repr=False)
    co_holders: tuple[HolderRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class ActRequest:
    """An act on a licence that a department asks for, unchecked, with its reason and legal basis; it takes effect on a day or now.

    `to` is the department that a licence is transferred to. The rest is for acts that make a successor: `fields` are those that change
    (None takes one away), `valid_until` the new last day (of a renewal), and what is None stays as it was.
    """

    act: Act
    reason: str = field(repr=False)
    legal_basis: str = field(repr=False)
    effective_on: date | None = None
    to: str | None = None
    valid_until: date | None = None
    fields: dict[str, Any] = field(default_factory=dict, repr=False)
    licence_number: str | None = field(default=None, repr=False)
    co_holders: tuple[HolderRequest, ...] | None = None


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """The same, with all that was found out on the way. No `licence_number`: the issuer leaves it to us.

    `holder_number` is the present one; `holder_renumbered` says that the request had a former one.
    """

    licence_type: LicenceType
    holder: Subject | Known = field(repr=False)
    holder_number: str = field(repr=False)
    holder_name: str = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    valid_from: date
    valid_until: date | None
    licence_number: str | None = field(repr=False)
    holder_renumbered: bool = False
    others: tuple[CheckedHolder, ...] = ()


def request_of(body: dict[str, Any]) -> LicenceRequest:
    """Return the request that a document makes, one that its schema has read."""
    holder = body["holder"]
    return LicenceRequest(
        type=body["type"],
        holder_number=holder["number"],
        holder_name=holder["name"],
        fields=body["fields"],
        valid_from=body["valid_from"],
        valid_until=body["valid_until"],
        licence_number=body["licence_number"],
        co_holders=tuple(HolderRequest(one["number"], one["name"]) for one in body["co_holders"]),
    )


def check_request(session: Session, request: LicenceRequest, *, department: str, now: datetime) -> CheckedRequest:
    """Check a request whole, in this order: type, authority, fields, dates, holders.

    Raises a Refusal that names the member at fault; NoAuthority before anything is said of the holder.
    """
    licence_type, values = _check_what(request, department=department, now=now)
    holder = check_holder(session, licence_type, HolderRequest(request.holder_number, request.holder_name), member="holder", now=now)
    licence_number = _licence_number(licence_type, holder, request.licence_number)
    others = check_others(session, licence_type, request.co_holders, first=holder.subject, now=now)
    return _checked(licence_type, holder, values, request.valid_from, request.valid_until, licence_number, others)


def check_alone(request: LicenceRequest, *, department: str, now: datetime) -> CheckedRequest | None:
    """Check a request for one holder likewise, without a session; None for a holder who was never met. Raises what `check_request` would."""
    assert not request.co_holders
    licence_type, values = _check_what(request, department=department, now=now)
    holder = find_holder(licence_type, HolderRequest(request.holder_number, request.holder_name), member="holder")
    if holder is None:
        return None
    licence_number = _licence_number(licence_type, holder, request.licence_number)
    return _checked(licence_type, holder, values, request.valid_from, request.valid_until, licence_number, ())


def _check_what(request: LicenceRequest, *, department: str, now: datetime) -> tuple[LicenceType, dict[str, Any]]:
    """Check all but the holders, and return the type and the values of its fields."""
    licence_type = type_asked_for(request)
    check_authority(department=department, type_code=licence_type.code, action=Action.ISSUE, now=now, act=Act.ISSUE.permission)
    values = check_values(licence_type.fields, request.fields)
    check_dates(licence_type, request.valid_from, request.valid_until, today=china_date(now))
    return licence_type, values


def check_successor(
    session: Session, licence: Licence, request: ActRequest, *, valid_from: date, valid_until: date | None, now: datetime
) -> CheckedRequest:
    """Check what is to take a licence's place, whole, by the type as it is now: fields, holders, number; its dates are the caller's to check.

    What the type has no more stays behind.

    The holders are named as they are today. One who died or was dissolved cannot be issued anything: SubjectEnded.
    """
    licence_type = get_type(licence.type_code)
    before = {name: value for name, value in fields_of(licence).items() if licence_type.find_field(name) is not None}
    merged = {name: value for name, value in {**before, **request.fields}.items() if value is not None}
    values = check_values(licence_type.fields, merged)
    holder = present_holder(get_subject(session, licence.holder_id), member="holder")
    is_kept = request.licence_number is None and licence_type.number_rule == "issuer"
    licence_number = licence_number_of(licence) if is_kept else _licence_number(licence_type, holder, request.licence_number)
    others = _others(session, licence, licence_type, request, first=holder.subject, now=now)
    return _checked(licence_type, holder, values, valid_from, valid_until, licence_number, others)


def _others(
    session: Session, licence: Licence, licence_type: LicenceType, request: ActRequest, *, first: Subject | Known, now: datetime
) -> tuple[CheckedHolder, ...]:
    if request.co_holders is not None:
        return check_others(session, licence_type, request.co_holders, first=first, now=now)
    return tuple(present_holder(get_subject(session, one), member="co_holders") for one in holder_ids_of(session, licence)[1:])


def _checked(
    licence_type: LicenceType,
    holder: CheckedHolder,
    values: dict[str, Any],
    valid_from: date,
    valid_until: date | None,
    licence_number: str | None,
    others: tuple[CheckedHolder, ...],
) -> CheckedRequest:
    who = {"holder": holder.subject, "holder_number": holder.number.value, "holder_name": holder.name, "others": others}
    what = {"fields": values, "valid_from": valid_from, "valid_until": valid_until, "licence_number": licence_number}
    return CheckedRequest(licence_type=licence_type, holder_renumbered=holder.former is not None, **who, **what)  # type: ignore[arg-type]


def type_asked_for(request: LicenceRequest) -> LicenceType:
    """Return the type of the licence that is asked for; raises UnknownType."""
    try:
        return get_type(request.type)
    except LicenceTypeNotFound as error:
        raise UnknownType(field="type") from error


def _licence_number(licence_type: LicenceType, holder: CheckedHolder, given: str | None) -> str | None:
    if licence_type.number_rule == "issuer":
        return _fitting(licence_type, given)
    if given is not None and given.strip().upper() not in (holder.number.value, holder.former.value if holder.former else None):
        raise LicenceNumberRefused(field="licence_number")
    return holder.number.value


def _fitting(licence_type: LicenceType, given: str | None) -> str | None:
    pattern = licence_type.number_pattern
    if pattern is not None and not re.compile(pattern, re.ASCII).fullmatch(given or ""):
        form = Text("此类证照须有证照编号，格式如“{0}”。", "Licences of this type need a number of the form “{0}”.")
        raise LicenceNumberRefused(field="licence_number", shown=form.format(licence_type.number_example))
    return given
