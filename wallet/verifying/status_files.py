"""A status list token kept in a file, for a verifier without a network. Token Status List, sections 5.1 and 8.3. Pure."""

import base64
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509

from wallet.issuing import sd_jwt
from wallet.verifying import chains
from wallet.verifying.checks import StatusOf, StatusUnknown, is_signed

TYP = "statuslist+jwt"
MAX_LIST = 64 * 1024 * 1024
STATES = {0: "valid", 1: "revoked", 2: "suspended"}


class BadStatusFile(ValueError):
    """The file is not a status list token that a trusted root vouches for, or it is past its time."""


def read_status_file(unverified: str, *, roots: tuple[x509.Certificate, ...], now: datetime) -> StatusOf:
    """Check a status list token and return what tells the status by it; raises BadStatusFile."""
    try:
        header, payload = (sd_jwt.read_json(part) for part in unverified.strip().split(".")[:2])
        leaf = chains.read_leaf(header["x5c"][0])
        chains.check_chain(leaf, chain_length=len(header["x5c"]), roots=roots, now=now)
        bits, packed = int(payload["status_list"]["bits"]), str(payload["status_list"]["lst"])
        levels = _unpack(packed)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadStatusFile("not a status list token under a trusted root") from error
    if header.get("typ") != TYP or not is_signed(unverified.strip(), header, leaf.key) or bits not in (1, 2, 4, 8):
        raise BadStatusFile("the token is of another type, or its signature does not fit")
    if now.timestamp() >= payload.get("exp", float("inf")):
        raise BadStatusFile("the status list is past its time; fetch a newer one")
    uri = payload.get("sub")

    def status_of(claims: Mapping[str, Any]) -> str:
        reference = claims["status"].get("status_list")
        at = reference.get("idx") if isinstance(reference, dict) and reference.get("uri") == uri else None
        if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < len(levels) * 8 // bits:
            raise StatusUnknown
        level = levels[at * bits // 8] >> (at * bits % 8) & ((1 << bits) - 1)
        return STATES.get(level, "unknown")

    return status_of


def _unpack(packed: str) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        levels = unpacker.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), MAX_LIST)
    except zlib.error as error:
        raise BadStatusFile("the list cannot be unpacked") from error
    if not unpacker.eof:
        raise BadStatusFile("the list is too large")
    return levels
