"""Who is to hold a licence: each number is checked, against its registry and against the kind of holder that the type is for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from idp.subjects.directory import Known, Subject, UnknownNumber, check_active, ensure_subject, find_known, is_former, name_of, number_of
from idp.subjects.numbers import Number, NumberRefused, parse_number
from idp.subjects.parting import find_other
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.definitions import LicenceType


class WrongHolderKind(Refusal):
    """The type is for people and the number an organisation's, or the other way round."""

    code, status, title = "wrong-holder-kind", 422, Text("持证主体类别与证照类型不符。", "Licences of this type are not for this kind of holder.")


class HolderNameDiffers(Refusal):
    """The name is not the one that the registry has for the number."""

    code, status, title = "holder-name-differs", 422, Text("持证主体名称与登记信息不一致。", "The holder's name is not the one in the registry.")


class TooManyHolders(Refusal):
    """The type allows fewer holders; `most_holders` says how many."""

    code, status, title = "too-many-holders", 422, Text("持证主体数量超过此类证照的上限。", "Licences of this type have fewer holders.")


class HolderTwice(Refusal):
    """Two of the numbers are one holder's."""

    code, status, title = "holder-twice", 422, Text("同一主体重复列为持证主体。", "The same holder is named twice.")


@dataclass(frozen=True, slots=True)
class HolderRequest:
    """A holder as a department names one; the name, if there is one, must be the registry's."""

    number: str = field(repr=False)
    name: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CheckedHolder:
    """A holder who was found: the subject, with present number and name; `former` is the number that was sent, where it is a former one."""

    subject: Subject | Known = field(repr=False)
    number: Number = field(repr=False)
    name: str = field(repr=False)
    former: Number | None = field(default=None, repr=False)


def check_holder(session: Session, licence_type: LicenceType, asked: HolderRequest, *, member: str, now: datetime) -> CheckedHolder:
    """Check one holder, named by `member` of the request in what is refused."""
    number = _number(licence_type, asked.number, member=member)
    try:
        subject = ensure_subject(session, number, now=now)
    except UnknownNumber as error:
        raise UnknownNumber(error.reason, field=f"{member}.number") from error
    if _may_be_another(subject, number, asked):
        subject = find_other(session, number, now=now) or subject
    return _checked(subject, number, asked, member=member)


def find_holder(licence_type: LicenceType, asked: HolderRequest, *, member: str) -> CheckedHolder | None:
    """Check one holder likewise, without a session; None for one who was never met, or may be another, of whom a registry is to be asked."""
    number = _number(licence_type, asked.number, member=member)
    known = find_known(number)
    return None if known is None or _may_be_another(known, number, asked) else _checked(known, number, asked, member=member)


def _may_be_another(subject: Subject | Known, number: Number, asked: HolderRequest) -> bool:
    """Whether a number leads to somebody who had it and has another name: two people had one number, it may be, and the other has it still."""
    return asked.name is not None and asked.name.strip() != name_of(subject) and is_former(subject, number)


def _checked(subject: Subject | Known, number: Number, asked: HolderRequest, *, member: str) -> CheckedHolder:
    check_active(subject, field=f"{member}.number")
    former = number if is_former(subject, number) else None
    found = CheckedHolder(subject, number_of(subject) if former else number, name_of(subject), former)
    if asked.name is not None and asked.name.strip() != found.name:
        raise HolderNameDiffers(field=f"{member}.name")
    return found


def check_others(
    session: Session, licence_type: LicenceType, asked: Sequence[HolderRequest], *, first: Subject | Known, now: datetime
) -> tuple[CheckedHolder, ...]:
    """Check the further holders of a licence; raises TooManyHolders and HolderTwice, too."""
    if 1 + len(asked) > licence_type.most_holders:
        raise TooManyHolders(field="co_holders", most_holders=licence_type.most_holders)
    found: list[CheckedHolder] = []
    for place, one in enumerate(asked):
        checked = check_holder(session, licence_type, one, member=f"co_holders.{place}", now=now)
        if checked.subject.id in (first.id, *(other.subject.id for other in found)):
            raise HolderTwice(field=f"co_holders.{place}.number")
        found.append(checked)
    return tuple(found)


def present_holder(subject: Subject, *, member: str) -> CheckedHolder:
    """Return a holder as the directory knows them now; raises SubjectEnded."""
    check_active(subject, field=member)
    return CheckedHolder(subject, number_of(subject), name_of(subject))


def _number(licence_type: LicenceType, unverified: str, *, member: str) -> Number:
    try:
        number = parse_number(unverified)
    except NumberRefused as error:
        raise NumberRefused(error.why, field=f"{member}.number") from error
    if licence_type.holder not in ("either", "person" if number.is_person else "organisation"):
        raise WrongHolderKind(f"the type is for a {licence_type.holder}", field=f"{member}.number")
    return number
