"""The fields of a licence type, and whether a value fits one. Pure.

A value has the one form that its type gives it: text, a date as `YYYY-MM-DD`, a whole number, a decimal written as text (so
that no digit is lost on the way), or the code of a choice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from runtime.languages import Text
from runtime.problems import InvalidBody

FieldType = Literal["string", "date", "integer", "decimal", "choice"]
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
LARGEST = 10**15


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a licence type. `tag` is its element in a file of GB/T 36903.

    `hidden_by_default`: shown only if its holder says so. Not `hideable`: whoever is shown the licence sees it.
    """

    name: str
    label: Text
    tag: str
    type: FieldType
    example: str | int
    required: bool = True
    hidden_by_default: bool = False
    hideable: bool = True
    max_length: int | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    choices: dict[str, Text] = field(default_factory=dict)

    def shown(self, value: Any) -> str:
        """Return a value as a person reads it: a choice by its name, a day as it is written on paper, in the caller's language."""
        return str(self.written(value))

    def written(self, value: Any) -> Text:
        """Return a value as it is written on paper; one that does not fit the field, as it is."""
        if isinstance(value, str) and value in self.choices:
            return self.choices[value]
        if self.type == "date" and _date(self, value) is None:
            return written_day(date.fromisoformat(value))
        return Text(str(value), str(value))


def written_day(day: date) -> Text:
    """Return a day as it is written on paper."""
    return Text(f"{day.year}年{day.month}月{day.day}日", f"{day.day} {MONTHS[day.month - 1]} {day.year}")


def check_values(fields: tuple[Field, ...], unverified: dict[str, Any]) -> dict[str, Any]:
    """Return the values in the fields' own order; raises InvalidBody that names each faulty one by its path, `fields.<name>`."""
    if faults := [(f"fields.{name}", fault) for name, fault in _faults(fields, unverified)][:20]:
        errors = [{"field": path, "detail": str(fault)} for path, fault in faults]
        refusal = InvalidBody("values do not fit the licence type", field=faults[0][0], errors=errors)
        refusal.faults = faults
        raise refusal
    return {one.name: unverified[one.name] for one in fields if one.name in unverified}


def fault_of(one: Field, value: Any) -> Text | None:
    """Return what is wrong with a value, or None if it fits."""
    return FAULT_BY_TYPE[one.type](one, value)


def is_clean(text: str) -> bool:
    """Whether a text is free of control characters, direction marks and halves of surrogate pairs."""
    return UNFIT.search(text) is None


def _faults(fields: tuple[Field, ...], unverified: dict[str, Any]) -> Iterator[tuple[str, Text]]:
    known = {one.name: one for one in fields}
    for name in unverified:
        if name not in known:
            yield _writable(name), Text("该证照类型没有此字段。", "This licence type has no such field.")
    for name, one in known.items():
        if name not in unverified:
            if one.required:
                yield name, Text("必填。", "It is required.")
        elif (fault := fault_of(one, unverified[name])) is not None:
            yield name, fault


def _writable(name: str) -> str:
    return UNFIT.sub("?", name)[:60]


def _string(one: Field, value: Any) -> Text | None:
    if not isinstance(value, str):
        return Text("应为文本。", "It must be text.")
    if not value.strip():
        return Text("不能为空。", "It must not be empty.")
    if not is_clean(value):
        return Text("含有控制字符。", "It holds control characters.")
    if one.max_length is not None and len(value) > one.max_length:
        return Text("最多{0}个字符。", "It has at most {0} characters.").format(one.max_length)
    if one.pattern is not None and not _compiled(one.pattern).fullmatch(value):
        return Text("格式不符。", "It has not the form that is asked for.")
    return None


def _date(_: Field, value: Any) -> Text | None:
    wrong = Text("应为日期，格式YYYY-MM-DD。", "It must be a date, YYYY-MM-DD.")
    if not isinstance(value, str) or not DATE.fullmatch(value):
        return wrong
    try:
        date.fromisoformat(value)
    except ValueError:
        return wrong
    return None


def _integer(one: Field, value: Any) -> Text | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return Text("应为整数。", "It must be a whole number.")
    return _range(one, Decimal(value)) if abs(value) < LARGEST else Text("数值过大。", "It is too large.")


def _decimal(one: Field, value: Any) -> Text | None:
    if not isinstance(value, str) or not DECIMAL.fullmatch(value):
        return Text("应为文本形式的小数，如“12.50”。", 'It must be a decimal written as text, such as "12.50".')
    return _range(one, Decimal(value))


def _choice(one: Field, value: Any) -> Text | None:
    if isinstance(value, str) and value in one.choices:
        return None
    return Text("应为下列之一：{0}。", "It must be one of: {0}.").format(", ".join(one.choices))


def _range(one: Field, value: Decimal) -> Text | None:
    if one.minimum is not None and value < one.minimum:
        return Text("不得小于{0}。", "It must be at least {0}.").format(one.minimum)
    if one.maximum is not None and value > one.maximum:
        return Text("不得大于{0}。", "It must be at most {0}.").format(one.maximum)
    return None


FAULT_BY_TYPE = {"string": _string, "date": _date, "integer": _integer, "decimal": _decimal, "choice": _choice}


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
