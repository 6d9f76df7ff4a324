"""Levels: which sign-ins are strong, and how levels are written and read. Pure."""

import pytest

from idp.signin import assurance
from idp.signin.assurance import Level

STRENGTHS = {
    "password": (["pwd"], 1),
    "password and TOTP": (["pwd", "otp", "mfa"], 2),
    "password and TOTP, unsaid": (["pwd", "otp"], 2),
    "password and message": (["pwd", "sms"], 2),
    "password and mail": (["pwd", "email"], 1),
    "password and mail, let count": (["pwd", "email", "mfa"], 2),
    "passkey with its user verified": (["swk", "user"], 2),
    "hardware key with its user verified": (["hwk", "user", "mfa"], 2),
    "passkey alone": (["swk"], 1),
    "two codes": (["sms", "otp"], 1),
    "message alone": (["sms"], 1),
    "nothing": ([], 1),
}


@pytest.mark.parametrize(("amr", "aal"), STRENGTHS.values(), ids=STRENGTHS)
def test_two_kinds_of_factor_make_a_strong_sign_in(amr: list[str], aal: int) -> None:
    assert assurance.aal_of(amr) == aal


@pytest.mark.parametrize("acr", assurance.ACRS)
def test_an_acr_value_is_read_as_it_was_written(acr: str) -> None:
    level = assurance.read_acr(acr)
    assert level is not None
    assert assurance.acr_of(level.ial, level.aal) == acr


@pytest.mark.parametrize(
    "acr", ["", "0", "urn:kabao:acr:ial4:aal1", "urn:kabao:acr:ial2", "urn:kabao:acr:ial2:aal2 ", "urn:mace:incommon:iap:silver"]
)
def test_another_acr_value_is_none_of_ours(acr: str) -> None:
    assert assurance.read_acr(acr) is None


@pytest.mark.parametrize(
    ("text", "level"), [("ial2", Level(2, 1)), ("aal2", Level(1, 2)), ("ial3aal2", Level(3, 2)), ("", None), ("ial9", None), ("ial2 aal2", None)]
)
def test_an_operator_writes_levels_short(text: str, level: Level | None) -> None:
    assert assurance.read_level(text) == level


@pytest.mark.parametrize(
    ("reached", "demand", "covers"),
    [(Level(2, 1), Level(2, 1), True), (Level(3, 2), Level(2, 1), True), (Level(3, 1), Level(2, 2), False), (Level(1, 2), Level(2, 2), False)],
)
def test_neither_level_stands_in_for_the_other(reached: Level, demand: Level, *, covers: bool) -> None:
    assert reached.covers(demand) is covers


def test_several_demands_ask_for_the_most_of_each() -> None:
    assert assurance.together([Level(2, 1), Level(1, 2)]) == Level(2, 2)
    assert assurance.together([]) == Level(1, 1)
