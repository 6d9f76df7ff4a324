"""What no request may hold."""

import json
from typing import Any

import pytest

from runtime.rough_input import MAX_DEPTH, UnreadableBody, read_body, read_json


@pytest.mark.parametrize("content", [{"a": [1, "二", None, {"b": 1.5}]}, "𠮷", 10**30, []], ids=str)
def test_proper_json_is_read(content: Any) -> None:
    assert read_json(json.dumps(content).encode()) == content
    assert read_json(json.dumps(content, ensure_ascii=False).encode()) == content


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a":NaN}', id="NaN"),
        pytest.param(b'{"a":-Infinity}', id="Infinity"),
        pytest.param(b'{"a":1,"a":2}', id="a member twice"),
        pytest.param(b'{"a":"\\u0000"}', id="NUL"),
        pytest.param(b'{"a\\u0000":1}', id="NUL in a name"),
        pytest.param(b'["\\ud800"]', id="a lone surrogate"),
        pytest.param(b'{"\\udfff":1}', id="a lone surrogate in a name"),
        pytest.param(b"9" * 5000, id="too long a number"),
        pytest.param(b"[" * 100_000, id="too deep to be parsed"),
        pytest.param(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), id="too deep"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param("[]".encode("utf-16"), id="UTF-16"),
        pytest.param(b"{}{}", id="two texts"),
    ],
)
def test_what_only_a_parser_could_love_is_refused(body: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_json(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"type": "driving-licence",\n}', "line 2, column 1"),
        (b'{"a":1,"a":2}', "line 1, column 12"),
        (b'{"a":"\\u0000"}', "U+0000"),
        (b"[" * 40 + b"]" * 40, "more than 32 levels"),
        (b'{"a":1e999}', "beyond all measure"),
    ],
    ids=["a comma too many", "a member twice", "NUL", "too deep", "too great"],
)
def test_a_body_that_is_not_readable_is_refused_by_where_or_why(body: bytes, said: str) -> None:
    with pytest.raises(UnreadableBody) as refused:
        read_body(body, is_json=True)
    assert refused.value.shown is not None
    assert said in refused.value.shown.en
    assert refused.value.field is None


def test_the_greatest_depth_is_read() -> None:
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
