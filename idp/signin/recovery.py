"""Recovery: how a person who lost their password comes back in. Never by questions (docs/decisions/0020-recovery.md).

A row stands for a right to set a new password that is on its way: granted by an officer who saw the person (`counter`, at once, for
an hour), or asked for with what the registry knows (`registry`, after a day's wait in which every known address is told and can
cancel, for two days). The person holds a code; only its hash is kept. One of each way is open an account, the latest, and it
ends once: completed, cancelled or superseded, in one statement. An hour after its time it is as good as gone.
"""

import hashlib
import hmac
import secrets
import unicodedata
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import accounts, notices, one_time_links
from idp.signin.accounts import Account
from idp.subjects.numbers import Number
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text, written
from runtime.problems import Refusal

COUNTER, REGISTRY = "counter", "registry"
COMPLETED, CANCELLED, SUPERSEDED = "completed", "cancelled", "superseded"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
MISREAD = str.maketrans("ILO", "110")
CODE_LENGTH = {COUNTER: 12, REGISTRY: 20}  # 60 bits for an hour, 100 bits for three days
GROUP = 4
LONGEST_CODE = 100
COUNTER_LIFETIME = timedelta(hours=1)
WAIT, LIFETIME = timedelta(days=1), timedelta(days=3)
A_DAY, MOST_A_DAY = timedelta(days=1), 3
REMEMBERED = timedelta(days=30)


class RecoveryRefused(Refusal):
    """Number and code do not belong together, or the code's time is over; which of these is not said."""

    code, status = "recovery-refused", 422
    title = Text(
        "号码或代码不正确，或代码已使用、已取消、已过期。", "The number or the code is not right, or the code was used, was cancelled or has expired."
    )


class TooEarly(Refusal):
    """The day of waiting is not over; told only to who holds the code."""

    code, status, title = "recovery-too-early", 422, Text("等候期还没有结束。", "The day of waiting is not over yet.")


class NothingToRecover(Refusal):
    """The person has no account."""

    code, status = "nothing-to-recover", 422
    title = Text("该号码还没有开通账号，请直接开通。", "There is no account for this number yet; open one.")


class NotOneself(Refusal):
    """An officer does not grant themself a recovery."""

    code, status, title = (
        "not-oneself",
        403,
        Text("不能为自己办理账号恢复，请由另一位工作人员办理。", "You cannot do this for yourself; ask a colleague."),
    )


class Recovery(Base):
    """A way back in that is open, or was. `outcome` says how it ended."""

    __tablename__ = "recoveries"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    way: Mapped[str]
    code_hash: Mapped[bytes]
    cancel_hash: Mapped[bytes | None]
    begun_at: Mapped[datetime]
    opens_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    __table_args__ = (Index("uq_recoveries_open", "subject_id", "way", unique=True, postgresql_where=text("ended_at IS NULL")),)


def new_code(way: str) -> str:
    """Return a fresh code, as a person reads it."""
    plain = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH[way]))
    return "-".join(plain[at : at + GROUP] for at in range(0, len(plain), GROUP))


def hash_of(recovery_id: UUID, code: str) -> bytes:
    """Return what is kept of a code, however it was typed."""
    typed = unicodedata.normalize("NFKC", code[:LONGEST_CODE]).upper().translate(MISREAD)
    plain = "".join(character for character in typed if character in ALPHABET)
    return hashlib.sha256(recovery_id.bytes + plain.encode()).digest()


def grant_at_counter(session: Session, *, subject_id: UUID, officer_id: UUID, department: str, now: datetime) -> str:
    """Let a person whom an officer has before them set a new password, and return the code to hand over.

    Once it is used every way to sign in, session and trusted browser of before is gone, and an account that was closed is open again. Every known
    address is told at once, with a link that cancels it: an officer may have had somebody else before them. Raises NothingToRecover, NotOneself.
    """
    if officer_id == subject_id:
        raise NotOneself("an officer for themself", field="number")
    if not _lock(session, subject_id):
        raise NothingToRecover(field="number")
    recovery_id, code = new_id(), new_code(COUNTER)
    _end_open(session, subject_id, SUPERSEDED, way=COUNTER, now=now)
    secret, cancel_hash = one_time_links.new_secret(subject_id, recovery_id)
    times = {"begun_at": now, "opens_at": now, "expires_at": now + COUNTER_LIFETIME}
    kept = {"code_hash": hash_of(recovery_id, code), "cancel_hash": cancel_hash}
    session.add(Recovery(subject_id=subject_id, id=recovery_id, way=COUNTER, **kept, **times))
    actor = f"subject:{officer_id}"
    ledger.record(session, "recovery.granted", actor=actor, object_id=recovery_id, subject_id=subject_id, now=now, department=department)
    notices.tell(session, subject_id, "recovery-granted", now=now, link=f"/recover/cancel/{secret}")
    return code


def begin_by_registry(session: Session, *, subject_id: UUID, recovery_id: UUID, code_hash: bytes, now: datetime) -> bool:
    """Open a way back for someone who told what the registry knows, a day from now; False where too many were asked for today.

    Every known address is told at once, with a link that cancels it. One that was open before is superseded. One that was begun already, by a worker
    that died before it could say so, stays as it is by now.
    """
    if session.get(Recovery, (subject_id, recovery_id)) is not None:
        return True
    if not _lock(session, subject_id) or _begun_lately(session, subject_id, now=now) >= MOST_A_DAY:
        return False
    _end_open(session, subject_id, SUPERSEDED, way=REGISTRY, now=now)
    secret, cancel_hash = one_time_links.new_secret(subject_id, recovery_id)
    times = {"begun_at": now, "opens_at": now + WAIT, "expires_at": now + LIFETIME}
    session.add(Recovery(subject_id=subject_id, id=recovery_id, way=REGISTRY, code_hash=code_hash, cancel_hash=cancel_hash, **times))
    ledger.record(session, "recovery.begun", actor="anyone", object_id=recovery_id, subject_id=subject_id, now=now)
    notices.tell(session, subject_id, "recovery-begun", now=now, link=f"/recover/cancel/{secret}", opens_at=now + WAIT)
    return True


def redeem(session: Session, number: Number, code: str, *, now: datetime) -> Recovery | None:
    """Use a code up and return what it stood for, or None if it is none of this number's.

    One query finds what is open, whether or not there is an account; one statement ends it, so of two who come one wins.
    Raises TooEarly while the day of waiting lasts.
    """
    of_number = Recovery.subject_id.in_(accounts.ids_with(number))
    still_open = (Recovery.ended_at.is_(None), Recovery.expires_at > now)
    rows = session.scalars(select(Recovery).where(of_number, *still_open)).all()
    found = [row for row in rows if hmac.compare_digest(row.code_hash, hash_of(row.id, code))]
    if not found:
        return None
    row = found[0]
    if row.opens_at > now:
        when = Text("等候期到{0}为止，届时再来设置新密码。", "It lasts until {0}; come back then to set a new password.")
        opens_at = written(row.opens_at)
        raise TooEarly("still waiting", field="code", shown=Text(when.zh.format(opens_at.zh), when.en.format(opens_at.en)))
    return row if _end(session, row, COMPLETED, now=now) else None


def pending_of(session: Session, subject_id: UUID, *, now: datetime) -> Recovery | None:
    """Return the recovery that waits, or could be completed, on an account, of two the one that opens first; None if there is none."""
    open_ones = (Recovery.subject_id == subject_id, Recovery.ended_at.is_(None), Recovery.expires_at > now)
    return session.scalars(select(Recovery).where(*open_ones).order_by(Recovery.opens_at)).first()


def find_by_link(session: Session, unverified_secret: str, *, now: datetime) -> Recovery | None:
    """Return the pending recovery that a link of a notice may cancel, or None."""
    read = one_time_links.read(unverified_secret)
    row = session.get(Recovery, (read.subject_id, read.id)) if read else None
    if read is None or row is None or row.cancel_hash is None or row.ended_at is not None or row.expires_at <= now:
        return None
    return row if hmac.compare_digest(row.cancel_hash, read.hash) else None


def cancel(session: Session, row: Recovery, *, actor: str, now: datetime) -> bool:
    """Cancel a pending recovery; False if it ended meanwhile."""
    if not _end(session, row, CANCELLED, now=now):
        return False
    ledger.record(session, "recovery.cancelled", actor=actor, object_id=row.id, subject_id=row.subject_id, now=now)
    notices.tell(session, row.subject_id, "recovery-cancelled", now=now)
    return True


def end_all_open(session: Session, subject_id: UUID, *, now: datetime) -> None:
    """End whatever is open on an account, since its owner is back in by another way, or closes it."""
    _end_open(session, subject_id, SUPERSEDED, way=None, now=now)


def forget(*, now: datetime) -> None:
    """Forget what ended or expired a month ago."""
    before = now - REMEMBERED
    prune(Recovery, or_(Recovery.expires_at < before, Recovery.ended_at < before))


def _lock(session: Session, subject_id: UUID) -> bool:
    """Let one recovery at a time begin on an account; False if there is no account."""
    return session.scalar(select(Account.subject_id).where(Account.subject_id == subject_id).with_for_update()) is not None


def _begun_lately(session: Session, subject_id: UUID, *, now: datetime) -> int:
    lately = (Recovery.way == REGISTRY, Recovery.begun_at > now - A_DAY)
    return session.scalar(select(func.count()).select_from(Recovery).where(Recovery.subject_id == subject_id, *lately)) or 0


def _end(session: Session, row: Recovery, outcome: str, *, now: datetime) -> bool:
    one = (Recovery.subject_id == row.subject_id, Recovery.id == row.id, Recovery.ended_at.is_(None), Recovery.expires_at > now)
    done = update(Recovery).where(*one).values(ended_at=now, outcome=outcome).returning(Recovery.id)
    return session.scalar(done) is not None


def _end_open(session: Session, subject_id: UUID, outcome: str, *, way: str | None, now: datetime) -> None:
    open_ones = update(Recovery).where(Recovery.subject_id == subject_id, Recovery.ended_at.is_(None))
    session.execute((open_ones.where(Recovery.way == way) if way else open_ones).values(ended_at=now, outcome=outcome))
