"""How a client proves who it is at the token and revocation endpoints (RFC 6749 section 2.3, RFC 7523, OpenID Connect Core section 9).

One way a client, the one that it was registered with; two proofs in one request are refused. The algorithm of an assertion is its
registered key's, never the one that its header names.
"""

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import unquote

import jwt
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from idp.oauth import assertions, client_keys
from idp.oauth.clients import CLIENT_SECRET_BASIC, NONE, PRIVATE_KEY_JWT, Client, find_client
from keys import suites
from runtime.settings import Settings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=30)
LONGEST = 4096
LONGEST_JTI = 256
ALGORITHMS = {name: jwt.get_algorithm_by_name(name) for name in suites.SUITES}


def authenticate(form: dict[str, str], *, authorization: str | None, settings: Settings, now: datetime) -> Client:
    """Return the client that a request proves to come from.

    Raises InvalidClientError, which does not say what was wrong with a proof, and InvalidRequestError for two proofs at once.
    """
    ways = [way for way, offered in ((PRIVATE_KEY_JWT, "client_assertion" in form), (CLIENT_SECRET_BASIC, authorization is not None)) if offered]
    if len(ways) > 1 or "client_secret" in form:
        raise InvalidRequestError("One way of client authentication, and not client_secret in the body.")
    if ways == [PRIVATE_KEY_JWT]:
        client = _by_assertion(form, settings=settings, now=now)
    elif ways == [CLIENT_SECRET_BASIC]:
        client = _by_secret(authorization or "")
    else:
        client = _by_name(form.get("client_id", ""))
    if "client_id" in form and form["client_id"] != client.client_id:
        raise _refused("client_id is another client's.")
    return client


def _by_assertion(form: dict[str, str], *, settings: Settings, now: datetime) -> Client:
    unverified = form["client_assertion"]
    if form.get("client_assertion_type") != ASSERTION_TYPE or len(unverified) > LONGEST:
        raise _refused("The client assertion is not acceptable.")
    try:
        client, claims = _verify(unverified)
    except (LookupError, ValueError, RecursionError) as error:
        raise _refused("The client assertion is not acceptable.") from error
    if claims.get("sub") != client.client_id or not _names_us(claims.get("aud"), settings):
        raise _refused("The client assertion is not acceptable.")
    expires_at = _check_times(claims, now=now)
    jti = claims.get("jti")
    if not _is_id(jti) or not assertions.use_once(client.client_id, jti, expires_at=expires_at):
        raise _refused("The client assertion was used before.")
    return client


def _verify(unverified: str) -> tuple[Client, dict[str, Any]]:
    """Return the client that `iss` names and the claims, once the signature is known to be that client's (RFC 7515 section 5.2).

    Taken apart here, once, and verified by PyJWT's algorithm: `jwt.decode` would cost half as much again as the signature itself.
    Raises LookupError or ValueError.
    """
    signed, _, signature = unverified.encode("ascii").rpartition(b".")
    header, claims = (json.loads(_decode(segment)) for segment in signed.split(b".", 1))
    client = _claimed_client(claims)
    if not isinstance(header, dict):
        raise LookupError("no header")
    key = client_keys.key_of(client, header.get("kid"))
    if header.get("alg") != key.algorithm or "crit" in header or "b64" in header:
        raise ValueError("another algorithm, or an extension")
    if not ALGORITHMS[key.algorithm].verify(signed, key.key, _decode(signature)):
        raise ValueError("another's signature")
    return client, claims


def _decode(segment: bytes) -> bytes:
    if b"=" in segment:
        raise ValueError("padded")
    return base64.b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)


def _claimed_client(claims: Any) -> Client:
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    client = find_client(issuer) if isinstance(issuer, str) else None
    if client is None or client.auth_method != PRIVATE_KEY_JWT:
        raise LookupError("no such client")
    return client


def _is_id(jti: Any) -> TypeGuard[str]:
    """Whether this is a text of bounded length that UTF-8 can carry, which JSON's halves of surrogate pairs are not."""
    return isinstance(jti, str) and 0 < len(jti) <= LONGEST_JTI and jti.isprintable()


def _names_us(audience: Any, settings: Settings) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return settings.public_url in named or f"{settings.public_url}/token" in named


def _check_times(claims: dict[str, Any], *, now: datetime) -> datetime:
    """Return until when the assertion must be remembered; its times are at most five minutes ahead."""
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise _refused("The client assertion is not acceptable.")
    if not moment - leeway < expires <= moment + LONGEST_LIFE.total_seconds() + leeway or begins > moment + leeway:
        raise _refused("The client assertion has expired, or expires more than five minutes ahead.")
    return now + LONGEST_LIFE + 3 * LEEWAY


def _by_secret(authorization: str) -> Client:
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise _refused("The client is not known by this proof.") from error
    client = find_client(unquote(name)) if scheme.lower() == "basic" else None
    if client is None or client.auth_method != CLIENT_SECRET_BASIC or not client.check_client_secret(unquote(secret)):
        raise _refused("The client is not known by this proof.")
    return client


def _by_name(client_id: str) -> Client:
    client = find_client(client_id)
    if client is None or client.auth_method != NONE:
        raise _refused("The client must prove who it is.")
    return client


def _refused(description: str) -> InvalidClientError:
    return InvalidClientError(description=description, status_code=401)
