"""The strict reader of JSON reads what the standard library reads, and refuses what the standard library lets pass."""

import json
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import strict_json
from runtime.strict_json import NotStrict

REFUSED = {
    "nothing": b"",
    "a member twice": b'{"a":1,"a":1}',
    "a member twice, escaped": b'{"a":1,"\\u0061":1}',
    "a member twice, deep within": b'[{"b":[{"a":{"c":1,"c":2}}]}]',
    "NaN": b"[NaN]",
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b"-Infinity",
    "a number that only Infinity is": b'{"exp":1e999}',
    "minus such a number, deep within": b'[{"a":[0,-1E+400]}]',
    "such a number in digits": b"1" * 400 + b".0",
    "the first half of a pair": b'"\\ud83d"',
    "the second half of a pair": b'"\\uDE00"',
    "halves with something between": b'"\\ud83dx\\ude00"',
    "a half in a name": b'{"\\udfff":1}',
    "a half in UTF-8": b'"\xed\xa0\x80"',
    "NUL as it is": b'"\x00"',
    "a line's end in a text": b'"a\nb"',
    "too long in UTF-8": b'"\xc0\x80"',
    "not UTF-8": b'"\xff"',
    "UTF-16": "[]".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a space that is none of JSON's": b"\xc2\xa0{}",
    "two texts": b"{}{}",
    "something after it": b"{} x",
    "NUL after it": b"{}\x00",
    "a comma too many": b"[1,]",
    "a remark": b"/*a*/1",
    "apostrophes": b"{'a':1}",
    "a zero before a number": b"01",
    "a plus before a number": b"+1",
    "a number of too many digits": b"9" * 4301,
    "too many levels": b"[" * 202 + b"]" * 202,
    "levels without end": b"[" * 100_000,
}
LETTERS, WORDS = [bytes([one]) for one in b'"\\{}[],:0-e. \x1f\xff'], [b"\\u", b"d8", b"\\ud83d", b"\\uDE00", b"NaN", b'"a":1']
WRONG = [*LETTERS, *WORDS]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("unverified", REFUSED.values(), ids=REFUSED)
def test_what_only_a_parser_could_love_is_refused(unverified: bytes) -> None:
    with pytest.raises(NotStrict):
        strict_json.read(unverified)


def test_a_refusal_says_nothing_of_what_was_sent() -> None:
    with pytest.raises(NotStrict) as refused:
        strict_json.read(b'{"secret":1,"secret":2}')
    assert "secret" not in f"{refused.value}{refused.value.__cause__}"
    assert refused.value.__suppress_context__


def test_what_is_great_but_proper_is_read() -> None:
    assert strict_json.read(b"9" * 4300) == 10**4300 - 1
    assert strict_json.read(b" \t\r\n" + b"[" * 201 + b"]" * 201 + b"\n")
    assert strict_json.read(b'["\\ud83d\\ude00", "\\u0000", -0, 1E5, 5e-324, 1e308]') == ["😀", "\0", 0, 1e5, 5e-324, 1e308]


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_is_written_is_read_again(value: Any, is_ascii: bool, indent: int | None) -> None:
    assert repr(strict_json.read(json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode())) == repr(value)


@given(VALUES, st.lists(st.tuples(st.integers(0, 200), st.sampled_from(WRONG), st.integers(0, 2)), min_size=1, max_size=3))
def test_whatever_is_broken_is_read_as_a_slower_reader_does_or_is_refused_by_both(value: Any, breaks: list[tuple[int, bytes, int]]) -> None:
    text = bytearray(json.dumps(value, ensure_ascii=False).encode())
    for at, wrong, instead_of in breaks:
        text[at : at + instead_of] = wrong
    assert outcome(strict_json.read, bytes(text)) == outcome(read_slowly, bytes(text))


def outcome(read: Any, text: bytes) -> str:
    try:
        return repr(read(text))
    except ValueError:
        return "refused"


def read_slowly(text: bytes) -> Any:
    """Read JSON strictly by the standard library alone."""
    content = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_once).decode(text.decode())
    json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("twice")
    return dict(pairs)


def _refuse(_: str) -> NoReturn:
    raise ValueError("not a number")
