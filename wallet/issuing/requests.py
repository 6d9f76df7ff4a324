"""What an issuing department asks for, and whether it may have it: the type, the authority, the holder, the fields, the dates.

Each fault is named by the member of the request that has it, and repeats nothing of what was sent.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from idp.subjects.directory import Subject, UnknownNumber, check_active, ensure_subject, is_former, name_of, number_of
from idp.subjects.numbers import Number, NumberRefused, parse_number
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.catalogue import LicenceType, LicenceTypeNotFound, get_type
from wallet.register.departments import Action, check_authority
from wallet.register.fields import check_values
from wallet.register.licences import china_date

EARLIEST = date(1900, 1, 1)
FURTHEST_START = timedelta(days=366)
FURTHEST_END_YEAR = 2199


class UnknownType(Refusal):
    """The request names a licence type that there is not."""

    code, status, title = "unknown-licence-type", 422, Text("没有此证照类型。", "There is no such licence type.")


class WrongHolderKind(Refusal):
    """The type is for people and the number an organisation's, or the other way round."""

    code, status, title = "wrong-holder-kind", 422, Text("持证主体类别与证照类型不符。", "Licences of this type are not for this kind of holder.")


class HolderNameDiffers(Refusal):
    """The name is not the one that the registry has for the number."""

    code, status, title = "holder-name-differs", 422, Text("持证主体名称与登记信息不一致。", "The holder's name is not the one in the registry.")


class DatesRefused(Refusal):
    """The dates contradict each other, the type or the calendar."""

    code, status, title = "dates-refused", 422, Text("有效期有误。", "The dates of validity are not acceptable.")


class LicenceNumberRefused(Refusal):
    """The type's licence number is the holder's number, and another was sent."""

    code, status, title = (
        "licence-number-refused",
        422,
        Text("此类证照的证照编号应为持证主体号码。", "The licence number of this type is the holder's number."),
    )


@dataclass(frozen=True, slots=True)
class LicenceRequest:
    """A licence that a department asks to issue, unchecked. `type` is a code or a short name."""

    type: str
    holder_number: str = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    valid_from: date
    valid_until: date | None = None
    holder_name: str | None = field(default=None, repr=False)
    licence_number: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """The same, with all that was found out on the way. No `licence_number`: the issuer leaves it to us.

    `holder_number` is the present one; `holder_renumbered` says that the request had a former one.
    """

    licence_type: LicenceType
    holder: Subject = field(repr=False)
    holder_number: str = field(repr=False)
    holder_name: str = field(repr=False)
    fields: dict[str, Any] = field(repr=False)
    valid_from: date
    valid_until: date | None
    licence_number: str | None = field(repr=False)
    holder_renumbered: bool = False


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
    )


def check_request(session: Session, request: LicenceRequest, *, department: str, now: datetime) -> CheckedRequest:
    """Check a request whole, in this order: type, authority, fields, dates, holder.

    Raises a Refusal that names the member at fault; NoAuthority before anything is said of the holder.
    """
    licence_type = _type(request.type)
    check_authority(department=department, type_code=licence_type.code, action=Action.ISSUE, now=now)
    values = check_values(licence_type.fields, request.fields)
    _check_dates(licence_type, request.valid_from, request.valid_until, today=china_date(now))
    number = _number(licence_type, request.holder_number)
    holder = _holder(session, number, now=now)
    former = number if is_former(holder, number) else None
    number = number_of(holder) if former else number
    licence_number = _licence_number(licence_type, number, request.licence_number, former=former)
    name = name_of(holder)
    if request.holder_name is not None and request.holder_name.strip() != name:
        raise HolderNameDiffers(field="holder.name")
    dates = (request.valid_from, request.valid_until)
    return CheckedRequest(licence_type, holder, number.value, name, values, *dates, licence_number, holder_renumbered=former is not None)


def _type(code_or_slug: str) -> LicenceType:
    try:
        return get_type(code_or_slug)
    except LicenceTypeNotFound as error:
        raise UnknownType(field="type") from error


def _number(licence_type: LicenceType, unverified: str) -> Number:
    try:
        number = parse_number(unverified)
    except NumberRefused as error:
        raise NumberRefused(error.why, field="holder.number") from error
    if licence_type.holder not in ("either", "person" if number.is_person else "organisation"):
        raise WrongHolderKind(f"the type is for a {licence_type.holder}", field="holder.number")
    return number


def _holder(session: Session, number: Number, *, now: datetime) -> Subject:
    try:
        holder = ensure_subject(session, number, now=now)
    except UnknownNumber as error:
        raise UnknownNumber(error.reason, field="holder.number") from error
    check_active(holder, field="holder.number")
    return holder


def _licence_number(licence_type: LicenceType, number: Number, given: str | None, *, former: Number | None) -> str | None:
    if licence_type.number_rule == "issuer":
        return given
    if given is not None and given.strip().upper() not in (number.value, former.value if former else None):
        raise LicenceNumberRefused(field="licence_number")
    return number.value


def _check_dates(licence_type: LicenceType, valid_from: date, valid_until: date | None, *, today: date) -> None:
    if not EARLIEST <= valid_from <= today + FURTHEST_START:
        raise _dates("valid_from", Text("起始日期过早，或晚于今天一年以上。", "It begins too long ago, or more than a year from now."))
    rule, max_years = licence_type.validity.rule, licence_type.validity.max_years
    if valid_until is None:
        if rule == "dated":
            raise _dates("valid_until", Text("此类证照必须有截止日期。", "Licences of this type need an end."))
        return
    if rule == "permanent":
        raise _dates("valid_until", Text("此类证照长期有效，不应有截止日期。", "Licences of this type have no end."))
    if valid_until < valid_from or valid_until.year > FURTHEST_END_YEAR:
        raise _dates("valid_until", Text("截止日期早于起始日期，或过远。", "It ends before it begins, or too far from now."))
    if valid_until < today:
        raise _dates("valid_until", Text("证照已经过期。", "It has ended already."))
    if max_years is not None and valid_until > _years_after(valid_from, max_years):
        raise _dates("valid_until", Text("有效期不得超过{0}年。", "It may be valid for at most {0} years.").format(max_years))


def _years_after(day: date, years: int) -> date:
    leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year + years, **({"month": 3, "day": 1} if leap_day else {}))


def _dates(member: str, shown: Text) -> DatesRefused:
    return DatesRefused("the dates are not acceptable", field=member, shown=shown)
