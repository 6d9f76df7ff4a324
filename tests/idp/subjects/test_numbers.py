import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.iso7064 import mod_11_2

from idp.subjects import credit_codes
from idp.subjects.numbers import REASONS, NumberKind, NumberRefused, parse_number
from tests.world_people import citizen_number, credit_code

TODAY = date(2026, 11, 22)


def closed(first_17: str) -> str:
    return first_17 + mod_11_2.calc_check_digit(first_17)


def spoilt(number: str) -> str:
    return number[:-1] + ("0" if number[-1] != "0" else "1")


def coded(first_16: str) -> str:
    return credit_codes.complete(first_16)


ENDS_IN_X = "37999919800101018X"

KINDS = {
    "citizen": (closed("37999919900101001"), NumberKind.CITIZEN, "111"),
    "citizen, check character X": (ENDS_IN_X, NumberKind.CITIZEN, "111"),
    "citizen older than any county": (closed("37999918800229001"), NumberKind.CITIZEN, "111"),
    "citizen born today": (closed("37999920261122001"), NumberKind.CITIZEN, "111"),
    "Hong Kong residence permit": (closed("81000019940823002"), NumberKind.HONG_KONG_RESIDENCE, "551"),
    "Macao residence permit": (closed("82000019940823002"), NumberKind.MACAO_RESIDENCE, "551"),
    "Taiwan residence permit": (closed("83000019940823002"), NumberKind.TAIWAN_RESIDENCE, "552"),
    "permanent resident's card of 2023": (closed("93799919850607001"), NumberKind.PERMANENT_RESIDENT, "553"),
    "permanent resident's card of 2004": ("XXX379985060710", NumberKind.PERMANENT_RESIDENT_2004, "553"),
    "enterprise": (coded("9137999900000001"), NumberKind.CREDIT_CODE, "001"),
    "enterprise with letters": (coded("91379999MA3XYZ12".replace("Z", "W")), NumberKind.CREDIT_CODE, "001"),
    "individual business": (coded("92379999MA300001"), NumberKind.CREDIT_CODE, "001"),
    "government": (coded("1137999900000002"), NumberKind.CREDIT_CODE, "001"),
    "law firm": (coded("3137999900000003"), NumberKind.CREDIT_CODE, "001"),
    "foundation": (coded("5337999900000004"), NumberKind.CREDIT_CODE, "001"),
    "village collective": (coded("N2379999MF000001"), NumberKind.CREDIT_CODE, "001"),
    "military": (coded("A137999900000005"), NumberKind.CREDIT_CODE, "001"),
    "other": (coded("Y137999900000006"), NumberKind.CREDIT_CODE, "001"),
    "a ministry, as published": ("11100000000013338W", NumberKind.CREDIT_CODE, "001"),
    "an authority, as published": ("11430000006122244L", NumberKind.CREDIT_CODE, "001"),
    "another, as published": ("11330105002500287C", NumberKind.CREDIT_CODE, "001"),
    "a third, as published": ("11100000MB0143028R", NumberKind.CREDIT_CODE, "001"),
}


@pytest.mark.parametrize(("text", "kind", "holder_code_type"), KINDS.values(), ids=KINDS)
def test_a_number_of_every_kind_is_understood(text: str, kind: NumberKind, holder_code_type: str) -> None:
    number = parse_number(text, today=TODAY)
    assert (number.value, number.kind, number.holder_code_type) == (text, kind, holder_code_type)
    assert number.is_person is (kind is not NumberKind.CREDIT_CODE)


REFUSALS = {
    "nothing": ("", "empty"),
    "spaces": (" \u3000\t", "empty"),
    "first generation": ("379999900101001", "first-generation"),
    "first generation, full width": ("３７９９９９９００１０１００１", "first-generation"),
    "short": ("3799991990010100", "length"),
    "long": ("3799991990010100123", "length"),
    "endless": ("3" * 1_000_000, "length"),
    "a number after many spaces": (closed("37999919900101001") + " " * 60, "length"),
    "fifteen letters": ("ABCDEFGHIJKLMNO", "length"),
    "fifteen signs": ("***************", "characters"),
    "letters in a citizen number": ("3799991990O1010019", "characters"),
    "Chinese digits": ("三七九九九九一九九〇〇一〇一〇〇一九", "characters"),
    "Arabic digits": ("٣٧٩٩٩٩١٩٩٠٠١٠١٠٠١٩", "characters"),
    "NUL": ("37999919900101001\x00", "characters"),
    "no division": (closed("07999919900101001"), "division"),
    "no such month": (closed("37999919901301001"), "birth-date"),
    "no such day": (closed("37999919900230001"), "birth-date"),
    "29 February of a common year": (closed("37999919000229001"), "birth-date"),
    "year zero": (closed("37999900000101001"), "birth-date"),
    "born tomorrow": (closed("37999920261123001"), "birth-date-future"),
    "born in another age": (closed("37999918491231001"), "birth-date-ancient"),
    "check digit": (spoilt(closed("37999919900101001")), "check-digit"),
    "check digit X where a digit belongs": (closed("37999919900101001")[:-1] + "X", "check-digit"),
    "residence permit of no region": (closed("81010119940823002"), "permit-area"),
    "residence permit, check digit": (spoilt(closed("83000019940823002")), "check-digit"),
    "permanent resident, check digit": (spoilt(closed("93799919850607001")), "check-digit"),
    "credit code with an O": ("9137999900000O0018", "characters"),
    "credit code of no department": ("B1379999MA3000011A", "registering-department"),
    "credit code of no category": ("97379999MA3000011A", "category"),
    "credit code without a division": ("91A79999MA3000011A", "code-division"),
    "organisation code's own digit": ("91379999MA300001" + "A" + "0", "organisation-check"),
    "credit code's check character": (spoilt(coded("91379999MA300001")), "code-check"),
    "credit code of digits, check character": (spoilt(coded("9137999900000001")), "code-check"),
}


@pytest.mark.parametrize(("text", "why"), REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_gives_its_own_reason_in_both_languages(text: str, why: str) -> None:
    with pytest.raises(NumberRefused) as refused:
        parse_number(text, today=TODAY)
    assert (refused.value.why, refused.value.status, refused.value.field) == (why, 422, "number")
    assert refused.value.shown == REASONS[why]
    assert REASONS[why].zh
    assert REASONS[why].en


def test_every_reason_has_a_case() -> None:
    assert {why for _, why in REFUSALS.values()} == set(REASONS)


def test_the_first_generation_is_named() -> None:
    assert "第一代" in REASONS["first-generation"].zh
    assert "first-generation" in REASONS["first-generation"].en


@pytest.mark.parametrize(
    "written",
    [
        "37999919800101018x",
        " 379999 19800101 018x ",
        "３７９９９９１９８００１０１０１８Ｘ",
        "379999-19800101-018X",
        "379999\u200b19800101\u3000018ｘ\n",
        "\u202d37999919800101018X\u202c",
    ],
)
def test_a_number_is_read_as_people_write_it(written: str) -> None:
    assert parse_number(written).value == ENDS_IN_X


def test_a_number_is_masked_for_showing_and_never_in_a_trace() -> None:
    number = parse_number(ENDS_IN_X)
    assert number.masked() == "379***********018X"
    assert ENDS_IN_X not in repr(number)
    assert parse_number("xxx379985060710").masked() == "XXX********0710"


def test_a_number_tells_birth_and_sex_where_it_holds_them() -> None:
    man, woman = parse_number(closed("37999919900101001")), parse_number(closed("83000019940823002"))
    assert (man.born, man.sex) == (date(1990, 1, 1), "male")
    assert (woman.born, woman.sex) == (date(1994, 8, 23), "female")
    for other in (parse_number("XXX379985060710"), parse_number(credit_code())):
        assert (other.born, other.sex) == (None, None)


def test_a_newborn_of_this_morning_in_china_is_not_of_the_future() -> None:
    with pytest.raises(NumberRefused):
        parse_number(closed("37999920261123001"), today=date(2026, 11, 22))
    assert parse_number(closed("37999920261123001"), today=date(2026, 11, 23))


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_is_refused(text: str) -> None:
    try:
        assert parse_number(text).value
    except NumberRefused as refused:
        REASONS[refused.why]


@given(position=st.integers(0, 17), other=st.sampled_from("0123456789"))
def test_one_wrong_digit_never_makes_another_person(position: int, other: str) -> None:
    number = citizen_number(born=date(1980, 5, 5))
    changed = number[:position] + other + number[position + 1 :]
    if changed != number:
        with contextlib.suppress(NumberRefused):
            assert not parse_number(changed).is_person


@given(st.sampled_from(sorted(credit_codes.CATEGORIES)), st.text(credit_codes.ALPHABET, min_size=8, max_size=8))
def test_a_code_that_is_completed_is_whole(department: str, organisation: str) -> None:
    code = credit_codes.complete(f"{department}1379999{organisation}")
    assert credit_codes.fault(code) is None
