"""Authorization requests that their client signed: request objects (RFC 9101, OpenID Connect Core section 6).

It may be encrypted for us besides; what is inside must be signed all the same. Whoever signed one is known by the client's registered
keys, and the algorithm is the key's, never what the object says. Only what stands in the object counts.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc9101.errors import InvalidRequestObjectError

from idp.oauth import assertions, client_keys, profiles
from idp.oauth.clients import Client
from idp.oauth.compact import is_moment, take_apart
from idp.oauth.requests import resource_indicators
from keys import jwe
from runtime.settings import Settings

LONGEST = 32 * 1024
LONGEST_VALUE = 16 * 1024
TYPES = ("oauth-authz-req+jwt", "jwt")
ENCRYPTED = jwe.PARTS - 1  # dots
ABOUT_ITSELF = frozenset({"iss", "aud", "sub", "exp", "nbf", "iat", "jti"})
NEVER_INSIDE = ("request", "request_uri")
LEEWAY = timedelta(seconds=30)
REMEMBERED = timedelta(hours=1)
LONGEST_JTI = 256
RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Signed:
    """An object whose signature is the client's, and what it is to be held against."""

    claims: dict[str, Any]
    client: Client
    settings: Settings
    now: datetime


def verify(unverified: str, *, client: Client, settings: Settings, now: datetime, once: bool = False) -> dict[str, str]:
    """Return the parameters of an authorization request that the client signed; raises InvalidRequestObjectError, saying what is wrong.

    With `once`, an object with a `jti` is taken no second time; one that comes through the browser is kept under its own name instead.
    """
    try:
        claims = _claims(unverified, client)
    except (LookupError, ValueError, RecursionError) as error:
        raise refused("It is not signed as this client signs.") from error
    signed = Signed(claims, client, settings, now)
    for check in CHECKS:
        check(signed)
    if once:
        _use(signed)
    said = {name: _text(name, value) for name, value in claims.items() if name not in ABOUT_ITSELF}
    return {name: text for name, text in said.items() if text}  # what has no value is none, here as in a query (RFC 6749 section 3.1)


def refused(what: str) -> OAuth2Error:
    """Return the error that tells what is wrong with a request object."""
    return InvalidRequestObjectError(description=f"The request object cannot be taken. {what}")


def check_names(signed: Signed) -> None:
    """Check that the object names this client, as issuer if it names one, and is not also an assertion of who the client is (section 10.8)."""
    claims, client_id = signed.claims, signed.client.client_id
    if claims.get("client_id") != client_id or claims.get("iss", client_id) != client_id:
        raise refused("client_id and iss are to be the client's.")
    if "sub" in claims:
        raise refused("sub has no place in it.")


def check_audience(signed: Signed) -> None:
    """Check that the object is meant for this server, if it says for whom (section 4)."""
    audience = signed.claims.get("aud", signed.settings.public_url)
    named = audience if isinstance(audience, list) else [audience]
    if signed.settings.public_url not in named:
        raise refused("aud is to be the issuer.")


def check_times(signed: Signed) -> None:
    """Check `exp`, `nbf` and `iat`, as far as they are there (RFC 7519 section 4.1); what the profiles ask for besides is theirs."""
    moment, leeway = signed.now.timestamp(), LEEWAY.total_seconds()
    times = {name: signed.claims[name] for name in ("exp", "nbf", "iat") if name in signed.claims}
    if not all(map(is_moment, times.values())):
        raise refused("Its times are to be numbers.")
    if times.get("exp", moment) <= moment - leeway:
        raise refused("It has expired.")
    if max(times.get("nbf", 0), times.get("iat", 0)) > moment + leeway:
        raise refused("It is of a time that has not come yet.")


def check_profile(signed: Signed) -> None:
    """Check what the client's security profile asks of the object."""
    profiles.check_request_object(signed.client, signed.claims, now=signed.now)


def check_content(signed: Signed) -> None:
    """Check that no other request is inside (section 4)."""
    if any(name in signed.claims for name in NEVER_INSIDE):
        raise refused("request and request_uri have no place in it.")


CHECKS: tuple[Callable[[Signed], None], ...] = (check_names, check_audience, check_times, check_profile, check_content)


def _use(signed: Signed) -> None:
    jti = signed.claims.get("jti")
    if jti is None:
        return
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not jti.isprintable():
        raise refused("jti is to be a short text.")
    if not assertions.use_once(f"request\0{signed.client.client_id}", jti, expires_at=signed.now + REMEMBERED):
        raise refused("It was used before.")


def _claims(unverified: str, client: Client) -> dict[str, Any]:
    """Return the claims once the signature is known to be the client's (RFC 7515 section 5.2); raises LookupError or ValueError."""
    if unverified.count(".") == ENCRYPTED:
        unverified = jwe.decrypt(unverified).decode("ascii")
    unverified_object = take_apart(unverified, longest=LONGEST)
    if unverified_object.kind not in TYPES:
        raise ValueError("another kind of token")
    algorithm = unverified_object.algorithm
    key = client_keys.key_of(client, unverified_object.header.get("kid"), algorithm)
    if algorithm not in key.algorithms or client.metadata.request_object_signing_alg not in (None, algorithm):
        raise ValueError("another algorithm")
    profiles.check_algorithm(client, algorithm)
    if not unverified_object.is_signed_by(key.key, algorithm):
        raise ValueError("another's signature")
    return unverified_object.claims


def _text(name: str, value: Any) -> str:
    """Return a parameter as it would stand in a query: what is not text there is JSON (section 4), and resources are several (RFC 8707)."""
    if name == RESOURCE and isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = resource_indicators.joined(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if value is None or len(text) > LONGEST_VALUE or "\0" in text or not _is_unicode(text):
        raise refused("One of its parameters is not of a kind that can be taken.")
    return text


def _is_unicode(text: str) -> bool:
    """Whether a text can be stored, which JSON's halves of surrogate pairs cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
