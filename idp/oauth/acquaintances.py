"""Which portals know a holder, and what they know: those that were allowed something, and those that were signed in to; a page at a time.

The government's own portals ask no consent for the least, and know one all the same; so the ledger is asked, too.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import false, func, select, true, tuple_, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from idp.oauth import consents, scopes
from idp.oauth.clients import Client, find_client
from idp.oauth.consents import Consent
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Words
from runtime.languages import Text
from runtime.ledger import LedgerEntry

SIGNED_IN = "portal.signed_in"
PAGE = 20
EPOCH, LONGEST_TIME = datetime(1970, 1, 1, tzinfo=UTC), 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of portals ends: when the last of it was signed in to or allowed something, and which it is."""

    at: datetime
    client_id: str

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}.{self.client_id}"

    @classmethod
    def read(cls, unverified: str | None) -> "Place | None":
        """Return the place that an unverified text means, or None: then a page is the first."""
        since, _, client_id = (unverified or "").partition(".")
        try:
            return cls(EPOCH + timedelta(microseconds=int(since)), client_id) if client_id and len(since) < LONGEST_TIME else None
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A portal that knows a holder. `scopes` and `details` are in words; `given_at` is when something was allowed lastingly, None if nothing was."""

    client_id: str
    client: Client | None
    scopes: tuple[Text, ...]
    since: datetime
    last: datetime | None
    times: int
    given_at: datetime | None
    details: tuple[Words, ...] = ()

    @property
    def name(self) -> Text:
        """What the portal is called."""
        return self.client.name if self.client else consents.CLOSED


def acquaintances_of(
    session: Session, holder_id: UUID, *, after: Place | None = None, only: Collection[str] | None = None, limit: int = PAGE
) -> tuple[list[Acquaintance], Place | None]:
    """Return a page of the portals that know a holder, the one that was signed in to last first, and where the next begins, if there is more.

    `only` some of them, where whoever looks may know of no others.
    """
    found = _known(session, holder_id, after=after, only=only, limit=limit + 1)
    page = found[:limit]
    named = [one.client_id for one in page]
    given = {row.client_id: row for row in consents.consents_of(session, holder_id, only=named)} if named else {}
    latest = _scopes_lately(session, holder_id, named) if named else {}
    known = [_acquaintance(one, given.get(one.client_id), latest.get(one.client_id, [])) for one in page]
    return known, Place(page[-1].at, page[-1].client_id) if len(found) > limit else None


@dataclass(frozen=True, slots=True)
class _Known:
    """A portal that knows a holder: when it stands in the list, when it was signed in to first and last, and how often."""

    client_id: str
    at: datetime
    first: datetime | None
    last: datetime | None
    times: int


def _known(session: Session, holder_id: UUID, *, after: Place | None, only: Collection[str] | None, limit: int) -> list[_Known]:
    entry = LedgerEntry
    arms = [
        select(entry.object_id.label("client_id"), entry.recorded_at.label("at"), true().label("is_sign_in")).where(
            entry.subject_id == holder_id, entry.act == SIGNED_IN
        ),
        select(Consent.client_id, Consent.given_at, false()).where(Consent.holder_id == holder_id),
    ]
    each = union_all(*arms).subquery("each_one").c
    first, last = (of(each.at).filter(each.is_sign_in) for of in (func.min, func.max))
    at = func.coalesce(last, func.max(each.at))
    rows = select(each.client_id, at, first, last, func.count().filter(each.is_sign_in)).group_by(each.client_id)
    if only is not None:
        rows = rows.where(each.client_id.in_(only))
    if after is not None:
        rows = rows.having(tuple_(at, each.client_id) < tuple_(after.at, after.client_id))
    return [_Known(*row) for row in session.execute(rows.order_by(at.desc(), each.client_id.desc()).limit(limit))]


def _scopes_lately(session: Session, holder_id: UUID, client_ids: Collection[str]) -> dict[str, list[str]]:
    """Return what each of some portals was given at the last sign-in."""
    entry = LedgerEntry
    mine = (entry.subject_id == holder_id, entry.act == SIGNED_IN, entry.object_id.in_(client_ids))
    newest = select(entry.object_id, entry.detail).where(*mine)
    rows = session.execute(newest.ext(distinct_on(entry.object_id)).order_by(entry.object_id, entry.id.desc()))
    return {client_id: list(detail.get("scopes", [])) for client_id, detail in rows}


def _acquaintance(one: _Known, given: Consent | None, lately: list[str]) -> Acquaintance:
    known = {*lately, *(given.scopes if given else [])}
    moments = (one.first, given.given_at if given else None)
    since = min((moment for moment in moments if moment is not None), default=one.at)  # neither where a consent alone was withdrawn just now
    words = tuple(scopes.OF_PEOPLE[scope] for scope in scopes.OF_PEOPLE if scope in known)
    details = tuple(authorization_details.words_of(given.terms.authorization_details)) if given else ()
    given_at = given.given_at if given else None
    return Acquaintance(one.client_id, find_client(one.client_id), words, since, one.last, one.times, given_at, details)
