"""What an account's history calls portals: registered where the parts are joined, since signing in knows of no portal."""

from sqlalchemy.orm import Session

from idp.oauth.clients import find_client
from idp.signin import history
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


history.namers |= {"portal": portal_of, "consent": portal_of, "refresh": portal_that_acted}
history.actor_namers["client"] = name_of
