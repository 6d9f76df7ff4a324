"""What stands on a document: the lines of a licence in the order of its type's face, each with its labels and its value in both languages. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from runtime.languages import Text
from wallet.issuing.contents import Content
from wallet.register.faces import ON_EVERY_FACE

NO_EXPIRY = Text("长期", "no expiry")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: its name, its label, its value. `value.en` is empty where both languages write it the same."""

    name: str
    label: Text
    value: Text


def front_of(content: Content, *, issuer: Text) -> list[Entry]:
    """Return the lines of the front: those that the face names, or the holder and all fields."""
    face = content.licence_type.face
    return _entries(content, face.front or _usual(content), issuer=issuer)


def back_of(content: Content, *, issuer: Text) -> list[Entry]:
    """Return the lines of the back, and whatever the licence says that the face names nowhere: a document says all."""
    face = content.licence_type.face
    front = face.front or _usual(content)
    named = {*front, *face.back}
    rest = [name for name in (*_usual(content), "validity", "licence_identifier") if name not in named and not _is_said(name, named)]
    return _entries(content, (*face.back, *rest), issuer=issuer)


def statement_of(content: Content, *, issuer: Text) -> Text | None:
    """Return the sentence that a certificate says, with the values in their places."""
    statement = content.licence_type.face.statement
    if statement is None:
        return None
    names = {*content.values, *(one.name for one in content.licence_type.fields), *ON_EVERY_FACE}
    values = {name: _value(content, name, issuer=issuer) or Text("", "") for name in names}
    in_zh = {name: value.zh for name, value in values.items()}
    in_en = {name: value.en or value.zh for name, value in values.items()}
    return Text(statement.zh.format_map(in_zh), statement.en.format_map(in_en))


def written(day: date) -> Text:
    """Return a day in both languages."""
    return Text(f"{day.year}年{day.month}月{day.day}日", day.isoformat())


def _usual(content: Content) -> tuple[str, ...]:
    """Return the names of all values, but not the holder's number again as the licence's."""
    is_same = content.values.get("licence_number") == content.values.get("holder_number")
    return tuple(name for name in content.values if not (is_same and name == "licence_number"))


def _is_said(name: str, named: set[str]) -> bool:
    return name == "validity" and {"valid_from", "valid_until"} <= named


def _entries(content: Content, names: tuple[str, ...], *, issuer: Text) -> list[Entry]:
    found = [(name, _value(content, name, issuer=issuer)) for name in names]
    return [Entry(name, _label(content, name), value) for name, value in found if value is not None]


def _label(content: Content, name: str) -> Text:
    field = content.licence_type.find_field(name)
    return content.licence_type.face.labels.get(name) or (field.label if field else ON_EVERY_FACE.get(name, Text(name, name)))


def _value(content: Content, name: str, *, issuer: Text) -> Text | None:
    """Return a value as people read it, or None if the licence has none of this name."""
    field = content.licence_type.find_field(name)
    if field is not None:
        return _field_value(field.type, field.choices, content.values.get(name))
    return _of_every_licence(content, issuer).get(name)


def _of_every_licence(content: Content, issuer: Text) -> dict[str, Text]:
    """Return what every licence has, by the names that faces use."""
    until = written(content.valid_until) if content.valid_until else NO_EXPIRY
    begins = written(content.valid_from)
    return {
        **{name: Text(str(content.values[name]), "") for name in ("holder_name", "holder_number", "licence_number") if name in content.values},
        "licence_identifier": Text(content.identifier, ""),
        "issuer": issuer,
        "issued_on": written(content.issued_on),
        "valid_from": begins,
        "valid_until": until,
        "validity": Text(f"{begins.zh}至{until.zh}", f"{begins.en} to {until.en}"),
    }


def _field_value(kind: str, choices: dict[str, Text], value: Any) -> Text | None:
    if value is None:
        return None
    if kind == "choice":
        return choices.get(str(value), Text(str(value), ""))
    if kind == "date":
        return written(date.fromisoformat(str(value)))
    return Text(str(value), "")
