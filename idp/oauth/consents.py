"""Consent: what a holder allowed a client, remembered until they are asked for more.

Authorization details are asked of everyone, by every client, unless they are the very same that were allowed before: another licence or
another cause is another matter. So is a resource server that was not named before, save for a first-party portal.

A first-party portal (the government's own) asks for none, save for the full number and for licences, which a person always allows
themselves: a draw is attested as made with their consent. A portal that others can pose as is allowed nothing lastingly.

Several may consent for an organisation. A handler's consent counts for that handler alone; what its representative, a licence manager, or
a child's guardian allowed counts for everyone who acts for the same holder, as long as their own mandate stands.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth import codes, cutoffs, refresh_tokens, scopes
from idp.oauth.apart import waiting
from idp.oauth.clients import Client, find_client
from idp.oauth.grantees import Grantee
from idp.oauth.terms import PLAIN, Terms, read_terms
from idp.signin import notices
from idp.signin.notice_texts import NOTICES, NoticeText
from idp.subjects.mandates import GUARDIAN, LEGAL_REPRESENTATIVE, LICENCE_MANAGER, GivenMandate
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text

LASTING = (LEGAL_REPRESENTATIVE, LICENCE_MANAGER, GUARDIAN)
MOST_REMEMBERED = 50
WITHDRAWN, CLOSED = "consent-withdrawn", Text("已停用的门户", "A portal that was closed")
NOTICES[WITHDRAWN] = NoticeText(
    Text("已收回授权", "A consent was taken back"),
    Text(
        "对“{portal}”的授权已收回，即时生效；该门户须重新征得同意。",
        "What {portal} was allowed is taken back, at once; it must ask again.",
    ),
)
ALWAYS_ASKED = frozenset({scopes.NUMBER, scopes.LICENCES})


class Consent(Base):
    """The scopes that a holder allowed a client; `given_by` is the person, who may act for an organisation."""

    __tablename__ = "consents"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    given_by: Mapped[UUID] = mapped_column(primary_key=True)
    scopes: Mapped[list[str]]
    given_at: Mapped[datetime]
    agreed: Mapped[dict[str, Any]] = mapped_column(server_default="{}", default=dict)

    @property
    def terms(self) -> Terms:
        """What was allowed beyond scopes."""
        return read_terms(self.agreed)


def is_given(session: Session, grantee: Grantee, client: Client, asked: Iterable[str], *, now: datetime, terms: Terms = PLAIN) -> bool:
    """Whether a holder has allowed a client all that it asks, or needs not be asked."""
    if client.can_be_posed_as:
        return False
    wanted = {scope for scope in asked if scope in ALWAYS_ASKED or not client.first_party}
    to = () if client.first_party else terms.resources
    if not wanted and not to and not terms.authorization_details:
        return True
    allowed, before = _allowed(session, grantee, client.client_id, now=now)
    return wanted <= allowed and set(to) <= set(before.resources) and all(one in before.authorization_details for one in terms.authorization_details)


def give(session: Session, grantee: Grantee, client: Client, allowed: Iterable[str], *, now: datetime, terms: Terms = PLAIN) -> None:
    """Remember that a holder allows a client some scopes, resources and details, besides those of before; the oldest details are forgotten."""
    before = session.get(Consent, (grantee.holder_id, client.client_id, grantee.person_id))
    together = sorted({*allowed, *(before.scopes if before else [])})
    values = {"scopes": together, "given_at": now, "agreed": _together([before.terms] if before else [], terms).as_json()}
    row = insert(Consent).values(holder_id=grantee.holder_id, client_id=client.client_id, given_by=grantee.person_id, **values)
    session.execute(row.on_conflict_do_update(index_elements=["holder_id", "client_id", "given_by"], set_=values))
    _record(session, "consent.given", grantee, client.client_id, now=now, scopes=together)


def page_of(
    session: Session, holder_id: UUID, *, limit: int, after: tuple[datetime, str] | None = None, only: Collection[str] | None = None
) -> list[Consent]:
    """Return as much of what a holder allowed, the newest first, after when and which client the page before ended; `only` what some clients may."""
    newest = func.max(Consent.given_at)
    rows = select(Consent.client_id).where(Consent.holder_id == holder_id).group_by(Consent.client_id)
    if only is not None:
        rows = rows.where(Consent.client_id.in_(only))
    if after is not None:
        rows = rows.having(tuple_(newest, Consent.client_id) < tuple_(*after))
    named = list(session.scalars(rows.order_by(newest.desc(), Consent.client_id.desc()).limit(limit)))
    return consents_of(session, holder_id, only=named)


def consents_of(session: Session, holder_id: UUID, *, only: Collection[str] | None = None) -> list[Consent]:
    """Return what a holder allowed, or allowed `only` some clients, the newest first; what several allowed one client is one."""
    found: dict[str, Consent] = {}
    rows = select(Consent).where(Consent.holder_id == holder_id).order_by(Consent.given_at.desc(), Consent.client_id.desc())
    for row in session.scalars(rows if only is None else rows.where(Consent.client_id.in_(only))):
        newest = found.setdefault(row.client_id, row)
        together = sorted({*newest.scopes, *row.scopes})
        agreed = newest.agreed if row is newest else _together([row.terms], newest.terms).as_json()
        found[row.client_id] = Consent(
            holder_id=holder_id, client_id=row.client_id, given_by=newest.given_by, scopes=together, given_at=newest.given_at, agreed=agreed
        )
    return list(found.values())


def take_back(session: Session, grantee: Grantee, client_id: str, *, now: datetime) -> bool:
    """Withdraw what a holder allowed a client, and tell whoever does so and whoever had allowed it, so that nobody wonders why it asks again.

    Returns whether there was anything.
    """
    givers = withdraw(session, grantee, client_id, now=now)
    client = find_client(client_id)
    for person_id in {*givers, grantee.person_id} if givers else ():
        notices.tell(session, person_id, WITHDRAWN, now=now, portal=client.name if client else CLOSED)
    return bool(givers)


def withdraw(session: Session, grantee: Grantee, client_id: str, *, now: datetime) -> list[UUID]:
    """Take back what a holder allowed a client: it must ask again, and its codes, refresh families and tokens of that holder end.

    Returns who had allowed it; nobody where there was nothing to take back.
    """
    gone = delete(Consent).where(Consent.holder_id == grantee.holder_id, Consent.client_id == client_id).returning(Consent.given_by)
    givers = list(session.scalars(gone))
    if not givers:
        return []
    codes.end_codes_of(session, holder_id=grantee.holder_id, client_id=client_id, now=now)  # first: a code redeemed meanwhile has begun its family
    waiting.take_back(session, holder_id=grantee.holder_id, client_id=client_id, now=now)
    refresh_tokens.end_families_of(session, holder_id=grantee.holder_id, client_id=client_id, now=now)
    for grant_id in codes.grants_since(session, holder_id=grantee.holder_id, client_id=client_id, since=now - codes.REMEMBERED):
        cutoffs.cut_grant(session, grant_id, now=now)  # with those that others exchanged for them
    cutoffs.cut_consent(session, grantee.holder_id, client_id, now=now)  # and those that began with no code: an assertion's, an exchange's
    _record(session, "consent.withdrawn", grantee, client_id, now=now)
    return givers


def _record(session: Session, act: str, grantee: Grantee, client_id: str, *, now: datetime, **detail: Any) -> None:
    ledger.record(session, act, actor=f"subject:{grantee.person_id}", object_id=client_id, subject_id=grantee.holder_id, now=now, **detail)


def _together(before: Iterable[Terms], terms: Terms) -> Terms:
    """Return the resources and details of several, those allowed last at the end; no more of the details than are worth remembering."""
    everyone = [*before, terms]
    details: list[Any] = []
    for each in [detail for one in everyone for detail in one.authorization_details]:
        details = [kept for kept in details if kept != each] + [each]
    named = sorted({resource for one in everyone for resource in one.resources})
    return Terms(resources=tuple(named), authorization_details=tuple(details[-MOST_REMEMBERED:]))


def _allowed(session: Session, grantee: Grantee, client_id: str, *, now: datetime) -> tuple[set[str], Terms]:
    counts = Consent.given_by == grantee.person_id
    if grantee.is_acting:
        counts = counts | exists().where(
            GivenMandate.holder_id == Consent.holder_id,
            GivenMandate.person_id == Consent.given_by,
            GivenMandate.role.in_(LASTING),
            GivenMandate.ended_at.is_(None),
            GivenMandate.valid_from <= now,
            or_(GivenMandate.valid_until.is_(None), GivenMandate.valid_until > now),
        )
    found = session.scalars(select(Consent).where(Consent.holder_id == grantee.holder_id, Consent.client_id == client_id, counts)).all()
    terms = [row.terms for row in found]
    details = tuple(one for each in terms for one in each.authorization_details)
    whole = Terms(resources=tuple(one for each in terms for one in each.resources), authorization_details=details)
    return {scope for row in found for scope in row.scopes}, whole
