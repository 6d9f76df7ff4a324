"""Status List Tokens: one state of a list, signed as a JWT and as a CWT (Token Status List sections 5.1 and 5.2)."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import cbor2

from keys import cose, ring
from runtime import base64url
from runtime.settings import Settings
from wallet.issuing import status_packing
from wallet.issuing.status_packing import CWT_MEDIA_TYPE as CWT_MEDIA_TYPE
from wallet.issuing.status_packing import EXPIRES, ISSUED, JWT_TYPE, STATUS_LIST, SUBJECT, TIME_TO_LIVE
from wallet.issuing.status_packing import JWT_MEDIA_TYPE as JWT_MEDIA_TYPE

TTL = timedelta(minutes=1)
LIFETIME = timedelta(hours=24)
ADDRESS = re.compile(rb'"sub":"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A list as it stood at a moment; `lst` is the compressed array."""

    list_id: str
    bits: int
    lst: bytes = field(repr=False)
    built_at: datetime

    @property
    def issued(self) -> int:
        """The second from which its tokens say that they hold."""
        return int(self.built_at.timestamp())

    @property
    def expires(self) -> int:
        """The second from which its tokens hold no more."""
        return int((self.built_at + LIFETIME).timestamp())


def uri_of(settings: Settings, list_id: str) -> str:
    """Return the address of a list, which credentials carry and its token's `sub` repeats."""
    return f"{settings.public_url}/status/{list_id}"


def address_in(token: str) -> str:
    """Return the address that a token of ours names, of which the beginning will do; empty if there is none."""
    payload = token.partition(".")[2].partition(".")[0]
    found = ADDRESS.search(base64url.read(payload[: len(payload) // 4 * 4]))
    return found[1].decode() if found is not None else ""


def aggregation_uri(settings: Settings) -> str:
    """Return the address where all lists are named (section 9)."""
    return f"{settings.public_url}/status"


def sign_jwt(settings: Settings, snapshot: Snapshot) -> str:
    """Return a snapshot as a JWT, with the chain of the key that signs statuses."""
    payload = {
        "sub": uri_of(settings, snapshot.list_id),
        "iat": snapshot.issued,
        "exp": snapshot.expires,
        "ttl": int(TTL.total_seconds()),
        "status_list": _status_list(settings, snapshot, status_packing.to_base64url(snapshot.lst)),
    }
    return ring.signer(ring.STATUS).sign(payload, typ=JWT_TYPE)


def sign_cwt(settings: Settings, snapshot: Snapshot) -> bytes:
    """Return a snapshot as a CWT: a tagged COSE_Sign1 without the CWT tag, whose type is protected."""
    claims = {
        SUBJECT: uri_of(settings, snapshot.list_id),
        ISSUED: snapshot.issued,
        EXPIRES: snapshot.expires,
        TIME_TO_LIVE: int(TTL.total_seconds()),
        STATUS_LIST: _status_list(settings, snapshot, snapshot.lst),
    }
    signer = ring.signer(ring.STATUS)
    headers = {cose.KEY_ID: signer.kid.encode()}
    return cose.to_bytes(cose.sign1(signer, cbor2.dumps(claims), protected={cose.TYPE: CWT_MEDIA_TYPE}, unprotected=headers))


def _status_list(settings: Settings, snapshot: Snapshot, lst: str | bytes) -> dict[str, Any]:
    return {"bits": snapshot.bits, "lst": lst, "aggregation_uri": aggregation_uri(settings)}
