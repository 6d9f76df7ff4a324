"""The vectors are those of Token Status List draft -20, byte for byte; see tests/vectors/status_list/draft-20.json."""

import json
import random
import zlib
from pathlib import Path
from typing import Any

import cbor2
import jwt
import pytest

from keys import cose, suites
from wallet.issuing import status_packing
from wallet.issuing.status_packing import BadStatusList, compress, pack, put, read_status_list, to_base64url

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "status_list" / "draft-20.json").read_text())
VECTORS = {vector["bits"]: vector for vector in FILE["vectors"]}
EXAMPLES = {example["bits"]: example for example in FILE["examples"]}
KEY = suites.key_from_jwk(FILE["key"])
EMPTY = compress(bytes(8))


def entries_of(vector: dict[str, Any]) -> dict[int, int]:
    return {int(index): status for index, status in vector["statuses"].items()}


@pytest.mark.parametrize("bits", VECTORS)
def test_the_published_vectors_are_encoded_as_published_byte_for_byte(bits: int) -> None:
    compressed = compress(pack(entries_of(VECTORS[bits]).items(), bits=bits, size=VECTORS[bits]["size"]))
    assert to_base64url(compressed) == VECTORS[bits]["lst"]
    assert cbor2.dumps({"bits": bits, "lst": compressed}).hex() == VECTORS[bits]["cbor"]


@pytest.mark.parametrize("bits", VECTORS)
def test_the_published_vectors_are_read_in_both_forms(bits: int) -> None:
    entries = entries_of(VECTORS[bits])
    for document in ({"bits": bits, "lst": VECTORS[bits]["lst"]}, cose.read_cbor(bytes.fromhex(VECTORS[bits]["cbor"]))):
        found = read_status_list(document)
        assert {index: found.status_at(index) for index in entries} == entries
        free = [index for index in (1, 2, 1992, 1994, 2**20 - 1) if index not in entries]
        assert {found.status_at(index) for index in free} == {0}
        assert [found.status_at(index) for index in (-1, 2**20, 2**63)] == [None] * 3
        assert found.packed == bytes(pack(entries.items(), bits=bits))


@pytest.mark.parametrize("bits", EXAMPLES)
def test_the_examples_of_the_text_are_packed_as_drawn(bits: int) -> None:
    example = EXAMPLES[bits]
    packed = pack(enumerate(example["statuses"]), bits=bits, size=len(example["statuses"]))
    assert packed.hex() == example["bytes"]
    assert to_base64url(compress(packed)) == example["lst"]
    assert cbor2.dumps({"bits": bits, "lst": compress(packed)}).hex() == example["cbor"]


def test_the_tokens_of_the_text_are_verified_and_read() -> None:
    claims = jwt.decode(FILE["jwt"].rstrip("="), KEY, algorithms=["ES256"], options={"verify_iat": False})  # type: ignore[arg-type]
    payload = cose.verify1(cose.read_sign1(bytes.fromhex(FILE["cwt"])), KEY)
    lists = [read_status_list(claims["status_list"]), read_status_list(cose.read_cbor(payload)[65533])]
    for found in lists:
        assert [found.status_at(index) for index in range(16)] == EXAMPLES[1]["statuses"]


def test_a_later_status_takes_the_place_of_an_earlier_one() -> None:
    for bits in status_packing.WIDTHS:
        packed = pack([(5, (1 << bits) - 1), (6, 1)], bits=bits, size=64)
        put(packed, [(5, 0)], bits=bits)
        assert bytes(packed) == bytes(pack([(6, 1)], bits=bits, size=64))


@pytest.mark.parametrize(("bits", "status"), [(1, 2), (1, -1), (2, 4), (8, 256)])
def test_a_status_that_is_too_wide_spoils_no_neighbour(bits: int, status: int) -> None:
    with pytest.raises(BadStatusList):
        pack([(0, status)], bits=bits, size=64)


REFUSED: dict[str, Any] = {
    "no list": None,
    "a text": "eNrbuRgAAhcBXQ",
    "without bits": {"lst": to_base64url(EMPTY)},
    "without lst": {"bits": 1},
    "three bits": {"bits": 3, "lst": EMPTY},
    "bits as text": {"bits": "1", "lst": EMPTY},
    "bits as truth": {"bits": True, "lst": EMPTY},
    "bits as a fraction": {"bits": 1.0, "lst": EMPTY},
    "lst as a number": {"bits": 1, "lst": 7},
    "padding": {"bits": 1, "lst": to_base64url(EMPTY) + "=="},
    "the other base64": {"bits": 1, "lst": "a+/b"},
    "base64 cut short": {"bits": 1, "lst": "a"},
    "not compressed": {"bits": 1, "lst": bytes(8)},
    "gzip": {"bits": 1, "lst": b"\x1f\x8b\x08\x00"},
    "cut short": {"bits": 1, "lst": EMPTY[:-4]},
    "something behind it": {"bits": 1, "lst": EMPTY + b"\x00"},
    "a bomb": {"bits": 8, "lst": zlib.compress(bytes(status_packing.MOST_PACKED + 1), 9)},
    "a text that is too long": {"bits": 1, "lst": "A" * (3 * status_packing.MOST_COMPRESSED)},
    "bytes that are too many": {"bits": 1, "lst": bytes(status_packing.MOST_COMPRESSED + 1)},
}


@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED)
def test_what_is_no_list_is_refused_by_one_error(document: Any) -> None:
    with pytest.raises(BadStatusList):
        read_status_list(document)


def test_the_largest_list_is_still_read() -> None:
    assert len(read_status_list({"bits": 1, "lst": compress(bytes(status_packing.MOST_PACKED), thorough=False)}).packed) == status_packing.MOST_PACKED


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("bits", [1, 2])
def test_a_list_that_is_built_in_haste_is_the_same_and_hardly_larger(bits: int, share: float) -> None:
    size = 2**17
    packed = pack([(index, 1) for index in random.Random(7).sample(range(size), int(size * share))], bits=bits, size=size)
    thorough, quick = compress(packed), compress(packed, thorough=False)
    assert zlib.decompress(thorough) == zlib.decompress(quick) == packed
    assert len(thorough) <= len(zlib.compress(packed, 9))
    assert len(quick) <= 1.15 * len(thorough)
