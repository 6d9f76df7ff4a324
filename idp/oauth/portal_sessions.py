"""Which portals were signed in to within a session, so that they hear when it ends (Back-Channel Logout 1.0).

A row stands from the authorization until the session ends; a code whose row is gone is worth nothing any more.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy import ColumnElement, Select, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from idp.oauth import signed_answers
from idp.oauth.clients import Client, find_client
from idp.oauth.pairwise import pairwise_sid
from idp.oauth.signed_answers import NoKeyToWriteTo
from idp.signin.sessions import SigninSession
from runtime import jobs, outbound
from runtime.breaker import Breaker, BreakerOpen
from runtime.clock import now as clock_now
from runtime.database import Base, prune
from runtime.settings import Settings

log = structlog.get_logger(__name__)
TYP = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
LIFETIME = timedelta(minutes=2)
REMEMBERED = timedelta(days=2)
TIMEOUT = 8.0
COME_AGAIN = (408, 425, 429)  # a portal that is too busy to hear is told again, like one that is away
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_breakers: dict[str, Breaker] = {}


class LogoutNotDelivered(Exception):
    """A portal could not be told that a session ended; the job is run again."""


class PortalSession(Base):
    """A portal that was signed in to within a session, the last time for this holder: the person, or whom they act for."""

    __tablename__ = "portal_sessions"
    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    signed_in_at: Mapped[datetime] = mapped_column(index=True)
    holder_id: Mapped[UUID | None]


def remembering() -> ReturningInsert[tuple[UUID]]:
    """Return the statement that notes a portal (`client`) in a session (`standing`) for a holder (`holder`), and returns the session if it stands.

    Whoever ends the session at this moment waits, and then takes back what is given here.
    """
    columns = PortalSession.__table__.c
    named = {"client_id": "client", "signed_in_at": "now", "holder_id": "holder"}
    values = [bindparam(parameter, type_=columns[name].type) for name, parameter in named.items()]
    standing = select(SigninSession.id, *values).where(SigninSession.id == bindparam("standing")).with_for_update(read=True, key_share=True)
    row = insert(PortalSession).from_select(["session_id", *named], standing)
    changes = {"signed_in_at": row.excluded.signed_in_at, "holder_id": row.excluded.holder_id}
    return row.on_conflict_do_update(index_elements=["session_id", "client_id"], set_=changes).returning(PortalSession.session_id)


_REMEMBER = remembering()  # made once: building it costs as much as running it


def remember(session: Session, *, session_id: UUID, client_id: str, holder_id: UUID, now: datetime) -> bool:
    """Note that a portal is signed in to within a session; False, and nothing is noted, if the session has ended meanwhile."""
    noted = session.connection().execute(_REMEMBER, {"standing": session_id, "client": client_id, "now": now, "holder": holder_id})
    return noted.scalar() is not None


def open_in(session_id: InstrumentedAttribute[UUID], client_id: InstrumentedAttribute[str]) -> Select[UUID]:
    """Return the statement that finds the session in which a portal was signed in to, if that has not ended since."""
    return select(PortalSession.session_id).where(PortalSession.session_id == session_id, PortalSession.client_id == client_id)


def is_open(session: Session, *, session_id: UUID, client_id: str) -> bool:
    """Whether the session in which a portal was signed in to has not ended since."""
    return session.get(PortalSession, (session_id, client_id)) is not None


def tell_portals(session: Session, session_id: UUID) -> None:
    """Forget the portals of a session that ends, and ask for each to be told; runs in the transaction that ends it."""
    _tell_all(session, PortalSession.session_id == session_id)


def tell_portals_of(session: Session, session_ids: Select[UUID], *, holder_id: UUID) -> None:
    """Do the same for the portals that some sessions were last signed in to for one holder; the sessions themselves go on."""
    _tell_all(session, PortalSession.session_id.in_(session_ids), PortalSession.holder_id == holder_id)


def tell_portal(session: Session, session_id: UUID, client_id: str) -> bool:
    """Do the same for one portal of a session, which goes on; returns whether it was signed in to there."""
    return bool(_tell_all(session, PortalSession.session_id == session_id, PortalSession.client_id == client_id))


def _tell_all(session: Session, *which: ColumnElement[bool]) -> list[str]:
    gone = delete(PortalSession).where(*which).returning(PortalSession.session_id, PortalSession.client_id)
    told = session.execute(gone.execution_options(synchronize_session=False)).all()
    for session_id, client_id in told:
        client = find_client(client_id)
        if client is not None and client.backchannel_logout_uri is not None:
            jobs.defer(session, "send_logout_token", client_id=client_id, session_id=str(session_id))
    return [client_id for _, client_id in told]


def portals_of(session: Session, session_id: UUID) -> list[str]:
    """Return the ids of the portals that were signed in to within a session."""
    return list(session.scalars(select(PortalSession.client_id).where(PortalSession.session_id == session_id)))


def forget(*, now: datetime) -> None:
    """Forget the portals of sessions that are over by their age."""
    prune(PortalSession, PortalSession.signed_in_at < now - REMEMBERED)


@jobs.outward
def send_logout_token(client_id: str, session_id: str) -> None:
    """Tell one portal that a session ended; raises LogoutNotDelivered, to be run again, if it does not hear."""
    client = find_client(client_id)
    if client is None or client.backchannel_logout_uri is None:
        return
    settings: Settings = current_app.extensions["kabao_settings"]
    try:
        token = sign_logout_token(client, UUID(session_id), settings=settings, now=clock_now())
        with _breakers.setdefault(client.backchannel_logout_uri, Breaker()).attempt():  # whoever is silent keeps nobody else waiting
            status = _tell(client.backchannel_logout_uri, token, settings=settings).status
    except BreakerOpen:
        raise LogoutNotDelivered(f"{client_id}: silent lately") from None
    except (outbound.NoAnswer, NoKeyToWriteTo) as none:
        raise LogoutNotDelivered(f"{client_id}: {none}") from none
    if status >= 500 or status in COME_AGAIN:
        raise LogoutNotDelivered(f"{client_id}: {status}")
    if status >= 300:
        log.warning("logout refused by the portal", client=client_id, status=status)


def _tell(uri: str, token: str, *, settings: Settings) -> outbound.Answer:
    """Post the token; of the answer only its head is read, so that no portal fills the worker's memory or keeps it waiting."""
    body = urlencode({"logout_token": token}).encode()
    return outbound.fetch("POST", uri, body=body, headers=FORM, allowed=outbound.allowed_by(settings), timeout=TIMEOUT, limit=0)


def sign_logout_token(client: Client, session_id: UUID, *, settings: Settings, now: datetime) -> str:
    """Make the logout token of one portal for one session, signed and encrypted as its ID tokens are (sections 2.4 and 2.6).

    It names the session, not the person. Its `jti` is of this one try: a portal may refuse one that it has had before (section 2.6), and would, where
    it was told and its answer got lost; to be told twice of a session that ended changes nothing. Raises NoKeyToWriteTo.
    """
    claims: dict[str, Any] = {
        "exp": int((now + LIFETIME).timestamp()),
        "jti": secrets.token_urlsafe(16),
        "sid": pairwise_sid(session_id, client.client_id),
        "events": {EVENT: {}},
    }
    return signed_answers.write(
        client,
        claims,
        alg=client.metadata.id_token_signed_response_alg,
        encryption_alg=client.metadata.id_token_encrypted_response_alg,
        encryption_enc=client.metadata.id_token_encrypted_response_enc,
        typ=TYP,
        settings=settings,
        now=now,
    )
