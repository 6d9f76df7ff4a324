"""Passwords: what is accepted (NIST SP 800-63B section 3.1.1: length, no rules of composition) and how they are kept (argon2id).

The work of one check is the same whether or not there is an account to check against. A hash takes 19 MiB while it is made; a process makes
no more at once than there are cores, for more would take memory and end no sooner.
"""

import functools
import os
import re
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp.signin.common_passwords import is_common
from idp.subjects.numbers import Number, written_plainly
from idp.subjects.registries import DOTS, name_key
from runtime.languages import Text
from runtime.problems import Refusal

SHORTEST, LONGEST = 8, 256
SHORTEST_HAN, SHORTEST_LATIN = 2, 4  # parts of a name that are looked for
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2, 1
AT_ONCE = max(2, os.cpu_count() or 1)
_room = threading.BoundedSemaphore(AT_ONCE)
REASONS = {
    "short": Text(f"密码至少{SHORTEST}个字符。", f"A password has at least {SHORTEST} characters."),
    "long": Text(f"密码不超过{LONGEST}个字符。", f"A password has at most {LONGEST} characters."),
    "same": Text("新密码不能与现在的密码相同。", "This is your present password: choose another."),
    "common": Text("这个密码太常见，容易被猜中，请换一个。", "This password is among the most common ones and soon guessed; choose another."),
    "number": Text("密码不能是本人号码或其中的一段。", "The password may not hold your own number or be a part of it."),
    "name": Text("密码不能包含本人姓名。", "The password may not hold your own name."),
    "born": Text("密码不能包含本人出生日期。", "The password may not hold your date of birth."),
}


class PasswordRefused(Refusal):
    """The password is not fit to be one; `why` is one of the keys of `REASONS`."""

    code, status, title = "password-refused", 422, Text("密码不符合要求。", "This password cannot be used.")

    def __init__(self, why: str) -> None:
        super().__init__(why, field="password", shown=REASONS[why], why=why)
        self.why = why


def check_password(password: str, *, number: Number, name: str = "") -> None:
    """Check that a new password is acceptable for the person of a number and a name; raises PasswordRefused."""
    password = normal(password)
    if len(password) < SHORTEST:
        raise PasswordRefused("short")
    if len(password) > LONGEST:
        raise PasswordRefused("long")
    if is_common(password):
        raise PasswordRefused("common")
    plain = written_plainly(password)
    if number.value in plain or (len(plain) >= SHORTEST and plain in number.value):
        raise PasswordRefused("number")
    if _holds_birth(plain, number):
        raise PasswordRefused("born")
    if _holds_name(password, name):
        raise PasswordRefused("name")


def normal(password: str) -> str:
    """Return the one form of a password (NFC), however the keyboard composed it."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its parameters and salt; takes about 20 ms."""
    with _room:
        return hasher.hash(normal(password))


def is_right(kept: str | None, password: str) -> bool:
    """Whether a password is the one kept; without one kept it is not, after the same work."""
    against = kept or _nobodys()
    try:
        with _room:
            hasher.verify(against, normal(password)[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return hasher.check_needs_rehash(kept)


def _holds_birth(plain: str, number: Number) -> bool:
    """Whether a person's date of birth is in a text: 19900518, 1990-5-18, 1990年5月18日."""
    born = number.born
    if born is None:
        return False
    loosely = rf"{born.year}\D?0?{born.month}\D?0?{born.day}(?!\d)"
    return f"{born:%Y%m%d}" in plain or re.search(loosely, plain) is not None


def _holds_name(password: str, name: str) -> bool:
    """Whether a person's name, or a part of it that is written apart, is in a text; a short Latin part says nothing."""
    parts = {name_key(part) for part in [name, *name.translate(DOTS).replace("·", " ").split()]}
    return any(part in name_key(password) for part in parts if len(part) >= (SHORTEST_LATIN if part.isascii() else SHORTEST_HAN))


@functools.cache
def _nobodys() -> str:
    return hasher.hash(secrets.token_urlsafe())
