"""QR codes: a presentation of chosen fields, made at once and redeemed once, within five minutes.

The code is a random secret; what it stands for, an SD-JWT with the holder's key binding, rests sealed and never shows in the code. Only
the code's hash is stored, and the binding's nonce is that hash: what is redeemed can serve no other code. A code may stand for several licences,
each with a presentation of its own; it is spent for all of them at once. A new code of a licence withdraws the one before it.
"""

import base64
import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, CursorResult, Index, bindparam, delete, insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import begun
from idp.subjects import directory, mandates
from idp.subjects.mandates import GivenMandate
from keys import holder_keys, sealed_tables, sealing
from runtime import base64url, ledger, straight
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from runtime.straight import Straight
from wallet.issuing import credentials, sd_jwt
from wallet.presenting import statements, stating
from wallet.presenting.statements import Question
from wallet.register.licences import Licence, LicenceNotFound, LicenceState, get_licence, holder_ids_of, type_of

TABLE, COLUMN = "presentations", "presented_sealed"
PREFIX = "KABAO1:"
SECRET_BYTES = 20
SECRET = re.compile(r"[A-Z2-7]{32}")
MISREAD = str.maketrans("018", "OIB")
MOST_LICENCES = 5
KEPT_AFTER_EXPIRY = timedelta(days=1)
PRUNE_BATCH = 1000
SET_OUT = timedelta(minutes=1)  # longer than a request is on its way
LAST = datetime.max.replace(tzinfo=UTC)
UNSYNCHRONIZED = {"synchronize_session": False}


class CodeUnknown(Refusal):
    """No presentation has this code."""

    code, status, title = "code-unknown", 404, Text("没有此二维码，请核对后重试。", "There is no such code; check it and try again.")


class CodeSpent(Refusal):
    """The code was redeemed before."""

    code, status, title = "code-spent", 409, Text("此二维码已使用过，请持证人重新出示。", "The code was used before; ask the holder for a new one.")


class CodeExpired(Refusal):
    """The code's time is over, or a newer code of the licence took its place."""

    code, status, title = "code-expired", 410, Text("此二维码已失效，请持证人重新出示。", "The code has expired; ask the holder for a new one.")


class FieldUnknown(Refusal):
    """A field was chosen that the licence does not have."""

    code, status, title = "field-unknown", 422, Text("该证照没有所选项目。", "The licence has no such field.")


class TooManyLicences(Refusal):
    """More licences were chosen than one code stands for."""

    code, status = "too-many-licences", 422
    title = Text("一个码最多出示{0}张证照。", "One code stands for at most {0} licences.").format(MOST_LICENCES)


class Presentation(Base):
    """A presentation that waits to be redeemed, or was. `person_id` is who made it: the holder, or one who acted for them.

    `also` names the further licences that the code stands for, with the fields of each; None if there is none.
    """

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID | None]
    code_hash: Mapped[bytes] = mapped_column(unique=True)
    licence_id: Mapped[UUID]
    fields: Mapped[list[str]]
    also: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    presented_sealed: Mapped[bytes]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_presentations_waiting", "holder_id", "licence_id", postgresql_where="spent_at IS NULL"),)


sealed_tables.declare(Presentation, sealed={COLUMN: COLUMN})


STANDS_FOR = (Presentation.holder_id, Presentation.id, Presentation.licence_id, Presentation.presented_sealed, Presentation.person_id)
STILL_WAITS = (Presentation.code_hash == bindparam("hash"), Presentation.spent_at.is_(None), Presentation.expires_at > bindparam("at"))
SPENDING = update(Presentation).where(*STILL_WAITS).values(spent_at=bindparam("spent"))  # the moment that the use in the history has, too
SPEND = Straight("spend_shown_code", SPENDING.returning(*STANDS_FOR))


@dataclass(frozen=True, slots=True)
class QrCode:
    """A code: the row it stands for, what it says, and until when."""

    id: UUID
    content: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code stood for: the presentation, the nonce it is bound to, whose licence it shows, and who made it; `also` are further licences."""

    presented: str = field(repr=False)
    nonce: str
    holder_id: UUID
    licence_id: UUID
    also: tuple[tuple[UUID, str], ...] = field(default=(), repr=False)
    person_id: UUID | None = None


def create(
    session: Session,
    *,
    holder_id: UUID,
    licence_id: UUID,
    fields: Iterable[str],
    now: datetime,
    person_id: UUID | None = None,
    also: Mapping[UUID, Iterable[str]] | None = None,
    statement: str | None = None,
    until: datetime | None = None,
) -> QrCode:
    """Make a code that shows the chosen fields of the holder's own licence, and of others `also`, and withdraw the ones before it.

    `person_id` is who makes it, where that is one who acts for the holder; their code ends with their mandate, which
    ends by itself at `until`. With a `statement` (one of
    `statements.KINDS`) the code stands for that alone, and for nothing of the licence.
    Raises LicenceNotFound for a licence that is not the holder's, FieldUnknown, TooManyLicences.
    """
    settings: Settings = current_app.extensions["kabao_settings"]
    wanted = {licence_id: fields} | {one: names for one, names in (also or {}).items() if one != licence_id}
    if len(wanted) > MOST_LICENCES:
        raise TooManyLicences(field="also")
    licences = {one: _held(session, one, holder_id=holder_id) for one in wanted}
    _expire(session, Presentation.holder_id == holder_id, _stands_for(wanted), now=now)
    secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    code_hash, presentation_id, expires_at = _hash(secret), new_id(), min(now + settings.qr_lifetime, until or LAST)
    made = {
        one: _present(session, licences[one], set(names), holder_id=holder_id, settings=settings, code_hash=code_hash, now=now)
        for one, names in wanted.items()
    }
    if statement is not None:
        who = {"holder_id": holder_id, "person_id": person_id or holder_id}
        made = {licence_id: _state(session, licences[licence_id], statement, **who, settings=settings, code_hash=code_hash, now=now)}
    shown, (first, *others) = made[licence_id][0], made
    row = {"holder_id": holder_id, "id": presentation_id, "code_hash": code_hash, "licence_id": licence_id, "fields": shown, "expires_at": expires_at}
    row["also"] = {str(one): made[one][0] for one in others} or None
    lines = [made[first][1], *(f"{one} {made[one][1]}" for one in others)]
    sealed = sealing.seal("\n".join(lines), table=TABLE, column=COLUMN, row=presentation_id)
    session.execute(insert(Presentation).values(**row, person_id=person_id or holder_id, presented_sealed=sealed))
    actor = f"subject:{person_id or holder_id}"
    told: dict[str, Any] = {"fields": len(shown), **({"also": len(others)} if others else {})}
    ledger.record(session, "presentation.made", actor=actor, object_id=presentation_id, subject_id=holder_id, now=now, **told)
    return QrCode(presentation_id, PREFIX + secret, expires_at)


def redeem(session: Session, content: str, *, now: datetime) -> Redeemed:
    """Exchange a code for what it stands for.

    The row is marked spent in one statement: of two who race only one can win. Whoever then refuses must raise, so that the
    transaction is undone and the code stays unspent. Raises CodeUnknown, CodeSpent, CodeExpired.
    """
    code_hash = hash_of(content)
    spent = straight.run(session, SPEND, {"hash": code_hash, "at": now, "spent": now})
    if not spent:
        _refuse(session, code_hash)
    return redeemed(code_hash, spent[0])


def redeemed(code_hash: bytes, row: tuple[Any, ...]) -> Redeemed:
    """Return what a code stands for, of the columns of its row (`STANDS_FOR`)."""
    holder_id, presentation_id, licence_id, sealed, person_id = row
    presented, *others = sealing.unseal(sealed, table=TABLE, column=COLUMN, row=presentation_id).split("\n")
    also = tuple((UUID(one), text) for one, text in (line.split(" ", 1) for line in others))
    return Redeemed(presented, _nonce(code_hash), holder_id, licence_id, also, person_id)


def refusals_of(session: Session, contents: Iterable[str], *, now: datetime) -> dict[str, Refusal]:
    """Return which of some codes are plainly not to be redeemed, and why, by one query; `redeem` may refuse others all the same."""
    hashes: dict[str, bytes] = {}
    refused: dict[str, Refusal] = {}
    for content in contents:
        try:
            hashes[content] = hash_of(content)
        except CodeUnknown as refusal:
            refused[content] = refusal
    asked = select(Presentation.code_hash, Presentation.spent_at, Presentation.expires_at).where(Presentation.code_hash.in_(set(hashes.values())))
    found = {code_hash: _refusal(spent_at, expires_at, now) for code_hash, spent_at, expires_at in session.execute(asked)} if hashes else {}
    known = {content: found.get(code_hash, CodeUnknown(field="presented")) for content, code_hash in hashes.items()}
    return refused | {content: refusal for content, refusal in known.items() if refusal is not None}


def withdraw(session: Session, presentation_id: UUID, *, holder_id: UUID, person_id: UUID, now: datetime) -> None:
    """Let a holder's code expire now, if it still waits; `person_id` is who wants that, for the ledger."""
    if _expire(session, Presentation.holder_id == holder_id, Presentation.id == presentation_id, now=now):
        about: dict[str, Any] = {"object_id": presentation_id, "subject_id": holder_id, "now": now}
        ledger.record(session, "presentation.withdrawn", actor=f"subject:{person_id}", **about)


def withdraw_made_under(session: Session, given: GivenMandate, now: datetime) -> None:
    """Let the codes expire now that a person made for another, as the mandate ends that they were made under."""
    _expire(session, Presentation.holder_id == given.holder_id, Presentation.person_id == given.person_id, now=now)


def withdraw_begun(session: Session, person_id: UUID, now: datetime) -> None:
    """Let the codes expire now that a person made, for themself or for others, as a session of theirs is ended that may have been stolen."""
    _expire(session, Presentation.holder_id.in_(mandates.holders_of(person_id)), Presentation.person_id == person_id, now=now)


def withdraw_all(session: Session, holder_id: UUID, now: datetime) -> None:
    """Let every code of a holder who has ended expire now."""
    _expire(session, Presentation.holder_id == holder_id, now=now)


def audience(settings: Settings) -> str:
    """Return the `aud` of what a code stands for: the place where codes are redeemed."""
    return f"{settings.public_url}/api/v1/verifications"


def prune(session: Session, *, now: datetime) -> int:
    """Remove a batch of the presentations whose time has been over for a day, and return how many."""
    over = select(Presentation.holder_id, Presentation.id).where(Presentation.expires_at < now - KEPT_AFTER_EXPIRY)
    batch = over.order_by(Presentation.expires_at).limit(PRUNE_BATCH).with_for_update(skip_locked=True)
    done = session.execute(delete(Presentation).where(tuple_(Presentation.holder_id, Presentation.id).in_(batch)), execution_options=UNSYNCHRONIZED)
    assert isinstance(done, CursorResult)
    return done.rowcount


def _held(session: Session, licence_id: UUID, *, holder_id: UUID) -> Licence:
    licence = get_licence(session, licence_id)
    if holder_id not in holder_ids_of(session, licence):
        raise LicenceNotFound
    return licence


def _stands_for(licence_ids: Iterable[UUID]) -> ColumnElement[bool]:
    """Whether a code stands for one of some licences, by itself or among others."""
    ids = list(licence_ids)
    return or_(Presentation.licence_id.in_(ids), *(Presentation.also.has_key(str(one)) for one in ids))


def _expire(session: Session, *which: ColumnElement[bool], now: datetime) -> int:
    """Let what waits expire, and return how many did; also for who has set out to redeem it by now, and looks at their own moment."""
    waiting = (Presentation.spent_at.is_(None), Presentation.expires_at > now)
    over = update(Presentation).where(*which, *waiting).values(expires_at=now - SET_OUT)
    done = session.execute(over, execution_options=UNSYNCHRONIZED)
    assert isinstance(done, CursorResult)
    return done.rowcount


def _present(
    session: Session, licence: Licence, chosen: set[str], *, holder_id: UUID, settings: Settings, code_hash: bytes, now: datetime
) -> tuple[list[str], str]:
    credential = credentials.credential_of(session, licence, holder_id=holder_id)
    parts = sd_jwt.parse(credentials.text_of(credential))
    known = {disclosure.name for disclosure in parts.disclosures} | {one.name for one in type_of(licence).fields}
    if not chosen <= known:
        raise FieldUnknown(field="fields")
    disclosures = [disclosure for disclosure in parts.disclosures if disclosure.name in chosen]
    text = sd_jwt.combine(parts.jwt, disclosures)
    binding = {"iat": int(now.timestamp()), "aud": audience(settings), "nonce": _nonce(code_hash), "sd_hash": sd_jwt.sd_hash(text)}
    bound = holder_keys.sign(credential.holder_key_sealed, binding, credential_id=credential.id, typ="kb+jwt")
    return [str(disclosure.name) for disclosure in disclosures], text + bound


def _state(
    session: Session, licence: Licence, kind: str, *, holder_id: UUID, person_id: UUID, settings: Settings, code_hash: bytes, now: datetime
) -> tuple[list[str], str]:
    """Return a statement about a holder, or that they hold a licence of this kind, bound to this code, and the names of what it says."""
    if kind not in statements.KINDS or licence.state_at(now) is not LicenceState.VALID:
        raise FieldUnknown(field="statement")
    question = Question(kind, type_of(licence).slug if kind == statements.HOLDS else None)
    found = stating.statements_of(session, question, holder_id=holder_id, person_id=person_id, now=now)
    if len(found) != 1 or (kind == statements.REPRESENTS and person_id == holder_id):
        raise FieldUnknown(field="statement")
    shown, bound = list(found[0].claims), {"audience": audience(settings), "nonce": _nonce(code_hash)}
    return shown, statements.make(settings, found[0], holder_id=holder_id, shown=shown, **bound, now=now, lifetime=settings.qr_lifetime)


def hash_of(content: str) -> bytes:
    """Return what a code is found by; raises CodeUnknown for what is no code."""
    return _hash(_secret_of(content))


def _secret_of(content: str) -> str:
    """Read a code as people type it: any case, spaces, hyphens, full-width letters, with or without its prefix, 0 for O."""
    if len(content) > 200:
        raise CodeUnknown(field="presented")
    letters = re.sub(r"[\s\-‐-―]", "", unicodedata.normalize("NFKC", content)).upper()
    secret = letters.removeprefix(PREFIX).translate(MISREAD)
    if not SECRET.fullmatch(secret):
        raise CodeUnknown("not a code", field="presented")
    return secret


def _refuse(session: Session, code_hash: bytes) -> NoReturn:
    row = session.execute(select(Presentation.spent_at).where(Presentation.code_hash == code_hash)).first()
    if row is None:
        raise CodeUnknown(field="presented")
    raise (CodeSpent if row.spent_at is not None else CodeExpired)(field="presented")


def _refusal(spent_at: datetime | None, expires_at: datetime, now: datetime) -> Refusal | None:
    """Return why a code that there is cannot be redeemed, or None if it waits."""
    if spent_at is not None:
        return CodeSpent(field="presented")
    return CodeExpired(field="presented") if expires_at <= now else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256((PREFIX + secret).encode()).digest()


def _nonce(code_hash: bytes) -> str:
    return base64url.write(code_hash)


begun.ends.append(withdraw_begun)
mandates.on_mandate_end.append(withdraw_made_under)
directory.on_subject_end.append(withdraw_all)
