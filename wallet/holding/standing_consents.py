"""What stands allowed from a wallet: portals that may act or read with its holder's consent, wallets elsewhere that hold its licences.

What was given and taken back lately is read from the ledger, which keeps it for good.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import consents, scopes
from idp.oauth.acquaintances import Place
from idp.oauth.clients import find_client
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Words
from idp.signin.sessions import SignedIn
from idp.subjects import directory
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from wallet.holding.cards import shown_name
from wallet.issuing.oid4vci import elsewhere
from wallet.register.licences import find_all_held, type_of

GIVEN, WITHDRAWN = "consent.given", "consent.withdrawn"
ACTS = {GIVEN: Text("同意", "Allowed"), WITHDRAWN: Text("收回", "Taken back")}
BY_YOU = Text("您", "You")
PAGE, MOST_WALLETS, MOST_ACTS = 20, 50, 20


@dataclass(frozen=True, slots=True)
class Standing:
    """What a portal stands allowed: in words, since when, and by whom."""

    client_id: str
    name: Text
    scopes: tuple[Text, ...]
    details: tuple[Words, ...]
    given_at: datetime
    given_by: Text


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A licence that a wallet elsewhere has."""

    licence_id: UUID
    licence: Text
    client_id: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Act:
    """A consent that was given or taken back: when, what, of which portal, by whom."""

    at: datetime
    what: Text
    is_given: bool
    name: Text
    by: Text


def standing_of(session: Session, viewer: SignedIn, *, after: Place | None = None) -> tuple[list[Standing], Place | None]:
    """Return a page of what the holder of a wallet allowed which portals, the newest first, and where the next begins, if there is more.

    Only portals within the viewer's mandate are among them.
    """
    place = (after.at, after.client_id) if after is not None else None
    found = consents.page_of(session, viewer.holder_id, limit=PAGE + 1, after=place, only=viewer.portals)
    rows = found[:PAGE]
    people = _people(session, {row.given_by for row in rows}, viewer)
    page = [
        Standing(
            row.client_id,
            name_of(row.client_id),
            tuple(words for scope, words in scopes.OF_PEOPLE.items() if scope in row.scopes),
            tuple(authorization_details.words_of(row.terms.authorization_details)),
            row.given_at,
            people[row.given_by],
        )
        for row in rows
    ]
    return page, Place(rows[-1].given_at, rows[-1].client_id) if len(found) > PAGE else None


def elsewhere_of(session: Session, viewer: SignedIn, *, now: datetime) -> list[Elsewhere]:
    """Return the licences of a wallet that wallets elsewhere have, the last that was fetched first."""
    found = elsewhere.all_keepings_of(session, holder_id=viewer.holder_id, now=now, limit=MOST_WALLETS)
    licences = {one.id: one for one in find_all_held(session, {licence_id for licence_id, _, _ in found}, holder_id=viewer.holder_id)}
    return [
        Elsewhere(licence_id, type_of(licences[licence_id]).name, client_id, last)
        for licence_id, client_id, last in found
        if licence_id in licences and viewer.allows_type(licences[licence_id].type_code)
    ]


def acts_of(session: Session, viewer: SignedIn) -> list[Act]:
    """Return the consents that were given and taken back last, the newest first."""
    mine = (LedgerEntry.subject_id == viewer.holder_id, LedgerEntry.act.in_(ACTS))
    rows = session.scalars(select(LedgerEntry).where(*mine).order_by(LedgerEntry.id.desc()).limit(MOST_ACTS))
    found = [row for row in rows if viewer.allows_portal(row.object_id)]
    actors = {row.id: UUID(row.actor.removeprefix("subject:")) for row in found}
    people = _people(session, set(actors.values()), viewer)
    return [Act(row.recorded_at, ACTS[row.act], row.act == GIVEN, name_of(row.object_id), people[actors[row.id]]) for row in found]


def name_of(client_id: str) -> Text:
    """Return what a portal is called."""
    client = find_client(client_id)
    return client.name if client is not None else consents.CLOSED


def _people(session: Session, person_ids: set[UUID], viewer: SignedIn) -> dict[UUID, Text]:
    """Return people in words: the viewer as such, others with their names covered."""
    found = {one.id: shown_name(one) for one in directory.get_subjects(session, person_ids - {viewer.subject_id}).values()}
    return {viewer.subject_id: BY_YOU, **{person_id: Text(name, name) for person_id, name in found.items()}}
