"""Accounts: a person's right to sign in here, one for each number, ever.

Who may open one is `registration`'s to say; of several who open an account for one number at once, one does. An
organisation has no password: a person with a mandate signs in and acts for it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CompoundSelect, ForeignKey, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import passwords, stated
from idp.subjects import directory
from idp.subjects.numbers import Number
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal


class NotInRegistry(Refusal):
    """The registry has no person of this number and name; which of the two is wrong is not said."""

    code, status, title = (
        "not-in-registry",
        422,
        Text("号码与姓名在人口库中不相符，请核对。", "The registry has no person of this number and name; check both."),
    )


class AccountExists(Refusal):
    """There is an account for this number already."""

    code, status, title = "account-exists", 409, Text("该号码已经开通账号，请直接登录。", "There is an account for this number already; sign in.")


class AccountClosed(Refusal):
    """The account of this number was closed; whoever opens it again is seen in person first."""

    code, status = "account-closed", 409
    title = Text(
        "该号码的账号已经注销。如需重新开通，请本人携带证件到政务服务窗口办理。",
        "The account of this number was closed. To open it again, come to a service counter in person with your identity document.",
    )


class NoSuchAccount(Refusal):
    """The account has ended between the proof and the sign-in."""

    code, status, title = "no-such-account", 409, Text("该账号已不能登录，请重新开通。", "This account has ended; open one again.")


class OrganisationsActThroughPeople(Refusal):
    """The number is an organisation's; people sign in."""

    code, status = "organisations-act-through-people", 422
    title = Text(
        "这是统一社会信用代码。请法定代表人或获授权的人员用本人号码登录，再选择代表该单位办理。",
        "This is an organisation's code. Whoever has a mandate for it signs in with their own number and then acts for it.",
    )


class Account(Base):
    """A person's account. `password_hash` carries its own parameters and salt.

    A password is void from `password_void_at` on, until another is set: its owner said that someone else knew it. A closed
    account keeps its row, so that the number never gets a second one. `language` is the one that its owner read last.
    """

    __tablename__ = "accounts"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    password_hash: Mapped[str]
    opened_at: Mapped[datetime]
    password_changed_at: Mapped[datetime]
    password_void_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    language: Mapped[str | None]

    by_former_number = False  # whether it was found by a number that its owner had before

    @property
    def usable_hash(self) -> str | None:
        """The hash that a password may be checked against, or None where no password opens the account."""
        return None if self.password_void_at or self.closed_at else self.password_hash


def add(session: Session, subject_id: UUID, *, password_hash: str, now: datetime) -> None:
    """Open the account of a subject; of several at once one does, the others raise AccountExists (or AccountClosed)."""
    row = insert(Account).values(subject_id=subject_id, password_hash=password_hash, opened_at=now, password_changed_at=now)
    if session.scalar(row.on_conflict_do_nothing().returning(Account.subject_id)) is None:
        raise AccountClosed(field="number") if is_closed(session, subject_id) else AccountExists(field="number")
    ledger.record(session, "account.opened", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)


def check_is_person(number: Number) -> None:
    """Check that a number is one to sign in with; raises OrganisationsActThroughPeople."""
    if not number.is_person:
        raise OrganisationsActThroughPeople(field="number")


def ids_with(number: Number) -> CompoundSelect[UUID]:
    """Return the query of the ids of whoever has a number, had it, or says that it is theirs; of nobody who has died."""
    return union_all(directory.active_ids(number), stated.ids(number))


def find_account(session: Session, number: Number) -> Account | None:
    """Return the account of whoever has a number, or had it, or None, by one query in either case.

    For someone who has died it is as if there were none. Who only says that a number is theirs comes after whoever has it in truth: their
    account may have been there when the registry gave that number to another.
    """
    asked = select(Account, directory.had_number(number, Account.subject_id))
    row = session.execute(asked.where(Account.subject_id.in_(ids_with(number))).order_by(Account.subject_id.in_(stated.ids(number)))).first()
    if row is None:
        return None
    account: Account = row[0]
    account.by_former_number = row[1]
    return account


def check_stands(session: Session, subject_id: UUID, *, password_hash: str | None = None) -> None:
    """Check that a subject has an account, and keep it until the transaction ends; raises NoSuchAccount.

    With `password_hash`, that it is still the one by which the password was found right: whoever changes it, or makes it void, at this
    moment waits, and then ends what was begun with it; or was first.
    """
    found = select(Account.subject_id).where(Account.subject_id == subject_id, Account.closed_at.is_(None))
    if password_hash is not None:
        found = found.where(Account.password_hash == password_hash, Account.password_void_at.is_(None))
    if session.scalar(found.with_for_update(read=password_hash is None, key_share=True)) is None:
        raise NoSuchAccount("the account has ended, or has another password")


def rehash(session: Session, account: Account, *, password: str) -> None:
    """Keep a right password under today's parameters, if it still is under older ones and nobody changed it meanwhile."""
    if passwords.is_outdated(account.password_hash):
        unchanged = (Account.subject_id == account.subject_id, Account.password_hash == account.password_hash)
        session.execute(update(Account).where(*unchanged).values(password_hash=passwords.hash_password(password)))


def remember_language(session: Session, subject_id: UUID, language: str) -> None:
    """Keep the language that a person reads, for what is written to them."""
    session.execute(update(Account).where(Account.subject_id == subject_id, Account.language.is_distinct_from(language)).values(language=language))


def find_language(session: Session, subject_id: UUID) -> str | None:
    """Return the language that a person read last, or None if that is not known."""
    return session.scalar(select(Account.language).where(Account.subject_id == subject_id))


def find_opened_at(session: Session, subject_id: UUID) -> datetime | None:
    """Return when a subject's account was opened, or None if there is none."""
    return session.scalar(select(Account.opened_at).where(Account.subject_id == subject_id))


def set_password(session: Session, subject_id: UUID, *, password_hash: str, now: datetime) -> None:
    """Keep another password, which is good from now on whatever became of the one before."""
    values = {"password_hash": password_hash, "password_changed_at": now, "password_void_at": None}
    session.execute(update(Account).where(Account.subject_id == subject_id).values(values))


def check_is_another(session: Session, subject_id: UUID, password: str) -> None:
    """Raise PasswordRefused if a password is the one that an account has, or had until it was made void: whoever learned it would be back in."""
    if passwords.is_right(session.scalar(select(Account.password_hash).where(Account.subject_id == subject_id)), password):
        raise passwords.PasswordRefused("same")


def change_password(session: Session, subject_id: UUID, *, password_hash: str, now: datetime) -> None:
    """Keep another password by its owner's own will, which the history and the portals are told."""
    set_password(session, subject_id, password_hash=password_hash, now=now)
    ledger.record(session, "password.changed", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)


def void_password(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """Let the password open nothing any more, until another is set: it answers as a wrong one does."""
    session.execute(update(Account).where(Account.subject_id == subject_id).values(password_void_at=now))
    ledger.record(session, "password.voided", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)


def must_change(session: Session, subject_id: UUID) -> bool:
    """Whether the password is void, so that another must be set; who is signed in came by another way."""
    return session.scalar(select(Account.password_void_at).where(Account.subject_id == subject_id)) is not None


def is_closed(session: Session, subject_id: UUID) -> bool:
    """Whether the account of a subject was closed."""
    return session.scalar(select(Account.closed_at).where(Account.subject_id == subject_id)) is not None
