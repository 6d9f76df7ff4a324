"""Subjects: what a portal calls a person or an organisation, another name in every sector (OpenID Connect Core section 8.1).

AES-SIV (RFC 5297) over the subject's id, with the sector as associated data: the same answer each time, no table, and only this
service can turn it back. A public subject (section 8) is the name in the one sector that all clients with public subjects share, which no
client can be registered in: it is written and turned back like any other.
"""

import binascii
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from flask import current_app

from runtime import base64url
from runtime.settings import Settings

PUBLIC_SECTOR = "*"


class NotPairwise(ValueError):
    """The text is no pairwise subject of this sector."""


def pairwise_sub(subject_id: UUID, sector: str) -> str:
    """Return the `sub` of a subject in a sector."""
    return _encode(_cipher().encrypt(subject_id.bytes, [b"sub", sector.encode()]))


def subject_of(sub: str, sector: str) -> UUID:
    """Return the subject that a `sub` of a sector stands for; raises NotPairwise."""
    return _decode(sub, b"sub", sector)


def pairwise_sid(session_id: UUID, client_id: str) -> str:
    """Return the `sid` by which one client knows a session (Back-Channel Logout section 2.1)."""
    return _encode(_cipher().encrypt(session_id.bytes, [b"sid", client_id.encode()]))


def session_of(sid: str, client_id: str) -> UUID:
    """Return the session that a `sid` of a client stands for; raises NotPairwise."""
    return _decode(sid, b"sid", client_id)


def opaque_gid(grant_id: UUID, client_id: str) -> str:
    """Return the `gid` by which a client's tokens say which grant they are of."""
    return _encode(_cipher().encrypt(grant_id.bytes, [b"gid", client_id.encode()]))


def grant_of(gid: str, client_id: str) -> UUID:
    """Return the grant that a `gid` of a client stands for; raises NotPairwise."""
    return _decode(gid, b"gid", client_id)


def _encode(sealed: bytes) -> str:
    return base64url.write(sealed)


def _decode(text: str, kind: bytes, sector: str) -> UUID:
    try:
        sealed = base64url.read(text)
        return UUID(bytes=_cipher().decrypt(sealed, [kind, sector.encode()]))
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise NotPairwise from error


def _cipher() -> AESSIV:
    settings: Settings = current_app.extensions["kabao_settings"]
    return _cipher_of(settings)


@lru_cache(maxsize=4)
def _cipher_of(settings: Settings) -> AESSIV:
    return AESSIV(settings.derived_key("pairwise mac") + settings.derived_key("pairwise encryption"))
