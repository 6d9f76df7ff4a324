"""Request objects that a client keeps at an address of its own (RFC 9101 section 5.2, OpenID Connect Core section 6.2).

Only an address that the client registered is asked, as it stands there: nobody can send us anywhere else by a link. Its fragment is for servers
that keep what they fetched, which this one does not; that the contents are the client's, its signature says.
"""

from datetime import datetime

from authlib.oauth2.rfc9101.errors import InvalidRequestUriError
from flask import request

from idp.oauth.clients import Client
from idp.oauth.requests.request_objects import LONGEST
from idp.signin import throttle
from runtime import outbound
from runtime.database import transaction
from runtime.outbound import NoAnswer
from runtime.settings import Settings

LONGEST_URI = 512
DOOR = "request object"
TIMEOUT = 3.0
HEADERS = {"Accept": "application/oauth-authz-req+jwt, application/jwt"}


def fetch(client: Client, unverified_uri: str, *, settings: Settings, now: datetime) -> str:
    """Return the request object at one of the client's registered addresses, still to be verified; raises InvalidRequestUriError, SlowDown."""
    address = unverified_uri.partition("#")[0]
    if len(unverified_uri) > LONGEST_URI or not {unverified_uri, address} & set(client.metadata.request_uris):
        raise InvalidRequestUriError(description="The request_uri is not registered for this client.")
    _count(now=now)
    try:
        answer = outbound.fetch("GET", address, headers=HEADERS, allowed=outbound.allowed_by(settings), timeout=TIMEOUT, limit=LONGEST)
        if answer.status != 200:
            raise NoAnswer("not 200")
        found = answer.body.decode("ascii").strip()
    except (NoAnswer, ValueError) as error:
        raise InvalidRequestUriError(description="There is no request object at the request_uri.") from error
    return found


def _count(*, now: datetime) -> None:
    """Count that somebody's link has us ask a portal: whoever leads many browsers here neither floods it nor keeps us waiting for it."""
    with transaction() as session:
        throttle.count(session, throttle.Try(DOOR, "", request.remote_addr or ""), now=now)
