"""A licence on its face: the words that stand on it, where its type has them, in both languages. Pure.

Pages and documents draw from this alone, so that a licence looks the same everywhere. What is not known is left out; what is covered
stays covered, in the sentence of a certificate too.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from runtime.languages import Text
from wallet.register.definitions import LicenceType
from wallet.register.faces import ON_EVERY_FACE
from wallet.register.fields import Field, written_day

LONG = 28
OF_HOLDERS = {
    "person": {"holder_name": Text("姓名", "Name"), "holder_number": Text("公民身份号码", "Citizen number")},
    "organisation": {"holder_name": Text("名称", "Name"), "holder_number": Text("统一社会信用代码", "Unified social credit code")},
}
NO_END = Text("长期", "No expiry")
EXAMPLE_ISSUER = Text("示例市发证机关", "Example Issuing Office")
EXAMPLE_HOLDERS = {
    "person": (Text("示例人", "Example Person"), "379999199006150024"),
    "organisation": (Text("示例有限公司", "Example Co., Ltd."), "91379999MA3F0X7Q0T"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A label with its value; `is_long`: it wants a line to itself."""

    name: str
    label: Text
    value: Text
    is_long: bool
    is_covered: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """What stands on the face of one licence."""

    layout: str
    colour: str
    accent: str
    title: Text
    statement: Text | None
    front: tuple[Line, ...]
    back: tuple[Line, ...]
    issuer: Text
    issued_on: Text
    portrait: bool
    seal: bool

    def has(self, name: str) -> bool:
        """Whether a name stands among the lines."""
        return any(line.name == name for line in (*self.front, *self.back))


def draw(licence_type: LicenceType, values: Mapping[str, Text], *, covered: Collection[str] = ()) -> Drawn:
    """Return the face of a licence with these values, by the names of fields and of what stands on every face."""
    face = licence_type.face
    front = face.front or ("holder_name", "licence_number", *(one.name for one in licence_type.fields), "validity")
    return Drawn(
        layout=face.layout,
        colour=licence_type.colour,
        accent=face.accent or licence_type.colour,
        title=face.title or licence_type.name,
        statement=_filled(face.statement, values) if face.statement else None,
        front=_lines(licence_type, front, values, covered),
        back=_lines(licence_type, face.back, values, covered),
        issuer=values.get("issuer", Text("", "")),
        issued_on=values.get("issued_on", Text("", "")),
        portrait=face.portrait,
        seal=face.seal,
    )


def label_on_face(licence_type: LicenceType, name: str) -> Text:
    """Return the label of a name on a type's face."""
    field = licence_type.find_field(name)
    of_holder = OF_HOLDERS.get(licence_type.holder, {}).get(name)
    return licence_type.face.labels.get(name) or (field.label if field else None) or of_holder or ON_EVERY_FACE.get(name, Text(name, name))


def written(field: Field | None, value: Any) -> Text:
    """Return a field's value as it is written on paper."""
    return field.written(value) if field is not None else Text(str(value), str(value))


def written_date(day: date | None) -> Text:
    """Return a day as it is written on paper, or that there is no end."""
    return written_day(day) if day else NO_END


def dates_on_face(*, issued_on: date, valid_from: date, valid_until: date | None) -> dict[str, Text]:
    """Return the values of what stands on every face about time."""
    begins, ends = written_date(valid_from), written_date(valid_until)
    validity = NO_END if valid_until is None else Text(f"{begins.zh}至{ends.zh}", f"{begins.en} to {ends.en}")
    return {"issued_on": written_date(issued_on), "valid_from": begins, "valid_until": ends, "validity": validity}


def example_values(licence_type: LicenceType, *, today: date) -> dict[str, Text]:
    """Return values for a type's face before there is any licence of it: the examples of its fields."""
    name, number = EXAMPLE_HOLDERS["organisation" if licence_type.holder == "organisation" else "person"]
    licence_number = number if licence_type.number_rule == "holder" else licence_type.number_example or "示例00000001"
    years = licence_type.validity.max_years or 6
    ends = None if licence_type.validity.rule == "permanent" else today.replace(year=today.year + years, day=min(today.day, 28))
    return {
        "holder_name": name,
        "holder_number": Text(number, number),
        "licence_number": Text(licence_number, licence_number),
        "issuer": EXAMPLE_ISSUER,
        **dates_on_face(issued_on=today, valid_from=today, valid_until=ends),
        **{one.name: written(one, one.example) for one in licence_type.fields},
    }


def _lines(licence_type: LicenceType, names: tuple[str, ...], values: Mapping[str, Text], covered: Collection[str]) -> tuple[Line, ...]:
    return tuple(
        Line(name, label_on_face(licence_type, name), values[name], max(len(values[name].zh), len(values[name].en) // 2) > LONG, name in covered)
        for name in names
        if name in values
    )


def _filled(statement: Text, values: Mapping[str, Text]) -> Text:
    absent = Text("——", "—")
    forms = {form: _Values({name: getattr(text, form) for name, text in values.items()}, getattr(absent, form)) for form in ("zh", "en")}
    return Text(statement.zh.format_map(forms["zh"]), statement.en.format_map(forms["en"]))


class _Values(dict[str, str]):
    """Values for a sentence; what is not known is a dash."""

    def __init__(self, values: dict[str, str], absent: str) -> None:
        super().__init__(values)
        self._absent = absent

    def __missing__(self, name: str) -> str:
        return self._absent
