"""What is published of status lists: the newest token of each, in the forms that may be asked for, and the names of all lists (section 9)."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from runtime import cache
from runtime.database import transaction
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing.status_building import topic_of
from wallet.issuing.status_lists import LIST_ID, TOPIC, StatusList
from wallet.issuing.status_tokens import CWT_MEDIA_TYPE, JWT_MEDIA_TYPE, LIFETIME, Snapshot, sign_cwt, sign_jwt, uri_of

GZIP = 31  # the window bits that make zlib write gzip's header


class StatusListNotFound(Refusal):
    """There is no such list."""

    code, status, title = "status-list-not-found", 404, Text("没有此状态列表。", "No such status list.")


@dataclass(frozen=True, slots=True)
class Form:
    """A body as it goes out, with its tag, and as gzip where that is smaller."""

    body: bytes = field(repr=False)
    etag: str
    gzipped: bytes | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Token:
    """A list's token in each of its media types, and when it was built."""

    built_at: datetime
    forms: Mapping[str, Form]

    @property
    def issued(self) -> int:
        """The second from which it says that it holds."""
        return int(self.built_at.timestamp())

    @property
    def expires(self) -> int:
        """The second from which it holds no more."""
        return int((self.built_at + LIFETIME).timestamp())


def get_token(list_id: str) -> Token:
    """Return the newest token of a list, from the process's cache; raises StatusListNotFound."""
    found = cache.get(topic_of(list_id), "token", lambda: _load_token(list_id)) if LIST_ID.fullmatch(list_id) else None
    if found is None:
        raise StatusListNotFound
    return found


def get_aggregation(settings: Settings) -> Form:
    """Return the document that names every list, the oldest first."""
    found = cache.get(TOPIC, "aggregation", lambda: _load_aggregation(settings))
    assert found is not None
    return found


def sign_snapshot(settings: Settings, snapshot: Snapshot) -> Token:
    """Return a list as it stood at a moment, signed now in each form."""
    return _token(snapshot.built_at, sign_jwt(settings, snapshot), sign_cwt(settings, snapshot))


def _load_token(list_id: str) -> Token | None:
    with transaction() as session:
        row = session.execute(select(StatusList.built_at, StatusList.token, StatusList.cwt).where(StatusList.id == list_id)).one_or_none()
    return _token(row.built_at, row.token, row.cwt) if row else None


def _token(built_at: datetime, jwt: str, cwt: bytes) -> Token:
    forms = {JWT_MEDIA_TYPE: _form(jwt.encode(), is_text=True)}
    return Token(built_at, forms | {CWT_MEDIA_TYPE: _form(cwt)} if cwt else forms)  # none yet in the moment after an upgrade


def _form(body: bytes, *, is_text: bool = False) -> Form:
    """Gzip takes back the quarter that base64url costs; the list in it is compressed already, so that nothing more is looked for."""
    return Form(body, hashlib.sha256(body).hexdigest()[:32], _gzip(body) if is_text else None)


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, GZIP, 9, zlib.Z_HUFFMAN_ONLY)
    return packer.compress(body) + packer.flush()


def _load_aggregation(settings: Settings) -> Form:
    with transaction() as session:
        ids = session.scalars(select(StatusList.id).order_by(StatusList.made_at, StatusList.id)).all()
    return _form(json.dumps({"status_lists": [uri_of(settings, list_id) for list_id in ids]}, separators=(",", ":")).encode())
