import statistics
import subprocess
import sys
import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.signin import common_passwords, passwords
from idp.signin.passwords import PasswordRefused, check_password, hash_password, is_outdated, is_right
from idp.subjects.numbers import parse_number

pytestmark = pytest.mark.usefixtures("real_hashes")
NUMBER = parse_number("37999919800101018X")
ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize(
    ("password", "why"),
    [
        pytest.param("我的1980年1月1日呀", "born", id="written out"),
        pytest.param("born 1980-01-01!", "born", id="with hyphens"),
        pytest.param("x19800101x", "born", id="digits in the middle"),
        pytest.param("１９８０．１．１生日", "born", id="full width"),
        pytest.param("买买提的小狗叫旺财", "name", id="a part of the name"),
        pytest.param("ilove买买提·吐尔逊", "name", id="the name"),
        pytest.param("MaimaiTi-2024-x", None, id="its sound is not looked for"),
        pytest.param("一九八零年的第一场雪", None, id="in words"),
    ],
)
def test_what_others_know_of_a_person_is_not_in_their_password(password: str, why: str | None) -> None:
    assert refused(password, name="买买提·吐尔逊") == why


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [
        ("Li Na", "a lining of silver", None),
        ("Anne-Marie Schmidt", "SCHMIDT und Söhne", "name"),
        ("Anne-Marie Schmidt", "schmied und soehne", None),
        ("王", "国王的新衣很好看", None),
        ("王芳", "王 芳 真 好 看 呀", "name"),
        ("", "纸上得来终觉浅绝知此事", None),
    ],
)
def test_a_name_is_found_as_people_write_it(name: str, password: str, why: str | None) -> None:
    assert refused(password, name=name) == why


@pytest.mark.parametrize(
    "password",
    [
        "password1",
        "PASSWORD1",
        "ｐａｓｓｗｏｒｄ１",
        "pass word 1",
        "p a s s w o r d 1",
        "新年快乐 万事如意",
        "好好学习天天向上",
        "zhongguo123",
        "ZZZZzzzzzz",
    ],
)
def test_a_common_one_is_common_however_it_is_written(password: str) -> None:
    assert refused(password) == "common"


def test_the_list_is_of_a_package_and_not_of_its_code() -> None:
    check = "import sys; from idp.signin.common_passwords import is_common; assert is_common('iloveyou2'); assert 'django' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


def test_no_list_is_read_before_a_password_is_chosen() -> None:
    check = "import wsgi; wsgi.commands(); from idp.signin import common_passwords as it, signin_pages; assert it._listed.cache_info().currsize == 0"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0


def test_what_is_listed_here_is_not_listed_there() -> None:
    common_passwords._listed()
    for word in common_passwords.COMMON_HERE.split():
        assert common_passwords._listed().count(f"\n{common_passwords.key_of(word)}\n") == 1, word
        assert len(word) >= passwords.SHORTEST, word


def refused(password: str, *, name: str = "") -> str | None:
    try:
        check_password(password, number=NUMBER, name=name)
    except PasswordRefused as refusal:
        return refusal.why
    return None


@settings(deadline=None, max_examples=200)
@given(st.text(min_size=0, max_size=300))
def test_any_text_is_a_password_or_refused_with_words(password: str) -> None:
    why = refused(password, name="欧阳娜娜")
    assert why is None or why in passwords.REASONS
    composed = unicodedata.normalize("NFC", password)
    assert (why == "short") == (len(composed) < passwords.SHORTEST)
    assert (why == "long") == (len(composed) > passwords.LONGEST)
    assert refused(unicodedata.normalize("NFD", password), name="欧阳娜娜") == why


@settings(deadline=None, max_examples=12)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=passwords.LONGEST))
def test_whatever_was_hashed_is_right_and_nothing_else(password: str) -> None:
    kept = hash_password(password)
    assert is_right(kept, unicodedata.normalize("NFD", password))
    assert not is_right(kept, password + "!")
    assert not is_right(kept, password[:-1])


def test_no_more_hashes_are_made_at_once_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    present, most, lock = 0, 0, threading.Lock()

    class Slow:
        def hash(self, password: str) -> str:
            nonlocal present, most
            with lock:
                present += 1
                most = max(most, present)
            time.sleep(0.02)
            with lock:
                present -= 1
            return password

    monkeypatch.setattr(passwords, "hasher", Slow())
    with ThreadPoolExecutor(3 * passwords.AT_ONCE) as pool:
        list(pool.map(hash_password, ["x"] * 4 * passwords.AT_ONCE))
    assert most == passwords.AT_ONCE
