"""Key attestations: a wallet maker's word on how keys are kept (OpenID4VCI 1.0 appendix D). Whether a nonce in it is ours is the issuer's to say."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.oauth.attested import makers
from idp.oauth.attested.makers import NotVouchedFor
from idp.oauth.compact import NotCompact, is_moment, take_apart
from keys import suites

TYPE = "key-attestation+jwt"
LONGEST = 48 * 1024
WINDOW, LEEWAY = timedelta(hours=24), timedelta(seconds=30)
ALGORITHMS = ("ES256", "EdDSA", "Ed25519")
MOST_KEYS = 100


class NotAttested(ValueError):
    """The attestation is not one that counts; the message says in ASCII why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Attested:
    """What a trusted maker says: which keys, in the order given, and for which nonce; how well they are kept, where it says so."""

    keys: tuple[dict[str, str], ...]
    kids: tuple[str | None, ...]
    nonce: str | None
    key_storage: tuple[str, ...]
    user_authentication: tuple[str, ...]


def read(unverified: Any, *, algorithms: Collection[str], needs_end: bool, now: datetime) -> Attested:
    """Return what a key attestation says, once its maker is trusted for it and it is in time; raises NotAttested."""
    if not isinstance(unverified, str):
        raise NotAttested("A key attestation is not a text.")
    try:
        token = take_apart(unverified, longest=LONGEST)
        if token.header.get("typ") != TYPE:
            raise NotAttested(f"The typ of a key attestation is not {TYPE}.")
        if token.algorithm not in algorithms:
            raise NotAttested("A key attestation is signed by an algorithm that is not taken.")
        voucher = makers.voucher_for(token.header, purpose=makers.KEYS, now=now)
    except NotCompact as error:
        raise NotAttested("A key attestation is not a signed token.") from error
    except NotVouchedFor as error:
        raise NotAttested("A key attestation is by nobody who is trusted for it.") from error
    if token.algorithm not in voucher.algorithms or not token.is_signed_by(voucher.key, token.algorithm):
        raise NotAttested("The signature of a key attestation is not right.")
    _check_times(token.claims, needs_end=needs_end, now=now)
    return _said(token.claims)


def _check_times(claims: dict[str, Any], *, needs_end: bool, now: datetime) -> None:
    made, ends, begins = claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if not is_moment(made) or not is_moment(begins) or max(made, begins) > moment + leeway:
        raise NotAttested("A key attestation has no iat, or one in the future.")
    if ends is None and (needs_end or made < moment - WINDOW.total_seconds()):
        raise NotAttested("A key attestation has no exp, or is too old without one.")
    if ends is not None and (not is_moment(ends) or ends <= moment - leeway):
        raise NotAttested("A key attestation has expired.")


def _said(claims: dict[str, Any]) -> Attested:
    listed = claims.get("attested_keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_KEYS:
        raise NotAttested(f"attested_keys is not an array of one to {MOST_KEYS} keys.")
    try:
        keys = tuple(suites.public_jwk(suites.key_from_jwk(one)) for one in listed)
    except ValueError as error:
        raise NotAttested("One of attested_keys is not a public key of a kind that is taken.") from error
    kids = tuple(one.get("kid") if isinstance(one.get("kid"), str) else None for one in listed)
    nonce = claims.get("nonce")
    return Attested(keys, kids, nonce if isinstance(nonce, str) else None, _texts(claims, "key_storage"), _texts(claims, "user_authentication"))


def _texts(claims: dict[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise NotAttested(f"{name} is not an array of texts.")
    return tuple(value)
