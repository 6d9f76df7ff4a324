"""A status list as bytes: packed, compressed, and in the members `bits` and `lst` that JSON and CBOR share (Token Status List 4.1 to 4.3).

Pure, and strict in reading: what others made is bounded before it is unpacked, and an index outside a list has no status.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime import base64url

JWT_TYPE, JWT_MEDIA_TYPE, CWT_MEDIA_TYPE = "statuslist+jwt", "application/statuslist+jwt", "application/statuslist+cwt"
SUBJECT, AUDIENCE, EXPIRES, NOT_BEFORE, ISSUED, STATUS_LIST, TIME_TO_LIVE = 2, 3, 4, 5, 6, 65533, 65534  # claims of a CWT
SIZE = 2**20
WIDTHS = (1, 2, 4, 8)
THOROUGH = 9
MOST_PACKED = 16 * 1024 * 1024  # a hundred million entries of one bit are 12 MiB
MOST_COMPRESSED = MOST_PACKED + 64 * 1024


class BadStatusList(ValueError):
    """The list cannot be read, or is larger than any that we read."""


@dataclass(frozen=True, slots=True)
class StatusBits:
    """A list that was read: how wide its entries are, and the packed bytes."""

    bits: int
    packed: bytes = field(repr=False)

    def status_at(self, index: int) -> int | None:
        """Return what stands at an index, or None outside of the list, of which it says nothing (section 8.3)."""
        if not 0 <= index < len(self.packed) * 8 // self.bits:
            return None
        return self.packed[index * self.bits >> 3] >> (index * self.bits & 7) & (1 << self.bits) - 1


def pack(entries: Iterable[tuple[int, int]], *, bits: int, size: int = SIZE) -> bytearray:
    """Return the byte array of a list in which all stands at 0 but the entries (index, status) given."""
    packed = bytearray(size * bits // 8)
    put(packed, entries, bits=bits)
    return packed


def put(packed: bytearray, entries: Iterable[tuple[int, int]], *, bits: int) -> None:
    """Write statuses at their indices, the lowest bits of a byte first; raises BadStatusList for a status that is too wide."""
    mask = (1 << bits) - 1
    for index, status in entries:
        if not 0 <= status <= mask:
            raise BadStatusList("a status that has no room in the list")
        place, shift = index * bits >> 3, index * bits & 7
        packed[place] = packed[place] & ~(mask << shift) | status << shift


def compress(packed: bytes | bytearray, *, thorough: bool = True) -> bytes:
    """Return the array in ZLIB's format: at the highest level, as the draft advises, or by the bytes' frequencies alone where that is smaller.

    It is where more than a few in a hundred are set: what is random has little to refer back to. Without `thorough` only runs are looked for
    besides, which takes a fiftieth of the time and gives at most a tenth more.
    """
    alone = _compress(packed, zlib.Z_HUFFMAN_ONLY)
    return min(zlib.compress(packed, THOROUGH) if thorough else _compress(packed, zlib.Z_RLE), alone, key=len)


def decompress(unverified: bytes, *, most: int = MOST_PACKED) -> bytes:
    """Return the array again; raises BadStatusList for what is not one whole ZLIB stream or grows beyond `most`."""
    unpacker = zlib.decompressobj()
    try:
        packed = unpacker.decompress(unverified, most)
    except zlib.error as error:
        raise BadStatusList("the list cannot be unpacked") from error
    if not unpacker.eof or unpacker.unused_data:
        raise BadStatusList("the list is too large, cut short, or has something behind it")
    return packed


def _compress(packed: bytes | bytearray, strategy: int) -> bytes:
    packer = zlib.compressobj(THOROUGH, strategy=strategy)
    return packer.compress(packed) + packer.flush()


def to_base64url(compressed: bytes) -> str:
    """Return `lst` as JSON has it."""
    return base64url.write(compressed)


def read_status_list(unverified: Any) -> StatusBits:
    """Read a `status_list` object, of JSON (`lst` in base64url) or of CBOR (`lst` as bytes); raises BadStatusList."""
    if not isinstance(unverified, Mapping):
        raise BadStatusList("not a status list")
    bits, lst = unverified.get("bits"), unverified.get("lst")
    if type(bits) is not int or bits not in WIDTHS:
        raise BadStatusList("entries of a width that there is not")
    compressed = lst if isinstance(lst, bytes) else _from_base64url(lst)
    if len(compressed) > MOST_COMPRESSED:
        raise BadStatusList("the list is too large")
    return StatusBits(bits, decompress(compressed))


def _from_base64url(unverified: Any) -> bytes:
    if not isinstance(unverified, str) or len(unverified) > 2 * MOST_COMPRESSED:
        raise BadStatusList("the list is no text, or too large")
    try:
        return base64url.read(unverified)
    except ValueError as error:
        raise BadStatusList("the list is not base64url") from error
