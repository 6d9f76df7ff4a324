"""Access tokens end before their time: from a moment on, those issued earlier are refused.

Those of a person, of who acts for a holder, of one session, or of one grant.

A token is written to no table, so what is written is the cut: one row a person and holder, kept only as long as a token could live.
Every process keeps the cuts (LISTEN/NOTIFY), so that a request asks no table. Codes, what was approved for another device, and refresh
families end with them, in this order: whoever redeems one at the same moment is waited for, and what they were given is older than the cut.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID, uuid5

from flask import current_app
from sqlalchemy import ColumnElement, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import portal_sessions, refresh_tokens
from idp.oauth.apart import waiting
from idp.oauth.apart.waiting import ApartRequest
from idp.oauth.codes import AuthorizationCode
from idp.oauth.refresh_tokens import RefreshFamily
from idp.signin import sessions
from idp.signin.sessions import SigninSession
from idp.subjects import mandates
from idp.subjects.mandates import GivenMandate
from keys import sealing
from runtime import cache, ledger
from runtime.database import Base, prune, transaction
from runtime.settings import Settings

TOPIC = "token cutoffs"
WHOEVER = UUID(int=0)
REMEMBERED = timedelta(days=1)
MARGIN = timedelta(minutes=2)
Cuts = MappingProxyType[tuple[UUID, UUID], int]


class TokenCutoff(Base):
    """Tokens of a person for a holder that were issued until `cut_at` are refused; `holder_id` is WHOEVER where all of the person's are.

    Where only what was given in one session, or by one grant, is refused, `person_id` is the id of that session or refresh family and
    `holder_id` WHOEVER: ids are never given twice.
    Where only what one portal was given in one session is, or of one holder, by whatever grant, it is a name computed from both.
    """

    __tablename__ = "token_cutoffs"
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    cut_at: Mapped[datetime] = mapped_column(index=True)


def cut(session: Session, *, person_id: UUID, holder_id: UUID | None = None, now: datetime) -> None:
    """Refuse from now on what was issued to a person, or to one as acting for a holder; the portals of such sign-ins hear of it.

    The moment of the cut is the later of `now` and the end of all who were redeeming, both by the database's clock: so are tokens dated.
    """
    theirs = _theirs(AuthorizationCode, person_id, holder_id)
    session.execute(update(AuthorizationCode).where(*theirs, AuthorizationCode.spent_at.is_(None)).values(spent_at=now))
    waiting.end_approved(session, *_theirs(ApartRequest, person_id, holder_id), now=now)
    families = update(RefreshFamily).where(*_theirs(RefreshFamily, person_id, holder_id), RefreshFamily.ended_at.is_(None))
    session.execute(families.values(ended_at=now).execution_options(synchronize_session=False))
    if holder_id is not None:
        portal_sessions.tell_portals_of(session, select(SigninSession.id).where(SigninSession.subject_id == person_id), holder_id=holder_id)
    _write(session, person_id, holder_id or WHOEVER, now=now)
    ledger.record(session, "tokens.cut", actor=f"subject:{person_id}", object_id=person_id, subject_id=holder_id or person_id, now=now)


def cut_session(session: Session, session_id: UUID, *, now: datetime) -> None:
    """Refuse from now on what was issued in one session of a person; their other sessions' tokens go on."""
    codes = update(AuthorizationCode).where(AuthorizationCode.session_id == session_id, AuthorizationCode.spent_at.is_(None))
    session.execute(codes.values(spent_at=now))
    waiting.end_approved(session, ApartRequest.session_id == session_id, now=now)
    families = update(RefreshFamily).where(RefreshFamily.session_id == session_id, RefreshFamily.ended_at.is_(None))
    session.execute(families.values(ended_at=now).execution_options(synchronize_session=False))
    _write(session, session_id, WHOEVER, now=now)


def cut_grant(session: Session, grant_id: UUID, *, now: datetime) -> None:
    """Refuse from now on the access tokens that go with a refresh family, whose id they carry; other sign-ins' tokens go on."""
    _write(session, grant_id, WHOEVER, now=now)


def cut_portal(session: Session, session_id: UUID, client_id: str, *, now: datetime) -> None:
    """Refuse from now on what one portal was given in one session; what other portals were given there goes on."""
    codes = update(AuthorizationCode).where(AuthorizationCode.session_id == session_id, AuthorizationCode.client_id == client_id)
    session.execute(codes.where(AuthorizationCode.spent_at.is_(None)).values(spent_at=now))
    waiting.end_approved(session, ApartRequest.session_id == session_id, ApartRequest.client_id == client_id, now=now)
    families = update(RefreshFamily).where(RefreshFamily.session_id == session_id, RefreshFamily.client_id == client_id)
    session.execute(families.where(RefreshFamily.ended_at.is_(None)).values(ended_at=now).execution_options(synchronize_session=False))
    _write(session, _visit(session_id, client_id), WHOEVER, now=now)


def cut_consent(session: Session, holder_id: UUID, client_id: str, *, now: datetime) -> None:
    """Refuse from now on the access tokens of a holder that one client was given, by whatever grant."""
    _write(session, _visit(holder_id, client_id), WHOEVER, now=now)


def is_cut(*, person_id: UUID, holder_id: UUID, session_id: UUID, issued_ms: int, grant_id: UUID = WHOEVER, clients: Collection[str] = ()) -> bool:
    """Whether a token that was issued at a moment (in milliseconds since 1970) is refused by now; asks this process's cache alone."""
    cuts = cache.get(TOPIC, "all", _load)
    if not cuts:
        return False
    return issued_ms <= max(cuts.get(each, -1) for each in _whose(person_id, holder_id, session_id, grant_id, clients))


def is_cut_meanwhile(
    session: Session,
    *,
    person_id: UUID,
    holder_id: UUID,
    session_id: UUID,
    issued_ms: int,
    grant_id: UUID = WHOEVER,
    clients: Collection[str] = (),
) -> bool:
    """Whether it is by what the database has this moment, of which a process hears a little later."""
    whose = _whose(person_id, holder_id, session_id, grant_id, clients)
    cut_at = session.scalar(select(func.max(TokenCutoff.cut_at)).where(tuple_(TokenCutoff.person_id, TokenCutoff.holder_id).in_(whose)))
    return cut_at is not None and issued_ms <= int(cut_at.timestamp() * 1000)


def _whose(person_id: UUID, holder_id: UUID, session_id: UUID, grant_id: UUID, clients: Collection[str]) -> list[tuple[UUID, UUID]]:
    """Return by which rows a token is cut; `clients` are its client's, and those of whose tokens it was made from."""
    visits = (_visit(one, client_id) for client_id in clients for one in (session_id, holder_id))
    return [(person_id, holder_id), *((one, WHOEVER) for one in (person_id, session_id, grant_id, *visits))]


def forget(*, now: datetime) -> None:
    """Forget the cuts that are older than any token can be."""
    prune(TokenCutoff, TokenCutoff.cut_at < now - REMEMBERED)


def _write(session: Session, whose: UUID, holder_id: UUID, *, now: datetime) -> None:
    row = insert(TokenCutoff).values(person_id=whose, holder_id=holder_id, cut_at=func.greatest(sealing.by_database(now), func.clock_timestamp()))
    session.execute(row.on_conflict_do_update(index_elements=["person_id", "holder_id"], set_={"cut_at": row.excluded.cut_at}))
    cache.changed(session, TOPIC)


def _visit(session_or_holder_id: UUID, client_id: str) -> UUID:
    """Return the name of what one portal was given in one session, or of one holder."""
    return uuid5(session_or_holder_id, client_id)


def _theirs(table: type[AuthorizationCode | ApartRequest | RefreshFamily], person_id: UUID, holder_id: UUID | None) -> list[ColumnElement[bool]]:
    return [table.person_id == person_id, *([table.holder_id == holder_id] if holder_id is not None else [])]


def _load() -> Cuts:
    settings: Settings = current_app.extensions["kabao_settings"]
    matters = TokenCutoff.cut_at > func.now() - settings.access_token_lifetime - MARGIN
    with transaction() as session:
        rows = session.execute(select(TokenCutoff.person_id, TokenCutoff.holder_id, TokenCutoff.cut_at).where(matters)).all()
    return MappingProxyType({(row.person_id, row.holder_id): int(row.cut_at.timestamp() * 1000) for row in rows})


def _on_mandate_end(session: Session, given: GivenMandate, now: datetime) -> None:
    cut(session, person_id=given.person_id, holder_id=given.holder_id, now=now)


def _on_person_cut(session: Session, person_id: UUID, now: datetime) -> None:
    cut(session, person_id=person_id, now=now)


def _on_session_cut(session: Session, session_id: UUID, now: datetime) -> None:
    cut_session(session, session_id, now=now)


def _on_family_end(session: Session, family_id: UUID, now: datetime) -> None:
    cut_grant(session, family_id, now=now)


mandates.on_mandate_end.append(_on_mandate_end)
sessions.on_person_cut.append(_on_person_cut)
sessions.on_session_cut.append(_on_session_cut)
refresh_tokens.on_family_end.append(_on_family_end)
