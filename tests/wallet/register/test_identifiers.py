"""Vectors are published identifiers of real issuers' licences (they name no holder)."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.subjects import credit_codes
from wallet.register.identifiers import SERIAL_ALPHABET, MalformedIdentifier, check_type_code, make_identifier, new_serial, parse_identifier

PUBLISHED = (
    "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U",
    "1.2.156.3005.2.11100000000013338W009.11330105002500287C.2025052201.002.0",
)
TYPE, ISSUER = "11100000000013127D001", "11430000006122244L"
credit_code = st.from_regex(r"\A11379999[0-9A-HJ-NP-RTUWXY]{8}\Z").map(credit_codes.complete)
type_code = st.tuples(credit_code, st.from_regex(r"\A[0-9]{3}\Z")).map("".join)
serial = st.one_of(
    st.from_regex(r"\A[0-9]{7,12}\Z"), st.text(SERIAL_ALPHABET, min_size=20, max_size=20), st.text(SERIAL_ALPHABET, min_size=32, max_size=32)
)


@pytest.mark.parametrize("published", PUBLISHED)
def test_a_published_identifier_verifies_and_is_written_again_the_same(published: str) -> None:
    identifier = parse_identifier(published, strict=True)
    assert str(identifier) == published
    assert make_identifier(identifier.type_code, identifier.issuer_code, identifier.serial, int(identifier.version)) == identifier


@given(type_code, credit_code, serial, st.integers(1, 999))
def test_whatever_is_made_is_read_back(type_code: str, issuer: str, serial: str, version: int) -> None:
    made = make_identifier(type_code, issuer, serial, version)
    assert parse_identifier(str(made), strict=True) == made
    assert parse_identifier(f" {str(made).lower()}\n") == made


@given(type_code, credit_code, serial, st.data())
def test_one_wrong_character_is_always_found(type_code: str, issuer: str, serial: str, data: st.DataObject) -> None:
    made = str(make_identifier(type_code, issuer, serial))
    at = data.draw(st.integers(len("1.2.156.3005.2."), len(made) - 1).filter(lambda index: made[index] != "."))
    other = data.draw(st.sampled_from(SERIAL_ALPHABET).filter(lambda character: character != made[at]))
    with pytest.raises(MalformedIdentifier):
        parse_identifier(made[:at] + other + made[at + 1 :])


@given(st.text(max_size=200))
def test_any_text_is_an_identifier_or_is_refused(text: str) -> None:
    with contextlib.suppress(MalformedIdentifier):
        parse_identifier(text)


@pytest.mark.parametrize(
    ("type_code", "issuer", "serial", "version"),
    [
        pytest.param("11100000000013127E001", ISSUER, "1234567", 1, id="a type code with a bad check character"),
        pytest.param("11100000000013127D01", ISSUER, "1234567", 1, id="a short type code"),
        pytest.param("11100000000013127D001\n", ISSUER, "1234567", 1, id="a type code with a line end"),
        pytest.param(TYPE, "430000", "1234567", 1, id="a division for an issuer"),
        pytest.param(TYPE, "11430000006122244M", "1234567", 1, id="an issuer with a bad check character"),
        pytest.param(TYPE, ISSUER, "123456", 1, id="a serial of six digits"),
        pytest.param(TYPE, ISSUER, "1234567890123", 1, id="a serial of thirteen digits"),
        pytest.param(TYPE, ISSUER, "ABCDEFG", 1, id="a short serial of letters"),
        pytest.param(TYPE, ISSUER, "1234567", 0, id="version zero"),
        pytest.param(TYPE, ISSUER, "1234567", 1000, id="a version of four digits"),
    ],
)
def test_what_the_standard_has_not_is_not_made(type_code: str, issuer: str, serial: str, version: int) -> None:
    with pytest.raises(MalformedIdentifier):
        make_identifier(type_code, issuer, serial, version)


def test_an_issuer_that_is_only_a_division_is_read_but_not_strictly() -> None:
    from stdnum.iso7064 import mod_37_36

    fields = [TYPE, "379999", "20230000403", "001"]
    text = ".".join(["1.2.156.3005.2", *fields, mod_37_36.calc_check_digit("".join(fields))])
    assert parse_identifier(text).issuer_code == "379999"
    with pytest.raises(MalformedIdentifier, match="issuer"):
        parse_identifier(text, strict=True)


def test_serials_are_twenty_characters_and_never_the_same() -> None:
    serials = {new_serial() for _ in range(2000)}
    assert len(serials) == 2000
    assert {len(serial) for serial in serials} == {20}


def test_a_type_code_in_use_is_accepted() -> None:
    for code in ("11100000000013127D001", "11100000MB0143028R001", "11100000MB03271699001", "11100000MB03271699022", "11100000000013338W032"):
        check_type_code(code)
