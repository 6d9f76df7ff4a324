"""A back-channel request that comes as one signed JWT (CIBA Core section 7.1.1).

A client that registered an algorithm for it sends nothing else, and one that did not sends none. The key is the client's, and the algorithm the
key's; each request is good once.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import structlog
from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import assertions, client_keys
from idp.oauth.clients import Client
from idp.oauth.compact import is_moment, take_apart
from idp.oauth.requests.request_objects import TYPES
from idp.oauth.server import OAuthRequest

log = structlog.get_logger(__name__)
BESIDE = {"client_id", "client_secret", "client_assertion", "client_assertion_type", "request"}
REQUIRED = ("iss", "aud", "exp", "iat", "nbf", "jti")
LONGEST, LONGEST_JTI = 16_384, 256
LEEWAY, LIFETIME = timedelta(seconds=30), timedelta(hours=1)
ANOTHER_KIND = "request is no back-channel request: its typ is another token's, or it names a response_type."
REFUSED = "request is not acceptable: its signature, audience or issuer."


def parameters_of(request: OAuthRequest, client: Client) -> dict[str, str]:
    """Return the parameters of a request, signed or plain; raises InvalidRequestError."""
    algorithm, form = client.metadata.backchannel_authentication_request_signing_alg, request.form
    if algorithm is None:
        if "request" in form:
            raise _refused(
                "signed, by a client that is not registered for it", client, "request: the client is not registered to send signed requests."
            )
        return form
    if set(form) - BESIDE or "request" not in form:
        said = "request: this client's requests are signed, and have no parameter outside of the JWT."
        raise _refused("not signed, or with parameters outside of the JWT", client, said)
    claims = _verify(form["request"], client, algorithm, issuer=request.settings.public_url)
    _check_once(claims, client, now=request.now)
    return {name: text for name, value in claims.items() if name not in REQUIRED and (text := _text(value))}


def _verify(unverified: str, client: Client, algorithm: str, *, issuer: str) -> dict[str, Any]:
    try:
        request = take_apart(unverified, longest=LONGEST)
        key = client_keys.key_of(client, request.header.get("kid"), request.algorithm)
    except (LookupError, ValueError) as error:
        raise _refused("no signed token, or no key of the client's", client) from error
    if request.kind not in TYPES or "response_type" in request.claims:  # what a browser is to carry always has one (RFC 6749 section 4.1.1)
        raise _refused("signed as another kind of token", client, ANOTHER_KIND)
    is_as_registered = request.algorithm == algorithm and algorithm in key.algorithms  # a key may be of several (RS256 and PS256)
    if not is_as_registered or not request.is_signed_by(key.key, algorithm):
        raise _refused("another algorithm than the registered one, or another's signature", client)
    claims, audience = request.claims, request.claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not claims.keys() >= set(REQUIRED):
        raise _refused(f"without {', '.join(name for name in REQUIRED if name not in claims)}", client)
    if claims["iss"] != client.client_id:
        raise _refused("iss is not the client", client)
    if issuer not in named:
        raise _refused("aud is not this service", client)
    return claims


def _check_once(claims: dict[str, Any], client: Client, *, now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    times = [claims[name] for name in ("exp", "nbf", "iat")]
    if not all(map(is_moment, times)):
        raise _refused("a time is not a number", client, "request is not acceptable: its times.")
    expires, begins, issued = times
    is_timely = moment - leeway < expires <= begins + LIFETIME.total_seconds() and max(begins, issued) <= moment + leeway
    jti = claims["jti"]
    if not is_timely or not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not jti.isprintable():
        why = "no jti, or none that can be kept" if is_timely else "expired, not yet good, or good for more than an hour"
        raise _refused(why, client, "request is not acceptable: its times, or its jti.")
    if not assertions.use_once(f"backchannel request {client.client_id}", jti, expires_at=now + LIFETIME + 3 * LEEWAY):
        raise _refused("used before", client, "request was used before.")


def _refused(why: str, client: Client, said: str = REFUSED) -> InvalidRequestError:
    """Return what the client is told; the log says why, in words of ours alone."""
    log.info("signed request refused", why=why, client_id=client.client_id)
    return InvalidRequestError(said)


def _text(value: Any) -> str:
    """Return a claim as the parameter would have been sent, empty where it would not have been."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return ""
    return json.dumps(value)
