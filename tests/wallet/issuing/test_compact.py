import contextlib
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import cbor2
import pytest
import segno
import zxingcpp
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keys import certificates, cose, ring, suites
from runtime.settings import Settings
from tests.wallet.issuing.licence_contents import PLACE, new_content, some_days_on
from wallet.issuing import compact, compact_text
from wallet.issuing.compact import NotCompact
from wallet.issuing.contents import Content

FIVE = ("holder_name", "holder_number", "vehicle_class", "birth_date", "licence_valid_until")
MINUTES = timedelta(minutes=10)
LARGEST_VERSION = 13  # 69 modules a side: with its margin as wide as a phone, each is a millimetre


@pytest.fixture(scope="module")
def content(app: Flask) -> Content:
    return new_content(app)


@pytest.fixture(scope="module")
def keys_of(app: Flask, content: Content) -> compact.KeysOf:
    with app.app_context():
        known = {compact.kid_of(kid): one.key for kid, one in ring.verifying_keys(certificates.department_use(content.department)).items()}
    return lambda department, kid: [known[kid]] if department == content.department and kid in known else []


@pytest.fixture(scope="module")
def make(app: Flask, settings: Settings, content: Content) -> Callable[..., str]:
    def made(**changes: Any) -> str:
        with app.app_context():
            return compact.make(settings, content, **{"fields": FIVE, "fresh_for": MINUTES, "now": some_days_on(), **changes})

    return made


def test_five_fields_fit_a_phone_and_are_read_back_from_a_picture(make: Callable[..., str], keys_of: compact.KeysOf, content: Content) -> None:
    text = make()
    code = segno.make(text, error="m", boost_error=False, micro=False)
    assert code.mode == "alphanumeric"
    assert isinstance(code.version, int)
    assert code.version <= LARGEST_VERSION
    picture = Image.new("L", code.symbol_size(scale=3, border=4), 255)
    for y, row in enumerate(code.matrix_iter(scale=3, border=4)):
        for x, is_dark in enumerate(row):
            picture.putpixel((x, y), 0 if is_dark else 255)
    (found,) = zxingcpp.read_barcodes(picture)
    told = compact.read(found.text, keys_of=keys_of, now=some_days_on())
    assert told.fields == {name: {**content.values, **content.dates}[name] for name in FIVE}
    assert (told.department, told.type, told.status) == (content.department, "driving-licence", None)


def test_with_a_place_its_status_can_be_asked_for(make: Callable[..., str], keys_of: compact.KeysOf) -> None:
    told = compact.read(make(place=PLACE), keys_of=keys_of, now=some_days_on())
    assert told.status == {"status_list": {"idx": 4711, "uri": "http://127.0.0.1:8000/status/0123456789ab"}}


def test_it_is_fresh_for_as_long_as_it_says_and_no_longer_than_the_licence(
    app: Flask, settings: Settings, make: Callable[..., str], keys_of: compact.KeysOf, content: Content
) -> None:
    moment = some_days_on()
    text = make(now=moment)
    compact.read(text, keys_of=keys_of, now=moment + MINUTES - timedelta(seconds=2))
    with pytest.raises(NotCompact):
        compact.read(text, keys_of=keys_of, now=moment + MINUTES)
    with pytest.raises(NotCompact):
        compact.read(text, keys_of=keys_of, now=moment - timedelta(minutes=5))
    long = compact.read(make(fresh_for=timedelta(days=36500)), keys_of=keys_of, now=some_days_on())
    assert long.fresh_until == content.expires_at


def test_a_field_that_the_licence_lacks_is_left_out(make: Callable[..., str], keys_of: compact.KeysOf) -> None:
    assert set(compact.read(make(fields=("holder_name", "nothing")), keys_of=keys_of, now=some_days_on()).fields) == {"holder_name"}


def signed_by(key: suites.PrivateKey, claims: Any, *, kid: bytes = b"12345678") -> str:
    message = cose.sign1(cose.KeySigner(key), claims if isinstance(claims, bytes) else cbor2.dumps(claims), protected={cose.KEY_ID: kid})
    return compact_text.PREFIX + compact_text.to_base45(zlib.compress(cose.to_bytes(message)))


GOOD = {1: "11379999MB1000010L", 4: 4_000_000_000, 6: 1_700_000_000, -70001: {"t": "driving-licence", "holder_name": "林晓月"}}


def test_a_good_code_of_another_maker_is_read() -> None:
    key = suites.ES256.generate()
    assert compact.read(signed_by(key, GOOD), keys_of=lambda *_: [key.public_key()], now=some_days_on()).fields == {"holder_name": "林晓月"}


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param([], id="no map"),
        pytest.param({}, id="nothing"),
        pytest.param({**GOOD, 1: 7}, id="an issuer that is no text"),
        pytest.param({**GOOD, 4: "tomorrow"}, id="an end that is no time"),
        pytest.param({**GOOD, 4: 2**60}, id="an end past all calendars"),
        pytest.param({**GOOD, 4: True}, id="an end that is true"),
        pytest.param({**GOOD, 4: 1_700_000_001}, id="ended long ago"),
        pytest.param({**GOOD, -70001: "x"}, id="a licence that is no map"),
        pytest.param({**GOOD, -70001: {"a": {"b": "c"}}}, id="a field of fields"),
        pytest.param({**GOOD, -70001: {"a": "x" * 2001}}, id="a field too long"),
        pytest.param({**GOOD, -70001: {str(one): 1 for one in range(61)}}, id="too many fields"),
        pytest.param({**GOOD, -70001: {1: "x"}}, id="a field without a name"),
        pytest.param(b"\xff", id="no CBOR"),
        pytest.param(b"\xa1\x01", id="half of CBOR"),
    ],
)
def test_claims_that_no_licence_has_are_refused(claims: Any) -> None:
    key = suites.ES256.generate()
    with pytest.raises(NotCompact):
        compact.read(signed_by(key, claims), keys_of=lambda *_: [key.public_key()], now=some_days_on())


def test_what_opens_into_too_much_is_not_opened() -> None:
    bomb = compact_text.PREFIX + compact_text.to_base45(zlib.compress(bytes(2 * 1024 * 1024), 9))
    assert len(bomb) < compact_text.LONGEST_TEXT
    with pytest.raises(NotCompact, match="too much"):
        compact.read(bomb, keys_of=lambda *_: [], now=some_days_on())


def test_another_key_is_not_the_departments(make: Callable[..., str]) -> None:
    with pytest.raises(NotCompact):
        compact.read(make(), keys_of=lambda *_: [suites.ES256.generate().public_key()], now=some_days_on())
    with pytest.raises(NotCompact):
        compact.read(make(), keys_of=lambda *_: [], now=some_days_on())


def test_one_changed_letter_anywhere_fails(make: Callable[..., str], keys_of: compact.KeysOf) -> None:
    """Or changes nothing of what is read: between what is packed and its checksum there may be a few bits that say nothing."""
    text, moment, read = make(), some_days_on(), []
    told = compact.read(text, keys_of=keys_of, now=moment)
    for at in range(len(text)):
        spoilt = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with contextlib.suppress(NotCompact):
            read.append(compact.read(spoilt, keys_of=keys_of, now=moment))
    assert read in ([], [told])


@pytest.mark.parametrize(
    ("raw", "text"), [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"ietf!", "QED8WEX0"), (b"", "")]
)
def test_base45_is_that_of_rfc_9285(raw: bytes, text: str) -> None:
    assert compact_text.to_base45(raw) == text
    assert compact_text.from_base45(text) == raw


@pytest.mark.parametrize("text", ["A", "GGW", "::", ":::", "ab", "ÄÖ", "AAAA", "\ud800A"])
def test_what_is_not_base45_is_refused(text: str) -> None:
    with pytest.raises(NotCompact):
        compact_text.from_base45(text)


@given(st.binary(max_size=200))
def test_base45_goes_and_comes_back(raw: bytes) -> None:
    assert compact_text.from_base45(compact_text.to_base45(raw)) == raw


@given(st.text(max_size=300))
def test_no_text_makes_anything_but_a_refusal(text: str) -> None:
    with pytest.raises(NotCompact):
        compact.read(compact_text.PREFIX + text, keys_of=lambda *_: [], now=some_days_on())
