"""Assertions of trusted identity systems: what must hold of one (RFC 7523 section 3), in this order.

An issuer that the operator trusts at this client; a signature by the issuer's registered key, with that key's algorithm; addressed to us; in time
and not for long; and, once all else of the request is right, never seen before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from authlib.oauth2.rfc6749 import InvalidGrantError

from idp.oauth import assertions
from idp.oauth.clients import Client
from idp.oauth.compact import Compact, NotCompact, is_moment, take_apart
from idp.oauth.exchange import issuers
from idp.oauth.exchange.issuers import Trust
from idp.oauth.key_sets import is_signed_by_one_of
from runtime.settings import Settings

LONGEST, LONGEST_TEXT = 8192, 256
LONGEST_LIFE, LEEWAY = timedelta(minutes=10), timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom an issuer names, the scopes that its word is good for, and by what the assertion is known again until when."""

    sub: str
    scopes: tuple[str, ...]
    issuer: str
    jti: str
    remembered_until: datetime


def verify(unverified: str, *, client: Client, settings: Settings, now: datetime) -> Vouched:
    """Return what an assertion says, without using it up; raises InvalidGrantError (section 3.1)."""
    try:
        assertion = take_apart(unverified, longest=LONGEST)
    except NotCompact as error:
        raise _refused() from error
    trust, claims = _trusted(assertion, client), assertion.claims
    if assertion.kind != "jwt" or not is_signed_by_one_of(trust.keys, assertion):
        raise _refused()
    if not _is_text(claims.get("sub")) or not _is_text(claims.get("jti")) or not _names_us(claims.get("aud"), settings):
        raise _refused()
    return Vouched(claims["sub"], trust.scopes, trust.issuer, claims["jti"], _check_times(claims, now=now))


def use_up(vouched: Vouched) -> None:
    """Mark an assertion as used; raises InvalidGrantError if it was before."""
    if not assertions.use_once(f"issuer {vouched.issuer}", vouched.jti, expires_at=vouched.remembered_until):
        raise InvalidGrantError("The assertion was used before.")


def _trusted(assertion: Compact, client: Client) -> Trust:
    """Return the trust in whoever says to be the issuer."""
    issuer = assertion.claims.get("iss")
    trust = issuers.find_trust(client.client_id, issuer) if _is_text(issuer) else None
    if trust is None:
        raise _refused()
    return trust


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def _names_us(audience: Any, settings: Settings) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return settings.public_url in named or f"{settings.public_url}/token" in named


def _check_times(claims: dict[str, Any], *, now: datetime) -> datetime:
    """Return until when the assertion must be remembered; it is good for ten minutes at most, and was not made in the future."""
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    expires, begins, made = (claims.get(name, default) for name, default in (("exp", None), ("nbf", 0), ("iat", moment)))
    if not is_moment(expires) or not is_moment(begins) or not is_moment(made):
        raise _refused()
    longest = LONGEST_LIFE.total_seconds() + leeway
    if not moment - leeway < expires <= moment + longest or begins > moment + leeway or not moment - longest < made <= moment + leeway:
        raise _refused()
    return now + LONGEST_LIFE + 3 * LEEWAY


def _refused() -> InvalidGrantError:
    return InvalidGrantError("The assertion is not acceptable.")
