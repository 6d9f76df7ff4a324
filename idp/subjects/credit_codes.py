"""The arithmetic of unified social credit codes (GB 32100-2015) and of the organisation codes inside them (GB 11714-1997). Pure.

Positions: 1 registering department, 2 category, 3 to 8 division, 9 to 17 organisation code with its own check character
at 17, 18 check character (mod 31).
"""

import re
from functools import lru_cache

from stdnum.cn import uscc

from runtime.languages import Text

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WRITTEN = re.compile(f"[{ALPHABET}]{{18}}")
CATEGORIES = {
    "1": "1239",
    "2": "19",
    "3": "123459",
    "4": "19",
    "5": "1239",
    "6": "129",
    "7": "129",
    "8": "19",
    "9": "1239",
    "A": "129",
    "N": "1239",
    "Y": "19",
}
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
REASONS = {
    "registering-department": Text(
        "统一社会信用代码第1位不是已知的登记管理部门。", "The first character of the credit code names no registering department."
    ),
    "category": Text(
        "统一社会信用代码第2位与登记管理部门不符。", "The second character of the credit code is no category of its registering department."
    ),
    "code-division": Text("统一社会信用代码第3至8位应为行政区划数字。", "Positions 3 to 8 of the credit code are the digits of a division."),
    "organisation-check": Text(
        "统一社会信用代码中的组织机构代码（第9至17位）校验位不符，请逐位核对。",
        "The organisation code inside the credit code (positions 9 to 17) fails its own check; compare it character by character.",
    ),
    "code-check": Text(
        "统一社会信用代码的校验位（第18位）不符，请逐位核对。",
        "The check character of the credit code (position 18) does not fit; compare it character by character.",
    ),
}


@lru_cache(maxsize=4096)
def fault(text: str) -> str | None:
    """Return why 18 characters are no credit code, the first fault in reading order, or None if they are one."""
    if not WRITTEN.fullmatch(text):
        return "characters"
    if text[0] not in CATEGORIES:
        return "registering-department"
    if text[1] not in CATEGORIES[text[0]]:
        return "category"
    if not text[2:8].isdigit():
        return "code-division"
    if text[16] != organisation_check(text[8:16]):
        return "organisation-check"
    return None if text[17] == uscc.calc_check_digit(text[:17]) else "code-check"


def organisation_check(body: str) -> str:
    """Return the check character of an eight-character organisation code (GB 11714, modulus 11)."""
    total = sum(int(character, 36) * weight for character, weight in zip(body, ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def complete(first_16: str) -> str:
    """Return the credit code whose first sixteen characters are given."""
    first_17 = first_16 + organisation_check(first_16[8:])
    return first_17 + uscc.calc_check_digit(first_17)
