"""A status list in a file comes from anyone: it is bounded, and nothing in it is believed before its signature is checked."""

import zlib
from datetime import timedelta
from typing import Any

import pytest

from tests.wallet.verifying.presented import ISSUER, NOW, root
from tests.wallet.verifying.status_tokens import PRESENT, URI, status_cwt, status_token
from wallet.issuing.status_packing import MOST_PACKED, to_base64url
from wallet.verifying.bundles import Bundle
from wallet.verifying.checks import SourceUnavailable, StatusUnknown, Trust
from wallet.verifying.status_files import MAX_FILE, BadStatusFile, read_status_file

BOMB = zlib.compress(bytes(80_000_000), 9)


def claims(index: Any = 7, *, iss: Any = ISSUER) -> dict[str, Any]:
    return {"iss": iss, "status": {"status_list": {"idx": index, "uri": URI}}}


@pytest.mark.parametrize("make", [status_token, status_cwt])
def test_both_forms_are_read_and_bits_are_honoured(make: Any) -> None:
    status_of = read_status_file(make({7: 1, 8: 2, 9: 3}), roots=(root(),), now=NOW)
    assert [status_of(claims(index)) for index in (6, 7, 8)] == ["valid", "revoked", "suspended"]
    with pytest.raises(StatusUnknown):
        status_of(claims(9))  # what a house means by it, it alone knows


def test_a_list_of_one_bit_is_read_as_such() -> None:
    lst = to_base64url(zlib.compress(bytes([0b10000001]), 9))
    status_of = read_status_file(status_token({}, status_list={"bits": 1, "lst": lst}), roots=(root(),), now=NOW)
    assert [status_of(claims(index)) for index in (0, 1, 7)] == ["revoked", "valid", "revoked"]
    with pytest.raises(StatusUnknown):
        status_of(claims(8))


def test_a_list_that_another_signed_says_nothing_of_a_credential() -> None:
    status_of = read_status_file(status_token({}), roots=(root(),), now=NOW)
    with pytest.raises(StatusUnknown):
        status_of(claims(iss="https://kabao.example/departments/another"))
    with pytest.raises(StatusUnknown):
        status_of(claims(iss=None))


def test_a_token_without_end_is_good() -> None:
    assert read_status_file(status_token({}, exp=None, ttl=None), roots=(root(),), now=NOW)(claims()) == "valid"


def test_a_list_that_was_opened_from_a_bundle_is_not_believed_after_its_end() -> None:
    bundle = Bundle("https://kabao.example", NOW, NOW + timedelta(days=1), Trust((root(),)), {}, {}, {URI: status_token({}, ends=1000).decode()})
    assert bundle.status_of(claims(), now=NOW) == "valid"
    with pytest.raises(SourceUnavailable):
        bundle.status_of(claims(), now=NOW + timedelta(seconds=1000))


CHANGES: dict[str, dict[str, Any]] = {
    "another type": {"typ": "JWT"},
    "another key": {"by": "holder"},
    "no subject": {"sub": None},
    "a subject that is no text": {"sub": 7},
    "no time of issue": {"iat": None},
    "a time of issue that is a text": {"iat": "now"},
    "from the future": {"iat": PRESENT + 3600},
    "past its time": {"exp": PRESENT},
    "an end that is a text": {"exp": "later"},
    "an end that is true": {"exp": True},
    "a beginning to come": {"nbf": PRESENT + 3600},
    "a beginning that is a text": {"nbf": "now"},
    "for somebody else": {"aud": "https://other.example"},
    "a time to live of nothing": {"ttl": 0},
    "a negative time to live": {"ttl": -1},
    "a time to live of four hundred digits": {"ttl": 10**400},
    "an end of four hundred digits": {"exp": 10**400},
    "no list": {"status_list": None},
    "an empty list": {"status_list": {}},
    "three bits": {"status_list": {"bits": 3, "lst": "eNrbuRgAAhcBXQ"}},
    "bits that are a text": {"status_list": {"bits": "1", "lst": "eNrbuRgAAhcBXQ"}},
    "junk in the list": {"status_list": {"bits": 2, "lst": "AAAA"}},
    "a bomb": {"status_list": {"bits": 2, "lst": to_base64url(BOMB)}},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("make", [status_token, status_cwt])
def test_a_token_with_one_fault_is_refused(make: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(BadStatusFile):
        read_status_file(make({}, **changes), roots=(root(),), now=NOW)


FILES = {
    "nothing": b"",
    "words": b"words",
    "dots": b"..",
    "many dots": b"." * 1000,
    "not ASCII": b"\xff\xfe\x00",
    "another tag": b"\xd1" + status_cwt({})[1:],
    "the CWT's own tag": b"\xd8\x3d" + status_cwt({}),
    "no tag": status_cwt({}, tag=False),
    "a tag and nothing": b"\xd2",
    "a tag and an array without end": b"\xd2" + b"\x9f" * 1000,
    "a CWT cut short": status_cwt({})[:-5],
    "something behind a CWT": status_cwt({}) + b"\x00",
    "a bomb as a CWT": status_cwt({}, status_list={"bits": 2, "lst": BOMB}),
    "an end that is no number": status_cwt({}, exp=float("nan")),
    "too much": b"a" * (MAX_FILE + 1),
}


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_what_is_no_token_is_refused_by_one_error(file: bytes) -> None:
    with pytest.raises(BadStatusFile):
        read_status_file(file, roots=(root(),), now=NOW)


def test_no_more_is_ever_unpacked_than_the_largest_list_has() -> None:
    assert len(BOMB) < 100_000
    assert MOST_PACKED < 80_000_000
