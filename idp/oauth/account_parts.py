"""What portals are to an account: their names in its history, their part of its download, and what they lose when it closes.

Registered where the parts are joined, since signing in knows of no portal.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.oauth import acquaintances, consents
from idp.oauth.acquaintances import Acquaintance
from idp.oauth.apart import inbox
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.signin import account_menu, closing, export, history
from runtime.languages import Text
from runtime.ledger import LedgerEntry


def portal_of(_: Session, row: LedgerEntry) -> Text | None:
    """Return the name of the portal that an act was about."""
    return name_of(row.object_id)


def portal_that_acted(_: Session, row: LedgerEntry) -> Text | None:
    """Return the name of the portal that an act was done by."""
    return name_of(row.actor.partition(":")[2])


def name_of(client_id: str) -> Text | None:
    """Return the name of a portal, or None if it is gone."""
    client = find_client(client_id)
    return client.name if client is not None else None


def portals(session: Session, subject_id: UUID, now: datetime) -> Iterator[dict[str, Any]]:
    """Give each portal that knows a person, and what it knows."""
    for portal in _known(session, subject_id):
        times = {"since": portal.since, "last_sign_in": portal.last, "sign_ins": portal.times, "allowed_at": portal.given_at}
        yield {
            "portal": portal.name,
            "client_id": portal.client_id,
            "knows": portal.scopes,
            "details": [each.title for each in portal.details],
            **times,
        }


def _known(session: Session, subject_id: UUID) -> Iterator[Acquaintance]:
    """Yield each portal once: one that is signed in to meanwhile moves to the front, which is looked at again until nothing there is new."""
    told, following = set[str](), None
    while True:
        page, following = acquaintances.acquaintances_of(session, subject_id, after=following)
        fresh = [one for one in page if one.client_id not in told]
        if not fresh:
            return
        yield from fresh
        told.update(one.client_id for one in fresh)


def withdraw_consents(session: Session, subject_id: UUID, now: datetime) -> None:
    """Take back all that a person allowed for themself; what they allowed for an organisation is the organisation's."""
    for given in consents.consents_of(session, subject_id):
        consents.withdraw(session, Grantee(subject_id, subject_id), given.client_id, now=now)


THEIR_OWN = dict.fromkeys(("portal", "asking", "consent", "exchange", "token"), portal_of)
history.namers |= {**THEIR_OWN, "refresh": portal_that_acted}
history.actor_namers["client"] = name_of
account_menu.waiting["/account/requests"] = inbox.count
export.sections["portals"] = portals
closing.on_account_close += [withdraw_consents, inbox.forget_muted]
