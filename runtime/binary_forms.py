"""How values of the types of Core are written to PostgreSQL, and read from it, in its binary form. Pure."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Date, DateTime, Integer, LargeBinary, SmallInteger, String, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from runtime import compact_json

EPOCH, FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC), date(2000, 1, 1).toordinal()
MICROSECOND = timedelta(microseconds=1)
VERSION_OF_JSONB = b"\x01"
Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]


def form_of(kind: Any) -> tuple[Encode, Decode]:
    """Return how a value of a type is written, and read."""
    if isinstance(kind, ARRAY):
        return _array_of(kind.item_type)
    return next(form for known, form in FORMS if isinstance(kind, known))


def _whole(size: int) -> tuple[Encode, Decode]:
    return lambda value: value.to_bytes(size, "big", signed=True), lambda raw: int.from_bytes(raw, "big", signed=True)


FORMS: tuple[tuple[type[Any], tuple[Encode, Decode]], ...] = (
    (Uuid, (lambda value: value.bytes, lambda raw: UUID(bytes=bytes(raw)))),
    (
        DateTime,
        (
            lambda value: ((value - EPOCH) // MICROSECOND).to_bytes(8, "big", signed=True),
            lambda raw: EPOCH + timedelta(microseconds=int.from_bytes(raw, "big", signed=True)),
        ),
    ),
    (
        Date,
        (
            lambda value: (value.toordinal() - FIRST_DAY).to_bytes(4, "big", signed=True),
            lambda raw: date.fromordinal(int.from_bytes(raw, "big", signed=True) + FIRST_DAY),
        ),
    ),
    (LargeBinary, (bytes, bytes)),
    (JSONB, (lambda value: VERSION_OF_JSONB + compact_json.write(value), lambda raw: json.loads(bytes(raw)[1:]))),
    (String, (str.encode, lambda raw: bytes(raw).decode())),
    (SmallInteger, _whole(2)),
    (BigInteger, _whole(8)),
    (Integer, _whole(4)),
)

OIDS: tuple[tuple[type[Any], int], ...] = ((Uuid, 2950), (LargeBinary, 17), (String, 25), (BigInteger, 20), (Integer, 23))


def _array_of(item: Any) -> tuple[Encode, Decode]:
    """Return how a list of values, none of them null, is written; lists are not read."""
    encode, oid = form_of(item)[0], next(oid for known, oid in OIDS if isinstance(item, known))

    def write(values: Any) -> bytes:
        raws = [encode(value) for value in values]
        head = (1, 0, oid, len(raws), 1) if raws else (0, 0, oid)
        return b"".join((*(number.to_bytes(4, "big") for number in head), *(len(raw).to_bytes(4, "big") + raw for raw in raws)))

    return write, _unread


def _unread(_: bytes) -> Any:
    raise NotImplementedError("lists are not read")
