"""The e-mail addresses and mobile numbers at which a person can be reached: several, each verified by a code, sealed at rest.

A removed one is kept for a day, so that its owner still hears that it was removed; then it is forgotten.
"""

import re
import unicodedata
from datetime import datetime, timedelta
from uuid import UUID

import idna
from sqlalchemy import ForeignKey, Index, func, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

EMAIL, PHONE = "email", "phone"
KINDS = (EMAIL, PHONE)
MOST = 5
LONGEST = 254
UNVERIFIED_LIFETIME = timedelta(days=1)
REMOVED_LIFETIME = timedelta(days=1)
SPACING = re.compile(r"[\s\-().\u00b7\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")
AROUND = re.compile(r"^[\s\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+|[\s\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+$")
MAINLAND = re.compile(r"(?:\+86)?(1[3-9]\d{9})")
ABROAD = re.compile(r"\+(?!86)[1-9]\d{6,14}")
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
REASONS = {
    "empty": Text("请填写手机号码或电子邮箱。", "Give a mobile number or an e-mail address."),
    "phone": Text(
        "手机号码有误：境内手机号码为11位；境外号码请以“+”和国家（地区）代码开头。",
        "This is no mobile number: one of the mainland has 11 digits, another begins with + and the code of its country.",
    ),
    "email": Text("电子邮箱地址有误，请核对，例如 name@example.cn。", "This is no e-mail address such as name@example.cn."),
    "many": Text(f"联系方式最多{MOST}个，请先移除不用的。", f"You can keep {MOST} of these; remove one that you no longer use first."),
    "unreachable": Text("本服务目前不能向这类地址发送验证码。", "No codes can be sent to an address of this kind here."),
    "known": Text("这个联系方式已经添加。", "You have added this one already."),
}


class ContactRefused(Refusal):
    """The text is no address to be reached at, or it cannot be added; `why` is one of the keys of `REASONS`."""

    code, status, title = "contact-refused", 422, Text("无法添加该联系方式。", "This cannot be added.")

    def __init__(self, why: str) -> None:
        super().__init__(why, field="address", shown=REASONS[why], why=why)
        self.why = why


class Contact(Base):
    """One address of a person; `kind` is `email` or `phone`. Only a verified one is ever written to, but for its first code."""

    __tablename__ = "contacts"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    value_sealed: Mapped[bytes]
    value_index: Mapped[bytes]
    added_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    __table_args__ = (
        Index("uq_contacts_subject_id_value_index", "subject_id", "value_index", unique=True, postgresql_where=text("removed_at IS NULL")),
    )

    @property
    def address(self) -> str:
        """The address itself, as one writes to it."""
        return sealing.unseal(self.value_sealed, table="contacts", column="value", row=self.id)

    @property
    def masked(self) -> str:
        """The address as a page shows it: enough for its owner to know it by."""
        return mask(self.kind, self.address)


sealed_tables.declare(Contact, sealed={"value_sealed": "value"}, indexed={"value_index": lambda contact: f"contact:{contact['value_sealed']}"})


def parse(unverified: str) -> tuple[str, str]:
    """Read an address as people write it; return its kind and its one written form.

    A mobile number becomes `+` and its digits, a domain lower case in its ASCII form. Raises ContactRefused.
    """
    plain = AROUND.sub("", unicodedata.normalize("NFKC", unverified[: LONGEST * 2]))
    if not plain:
        raise ContactRefused("empty")
    return (EMAIL, _email(plain)) if "@" in plain else (PHONE, _phone(plain))


def mask(kind: str, address: str) -> str:
    """Return an address for showing."""
    if kind == PHONE:
        national = address.removeprefix("+86")
        return f"{national[:3]}****{national[-4 if len(national) > 9 else -2 :]}"
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{idna.decode(domain)}"


def all_of(session: Session, subject_id: UUID) -> list[Contact]:
    """Return a person's addresses, verified or not, the oldest first."""
    return list(session.scalars(select(Contact).where(Contact.subject_id == subject_id, Contact.removed_at.is_(None)).order_by(Contact.id)))


def verified_of(session: Session, subject_id: UUID) -> list[Contact]:
    """Return the addresses at which a person is reached; each has `kind` and `masked`."""
    return [contact for contact in all_of(session, subject_id) if contact.verified_at is not None]


def reached_at(session: Session, subject_id: UUID, *, moment: datetime) -> list[Contact]:
    """Return the addresses that were verified before a moment and not removed before it: whom to tell of what happened then."""
    standing = (Contact.verified_at < moment, or_(Contact.removed_at.is_(None), Contact.removed_at >= moment))
    return list(session.scalars(select(Contact).where(Contact.subject_id == subject_id, *standing).order_by(Contact.id)))


def find(session: Session, subject_id: UUID, contact_id: UUID) -> Contact | None:
    """Return an address of a person by its id, or None."""
    contact = session.get(Contact, (subject_id, contact_id))
    return contact if contact is not None and contact.removed_at is None else None


def add(session: Session, subject_id: UUID, unverified: str, *, now: datetime) -> Contact:
    """Keep an address that a person gives, not yet verified; one that they gave before and never verified is the same again.

    Raises ContactRefused.
    """
    kind, value = parse(unverified)
    sealing.hold(session, f"contact:{value}")
    present = all_of(session, subject_id)
    same = next((contact for contact in present if contact.address == value), None)
    if same is not None and same.verified_at is not None:
        raise ContactRefused("known")
    if same is not None:
        return same
    if len(present) >= MOST:
        raise ContactRefused("many")
    contact_id = new_id()
    sealed = sealing.seal(value, table="contacts", column="value", row=contact_id)
    contact = Contact(
        subject_id=subject_id, id=contact_id, kind=kind, value_sealed=sealed, value_index=sealing.index_of(f"contact:{value}"), added_at=now
    )
    session.add(contact)
    session.flush()
    return contact


def verify(session: Session, contact: Contact, *, now: datetime) -> bool:
    """Note that a person was reached at an address; False if it was noted before."""
    unverified = (Contact.subject_id == contact.subject_id, Contact.id == contact.id, Contact.verified_at.is_(None), Contact.removed_at.is_(None))
    done = session.scalar(update(Contact).where(*unverified).values(verified_at=now).returning(Contact.id))
    if done is not None:
        _record(session, "contact.added", contact, now=now)
    return done is not None


def remove(session: Session, subject_id: UUID, contact_id: UUID, *, now: datetime) -> Contact | None:
    """Take an address away; None if there is no such one. What still has to be said to it is said."""
    contact = find(session, subject_id, contact_id)
    if contact is None:
        return None
    standing = (Contact.subject_id == subject_id, Contact.id == contact_id, Contact.removed_at.is_(None))
    if session.scalar(update(Contact).where(*standing).values(removed_at=now).returning(Contact.id)) is None:
        return None
    if contact.verified_at is not None:
        _record(session, "contact.removed", contact, now=now)
    return contact


def forget(*, now: datetime) -> None:
    """Forget the addresses that were removed, or never verified, a day ago."""
    never_verified = Contact.verified_at.is_(None) & (Contact.added_at < now - UNVERIFIED_LIFETIME)
    prune(Contact, or_(func.coalesce(Contact.removed_at < now - REMOVED_LIFETIME, False), never_verified))


def _phone(plain: str) -> str:
    digits = SPACING.sub("", plain)
    digits = "+" + digits[2:] if digits.startswith("00") else digits
    mainland = MAINLAND.fullmatch(digits)
    if mainland is not None:
        return "+86" + mainland[1]
    if not digits.isascii() or not ABROAD.fullmatch(digits):
        raise ContactRefused("phone")
    return digits


def _email(plain: str) -> str:
    local, _, domain = plain.rpartition("@")
    try:
        domain = idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise ContactRefused("email") from error
    if len(local) > 64 or not LOCAL_PART.fullmatch(local) or len(local) + len(domain) >= LONGEST or not _is_public(domain):
        raise ContactRefused("email")
    return f"{local}@{domain}"


def _is_public(domain: str) -> bool:
    """Whether a domain has a dot, and an end that is no number: not an address, not a name of one network alone."""
    labels = domain.split(".")
    return len(labels) > 1 and all(labels) and not labels[-1].isdigit()


def _record(session: Session, act: str, contact: Contact, *, now: datetime) -> None:
    actor = f"subject:{contact.subject_id}"
    ledger.record(session, act, actor=actor, object_id=contact.id, subject_id=contact.subject_id, now=now, kind=contact.kind)
