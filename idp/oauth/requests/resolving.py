"""From what the browser carries to the authorization request itself."""

from datetime import datetime

from sqlalchemy.orm import Session

from idp.oauth import redirects
from idp.oauth.clients import Client
from idp.oauth.requests.arrival import Arrival, in_the_query
from runtime.settings import Settings


def resolve(session: Session, parameters: dict[str, str], repeated: frozenset[str], *, settings: Settings, now: datetime) -> Arrival:
    """Return the authorization request that the browser's parameters stand for."""
    return in_the_query(parameters, repeated)


def spend(session: Session, reference: str | None, *, now: datetime) -> None:
    """Use a kept request up, in the transaction in which it is answered; raises if another has answered it."""


def origins_of(client: Client, parameters: dict[str, str], *, settings: Settings) -> list[str]:
    """Return the origins that the answer to a request may lead to, none if the request is not the client's."""
    uri = parameters.get("redirect_uri", "")
    return [redirects.origin_of(uri)] if client.check_redirect_uri(uri) else []
