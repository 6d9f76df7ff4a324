"""The vectors are the COSE working group's own; see tests/vectors/cose/sign1.json."""

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from flask import Flask

from keys import cose, ring, suites
from keys.cose import BadCose

FILE = json.loads((Path(__file__).parent.parent / "vectors" / "cose" / "sign1.json").read_text())
VECTORS = {vector["title"]: vector for vector in FILE["vectors"]}
KEY = suites.key_from_jwk(FILE["key"])
UNPROTECTED_ALGORITHM = "sign-pass-01: Redo protected"
SECRET = suites.ES256.generate()
SIGNER = cose.KeySigner(SECRET)


def read(vector: dict[str, Any]) -> bytes:
    return cose.verify1(cose.read_sign1(bytes.fromhex(vector["cbor"])), KEY, external=bytes.fromhex(vector["external"]))


@pytest.mark.parametrize("title", [title for title, vector in VECTORS.items() if not vector["fails"] and title != UNPROTECTED_ALGORITHM])
def test_what_is_signed_is_verified(title: str) -> None:
    assert read(VECTORS[title]) == VECTORS[title]["payload"].encode()


@pytest.mark.parametrize("title", [title for title, vector in VECTORS.items() if vector["fails"]])
def test_what_is_not_signed_is_refused(title: str) -> None:
    with pytest.raises(BadCose):
        read(VECTORS[title])


def test_an_algorithm_that_is_not_protected_is_not_taken() -> None:
    with pytest.raises(BadCose, match="not the key's"):
        read(VECTORS[UNPROTECTED_ALGORITHM])


@pytest.mark.parametrize("suite", suites.SUITES.values(), ids=lambda suite: suite.name)
def test_what_each_suite_signs_it_verifies_and_nothing_else_does(suite: suites.Suite) -> None:
    key = suite.generate()
    message = cose.to_bytes(cose.sign1(cose.KeySigner(key, suite.name), b"content", protected={3: 0}, external=b"outside"))
    read = cose.read_sign1(message)
    assert cose.verify1(read, key.public_key(), external=b"outside") == b"content"
    for other, external in ((suite.generate().public_key(), b"outside"), (key.public_key(), b"")):
        with pytest.raises(BadCose, match="does not fit"):
            cose.verify1(read, other, external=external)


def test_a_key_of_another_kind_does_not_lend_its_algorithm() -> None:
    message = cose.read_sign1(cose.to_bytes(cose.sign1(SIGNER, b"content")))
    with pytest.raises(BadCose, match="not the key's"):
        cose.verify1(message, suites.EDDSA.generate().public_key())


def test_a_detached_payload_is_signed_and_must_be_brought() -> None:
    message = cose.sign1(SIGNER, b"content", is_detached=True)
    assert message[2] is None
    read = cose.read_sign1(message)
    assert cose.verify1(read, SECRET.public_key(), payload=b"content") == b"content"
    for payload in (None, b"other"):
        with pytest.raises(BadCose):
            cose.verify1(read, SECRET.public_key(), payload=payload)


def test_a_payload_that_is_there_twice_is_refused() -> None:
    read = cose.read_sign1(cose.sign1(SIGNER, b"content"))
    with pytest.raises(BadCose, match="twice"):
        cose.verify1(read, SECRET.public_key(), payload=b"content")


def test_the_fully_specified_name_of_the_algorithm_is_understood() -> None:
    body = cbor2.dumps({cose.ALGORITHM: -9})
    signature = SIGNER.sign_bytes(cbor2.dumps(["Signature1", body, b"", b"content"]))
    assert cose.verify1(cose.read_sign1([body, {}, b"content", signature]), SECRET.public_key()) == b"content"


def test_a_key_of_the_ring_brings_its_chain(app: Flask) -> None:
    with app.app_context():
        message = cose.read_sign1(cose.to_bytes(cose.sign1(ring.signer(ring.STATUS), b"content")))
    (leaf,) = message.chain
    assert isinstance(message.unprotected[cose.X5CHAIN], bytes)
    assert cose.verify1(message, leaf.public_key()) == b"content"  # type: ignore[arg-type]


HOSTILE = {
    "nothing": b"",
    "no CBOR": b"\xff",
    "more after it": cose.to_bytes(cose.sign1(SIGNER, b"content")) + b"\x00",
    "another tag": cbor2.dumps(cbor2.CBORTag(98, [b"", {}, b"", b""])),
    "a number": b"\x00",
    "too few parts": cbor2.dumps([b"", {}, b""]),
    "a payload of text": cbor2.dumps([b"", {}, "content", b""]),
    "a protected header that is no map": cbor2.dumps([b"\x00", {}, b"", b""]),
    "a protected header of two items": cbor2.dumps([b"\xa0\xa0", {}, b"", b""]),
    "a header that stands on both sides": cbor2.dumps([cbor2.dumps({1: -7}), {1: -7}, b"", b""]),
    "a header that stands twice": cbor2.dumps([bytes.fromhex("a201260126"), {}, b"", b""]),
    "a critical header": cbor2.dumps([cbor2.dumps({1: -7, 2: [99], 99: 1}), {}, b"", b""]),
    "a critical header that is not protected": cbor2.dumps([cbor2.dumps({1: -7}), {2: [99], 99: 1}, b"", b""]),
    "deep nesting": b"\x81" * 5000 + b"\x00",
    "a length without end": bytes.fromhex("5b7fffffffffffffff00"),
    "a regular expression": bytes.fromhex("d823662861612a29"),
    "a number that fills the memory": bytes.fromhex("c5821a00ffffff01"),
    "a large number": bytes.fromhex("c2") + cbor2.dumps(b"\xff" * 9),
    "a cycle": bytes.fromhex("d81c81d81d00"),
}


@pytest.mark.parametrize("unverified", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_message_is_refused_by_one_error(unverified: bytes) -> None:
    with pytest.raises(BadCose):
        cose.read_sign1(unverified)


@pytest.mark.parametrize("chain", [b"no certificate", [b"no certificate"], 7, ["text"]])
def test_a_chain_that_is_none_is_refused(chain: Any) -> None:
    with pytest.raises(BadCose, match="chain"):
        _ = cose.read_sign1(cose.sign1(SIGNER, b"content", unprotected={cose.X5CHAIN: chain})).chain


def test_what_is_nested_deeper_than_anything_of_ours_is_not_read() -> None:
    assert cose.read_cbor(b"\x81" * (cose.MAX_DEPTH - 1) + b"\x00")
    with pytest.raises(BadCose):
        cose.read_cbor(b"\x81" * (cose.MAX_DEPTH + 1) + b"\x00")


def test_an_algorithm_of_another_type_is_refused() -> None:
    for named in (None, "ES256", True, [1], -999):
        with pytest.raises(BadCose, match="algorithm"):
            cose.verify1(cose.Sign1(b"", {cose.ALGORITHM: named}, {}, b"", b""), SECRET.public_key())


def test_a_tag_is_read_where_it_has_its_place() -> None:
    tagged = bytes.fromhex("d903ec6a323032362d30312d3031")
    assert str(cose.read_cbor(tagged, tags=frozenset({1004}))) == "2026-01-01"
    with pytest.raises(BadCose):
        cose.read_cbor(tagged)
