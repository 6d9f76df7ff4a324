"""Passkeys: the keys by which a person signs in without a number or a password (WebAuthn Level 3), several for each, named.

Kept of one: its public key, its signature counter, and whether it may be copied to other devices. Its name rests sealed. To
authenticators a person is a random handle, never a number or an id of ours; the handle stays the person's for good, so that a
passkey made anew on a device takes the place of the old one there.
"""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Row, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices, second_step
from idp.signin.accounts import Account
from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

MOST = 20
HANDLE_BYTES = 32
STOPPED = 2**32  # a counter that no authenticator can pass: the passkey opens nothing any more


class PasskeyNotFound(Refusal):
    """The person has no such passkey."""

    code, status, title = "passkey-not-found", 404, Text("没有这个通行密钥。", "There is no such passkey.")


class PasskeyKnown(Refusal):
    """The authenticator's credential is registered here already, for this person or another."""

    code, status, title = "passkey-known", 409, Text("这个通行密钥已经添加过。", "This passkey was added already.")


class TooManyPasskeys(Refusal):
    """The person has as many as there may be."""

    code, status = "too-many-passkeys", 409
    title = Text(f"通行密钥最多{MOST}个，请先移除不用的。", f"You have {MOST} passkeys, and no more are kept; remove one that you do not use first.")


class PasskeyOwner(Base):
    """The handle under which authenticators know a person."""

    __tablename__ = "passkey_owners"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    user_handle: Mapped[bytes] = mapped_column(unique=True)


class Passkey(Base):
    """A passkey of a person. `public_key` is a COSE key; `backup_eligible` means that it may be on several devices, `backed_up` that it is."""

    __tablename__ = "passkeys"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]]
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    name_sealed: Mapped[bytes]
    added_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]

    @property
    def is_stopped(self) -> bool:
        """Whether it opens nothing any more, since it seems to have been copied."""
        return self.sign_count >= STOPPED

    @property
    def name(self) -> str:
        """What its owner calls it."""
        return sealing.unseal(self.name_sealed, table="passkeys", column="name", row=self.id)


sealed_tables.declare(Passkey, sealed={"name_sealed": "name"})


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What a verified registration says of a passkey."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    backup_eligible: bool
    backed_up: bool


def of(session: Session, subject_id: UUID) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    return list(session.scalars(select(Passkey).where(Passkey.subject_id == subject_id).order_by(Passkey.id)))


def has(session: Session, subject_id: UUID) -> bool:
    """Whether a person has a passkey that opens something."""
    return session.scalar(select(exists().where(Passkey.subject_id == subject_id, Passkey.sign_count < STOPPED))) or False


def get(session: Session, subject_id: UUID, passkey_id: UUID) -> Passkey:
    """Return a passkey of a person's own; raises PasskeyNotFound."""
    passkey = session.get(Passkey, (subject_id, passkey_id))
    if passkey is None:
        raise PasskeyNotFound("not theirs, or gone")
    return passkey


def find_used(session: Session, credential_id: bytes) -> Row[Passkey, bytes] | None:
    """Return the passkey of a credential id with its owner's handle, by one query; or None, too, where the account was closed."""
    owned = select(Passkey, PasskeyOwner.user_handle).join(PasskeyOwner, PasskeyOwner.subject_id == Passkey.subject_id)
    standing = owned.join(Account, Account.subject_id == Passkey.subject_id).where(Account.closed_at.is_(None))
    return session.execute(standing.where(Passkey.credential_id == credential_id)).first()


def handle_of(session: Session, subject_id: UUID) -> bytes:
    """Return a person's handle, made on first use; of several who make it at once one does."""
    made = insert(PasskeyOwner).values(subject_id=subject_id, user_handle=secrets.token_bytes(HANDLE_BYTES))
    session.execute(made.on_conflict_do_nothing())
    return session.scalars(select(PasskeyOwner.user_handle).where(PasskeyOwner.subject_id == subject_id)).one()


def check_room(session: Session, subject_id: UUID) -> int:
    """Return how many passkeys a person has, if one more may come; raises TooManyPasskeys."""
    there = session.scalar(select(func.count()).select_from(Passkey).where(Passkey.subject_id == subject_id)) or 0
    if there >= MOST:
        raise TooManyPasskeys(f"{there} are there")
    return there


def add(session: Session, subject_id: UUID, new: NewPasskey, *, name: str, now: datetime) -> Passkey:
    """Keep a passkey of a verified registration, and tell its owner.

    Without a name it gets a number. Those of one person wait for each other, so that there are never more than may be. Raises
    TooManyPasskeys; PasskeyKnown if the credential is anyone's already (WebAuthn section 7.1).
    """
    session.execute(select(PasskeyOwner.subject_id).where(PasskeyOwner.subject_id == subject_id).with_for_update())
    there = check_room(session, subject_id)
    passkey_id = new_id()
    values = {
        **asdict(new),
        "subject_id": subject_id,
        "id": passkey_id,
        "name_sealed": _sealed(name.strip() or _numbered(there + 1), passkey_id),
        "added_at": now,
    }
    if session.scalar(insert(Passkey).values(values).on_conflict_do_nothing().returning(Passkey.id)) is None:
        raise PasskeyKnown("registered already")
    passkey = get(session, subject_id, passkey_id)
    _record(session, "passkey.added", passkey, now=now, backup_eligible=new.backup_eligible)
    notices.tell(session, subject_id, "passkey-added", now=now, name=passkey.name)
    return passkey


def rename(session: Session, subject_id: UUID, passkey_id: UUID, *, name: str, now: datetime) -> None:
    """Give a person's passkey another name; raises PasskeyNotFound."""
    passkey = get(session, subject_id, passkey_id)
    passkey.name_sealed = _sealed(name.strip(), passkey_id)
    _record(session, "passkey.renamed", passkey, now=now)


def remove(session: Session, subject_id: UUID, passkey_id: UUID, *, now: datetime) -> None:
    """Forget a person's passkey, which opens nothing any more, and tell them; raises PasskeyNotFound."""
    passkey = get(session, subject_id, passkey_id)
    name = passkey.name
    session.delete(passkey)
    _record(session, "passkey.removed", passkey, now=now)
    notices.tell(session, subject_id, "passkey-removed", now=now, name=name)


def remove_all(session: Session, subject_id: UUID, *, now: datetime, since: datetime | None = None) -> int:
    """Forget every passkey of a person, or those added since a moment, and return how many those were; whoever asks for that tells them."""
    which = (Passkey.subject_id == subject_id, *((Passkey.added_at >= since,) if since else ()))
    removed = session.scalars(delete(Passkey).where(*which).returning(Passkey.id)).all()
    for passkey_id in removed:
        ledger.record(session, "passkey.removed", actor=f"subject:{subject_id}", object_id=passkey_id, subject_id=subject_id, now=now)
    return len(removed)


def use(session: Session, passkey: Passkey, *, sign_count: int, backed_up: bool, now: datetime) -> bool:
    """Write that a passkey was used; returns False, and writes nothing, if its counter did not go up as it should (section 6.1.1).

    One statement compares and sets: of two copies used at once one is heard. An authenticator without a counter always says 0.
    """
    counts = or_(Passkey.sign_count < sign_count, (Passkey.sign_count == 0) & (literal(sign_count) == 0))
    this = (Passkey.subject_id == passkey.subject_id, Passkey.id == passkey.id)
    used = update(Passkey).where(*this, counts).values(sign_count=sign_count, backed_up=backed_up, last_used_at=now)
    return session.scalar(used.returning(Passkey.id)) is not None


def report_copy(session: Session, subject_id: UUID, passkey_id: UUID, *, now: datetime) -> None:
    """Stop a passkey of which a second copy seems to be in use, and tell its owner, once; raises PasskeyNotFound.

    It stays so until its owner removes it: a copy that is only refused tries again until its own counter has caught up.
    """
    passkey = get(session, subject_id, passkey_id)
    this = (Passkey.subject_id == subject_id, Passkey.id == passkey_id, Passkey.sign_count < STOPPED)
    if session.scalar(update(Passkey).where(*this).values(sign_count=STOPPED).returning(Passkey.id)) is None:
        return
    _record(session, "passkey.copy-refused", passkey, now=now)
    notices.tell(session, passkey.subject_id, "passkey-copied", now=now, name=passkey.name)


def _numbered(number: int) -> str:
    return str(Text(f"通行密钥{number}", f"Passkey {number}"))


def _sealed(name: str, passkey_id: UUID) -> bytes:
    return sealing.seal(name, table="passkeys", column="name", row=passkey_id)


def _record(session: Session, act: str, passkey: Passkey, *, now: datetime, **detail: Any) -> None:
    actor = f"subject:{passkey.subject_id}"
    ledger.record(session, act, actor=actor, object_id=passkey.id, subject_id=passkey.subject_id, now=now, **detail)


def _ways(session: Session, subject_id: UUID) -> list[str]:
    return [second_step.PASSKEY] if has(session, subject_id) else []


second_step.more_ways.append(_ways)
