"""Passwords: what is accepted (NIST SP 800-63B section 3.1.1: length, no rules of composition) and how they are kept (argon2id).

The work of one check is the same whether or not there is an account to check against.
"""

import functools
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.subjects.numbers import Number, written_plainly
from runtime.languages import Text
from runtime.problems import Refusal

SHORTEST, LONGEST = 8, 256
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP Password Storage Cheat Sheet, argon2id
COMMON_WORDS = """
00000000 01234567 0123456789 0987654321 10203040 11111111 1111111111 11112222 11223344 1122334455 12121212 12131415 12312312 123123123
12341234 12344321 123456123 12345678 123456780 123456789 1234567890 123456789a 123456789q 12345678a 123456aa 123456abc 123456qq
1234abcd 1234qwer 123654789 123698745 123qwe123 123qweasd 13145200 131452000 13145201314 147258369 147852369 159357456 1q2w3e4r 1q2w3e4r5t
1qaz2wsx 1qaz@wsx 1qazxsw2 20202020 22222222 31415926 33333333 44444444 52013140 520131400 5201314520 520520520 55555555 66666666 666666666
66668888 77777777 77778888 778899001 87654321 88888888 888888888 88889999 963852741 98765432 987654321 9876543210 99999999 a1234567
a12345678 a123456789 a123456a aa123456 aa12345678 aaa123456 aaaa1111 aaaaaaaa abc12345 abc123456 abcd1234 abcd123456 abcdefg1 abcdefgh
admin123 admin1234 admin@123 administrator asd123456 asdf1234 asdfasdf asdfghjk asdfghjkl baseball changeme dearbook football iloveyou
jiushiaini kabao123 kabao1234 letmein1 letmein123 monkey123 p@ssw0rd p@ssword pa55word passw0rd password password1 password12 password123
princess q1234567 q1w2e3r4 q1w2e3r4t5 qazwsx123 qazwsxedc qq123456 qq123456789 qwe123456 qweasdzxc qweqweqwe qwer1234 qwerty12 qwerty123
qwertyui qwertyuiop root1234 shandong sunshine superman test1234 trustno1 w123456789 wang123456 welcome1 welcome123 woaini123 woaini1314
woaini520 woaini5201314 woaini521 woainima woaiwojia wodemima xiaoming xiaoxiao z123456789 zhang123 zhang123456 zxc123456 zxcvbnm1
zxcvbnm123 zxcvbnmm
"""
COMMON = frozenset(COMMON_WORDS.split())
REASONS = {
    "short": Text(f"密码至少{SHORTEST}个字符。", f"A password has at least {SHORTEST} characters."),
    "long": Text(f"密码不超过{LONGEST}个字符。", f"A password has at most {LONGEST} characters."),
    "common": Text("这个密码太常见，容易被猜中，请换一个。", "This password is among the most common ones and soon guessed; choose another."),
    "number": Text("密码不能是本人号码或其中的一段。", "The password may not hold your own number or be a part of it."),
}


class PasswordRefused(Refusal):
    """The password is not fit to be one; `why` is one of the keys of `REASONS`."""

    code, status, title = "password-refused", 422, Text("密码不符合要求。", "This password cannot be used.")

    def __init__(self, why: str) -> None:
        super().__init__(why, field="password", shown=REASONS[why], why=why)
        self.why = why


def check_password(password: str, *, number: Number) -> None:
    """Check that a new password is acceptable for the person with a number; raises PasswordRefused."""
    password = normal(password)
    if len(password) < SHORTEST:
        raise PasswordRefused("short")
    if len(password) > LONGEST:
        raise PasswordRefused("long")
    if password.casefold() in COMMON or len(set(password)) == 1:
        raise PasswordRefused("common")
    plain = written_plainly(password)
    if number.value in plain or (len(plain) >= SHORTEST and plain in number.value):
        raise PasswordRefused("number")


def normal(password: str) -> str:
    """Return the one form of a password (NFC), however the keyboard composed it."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its parameters and salt; takes about 20 ms."""
    return hasher.hash(normal(password))


def is_right(kept: str | None, password: str) -> bool:
    """Whether a password is the one kept; without one kept it is not, after the same work."""
    try:
        hasher.verify(kept or _nobodys(), normal(password)[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return hasher.check_needs_rehash(kept)


@functools.cache
def _nobodys() -> str:
    return hasher.hash(secrets.token_urlsafe())
