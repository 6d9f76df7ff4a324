"""Asking a wallet who holds an account: the service's own request, for one browser's session, and what lifts the account in the end.

The request travels: as a code it may be photographed and sent to somebody else, whose wallet then answers for whoever began (session fixation,
OpenID4VP 1.0 section 14.2). So an answer alone lifts nothing. The wallet is told where its holder goes on, with a fresh code: in the browser that
began, this finishes it. Anywhere else the page shows six digits, which the person carries to the page that began, as they do when they sign in by
scanning (decision 0019); whoever sent a code to somebody else has them not. Finished once, in one statement, and only in the session that began.
"""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import SmallInteger, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import notices, proofs
from idp.signin.proofs import METHODS, Method, Witness
from idp.signin.sessions import SignedIn
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text, text_of
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.register.catalogue import all_types
from wallet.register.departments import get_department
from wallet.verifying import identity
from wallet.verifying.identity import ProvesNothing
from wallet.verifying.openid4vp import verifiers
from wallet.verifying.openid4vp.asking import CONSENT
from wallet.verifying.openid4vp.requests import (
    DIRECT_POST_JWT,
    HASH,
    KEPT_AFTER_EXPIRY,
    SERVICE,
    PresentationRequest,
    RequestNotFound,
    State,
    Terms,
    fresh,
)
from wallet.verifying.receipts import VALID
from wallet.verifying.standings import find_standing

PAGE = "/account/level/licence"
LIFETIME = timedelta(minutes=5)
CAUSE = Text("提升账号的实名等级", "Raising the real-name level of an account")
DIGITS, MOST_TRIES, LONGEST = 6, 5, 64
LATEST = 5
PURPOSE = "identity digits"


class Stage(StrEnum):
    """How a request stands for the person who began it: none there, or its code waits; a wallet has it, showed what proves them, or what does not;
    they declined, its time is over, or the account was lifted."""

    NONE = "none"
    WAITING = "waiting"
    FETCHED = "fetched"
    SHOWN = "shown"
    REFUSED = "refused"
    DECLINED = "declined"
    OVER = "over"
    DONE = "done"


class IdentityOver(Refusal):
    """The request was finished, is another session's, or its time or its tries are over."""

    code, status = "identity-over", 410
    title = Text("这次请求已失效，请重新出示。", "This request is over; show the licence anew.")


class WrongDigits(Refusal):
    """The digits are not those that the wallet's device shows."""

    code, status = "wrong-digits", 422
    title = Text("数字不正确，请看卡包所在设备上的六位数字。", "These are not the digits; look at the six on your wallet's device.")


class IdentityRequest(Base):
    """For whom, and in which session, a request of the service's own was begun; `id` is the request's. `tries` are those of the six digits."""

    __tablename__ = "identity_requests"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(index=True)
    subject_id: Mapped[UUID]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    finished_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """A request and how it stands; `ends_at` is until when what comes next may come."""

    begun: IdentityRequest
    row: PresentationRequest
    stage: Stage
    ends_at: datetime

    @property
    def why(self) -> Text | None:
        """Why what was shown proves nothing, where that is so."""
        result = self.row.result or {}
        return text_of(result["why"]) if self.stage is Stage.REFUSED else None

    @property
    def is_refusal(self) -> bool:
        """Whether the holder declined, rather than the wallet could not."""
        return (self.row.result or {}).get("error") == "access_denied"


def begin(session: Session, settings: Settings, signed_in: SignedIn, *, now: datetime) -> None:
    """Make a request for this session, and end those before it, but for one that a wallet is about to answer. Raises KeyNotReady."""
    _end_others(session, signed_in.session_id, now=now)
    request_id, types = new_id(), [one for one in all_types() if one.proves_identity]
    cause = {"text": CAUSE.zh, "text#en": CAUSE.en}
    back = f"{settings.public_url}{PAGE}/{request_id}/shown"
    terms = Terms(identity.query(settings, types), [one.code for one in types], cause, CONSENT, return_to=back)
    session.add(
        PresentationRequest(
            id=request_id,
            department=SERVICE,
            by_consent=True,
            verifier=verifiers.identifier_of(settings, SERVICE, HASH),
            types=terms.types,
            asked_at=now,
            expires_at=now + LIFETIME,
            **fresh(request_id, terms, response_mode=DIRECT_POST_JWT),
        )
    )
    session.add(IdentityRequest(id=request_id, session_id=signed_in.session_id, subject_id=signed_in.subject_id, expires_at=now + LIFETIME, tries=0))
    session.flush()


def subject_of(session: Session, request_id: UUID) -> UUID:
    """Return for whom a request was begun."""
    return session.get_one(IdentityRequest, request_id).subject_id


def find(session: Session, signed_in: SignedIn, *, now: datetime) -> Standing | None:
    """Return the request of this session that matters: one whose answer waits to be gone on with, else the newest; None once it is long over."""
    mine = (IdentityRequest.session_id == signed_in.session_id, IdentityRequest.expires_at > now - LIFETIME)
    both = select(IdentityRequest, PresentationRequest).join(PresentationRequest, PresentationRequest.id == IdentityRequest.id).where(*mine)
    rows = session.execute(both.order_by(IdentityRequest.id.desc()).limit(LATEST))
    found = [_standing(begun, row, now=now) for begun, row in rows]
    return next((one for one in found if one.stage is Stage.SHOWN), found[0] if found else None)


def open_shown(session: Session, request_id: UUID, unverified_code: str, *, now: datetime) -> Standing:
    """Return the request that a wallet's holder comes back from, by the code that the wallet was given; raises RequestNotFound."""
    row, begun = session.get(PresentationRequest, request_id), session.get(IdentityRequest, request_id)
    if row is None or begun is None or row.code_hash is None or not hmac.compare_digest(row.code_hash, _hash(unverified_code)):
        raise RequestNotFound
    return _standing(begun, row, now=now)


def digits_of(settings: Settings, standing: Standing) -> str:
    """Return the six digits that are shown where a wallet's holder comes back to, and typed where they began; nothing is kept of them."""
    assert standing.row.code_hash is not None
    told = hmac.digest(settings.derived_key(PURPOSE), standing.row.code_hash, hashlib.sha256)
    return f"{int.from_bytes(told) % 10**DIGITS:0{DIGITS}}"


def count_try(session: Session, standing: Standing) -> None:
    """Count a try of the digits, in one statement and a transaction of its own; raises IdentityOver after too many."""
    left = (IdentityRequest.id == standing.begun.id, IdentityRequest.tries < MOST_TRIES)
    if session.scalar(update(IdentityRequest).where(*left).values(tries=IdentityRequest.tries + 1).returning(IdentityRequest.id)) is None:
        raise IdentityOver("too many tries")


def check_digits(settings: Settings, standing: Standing, unverified: str) -> None:
    """Raise WrongDigits unless these are the digits of a request."""
    typed = "".join(unicodedata.normalize("NFKC", unverified[:LONGEST]).split())
    if not hmac.compare_digest(typed.encode(), digits_of(settings, standing).encode()):
        raise WrongDigits(field="digits")


def finish(session: Session, standing: Standing, signed_in: SignedIn, *, now: datetime) -> None:
    """Lift the account of this session by what was shown, once.

    Raises IdentityOver, or ProvesNothing where the licence, or the credential that was shown of it, is not in force any more.
    """
    if standing.stage is not Stage.SHOWN:
        raise IdentityOver
    its = (IdentityRequest.id == standing.begun.id, IdentityRequest.session_id == signed_in.session_id)
    free = (IdentityRequest.subject_id == signed_in.subject_id, IdentityRequest.finished_at.is_(None))
    if session.scalar(update(IdentityRequest).where(*its, *free).values(finished_at=now).returning(IdentityRequest.id)) is None:
        raise IdentityOver
    result: dict[str, Any] = standing.row.result or {}
    licence = find_standing(session, tuple(result["entry"]))
    if licence is None or not licence.is_in_force(now):
        raise ProvesNothing("not in force any more", shown=identity.NOT_IN_FORCE)
    by = Witness(licence.issuer_code, get_department(licence.issuer_code).name, licence.type_code)
    proofs.prove(session, signed_in.subject_id, method=Method.LICENCE, evidence=result["evidence"], by=by, now=now)
    notices.tell(session, signed_in.subject_id, "identity-proven", now=now, method=METHODS[Method.LICENCE], department=by.name)


def forget(*, now: datetime) -> int:
    """Forget the requests whose time has been over for two days, and return how many."""
    return prune(IdentityRequest, IdentityRequest.expires_at < now - KEPT_AFTER_EXPIRY)


def _end_others(session: Session, session_id: UUID, *, now: datetime) -> None:
    """End the requests of a session whose code no wallet has read yet, be one about to, and those whose digits nobody typed."""
    mine, request = IdentityRequest.session_id == session_id, PresentationRequest
    unread = (request.id.in_(select(IdentityRequest.id).where(mine)), request.fetched_at.is_(None), request.expires_at > now)
    answered = IdentityRequest.id.in_(select(request.id).where(request.answered_at.is_not(None)))
    over = update(request).where(*unread).values(expires_at=request.asked_at)
    for ended in (over, update(IdentityRequest).where(mine, answered).values(tries=MOST_TRIES)):
        session.execute(ended, execution_options={"synchronize_session": False})


def _standing(begun: IdentityRequest, row: PresentationRequest, *, now: datetime) -> Standing:
    ends_at = row.answered_at + LIFETIME if row.answered_at is not None else row.expires_at
    return Standing(begun, row, _stage(begun, row, ends_at=ends_at, now=now), ends_at)


def _stage(begun: IdentityRequest, row: PresentationRequest, *, ends_at: datetime, now: datetime) -> Stage:
    if begun.finished_at is not None:
        return Stage.DONE
    state = row.state_at(now)
    if state is State.ANSWERED:
        if row.outcome != VALID:
            return Stage.REFUSED
        return Stage.SHOWN if now < ends_at and begun.tries < MOST_TRIES else Stage.OVER
    return Stage.OVER if state is State.EXPIRED else Stage(state.value)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
