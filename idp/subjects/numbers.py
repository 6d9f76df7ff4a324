"""Numbers: the one identifier of a person or an organisation, checked by its own arithmetic. Pure.

People: GB 11643-1999 (18 characters, check ISO 7064 MOD 11-2), the residence permits that share its layout, and the
foreign permanent resident's cards. Organisations: GB 32100-2015. Each refusal gives its own reason. A table of
divisions is not asked: a person may be older than the county that their number names.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

from stdnum.iso7064 import mod_11_2

from idp.subjects import credit_codes
from runtime.clock import now
from runtime.languages import Text
from runtime.problems import Refusal

EARLIEST_BIRTH = date(1850, 1, 1)
CHINA = timezone(timedelta(hours=8))
LONGEST = 64
GB_11643 = re.compile(r"[0-9]{17}[0-9X]")
OLD_RESIDENT_CARD = re.compile(r"[A-Z]{3}[0-9]{12}")
IGNORED = re.compile(r"[\s\-\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")  # what telephones put around what is copied, too


class NumberKind(StrEnum):
    """What a number is."""

    CITIZEN = "citizen"
    HONG_KONG_RESIDENCE = "hong_kong_residence"
    MACAO_RESIDENCE = "macao_residence"
    TAIWAN_RESIDENCE = "taiwan_residence"
    PERMANENT_RESIDENT = "permanent_resident"
    PERMANENT_RESIDENT_2004 = "permanent_resident_2004"
    CREDIT_CODE = "credit_code"


RESIDENCE_PERMITS = {
    "81": NumberKind.HONG_KONG_RESIDENCE,
    "82": NumberKind.MACAO_RESIDENCE,
    "83": NumberKind.TAIWAN_RESIDENCE,
}
HOLDER_CODE_TYPES = {
    NumberKind.CITIZEN: "111",
    NumberKind.HONG_KONG_RESIDENCE: "551",
    NumberKind.MACAO_RESIDENCE: "551",
    NumberKind.TAIWAN_RESIDENCE: "552",
    NumberKind.PERMANENT_RESIDENT: "553",
    NumberKind.PERMANENT_RESIDENT_2004: "553",
    NumberKind.CREDIT_CODE: "001",
}
REASONS = {
    "empty": Text("请填写号码。", "Give a number."),
    "first-generation": Text(
        "这是15位的第一代居民身份证号码，已停止使用，请填写18位公民身份号码。",
        "This is a 15-digit number of the first-generation identity card, which is no longer valid; give the 18-digit number.",
    ),
    "length": Text(
        "号码应为18位（旧版外国人永久居留证为15位），请检查位数。",
        "A number has 18 characters (15 on the old permanent resident card); check its length.",
    ),
    "characters": Text(
        "号码中有不应出现的字符：公民身份号码为17位数字加1位数字或X；统一社会信用代码不使用字母I、O、S、V、Z。",
        "The number holds a character that it cannot: a citizen number is 17 digits and a digit or X; a credit code uses no I, O, S, V or Z.",
    ),
    "birth-date": Text("号码第7至14位不是有效的出生日期。", "Positions 7 to 14 of the number are not a date of birth."),
    "birth-date-future": Text("号码中的出生日期晚于今天。", "The date of birth in the number lies in the future."),
    "birth-date-ancient": Text("号码中的出生日期早于1850年。", "The date of birth in the number is before 1850."),
    "check-digit": Text("号码的校验位不符，请逐位核对。", "The check character does not fit; compare the number digit by digit."),
    "permit-area": Text(
        "港澳台居民居住证号码应以810000、820000或830000开头。",
        "The number of a residence permit of Hong Kong, Macao or Taiwan residents begins with 810000, 820000 or 830000.",
    ),
    "division": Text("公民身份号码的前六位不是行政区划代码。", "The first six digits are not a division code."),
    **credit_codes.REASONS,
}


class NumberRefused(Refusal):
    """The text is no number of any kind; `why` is one of the keys of `REASONS`."""

    code, status, title = "number-refused", 422, Text("号码有误。", "The number is not valid.")

    def __init__(self, why: str, *, field: str | None = "number") -> None:
        super().__init__(why, field=field, shown=REASONS[why], why=why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Number:
    """A checked number, in its one written form (half-width, upper case, no spaces)."""

    value: str
    kind: NumberKind

    @property
    def is_person(self) -> bool:
        """Whether it names a person rather than an organisation."""
        return self.kind is not NumberKind.CREDIT_CODE

    @property
    def holder_code_type(self) -> str:
        """The holder code type (持证主体代码类型代码) of GB/T 36903-2018."""
        return HOLDER_CODE_TYPES[self.kind]

    @property
    def born(self) -> date | None:
        """The date of birth, where the number holds one in full."""
        return datetime.strptime(self.value[6:14], "%Y%m%d").replace(tzinfo=UTC).date() if self._in_gb_11643_layout else None

    @property
    def sex(self) -> str | None:
        """`male` or `female`, where the number says so (an odd sequence is a man's)."""
        return ("female", "male")[int(self.value[16]) % 2] if self._in_gb_11643_layout else None

    def masked(self) -> str:
        """Return the number for showing: its first three and last four characters."""
        return self.value[:3] + "*" * (len(self.value) - 7) + self.value[-4:]

    def __repr__(self) -> str:
        return f"Number(kind={self.kind.value})"

    @property
    def _in_gb_11643_layout(self) -> bool:
        return self.kind not in (NumberKind.CREDIT_CODE, NumberKind.PERMANENT_RESIDENT_2004)


def parse_number(unverified: str, *, today: date | None = None) -> Number:
    """Read a number as people write it: full-width characters, spaces, hyphens and a small x are understood.

    `today` is the present day in China unless given. Raises NumberRefused, with the reason that fits best.
    """
    if len(unverified) > LONGEST:
        raise NumberRefused("length")
    text = written_plainly(unverified)
    today = today or now().astimezone(CHINA).date()
    if not text:
        raise NumberRefused("empty")
    if len(text) == 15:
        return _fifteen(text)
    if len(text) != 18:
        raise NumberRefused("length")
    if not GB_11643.fullmatch(text):
        return _credit_code(text)
    if text[0] == "9":
        return _nine(text, today)
    return _gb_11643(text, today)


def written_plainly(unverified: str) -> str:
    """Return a number's characters in half width and upper case, without spaces and hyphens; not checked."""
    return IGNORED.sub("", unicodedata.normalize("NFKC", unverified)).upper()


def _fifteen(text: str) -> Number:
    if text.isascii() and text.isdigit():
        raise NumberRefused("first-generation")
    if not OLD_RESIDENT_CARD.fullmatch(text):
        raise NumberRefused("length" if text.isalnum() and text.isascii() else "characters")
    return Number(text, NumberKind.PERMANENT_RESIDENT_2004)


def _gb_11643(text: str, today: date) -> Number:
    """Check the layout of GB 11643; digits alone may still be a credit code, whose own sums then agree."""
    kind = RESIDENCE_PERMITS.get(text[:2], NumberKind.CITIZEN)
    why = _person_fault(text, kind, today)
    if why is None:
        return Number(text, kind)
    if credit_codes.fault(text) is None:
        return Number(text, NumberKind.CREDIT_CODE)
    raise NumberRefused(why)


def _nine(text: str, today: date) -> Number:
    """Tell a permanent resident's card from a credit code of the market regulators: both may be 18 digits from 9.

    The card holds a date, which a credit code does only by accident, so the card is tried first.
    """
    why = _person_fault(text, NumberKind.PERMANENT_RESIDENT, today)
    if why is None:
        return Number(text, NumberKind.PERMANENT_RESIDENT)
    if why == "check-digit" and credit_codes.fault(text) is not None:
        raise NumberRefused(why)
    return _credit_code(text)


def _credit_code(text: str) -> Number:
    why = credit_codes.fault(text)
    if why is not None:
        raise NumberRefused(why)
    return Number(text, NumberKind.CREDIT_CODE)


def _person_fault(text: str, kind: NumberKind, today: date) -> str | None:
    if kind in RESIDENCE_PERMITS.values() and text[2:6] != "0000":
        return "permit-area"
    if kind is NumberKind.CITIZEN and text[0] not in "1234567":
        return "division"
    try:
        born = datetime.strptime(text[6:14], "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return "birth-date"
    if born > today:
        return "birth-date-future"
    if born < EARLIEST_BIRTH:
        return "birth-date-ancient"
    return None if mod_11_2.is_valid(text) else "check-digit"
