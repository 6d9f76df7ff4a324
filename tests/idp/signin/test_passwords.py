import statistics
import time
import unicodedata

import pytest
from argon2 import PasswordHasher

from idp.signin import passwords
from idp.signin.passwords import PasswordRefused, check_password, hash_password, is_outdated, is_right
from idp.subjects.numbers import parse_number

NUMBER = parse_number("37999919800101018X")


@pytest.mark.parametrize(
    "password",
    ["纸上得来终觉浅绝知此事", "correct horse battery", "p" * 255 + "q", "🦀🐟🦐🐚🦑🐙🦞🐡", " spaces at both ends ", "only lower case"],
)
def test_any_characters_make_a_password(password: str) -> None:
    check_password(password, number=NUMBER)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short 7", "short"),
        ("短密码七个字哦", "short"),
        ("e\u0301" * 7, "short"),
        ("p" * 256 + "q", "long"),
        ("12345678", "common"),
        ("PassWord123", "common"),
        ("woaini1314", "common"),
        ("zzzzzzzzzzz", "common"),
        (NUMBER.value, "number"),
        (NUMBER.value.lower() + "!", "number"),
        (f"{NUMBER.value[:6]} {NUMBER.value[6:]}", "number"),
        (NUMBER.value[6:14], "number"),
    ],
)
def test_an_unfit_password_is_refused_with_its_reason(password: str, why: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_password(password, number=NUMBER)
    assert (refused.value.why, refused.value.field, refused.value.status) == (why, "password", 422)


def test_a_password_is_right_however_the_keyboard_composes_it() -> None:
    kept = hash_password(unicodedata.normalize("NFC", "crème brûlée é"))
    assert is_right(kept, unicodedata.normalize("NFD", "crème brûlée é"))
    assert not is_right(kept, "creme brulee e")


def test_a_very_long_decomposed_password_is_right_too() -> None:
    composed = "é" * 255 + "!"
    assert is_right(hash_password(composed), unicodedata.normalize("NFD", composed))


def test_a_hash_is_argon2id_as_owasp_has_it() -> None:
    assert hash_password("correct horse").startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_password("correct horse") != hash_password("correct horse")


def test_a_hash_of_other_parameters_is_outdated() -> None:
    assert is_outdated(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("x"))
    assert not is_outdated(hash_password("x"))


@pytest.mark.parametrize("kept", [None, "", "$argon2id$nonsense", "plain"])
def test_nothing_is_right_where_no_hash_is_kept(kept: str | None) -> None:
    assert not is_right(kept, "correct horse")


def test_an_unknown_number_costs_the_same_work_as_a_wrong_password() -> None:
    kept = hash_password("correct horse")
    is_right(None, "warm")

    def took(hashed: str | None) -> float:
        began = time.thread_time()
        is_right(hashed, "wrong horse")
        return time.thread_time() - began

    known, unknown = (statistics.median(took(hashed) for _ in range(9)) for hashed in (kept, None))
    assert 0.5 < unknown / known < 2


def test_the_common_ones_could_be_chosen_otherwise() -> None:
    assert len(passwords.COMMON) > 100
    assert all(passwords.SHORTEST <= len(word) <= passwords.LONGEST and word == word.casefold() for word in passwords.COMMON)
