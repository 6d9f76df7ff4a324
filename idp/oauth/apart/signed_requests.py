"""A back-channel request that comes as one signed JWT (CIBA Core section 7.1.1).

A client that registered an algorithm for it sends nothing else, and one that did not sends none. The key is the client's, and the algorithm the
key's; each request is good once.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import jwt
from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import assertions, client_keys
from idp.oauth.clients import Client
from idp.oauth.server import OAuthRequest

BESIDE = {"client_id", "client_secret", "client_assertion", "client_assertion_type", "request"}
REQUIRED = ("iss", "aud", "exp", "iat", "nbf", "jti")
LONGEST, LONGEST_JTI = 16_384, 256
LEEWAY, LIFETIME = timedelta(seconds=30), timedelta(hours=1)
AS_IT_IS = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": list(REQUIRED)}


def parameters_of(request: OAuthRequest, client: Client) -> dict[str, str]:
    """Return the parameters of a request, signed or plain; raises InvalidRequestError."""
    algorithm, form = client.metadata.backchannel_authentication_request_signing_alg, request.form
    if algorithm is None:
        if "request" in form:
            raise InvalidRequestError("request: the client is not registered to send signed requests.")
        return form
    if set(form) - BESIDE or "request" not in form:
        raise InvalidRequestError("request: this client's requests are signed, and have no parameter outside of the JWT.")
    claims = _verify(form["request"], client, algorithm, issuer=request.settings.public_url)
    _check_once(claims, client, now=request.now)
    return {name: text for name, value in claims.items() if name not in REQUIRED and (text := _text(value)) is not None}


def _verify(unverified: str, client: Client, algorithm: str, *, issuer: str) -> dict[str, Any]:
    try:
        if len(unverified) > LONGEST:
            raise ValueError("too long")
        key = client_keys.key_of(client, jwt.get_unverified_header(unverified).get("kid"))
        if key.algorithm != algorithm:
            raise ValueError("another algorithm than was registered")
        options: Any = AS_IT_IS
        claims: dict[str, Any] = jwt.decode(
            unverified, key.key, algorithms=[key.algorithm], audience=issuer, issuer=client.client_id, options=options
        )
    except (jwt.InvalidTokenError, LookupError, ValueError, RecursionError) as error:
        raise InvalidRequestError("request is not acceptable: its signature, audience or issuer.") from error
    return claims


def _check_once(claims: dict[str, Any], client: Client, *, now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    times = [claims[name] for name in ("exp", "nbf", "iat")]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in times):
        raise InvalidRequestError("request is not acceptable: its times.")
    expires, begins, issued = times
    is_timely = moment - leeway < expires <= begins + LIFETIME.total_seconds() and max(begins, issued) <= moment + leeway
    jti = claims["jti"]
    if not is_timely or not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not jti.isprintable():
        raise InvalidRequestError("request is not acceptable: its times, or its jti.")
    if not assertions.use_once(f"backchannel request {client.client_id}", jti, expires_at=now + LIFETIME + 3 * LEEWAY):
        raise InvalidRequestError("request was used before.")


def _text(value: Any) -> str | None:
    """Return a claim as the parameter would have been sent."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return None
    return json.dumps(value)
