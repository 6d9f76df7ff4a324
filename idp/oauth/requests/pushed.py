"""Authorization requests that are kept here until they are answered: those that a client pushed (RFC 9126), and signed ones (RFC 9101).

Only the hash of a reference is stored, and the request itself sealed: it may name people. A reference is good for as long as its client was
told for the first visit of a browser. The browser then carries a form of it that nobody else was given, with which the person may take
their time to sign in and to consent. A request is used up when it is answered, not when it is shown: a reload harms nothing.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from authlib.oauth2.rfc9101.errors import InvalidRequestUriError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables, sealing
from runtime import base64url
from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings

PREFIX = "urn:ietf:params:oauth:request_uri:"
REFERENCE = re.compile(r"([A-Za-z0-9_-]{43})(?:\.([A-Za-z0-9_-]{43}))?")
REFERENCE_BYTES = 32
ANSWERED_WITHIN = timedelta(hours=1)
PRESSED_WITHIN = timedelta(seconds=10)  # of the first: a button that is pressed twice means one answer
PARAMETERS = "parameters"
UNKNOWN = "The request_uri is not known, or has expired."


class RequestAnswered(Refusal):
    """The request was answered before, maybe in another tab; it is good for one answer (RFC 9126 section 4)."""

    code, status = "request-answered", 400
    title = Text("这次登录请求已经处理过了，请返回门户重新发起。", "This request to sign in was answered already; start again at the portal.")


class RequestExpired(Refusal):
    """There is no such request here, or its time is over: the link to it was kept, or came late (section 4)."""

    code, status = "request-expired", 400
    title = Text("这次登录请求已过期或无效，请返回门户重新发起。", "This request to sign in has expired, or is none; start again at the portal.")


class NotKept(InvalidRequestUriError):
    """The `request_uri` stands for no request that can be answered; `refusal` tells a person so."""

    def __init__(self, description: str, refusal: type[Refusal] = RequestExpired) -> None:
        super().__init__(description=description)
        self.refusal = refusal


class KeptRequest(Base):
    """A request. `expires_at` is until when a browser may first bring its reference, `ends_at` until when it may be answered."""

    __tablename__ = "authorization_requests"
    id: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    parameters_sealed: Mapped[bytes]
    pushed: Mapped[bool]
    signed: Mapped[bool]
    expires_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]

    @property
    def parameters(self) -> dict[str, str]:
        """The request's parameters."""
        place = {"table": self.__tablename__, "column": PARAMETERS, "row": self.id.hex()}
        opened: dict[str, str] = json.loads(sealing.unseal(self.parameters_sealed, **place))
        return opened


sealed_tables.declare(KeptRequest, sealed={"parameters_sealed": PARAMETERS})


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference that a browser brought; `is_carried` says that it has the form which we gave to a browser."""

    name: str
    is_carried: bool


def keep(
    session: Session,
    parameters: dict[str, str],
    *,
    client_id: str,
    pushed: bool,
    signed: bool,
    lifetime: timedelta,
    now: datetime,
    name: str | None = None,
) -> str:
    """Keep a request, and return the name of its reference. Under a name that is taken already nothing is changed."""
    name = name or secrets.token_urlsafe(REFERENCE_BYTES)
    row = _hash(name)
    sealed = sealing.seal(json.dumps(parameters), table=KeptRequest.__tablename__, column=PARAMETERS, row=row.hex())
    values = {"id": row, "client_id": client_id, "parameters_sealed": sealed, "pushed": pushed, "signed": signed}
    times = {"expires_at": now + lifetime, "ends_at": now + max(ANSWERED_WITHIN, lifetime), "spent_at": None}
    session.execute(insert(KeptRequest).values(**values, **times).on_conflict_do_nothing())
    return name


def get(session: Session, reference: Reference, *, client_id: str, now: datetime, pressed: bool = False) -> KeptRequest:
    """Return the client's request of a reference; raises InvalidRequestUriError if it is unknown, another's, expired or answered.

    With `pressed`, where a person answers it, one that was answered just now is returned, too: `spend` says whether it may be once more.
    """
    found = session.get(KeptRequest, _hash(reference.name))
    if found is None or found.client_id != client_id or (found.ends_at if reference.is_carried else found.expires_at) <= now:
        raise NotKept(UNKNOWN)
    if found.spent_at is not None and not (pressed and found.spent_at > now - PRESSED_WITHIN):
        raise NotKept("The request of this request_uri was answered already.", RequestAnswered)
    return found


def spend(session: Session, name: str, *, now: datetime, take_back: Callable[[datetime], bool] | None = None) -> None:
    """Use a request up, in one statement: of two who answer it only one can. Raises RequestAnswered for the other.

    Where its button was pressed twice, `take_back` takes the answer of a moment back, if it is the same person's and nobody has made use of it;
    then this one takes its place.
    """
    own = KeptRequest.id == _hash(name)
    unspent = (own, KeptRequest.spent_at.is_(None), KeptRequest.ends_at > now)
    if session.scalar(update(KeptRequest).where(*unspent).values(spent_at=now).returning(KeptRequest.id)) is not None:
        return
    just_now = (own, KeptRequest.spent_at > now - PRESSED_WITHIN, KeptRequest.ends_at > now)
    before = session.scalar(select(KeptRequest.spent_at).where(*just_now).with_for_update()) if take_back is not None else None
    if before is None or take_back is None or not take_back(before):
        raise RequestAnswered("the request was answered before")
    session.execute(update(KeptRequest).where(own).values(spent_at=now).execution_options(synchronize_session=False))


def given(name: str) -> str:
    """Return the `request_uri` that a client is given."""
    return PREFIX + name


def carried(name: str, *, client_id: str, settings: Settings) -> str:
    """Return the `request_uri` that a browser carries from page to page."""
    return f"{PREFIX}{name}.{_proof(name, client_id, settings)}"


def read(unverified_uri: str, *, client_id: str, settings: Settings) -> Reference:
    """Read a `request_uri` of ours; raises InvalidRequestUriError if it is not one."""
    found = REFERENCE.fullmatch(unverified_uri.removeprefix(PREFIX))
    if found is None:
        raise NotKept(UNKNOWN)
    name, proof = found.groups()
    if proof is not None and not hmac.compare_digest(proof, _proof(name, client_id, settings)):
        raise NotKept(UNKNOWN)
    return Reference(name, is_carried=proof is not None)


def name_of(client_id: str, request_object: str, *, settings: Settings) -> str:
    """Return the name under which a request object is kept that came through the browser: brought again, it is the same request."""
    return _keyed(f"object\0{client_id}\0{request_object}", settings)


def forget(*, now: datetime) -> None:
    """Forget the requests that nobody can answer any more."""
    prune(KeptRequest, KeptRequest.ends_at < now)


def _proof(name: str, client_id: str, settings: Settings) -> str:
    return _keyed(f"carried\0{client_id}\0{name}", settings)


def _keyed(text: str, settings: Settings) -> str:
    digest = hmac.digest(settings.derived_key("authorization-requests"), text.encode(), "sha256")
    return base64url.write(digest)


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
