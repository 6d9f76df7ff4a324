"""Authenticator apps (TOTP, RFC 6238): six digits every thirty seconds, from a secret that the app and this service share.

A person may have several, each with a name. The secret rests sealed and is shown once, while it is enrolled; a first code confirms that
the app has it. The last step that was accepted is kept, so that a code is never accepted twice (section 5.2).
"""

import hmac
import unicodedata
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
from sqlalchemy import BigInteger, ColumnElement, ForeignKey, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime import ledger
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal

STEP = 30
SLACK = (-1, 0, 1)
MOST = 5
LONGEST_NAME = 40
ENROLLING = timedelta(minutes=15)
ISSUER = "Kabao"


class TooManyAuthenticators(Refusal):
    """A person has as many as one may have."""

    code, status = "too-many-authenticators", 422
    title = Text(f"验证器最多{MOST}个，请先移除不用的。", f"You can have {MOST} authenticators; remove one that you no longer use first.")


class TotpAuthenticator(Base):
    """An authenticator of a person; it proves something once `confirmed_at` is set. `last_step` is the last that was accepted."""

    __tablename__ = "totp_authenticators"
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name_sealed: Mapped[bytes]
    secret_sealed: Mapped[bytes]
    added_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    last_step: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def name(self) -> str:
        """What its owner calls it."""
        return sealing.unseal(self.name_sealed, table="totp_authenticators", column="name", row=self.id)

    @property
    def secret(self) -> str:
        """The shared secret, in base32."""
        return sealing.unseal(self.secret_sealed, table="totp_authenticators", column="secret", row=self.id)

    def uri(self, label: str) -> str:
        """Return what an app reads from the QR code; `label` says whose account it is, masked."""
        return pyotp.TOTP(self.secret).provisioning_uri(name=label, issuer_name=ISSUER)


sealed_tables.declare(TotpAuthenticator, sealed={"name_sealed": "name", "secret_sealed": "secret"})


def of(session: Session, subject_id: UUID) -> list[TotpAuthenticator]:
    """Return the authenticators of a person, the oldest first."""
    confirmed = (TotpAuthenticator.subject_id == subject_id, TotpAuthenticator.confirmed_at.is_not(None))
    return list(session.scalars(select(TotpAuthenticator).where(*confirmed).order_by(TotpAuthenticator.id)))


def begin(session: Session, subject_id: UUID, *, name: str, now: datetime) -> TotpAuthenticator:
    """Begin to enrol an authenticator; one that was begun before is given up. Raises TooManyAuthenticators."""
    if len(of(session, subject_id)) >= MOST:
        raise TooManyAuthenticators("too many")
    session.execute(delete(TotpAuthenticator).where(TotpAuthenticator.subject_id == subject_id, TotpAuthenticator.confirmed_at.is_(None)))
    totp_id = new_id()
    authenticator = TotpAuthenticator(
        subject_id=subject_id,
        id=totp_id,
        name_sealed=sealing.seal(name.strip()[:LONGEST_NAME], table="totp_authenticators", column="name", row=totp_id),
        secret_sealed=sealing.seal(pyotp.random_base32(), table="totp_authenticators", column="secret", row=totp_id),
        added_at=now,
    )
    session.add(authenticator)
    session.flush()
    return authenticator


def find_begun(session: Session, subject_id: UUID, totp_id: UUID, *, now: datetime) -> TotpAuthenticator | None:
    """Return the authenticator that a person is enrolling, or None if its time is over or it is enrolled already."""
    row = session.get(TotpAuthenticator, (subject_id, totp_id))
    return row if row is not None and row.confirmed_at is None and row.added_at + ENROLLING > now else None


def confirm(session: Session, authenticator: TotpAuthenticator, unverified: str, *, now: datetime) -> bool:
    """Enrol an authenticator by its first code; False if the code is another's."""
    step = _step_of(authenticator, unverified, now=now)
    if step is None:
        return False
    begun = (*_is(authenticator), TotpAuthenticator.confirmed_at.is_(None))
    done = update(TotpAuthenticator).where(*begun).values(confirmed_at=now, used_at=now, last_step=step)
    if session.scalar(done.returning(TotpAuthenticator.id)) is None:
        return False
    _record(session, "totp.added", authenticator, now=now)
    return True


def accept(session: Session, subject_id: UUID, unverified: str, *, now: datetime) -> bool:
    """Whether a code is one of a person's authenticators, and none that was accepted before; of several at once one is.

    Every authenticator is compared, whichever is right.
    """
    steps = [(authenticator, _step_of(authenticator, unverified, now=now)) for authenticator in of(session, subject_id)]
    return any(step is not None and _spend(session, authenticator, step, now=now) for authenticator, step in steps)


def remove(session: Session, subject_id: UUID, totp_id: UUID, *, now: datetime) -> TotpAuthenticator | None:
    """Remove an authenticator, and return what it was; None if there is no such one."""
    authenticator = session.get(TotpAuthenticator, (subject_id, totp_id))
    if authenticator is None or authenticator.confirmed_at is None:
        return None
    session.delete(authenticator)
    _record(session, "totp.removed", authenticator, now=now)
    return authenticator


def forget(*, now: datetime) -> None:
    """Forget the authenticators that nobody confirmed in time."""
    prune(TotpAuthenticator, TotpAuthenticator.confirmed_at.is_(None) & (TotpAuthenticator.added_at < now - ENROLLING))


def _spend(session: Session, authenticator: TotpAuthenticator, step: int, *, now: datetime) -> bool:
    fresh = or_(TotpAuthenticator.last_step.is_(None), TotpAuthenticator.last_step < step)
    spent = update(TotpAuthenticator).where(*_is(authenticator), fresh).values(last_step=step, used_at=now)
    return session.scalar(spent.returning(TotpAuthenticator.id)) is not None


def _step_of(authenticator: TotpAuthenticator, unverified: str, *, now: datetime) -> int | None:
    """Return the step whose code this is, one before and one after the present one included, or None."""
    code = "".join(unicodedata.normalize("NFKC", unverified[:64]).split()).encode()
    app, present, found = pyotp.TOTP(authenticator.secret), int(now.timestamp()) // STEP, None
    for step in (present + slack for slack in SLACK):
        if hmac.compare_digest(app.generate_otp(step).encode(), code):
            found = step
    return found


def _is(authenticator: TotpAuthenticator) -> tuple[ColumnElement[bool], ...]:
    return TotpAuthenticator.subject_id == authenticator.subject_id, TotpAuthenticator.id == authenticator.id


def _record(session: Session, act: str, authenticator: TotpAuthenticator, *, now: datetime) -> None:
    actor = f"subject:{authenticator.subject_id}"
    ledger.record(session, act, actor=actor, object_id=authenticator.id, subject_id=authenticator.subject_id, now=now)
