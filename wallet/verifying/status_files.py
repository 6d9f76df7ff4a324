"""A status list token kept in a file, JWT or CWT, for a verifier without a network. Token Status List, sections 5.1, 5.2 and 8.3. Pure.

Whatever the file holds is bounded before it is unpacked, and its signature is checked before anything in it is believed. A list speaks of a
credential only if it was signed by whom the list's own address stands for, or by the credential's issuer: another's certificate does not do.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeGuard

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keys import cose, paths
from wallet.issuing import sd_jwt
from wallet.issuing.status_packing import (
    AUDIENCE,
    CWT_MEDIA_TYPE,
    EXPIRES,
    ISSUED,
    JWT_TYPE,
    MOST_COMPRESSED,
    NOT_BEFORE,
    STATUS_LIST,
    SUBJECT,
    TIME_TO_LIVE,
    StatusBits,
    read_status_list,
)
from wallet.verifying import chains
from wallet.verifying.checks import StatusUnknown, is_signed

MAX_FILE = 2 * MOST_COMPRESSED
STATES: dict[int | None, str] = {0: "valid", 1: "revoked", 2: "suspended"}
CLAIMS = {
    SUBJECT: "sub",
    AUDIENCE: "aud",
    NOT_BEFORE: "nbf",
    ISSUED: "iat",
    EXPIRES: "exp",
    TIME_TO_LIVE: "ttl",
    STATUS_LIST: "status_list",
}
SIGN1_TAGGED = b"\xd2"
CLOCK_SECONDS = 60
MOST_SECONDS = 2.0**53
Read = tuple[dict[str, Any], frozenset[str]]


class BadStatusFile(ValueError):
    """The file is not a status list token that a trusted root vouches for, or it is past its time."""


@dataclass(frozen=True, slots=True)
class StatusFile:
    """A status list token that was checked: called with a credential's claims it returns the state, until it is over; raises StatusUnknown.

    Whoever keeps one asks again whether it is over: nothing may rely on a list after its end.
    """

    uri: str
    found: StatusBits = field(repr=False)
    signers: frozenset[str]
    ends_at: float
    lasts: float = math.inf  # seconds for which it may be kept before it is asked for anew (`ttl`)

    def is_over(self, now: datetime) -> bool:
        """Whether its own end is past."""
        return now.timestamp() >= self.ends_at

    def __call__(self, claims: Mapping[str, Any]) -> str:
        """Return the state of a credential by its claims."""
        if not self.signers & {f"{self.uri.rpartition('/status/')[0]}/jwks/status", claims.get("iss")}:
            raise StatusUnknown
        reference = claims["status"].get("status_list")
        at = reference.get("idx") if isinstance(reference, Mapping) and reference.get("uri") == self.uri else None
        state = STATES.get(self.found.status_at(at)) if type(at) is int else None
        if state is None:  # none there, or one whose meaning its house knows alone (section 7.1)
            raise StatusUnknown
        return state


def read_status_file(unverified: bytes, *, roots: tuple[x509.Certificate, ...], now: datetime) -> StatusFile:
    """Check a status list token and return what tells the status by it; raises BadStatusFile."""
    if len(unverified) > MAX_FILE:
        raise BadStatusFile("the file is too large for a status list")
    read = _read_cwt if unverified.startswith(SIGN1_TAGGED) else _read_jwt
    try:
        claims, signers = read(unverified, roots=roots, now=now)
        uri, found = _checked(claims, now=now), read_status_list(claims.get("status_list"))
        return StatusFile(uri, found, signers, claims.get("exp") or math.inf, claims.get("ttl") or math.inf)
    except BadStatusFile:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadStatusFile("not a status list token under a trusted root") from error


def _read_jwt(unverified: bytes, *, roots: tuple[x509.Certificate, ...], now: datetime) -> Read:
    compact = unverified.decode("ascii").strip()
    encoded_header, encoded_payload, _ = compact.split(".")
    header = sd_jwt.read_json(encoded_header)
    leaf = chains.read_leaf(header["x5c"][0])
    paths.check_path(header["x5c"], roots=roots).check_held(now.timestamp())
    if header.get("typ") != JWT_TYPE or "crit" in header or not is_signed(compact, header, leaf.key):
        raise BadStatusFile("the token is of another type, or its signature does not fit")
    return sd_jwt.read_json(encoded_payload), leaf.uris


def _read_cwt(unverified: bytes, *, roots: tuple[x509.Certificate, ...], now: datetime) -> Read:
    message = cose.read_sign1(unverified)
    chain = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in message.chain]
    leaf = chains.read_leaf(chain[0])
    paths.check_path(chain, roots=roots).check_held(now.timestamp())
    payload = cose.verify1(message, leaf.key)
    if message.protected.get(cose.TYPE) != CWT_MEDIA_TYPE:
        raise BadStatusFile("the token is of another type, or its signature does not fit")
    return {CLAIMS[label]: value for label, value in cose.read_cbor(payload).items() if label in CLAIMS}, leaf.uris


def _checked(claims: Mapping[str, Any], *, now: datetime) -> str:
    """Return the address of the list that the claims are of; the required ones are there, and the others mean what they must."""
    uri, issued, expires, begins, ttl = (claims.get(name) for name in ("sub", "iat", "exp", "nbf", "ttl"))
    if not isinstance(uri, str) or not _is_number(issued) or not all(value is None or _is_number(value) for value in (expires, begins, ttl)):
        raise BadStatusFile("a claim is missing, or is not what it must be")
    if ttl is not None and ttl <= 0:
        raise BadStatusFile("a time to live that is not positive")
    if "aud" in claims:
        raise BadStatusFile("the status list is for somebody in particular")
    if max(issued, begins or issued) > now.timestamp() + CLOCK_SECONDS:
        raise BadStatusFile("the status list is from the future")
    if expires is not None and now.timestamp() >= expires:
        raise BadStatusFile("the status list is past its time; fetch a newer one")
    return uri


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a number by which times can be told; one of hundreds of digits is not."""
    return type(value) in (int, float) and abs(value) < MOST_SECONDS
