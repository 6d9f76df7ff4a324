"""Which portals know a holder, and what they know: those that were allowed something, and those that were signed in to.

The government's own portals ask no consent for the least, and know one all the same; so the ledger is asked, too.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
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


def acquaintances_of(session: Session, holder_id: UUID) -> list[Acquaintance]:
    """Return the portals that know a holder, the one that was signed in to last first."""
    given = {row.client_id: row for row in consents.consents_of(session, holder_id)}
    seen = {row.client_id: row for row in _sign_ins(session, holder_id)}
    latest = _scopes_lately(session, holder_id)
    found = [
        _acquaintance(client_id, given.get(client_id), seen.get(client_id), latest.get(client_id, [])) for client_id in dict.fromkeys([*seen, *given])
    ]
    return sorted(found, key=lambda each: each.last or each.since, reverse=True)


@dataclass(frozen=True, slots=True)
class _SignIns:
    client_id: str
    first: datetime
    last: datetime
    times: int


def _sign_ins(session: Session, holder_id: UUID) -> list[_SignIns]:
    entry = LedgerEntry
    found = select(entry.object_id, func.min(entry.recorded_at), func.max(entry.recorded_at), func.count())
    rows = session.execute(found.where(entry.subject_id == holder_id, entry.act == SIGNED_IN).group_by(entry.object_id))
    return [_SignIns(*row) for row in rows]


def _scopes_lately(session: Session, holder_id: UUID) -> dict[str, list[str]]:
    """Return what each portal was given at the last sign-in."""
    entry = LedgerEntry
    newest = select(entry.object_id, entry.detail).where(entry.subject_id == holder_id, entry.act == SIGNED_IN)
    rows = session.execute(newest.ext(distinct_on(entry.object_id)).order_by(entry.object_id, entry.id.desc()))
    return {client_id: list(detail.get("scopes", [])) for client_id, detail in rows}


def _acquaintance(client_id: str, given: Consent | None, seen: _SignIns | None, lately: list[str]) -> Acquaintance:
    known = {*lately, *(given.scopes if given else [])}
    times = (seen.first, seen.last, seen.times) if seen else (None, None, 0)
    since = min(moment for moment in (times[0], given.given_at if given else None) if moment is not None)
    words = tuple(scopes.OF_PEOPLE[scope] for scope in scopes.OF_PEOPLE if scope in known)
    details = tuple(authorization_details.words_of(given.terms.authorization_details)) if given else ()
    return Acquaintance(client_id, find_client(client_id), words, since, times[1], times[2], given.given_at if given else None, details)
