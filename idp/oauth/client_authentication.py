"""How a client proves who it is at the token and revocation endpoints (RFC 6749 section 2.3, RFC 7523, OpenID Connect Core section 9).

One way a client, the one that it was registered with; two proofs in one request are refused. The algorithm of an assertion is its
registered key's, never the one that its header names.
"""

import base64
import binascii
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

import jwt
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from idp.oauth import assertions
from idp.oauth.clients import CLIENT_SECRET_BASIC, NONE, PRIVATE_KEY_JWT, Client, ClientKey, find_client
from runtime.settings import Settings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE = timedelta(minutes=5)
LEEWAY = timedelta(seconds=30)
LONGEST = 4096
LONGEST_JTI = 256
DECODING: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
    "require": ["iss", "sub", "aud", "exp", "jti"],
}


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
        header = jwt.get_unverified_header(unverified)
        client = _claimed_client(unverified)
        claims = _verify(unverified, client, _key(client, header), settings)
    except (jwt.InvalidTokenError, LookupError, ValueError) as error:
        raise _refused("The client assertion is not acceptable.") from error
    if claims["sub"] != client.client_id:
        raise _refused("The client assertion is not acceptable.")
    expires_at = _check_times(claims, now=now)
    jti = claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not assertions.use_once(client.client_id, jti, expires_at=expires_at):
        raise _refused("The client assertion was used before.")
    return client


def _claimed_client(unverified: str) -> Client:
    issuer = jwt.decode(unverified, options={"verify_signature": False}).get("iss")
    client = find_client(issuer) if isinstance(issuer, str) else None
    if client is None or client.auth_method != PRIVATE_KEY_JWT:
        raise LookupError("no such client")
    return client


def _key(client: Client, header: dict[str, Any]) -> ClientKey:
    named = [key for key in client.keys if "kid" in header and key.kid == header["kid"]]
    if named:
        return named[0]
    if len(client.keys) == 1:
        return client.keys[0]
    raise LookupError("no such key")


def _verify(unverified: str, client: Client, key: ClientKey, settings: Settings) -> dict[str, Any]:
    audiences = [settings.public_url, f"{settings.public_url}/token"]
    claims: dict[str, Any] = jwt.decode(
        unverified, key.key, algorithms=[key.algorithm], audience=audiences, issuer=client.client_id, options=DECODING
    )
    return claims


def _check_times(claims: dict[str, Any], *, now: datetime) -> datetime:
    """Return until when the assertion must be remembered; its times are at most five minutes ahead."""
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    expires, begins = claims["exp"], claims.get("nbf", 0)
    if not all(isinstance(value, int | float) for value in (expires, begins)):
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
