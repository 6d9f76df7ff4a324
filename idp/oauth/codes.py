"""Authorization codes: 256 random bits, kept only as their hash, good for sixty seconds and once (RFC 6749 section 4.1.2)."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin
from sqlalchemy import SmallInteger, bindparam, exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import portal_sessions, refresh_tokens
from idp.oauth.grantees import Grantee
from idp.oauth.terms import PLAIN, Terms, read_terms
from runtime import straight
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.straight import Straight

log = structlog.get_logger(__name__)
LIFETIME = timedelta(seconds=60)
REMEMBERED = timedelta(hours=1)
CODE_BYTES = 32


class AuthorizationCode(Base, AuthorizationCodeMixin):
    """A code that was given to a browser, and all that it stands for. `family_id` is the refresh family that it may begin; without PKCE, where
    a client may leave it out, `code_challenge` is empty. `in_session` says, of one that was just redeemed, whether its session goes on."""

    __tablename__ = "authorization_codes"
    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    holder_id: Mapped[UUID]
    person_id: Mapped[UUID]
    session_id: Mapped[UUID]
    family_id: Mapped[UUID]
    redirect_uri: Mapped[str]
    scopes: Mapped[list[str]]
    nonce: Mapped[str | None]
    code_challenge: Mapped[str]
    auth_time: Mapped[datetime]
    amr: Mapped[list[str]]
    issued_at: Mapped[datetime] = mapped_column(index=True)
    spent_at: Mapped[datetime | None]
    ial: Mapped[int] = mapped_column(SmallInteger, server_default="1", default=1)
    agreed: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
    code_challenge_method = "S256"
    in_session = False

    def get_redirect_uri(self) -> str:
        """Return the address that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the scopes that were allowed."""
        return " ".join(self.scopes)

    @property
    def terms(self) -> Terms:
        """The terms on which the code was given."""
        return read_terms(self.agreed)

    @property
    def grantee(self) -> Grantee:
        """Whom the code stands for."""
        return Grantee(self.holder_id, self.person_id)


COLUMNS = [column.key for column in AuthorizationCode.__mapper__.column_attrs]
_SPEND = Straight(
    "redeem_authorization_code",
    update(AuthorizationCode)
    .where(
        AuthorizationCode.code_hash == bindparam("hash"),
        AuthorizationCode.client_id == bindparam("client"),
        AuthorizationCode.spent_at.is_(None),
        AuthorizationCode.issued_at > bindparam("since"),
    )
    .values(spent_at=bindparam("now"))
    .returning(
        *(getattr(AuthorizationCode, name) for name in COLUMNS),
        portal_sessions.open_in(AuthorizationCode.session_id, AuthorizationCode.client_id).scalar_subquery(),
    ),
)


def take_back(session: Session, *, session_id: UUID, holder_id: UUID, client_id: str, at: datetime, now: datetime) -> bool:
    """Let the code be good no more that a client was given in a session at a moment; returns whether there was one that nobody had redeemed."""
    code = (AuthorizationCode.session_id == session_id, AuthorizationCode.holder_id == holder_id, AuthorizationCode.client_id == client_id)
    unspent = update(AuthorizationCode).where(*code, AuthorizationCode.issued_at == at, AuthorizationCode.spent_at.is_(None))
    return session.scalar(unspent.values(spent_at=now).returning(AuthorizationCode.code_hash)) is not None


def is_given(session: Session, *, client_id: str, at: datetime) -> bool:
    """Whether a client was given a code at a moment."""
    return bool(session.scalar(select(exists().where(AuthorizationCode.issued_at == at, AuthorizationCode.client_id == client_id))))


def new(
    grantee: Grantee,
    *,
    client_id: str,
    session_id: UUID,
    redirect_uri: str,
    scopes: Iterable[str],
    nonce: str | None,
    code_challenge: str,
    auth_time: datetime,
    amr: list[str],
    ial: int,
    terms: Terms = PLAIN,
    now: datetime,
) -> tuple[str, dict[str, Any]]:
    """Make a code for what a person allowed; return it and the row to be kept, which has only its hash."""
    code = secrets.token_urlsafe(CODE_BYTES)
    return code, {
        "code_hash": _hash(code),
        "client_id": client_id,
        "holder_id": grantee.holder_id,
        "person_id": grantee.person_id,
        "session_id": session_id,
        "family_id": new_id(),
        "redirect_uri": redirect_uri,
        "scopes": list(scopes),
        "nonce": nonce,
        "code_challenge": code_challenge,
        "auth_time": auth_time,
        "amr": amr,
        "ial": ial,
        "agreed": terms.as_json(),
        "issued_at": now,
        "spent_at": None,
    }


def redeem(session: Session, unverified_code: str, *, client_id: str, now: datetime) -> AuthorizationCode | None:
    """Spend a code and return what it stands for, read alone: a change of it is written nowhere.

    The row is marked spent before anything is checked further or signed, in one statement: of two racing clients only one can win,
    and a crash afterwards costs a sign-in, never a replay. The row is held until the answer is ready: whoever takes all tokens back
    waits for it, and then cuts those, too. A code that its client brings a second time ends the refresh family that
    it began. Returns None if the code is unknown, spent, expired or another client's: the log alone says which. RFC 6749 sections 4.1.2 and 10.5.
    """
    hashed = _hash(unverified_code)
    spent = straight.run(session, _SPEND, {"hash": hashed, "client": client_id, "since": now - LIFETIME, "now": now})
    if not spent:
        why, replayed = _refused(session, hashed, client_id=client_id)
        log.info("code not redeemed", why=why, client_id=client_id)
        if replayed is not None:
            refresh_tokens.end_family(session, replayed, why="code replayed", now=now)
        return None
    *columns, open_session = spent[0]
    return AuthorizationCode(**dict(zip(COLUMNS, columns, strict=True)), in_session=open_session is not None)


def give_back(session: Session, code: AuthorizationCode) -> None:
    """Let a code be redeemed yet for which no token was given: its own client, which proved all that the code is bound to, asked for too much.

    In the transaction that spent it, which holds the row: nobody saw it spent, and it lasts no longer than it would have.
    """
    session.execute(update(AuthorizationCode).where(AuthorizationCode.code_hash == code.code_hash).values(spent_at=None))


def _refused(session: Session, hashed: bytes, *, client_id: str) -> tuple[str, UUID | None]:
    """Return why a code was not redeemed, and the family that it began if its own client brings it again."""
    columns = (AuthorizationCode.client_id, AuthorizationCode.spent_at, AuthorizationCode.family_id)
    found = session.execute(select(*columns).where(AuthorizationCode.code_hash == hashed)).one_or_none()
    if found is None:
        return "unknown, or long forgotten", None
    if found.client_id != client_id:
        return "another client's", None
    return ("expired", None) if found.spent_at is None else ("used before, or taken back", found.family_id)


def end_codes_of(session: Session, *, holder_id: UUID, client_id: str, now: datetime) -> None:
    """Spend every code of a holder that is on its way to a client."""
    on_its_way = (AuthorizationCode.holder_id == holder_id, AuthorizationCode.client_id == client_id, AuthorizationCode.spent_at.is_(None))
    session.execute(update(AuthorizationCode).where(*on_its_way, AuthorizationCode.issued_at > now - LIFETIME).values(spent_at=now))


def grants_since(session: Session, *, holder_id: UUID, client_id: str, since: datetime) -> list[UUID]:
    """Return the grants whose codes a holder lately gave to a client: their access tokens may still be good, though no refresh family was begun."""
    theirs = (AuthorizationCode.holder_id == holder_id, AuthorizationCode.client_id == client_id, AuthorizationCode.issued_at > since)
    return list(session.scalars(select(AuthorizationCode.family_id).where(*theirs)))


def forget(*, now: datetime) -> None:
    """Forget codes that nobody can bring any more."""
    prune(AuthorizationCode, AuthorizationCode.issued_at < now - REMEMBERED)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
