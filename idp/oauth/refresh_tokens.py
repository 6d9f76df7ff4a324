"""Refresh tokens: one family a sign-in, one row a family, and a token good for one rotation.

A token names its family and its generation and proves both by an HMAC; nothing of it is stored, so nothing can leak and the table
does not grow with use. The row holds the generation that may be used. An older one that turns up ends the family, for either
its bearer or the client was robbed; save that for ten seconds the generation before is answered like its first use, with the very
same successor, so that a second tab does not sign a person out. RFC 9700 section 4.14.

A family ends at a set time, and before it when it was not used for long. One that was begun with a key of a public client's is of no use
without that key, and cannot even be ended by whoever lacks it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from authlib.oauth2.rfc6749 import TokenMixin
from sqlalchemy import Index, bindparam, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.bindings import Binding
from idp.oauth.grantees import Grantee
from idp.oauth.terms import PLAIN, Terms, read_terms
from idp.signin import proofs
from idp.signin.assurance import FORMAT_ONLY
from runtime import base64url, ledger, straight
from runtime.database import Base, prune
from runtime.settings import Settings
from runtime.straight import Straight

log = structlog.get_logger(__name__)
GRACE = timedelta(seconds=10)
REMEMBERED = timedelta(days=1)
HEAD = 20


on_family_end: list[Callable[[Session, UUID, datetime], None]] = []


class RefreshFamily(Base, TokenMixin):
    """All refresh tokens that follow from one sign-in at one client; `generation` is that of the token to be used next."""

    __tablename__ = "refresh_families"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str]
    holder_id: Mapped[UUID] = mapped_column(index=True)
    person_id: Mapped[UUID]
    session_id: Mapped[UUID]
    scopes: Mapped[list[str]]
    auth_time: Mapped[datetime]
    amr: Mapped[list[str]]
    generation: Mapped[int]
    rotated_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    agreed: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)
    __table_args__ = (
        Index("ix_refresh_families_person", "person_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_refresh_families_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("ix_refresh_families_session", "session_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_refresh_families_client", "client_id", "rotated_at", postgresql_where=text("ended_at IS NULL")),
    )

    def check_client(self, client: object) -> bool:
        """Whether the family is this client's."""
        return getattr(client, "client_id", None) == self.client_id

    def get_scope(self) -> str:
        """Return the scopes that were allowed at the sign-in."""
        return " ".join(self.scopes)

    @property
    def terms(self) -> Terms:
        """The terms on which the tokens are given."""
        return read_terms(self.agreed)

    @property
    def grantee(self) -> Grantee:
        """Whom the family stands for."""
        return Grantee(self.holder_id, self.person_id)

    def is_good_for(self, presented: "Presented", *, now: datetime) -> bool:
        """Whether a token of this family could be used now; unlike its use, asking ends nothing."""
        return self.ended_at is None and self.expires_at > now and _is_usable(self, presented, now=now)


@dataclass(frozen=True, slots=True)
class Presented:
    """A token whose HMAC was verified: the family that it names and its generation."""

    family_id: UUID
    generation: int


class Found(NamedTuple):
    """A family that a token may refresh, and how well its person is known now. The family is read alone: a change of it is written nowhere."""

    family: RefreshFamily
    presented: Presented
    ial: int


COLUMNS = [column.key for column in RefreshFamily.__mapper__.column_attrs]
FIND = Straight(
    "find_refresh_family",
    select(
        *(getattr(RefreshFamily, name) for name in COLUMNS),
        proofs.highest(RefreshFamily.person_id, bindparam("now")).correlate(RefreshFamily).scalar_subquery(),  # type: ignore[arg-type]
    ).where(RefreshFamily.id == bindparam("id")),
)
ROTATE = Straight(
    "rotate_refresh_token",
    update(RefreshFamily)
    .where(RefreshFamily.id == bindparam("family_id"), RefreshFamily.ended_at.is_(None), RefreshFamily.generation == bindparam("used"))
    .values(generation=bindparam("next"), rotated_at=bindparam("now"))
    .returning(RefreshFamily.id),
)


def begin_family(
    session: Session,
    grantee: Grantee,
    *,
    family_id: UUID,
    client_id: str,
    session_id: UUID,
    scopes: list[str],
    auth_time: datetime,
    amr: list[str],
    terms: Terms = PLAIN,
    settings: Settings,
    now: datetime,
) -> str:
    """Begin a family and return its first token."""
    session.add(
        RefreshFamily(
            id=family_id,
            client_id=client_id,
            holder_id=grantee.holder_id,
            person_id=grantee.person_id,
            session_id=session_id,
            scopes=scopes,
            auth_time=auth_time,
            amr=amr,
            generation=0,
            rotated_at=now,
            expires_at=now + settings.refresh_token_lifetime,
            ended_at=None,
            agreed=terms.as_json(),
        )
    )
    return _write(family_id, 0, settings)


def find_family(
    session: Session,
    unverified_token: str,
    *,
    client_id: str,
    binding: Binding | None = None,
    instance: str | None = None,
    settings: Settings,
    now: datetime,
) -> Found | None:
    """Return the family that a client may still refresh with a token; a token that was used before ends it.

    Returns None if the token is not one of ours, is another client's, is bound to another key, or its family has ended or expired: the log
    alone says which.
    """
    presented = read(unverified_token, settings)
    found = straight.run(session, FIND, {"id": presented.family_id, "now": now}) if presented else None
    if presented is None or not found:
        return _refused("none of ours, or long forgotten", client_id)
    *columns, ial = found[0]
    family = RefreshFamily(**dict(zip(COLUMNS, columns, strict=True)))
    if family.client_id != client_id:
        return _refused("another client's", client_id)
    if not family.terms.is_for(binding) or family.terms.instance != instance:
        return _refused("bound to another key", client_id)
    if family.ended_at or family.expires_at <= now or family.rotated_at <= now - settings.refresh_token_idle:
        return _refused("ended, expired, or not used for too long", client_id)
    if not _is_usable(family, presented, now=now):
        end_family(session, family.id, why="refresh token reused", now=now)
        return _refused("used before", client_id)
    return Found(family, presented, ial or FORMAT_ONLY)


def _refused(why: str, client_id: str) -> Found | None:
    """Say in the log why a token was refused, and nothing to whoever brought it."""
    log.info("refresh token refused", why=why, client_id=client_id)
    return None


def rotate(session: Session, presented: Presented, *, settings: Settings, now: datetime) -> str | None:
    """Use a token up and return its successor, the same one for all who come within the grace; None if the family has ended.

    One statement moves the generation on, and commits; who comes second finds it moved. Whoever is not answered after that has the grace.
    """
    values = {"family_id": presented.family_id, "used": presented.generation, "next": presented.generation + 1, "now": now}
    if not straight.run(session, ROTATE, values, is_last=True):
        family = session.get_one(RefreshFamily, presented.family_id, populate_existing=True, with_for_update={"read": True})
        if family.ended_at or not _is_usable(family, presented, now=now):
            return None
    return _write(presented.family_id, presented.generation + 1, settings)


def use(session: Session, presented: Presented, *, now: datetime) -> bool:
    """Note that a token was used that is not rotated; False if its family has ended (FAPI 2.0 Security Profile section 5.3.2.1)."""
    used = update(RefreshFamily).where(RefreshFamily.id == presented.family_id, RefreshFamily.ended_at.is_(None)).values(rotated_at=now)
    return session.execute(used.returning(RefreshFamily.id).execution_options(synchronize_session=False)).first() is not None


def end_family(session: Session, family_id: UUID, *, why: str, now: datetime) -> None:
    """End a family, if it has begun and not ended, and the access tokens of the same sign-in: also where it never began (RFC 7009 section 2.1)."""
    ended = update(RefreshFamily).where(RefreshFamily.id == family_id, RefreshFamily.ended_at.is_(None)).values(ended_at=now)
    found = session.execute(ended.returning(RefreshFamily.client_id, RefreshFamily.holder_id)).one_or_none()
    if found is not None:
        ledger.record(session, "refresh.ended", actor=f"client:{found.client_id}", object_id=family_id, subject_id=found.holder_id, now=now, why=why)
    for listener in on_family_end:
        listener(session, family_id, now)


def end_families_of(session: Session, *, holder_id: UUID, client_id: str, now: datetime) -> None:
    """End every family of a holder at a client."""
    theirs = select(RefreshFamily.id).where(
        RefreshFamily.holder_id == holder_id, RefreshFamily.client_id == client_id, RefreshFamily.ended_at.is_(None)
    )
    for family_id in session.scalars(theirs).all():
        end_family(session, family_id, why="consent withdrawn", now=now)


def read(unverified_token: str, settings: Settings) -> Presented | None:
    """Return what a token names, or None if it is not one of ours."""
    try:
        raw = base64.b64decode(unverified_token.encode() + b"==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(raw[HEAD:], _mac(raw[:HEAD], settings)):
        return None
    return Presented(UUID(bytes=raw[:16]), int.from_bytes(raw[16:HEAD], "big"))


def forget(*, now: datetime) -> None:
    """Forget families that ended or expired a day ago."""
    before = now - REMEMBERED
    prune(RefreshFamily, RefreshFamily.expires_at < before)  # one after the other: an index for each
    prune(RefreshFamily, RefreshFamily.ended_at < before)


def _is_usable(family: RefreshFamily, presented: Presented, *, now: datetime) -> bool:
    if presented.generation == family.generation:
        return True
    return presented.generation == family.generation - 1 and now - family.rotated_at <= GRACE


def _write(family_id: UUID, generation: int, settings: Settings) -> str:
    head = family_id.bytes + generation.to_bytes(HEAD - 16, "big")
    return base64url.write(head + _mac(head, settings))


def _mac(head: bytes, settings: Settings) -> bytes:
    return hmac.digest(settings.derived_key("refresh tokens"), head, hashlib.sha256)
