"""Assertions of trusted identity systems: what must hold of one (RFC 7523 section 3), in this order.

An issuer that the operator trusts at this client; a signature by the issuer's registered key, with that key's algorithm; addressed to us; in time
and not for long; and never seen before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

import jwt
from authlib.oauth2.rfc6749 import InvalidGrantError

from idp.oauth import assertions
from idp.oauth.clients import Client
from idp.oauth.exchange import issuers
from idp.oauth.exchange.issuers import Trust
from idp.oauth.key_sets import ClientKey
from runtime.settings import Settings

LONGEST, LONGEST_TEXT = 8192, 256
LONGEST_LIFE, LEEWAY = timedelta(minutes=10), timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom an issuer names, and the scopes that its word is good for."""

    sub: str
    scopes: tuple[str, ...]


def verify(unverified: str, *, client: Client, settings: Settings, now: datetime) -> Vouched:
    """Return what an assertion says, and mark it as used; raises InvalidGrantError (section 3.1)."""
    try:
        if len(unverified) > LONGEST:
            raise jwt.InvalidTokenError("too long")
        trust = _trusted(unverified, client)
        claims = _signed(unverified, trust)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise _refused() from error
    if not _is_text(claims.get("sub")) or not _is_text(claims.get("jti")) or not _names_us(claims.get("aud"), settings):
        raise _refused()
    expires_at = _check_times(claims, now=now)
    if not assertions.use_once(f"issuer {trust.issuer}", claims["jti"], expires_at=expires_at):
        raise InvalidGrantError("The assertion was used before.")
    return Vouched(claims["sub"], trust.scopes)


def _trusted(unverified: str, client: Client) -> Trust:
    """Return the trust in whoever says to be the issuer."""
    claims = jwt.decode(unverified, options={"verify_signature": False})
    issuer = claims.get("iss")
    trust = issuers.find_trust(client.client_id, issuer) if _is_text(issuer) else None
    if trust is None:
        raise jwt.InvalidIssuerError("not trusted at this client")
    return trust


def _signed(unverified: str, trust: Trust) -> dict[str, Any]:
    """Return the claims once the signature is the issuer's; times, of which we have our own measure, are looked at later."""
    header = jwt.get_unverified_header(unverified)
    if "crit" in header or "b64" in header:
        raise jwt.InvalidTokenError("an extension")
    key = _key(trust, header.get("kid"))
    options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_jti": False, "verify_sub": False}
    claims: dict[str, Any] = jwt.decode(unverified, key.key, algorithms=[key.algorithm], options=options)
    return claims


def _key(trust: Trust, kid: Any) -> ClientKey:
    named = [key for key in trust.keys if kid is not None and key.kid == kid]
    if named:
        return named[0]
    if len(trust.keys) == 1:
        return trust.keys[0]
    raise jwt.InvalidKeyError("no such key")


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def _names_us(audience: Any, settings: Settings) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return settings.public_url in named or f"{settings.public_url}/token" in named


def _check_times(claims: dict[str, Any], *, now: datetime) -> datetime:
    """Return until when the assertion must be remembered; it is good for ten minutes at most, and was not made in the future."""
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    expires, begins, made = (claims.get(name, default) for name, default in (("exp", None), ("nbf", 0), ("iat", moment)))
    if not _is_time(expires) or not _is_time(begins) or not _is_time(made):
        raise _refused()
    longest = LONGEST_LIFE.total_seconds() + leeway
    if not moment - leeway < expires <= moment + longest or begins > moment + leeway or not moment - longest < made <= moment + leeway:
        raise _refused()
    return now + LONGEST_LIFE + 3 * LEEWAY


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused() -> InvalidGrantError:
    return InvalidGrantError("The assertion is not acceptable.")
