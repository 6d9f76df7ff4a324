"""Base64url is read strictly."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import base64url

REFUSED = ("A", "AAAAA", "AA==", "AAA=", "=", "A+A/", "A A", "AAA\n", "A\nAA", "AA\0A", "é", "ＡＡ", "\ud800")


@given(st.binary(max_size=60))
def test_what_is_written_is_read_again(raw: bytes) -> None:
    written = base64url.write(raw)
    assert written.encode() == base64.urlsafe_b64encode(raw).rstrip(b"=")
    assert base64url.read(written) == raw


@pytest.mark.parametrize("unverified", REFUSED, ids=ascii)
def test_what_is_not_base64url_is_refused(unverified: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        base64url.read(unverified)


@given(st.text(alphabet="A_-z9+/= \n\0é", max_size=9))
def test_any_text_of_other_letters_is_refused(unverified: str) -> None:
    if set(unverified) <= set("A_-z9") and len(unverified) % 4 != 1:
        assert base64url.write(base64url.read(unverified))[:-1] == unverified[:-1]
    else:
        with pytest.raises(ValueError, match=r"."):
            base64url.read(unverified)
