"""From what the browser carries to the authorization request itself.

A request stands in the query, in a signed object there, at an address of the client's that such an object is fetched from, or here, where
its client pushed it. What is signed is verified once, when it first comes, and from then on kept here like what was pushed.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from sqlalchemy.orm import Session

from idp.oauth import redirects
from idp.oauth.clients import Client, find_client
from idp.oauth.requests import fetched_objects, pushed, request_objects
from idp.oauth.requests.arrival import Arrival, in_the_query
from runtime.settings import Settings

REQUEST, REQUEST_URI = "request", "request_uri"
AT_ONCE = timedelta(0)


def resolve(
    session: Session, parameters: dict[str, str], repeated: frozenset[str], *, settings: Settings, now: datetime, pressed: bool = False
) -> Arrival:
    """Return the authorization request that the browser's parameters stand for; where they stand for none, its `refusal` says why.

    With `pressed` a person answers it, maybe a second time within seconds.
    """
    client = find_client(parameters.get("client_id", ""))
    if client is None or parameters.keys().isdisjoint((REQUEST, REQUEST_URI)):
        return in_the_query(parameters, repeated)
    try:
        if repeated & {"client_id", REQUEST, REQUEST_URI} or {REQUEST, REQUEST_URI} <= parameters.keys():
            raise InvalidRequestError("One request or one request_uri, and not both.")
        return replace(_resolve(session, client, parameters, settings=settings, now=now, pressed=pressed), pressed=pressed)
    except OAuth2Error as error:
        return _refused(client, parameters, repeated, error)


def spend(session: Session, reference: str | None, *, now: datetime, take_back: Callable[[datetime], bool] | None = None) -> None:
    """Use a kept request up, in the transaction in which it is answered; raises RequestAnswered if another has answered it (`pushed.spend`)."""
    if reference is not None:
        pushed.spend(session, reference, now=now, take_back=take_back)


def origins_of(client: Client, parameters: dict[str, str], *, settings: Settings) -> list[str]:
    """Return the origins that the answer to a request may lead to, none if the request is not the client's.

    Where the browser carries a reference of ours, they are those of all the client's addresses, the port of a loopback one left open.
    """
    uri = parameters.get("redirect_uri", "")
    if client.check_redirect_uri(uri):
        return [redirects.origin_of(uri)]
    try:
        is_ours = pushed.read(parameters.get(REQUEST_URI, ""), client_id=client.client_id, settings=settings).is_carried
    except OAuth2Error:
        return []
    return sorted({redirects.origins_covering(uri) for uri in client.redirect_uris}) if is_ours else []


def _resolve(session: Session, client: Client, parameters: dict[str, str], *, settings: Settings, now: datetime, pressed: bool) -> Arrival:
    uri = parameters.get(REQUEST_URI)
    if uri is not None and uri.startswith(pushed.PREFIX):
        return _kept(session, client, uri, parameters, settings=settings, now=now, pressed=pressed)
    signed = parameters[REQUEST] if uri is None else fetched_objects.fetch(client, uri, settings=settings, now=now)
    asked = request_objects.verify(signed, client=client, settings=settings, now=now)
    name = pushed.name_of(client.client_id, signed, settings=settings)
    pushed.keep(session, asked, client_id=client.client_id, pushed=False, signed=True, lifetime=AT_ONCE, now=now, name=name)
    uri = pushed.carried(name, client_id=client.client_id, settings=settings)
    return _kept(session, client, uri, parameters, settings=settings, now=now, pressed=pressed)


def _kept(session: Session, client: Client, uri: str, parameters: dict[str, str], *, settings: Settings, now: datetime, pressed: bool) -> Arrival:
    """Return the request that is kept under a reference; nothing but it counts of what the browser brings (RFC 9101 section 6.3)."""
    reference = pushed.read(uri, client_id=client.client_id, settings=settings)
    kept = pushed.get(session, reference, client_id=client.client_id, now=now, pressed=pressed)
    carried = {"client_id": client.client_id, REQUEST_URI: pushed.carried(reference.name, client_id=client.client_id, settings=settings)}
    return Arrival(
        kept.parameters,
        carried=carried,
        reference=reference.name,
        moved=carried != parameters,
        pushed=kept.pushed,
        signed=kept.signed,
    )


def _refused(client: Client, parameters: dict[str, str], repeated: frozenset[str], error: OAuth2Error) -> Arrival:
    """Return what is to be refused: to the portal, if the query itself names a registered address of it, and on a page otherwise."""
    uri = parameters.get("redirect_uri", "")
    if "redirect_uri" not in repeated and client.check_redirect_uri(uri):
        error.redirect_uri, error.state = uri, parameters.get("state")
    return Arrival(parameters, repeated, carried=parameters, refusal=error)
