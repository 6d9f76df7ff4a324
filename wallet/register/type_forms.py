"""A licence type as a form: its document as the texts of inputs, and what is posted as a document again. Pure.

Nothing is judged here: what does not fit a document becomes a document that does not fit, and its check says what is wrong.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from schemas.licence_types import ACTS, COLOURS, FAMILIES, FIELD_TYPES, LAYOUTS, LEVELS, OPEN_ACTIONS

MOST_ROWS = 42
WHOLE = re.compile(r"-?[0-9]{1,15}")
TEXTS = ("name", "description")
PLAIN = ("code", "slug", "family", "colour", "holder", "number_rule", "number_pattern", "number_example", "doctype", "summary")
LISTS = ("checked_acts", "barred_acts", "open_to", "issuer_levels")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "family": FAMILIES,
    "colour": COLOURS,
    "accent": ("", *COLOURS),
    "holder": ("person", "organisation", "either"),
    "number_rule": ("holder", "issuer"),
    "layout": LAYOUTS,
    "rule": ("permanent", "dated", "optional"),
    "ends_on": ("day", "month", "year"),
    "level": LEVELS,
    "type": FIELD_TYPES,
    "checked_acts": ACTS,
    "barred_acts": ACTS,
    "open_to": OPEN_ACTIONS,
    "issuer_levels": LEVELS,
}
NUMBERS_OF_VALIDITY = ("max_years", "renewable_days_before", "renewable_days_after")
OF_ROWS = ("name", "label_zh", "label_en", "tag", "type", "max_length", "pattern", "minimum", "maximum", "choices", "example")
FLAGS_OF_ROWS = ("required", "hidden_by_default", "hideable")


def values_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the inputs for a document, with its fields as `rows`."""
    face, validity, authority = (document.get(name) or {} for name in ("face", "validity", "defining_authority"))
    values: dict[str, Any] = {name: str(document.get(name) or "") for name in PLAIN} | {name: list(document.get(name, ())) for name in LISTS}
    texts = {name: document.get(name) for name in TEXTS} | {name: face.get(name) for name in ("title", "statement")}
    for name, text in (texts | {"authority": authority.get("name")}).items():
        values |= {f"{name}_{form}": (text or {}).get(form, "") for form in ("zh", "en")}
    values |= {"authority_code": authority.get("code", ""), "level": authority.get("level", "national")}
    values |= {one: _text(validity.get(one)) for one in (*NUMBERS_OF_VALIDITY, "rule", "ends_on")}
    values |= {"layout": face.get("layout", "card"), "accent": face.get("accent", ""), "labels": _lines(face.get("labels", {}).items())}
    values |= {"front": "\n".join(face.get("front", ())), "back": "\n".join(face.get("back", ()))}
    values |= {"portrait": bool(face.get("portrait")), "seal": bool(face.get("seal", True)), "proves_identity": bool(document.get("proves_identity"))}
    values |= {"gathers": "\n".join(document.get("gathers", ())), "most_holders": _text(document.get("most_holders", 1))}
    values |= {"matters": "\n".join(_line_of_matter(one) for one in document.get("matters", ()))}
    return values | {"rows": [_row_of(one) for one in document.get("fields", ())]}


def document_from(posted: MultiDict[str, str]) -> dict[str, Any]:
    """Return the document that a form was filled in for; rows without a name, and those marked to go, are left out."""
    given = {name: text.replace("\r\n", "\n").strip() for name, text in posted.items()}
    document: dict[str, Any] = {name: given[name] for name in PLAIN if given.get(name)}
    document |= {name: list(dict.fromkeys(posted.getlist(name))) for name in LISTS}
    document |= {name: _both(given, name) for name in TEXTS}
    authority = {"code": given.get("authority_code", ""), "name": _both(given, "authority"), "level": given.get("level", "")}
    document |= {"defining_authority": authority, "proves_identity": "proves_identity" in posted}
    document |= {"most_holders": _number(given.get("most_holders", "")), "gathers": _names(given.get("gathers", ""))}
    document |= {"matters": [_matter_from(line) for line in given.get("matters", "").split("\n") if line.strip()]}
    rules = {name: given[name] for name in ("rule", "ends_on") if given.get(name)}
    document["validity"] = rules | {name: _number(given[name]) for name in NUMBERS_OF_VALIDITY if given.get(name)}
    document["face"] = _face_from(given)
    return document | {"fields": _fields_from(posted, given)}


def _face_from(given: Mapping[str, str]) -> dict[str, Any]:
    texts = {name: _both(given, name) for name in ("title", "statement") if given.get(f"{name}_zh") or given.get(f"{name}_en")}
    return {
        **texts,
        "layout": given.get("layout", ""),
        **({"accent": given["accent"]} if given.get("accent") else {}),
        "front": _names(given.get("front", "")),
        "back": _names(given.get("back", "")),
        "labels": dict(_read_lines(given.get("labels", ""))),
        "portrait": "portrait" in given,
        "seal": "seal" in given,
    }


def _fields_from(posted: MultiDict[str, str], given: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for n in range(MOST_ROWS):
        row = {name: given.get(f"field-{n}-{name}", "") for name in OF_ROWS}
        if row["name"] and f"field-{n}-gone" not in posted:
            place = _number(given.get(f"field-{n}-place", ""))
            flags = {name: f"field-{n}-{name}" in posted for name in FLAGS_OF_ROWS}
            rows.append((place if isinstance(place, int) else n + 1, _field_from(row) | flags))
    return [one for _, one in sorted(rows, key=lambda row: row[0])]


def _field_from(row: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {name: row[name] for name in ("name", "tag", "type")}
    document["label"] = {"zh": row["label_zh"], "en": row["label_en"]}
    document |= {name: _number(row[name]) for name in ("max_length", "minimum", "maximum") if row[name]}
    document |= {"pattern": row["pattern"]} if row["pattern"] else {}
    document |= {"choices": dict(_read_lines(row["choices"]))} if row["choices"] else {}
    return document | {"example": _number(row["example"]) if row["type"] == "integer" else row["example"]}


def _row_of(field: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: _text(field.get(name)) for name in OF_ROWS}
    label = field.get("label") or {}
    usual = {"required": True, "hidden_by_default": False, "hideable": True}
    row |= {"label_zh": label.get("zh", ""), "label_en": label.get("en", ""), "choices": _lines((field.get("choices") or {}).items())}
    return row | {name: bool(field.get(name, default)) for name, default in usual.items()}


def _both(given: Mapping[str, str], name: str) -> dict[str, str]:
    return {"zh": given.get(f"{name}_zh", ""), "en": given.get(f"{name}_en", "")}


def _names(text: str) -> list[str]:
    return re.split(r"[\s,，、]+", text) if text else []


def _number(text: str) -> int | str:
    return int(text) if WHOLE.fullmatch(text) else text


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _line_of_matter(document: Mapping[str, Any]) -> str:
    needs = f" | {' '.join(document['needs'])}" if "needs" in document else ""
    return _lines([(document["code"], document["name"])]) + needs


def _matter_from(line: str) -> dict[str, Any]:
    """Read a matter; what stands behind a third bar is what it needs."""
    parts = [part.strip() for part in line.split("|", 3)]
    code, zh, en = [*parts[:3], "", ""][:3]
    return {"code": code, "name": {"zh": zh, "en": en}, **({"needs": _names(parts[3])} if len(parts) > 3 else {})}


def _lines(items: Iterable[tuple[str, Any]]) -> str:
    return "\n".join(f"{name} | {text['zh']} | {text['en']}" for name, text in items)


def _read_lines(text: str) -> list[tuple[str, dict[str, str]]]:
    parts = ([part.strip() for part in line.split("|", 2)] for line in text.split("\n") if line.strip())
    return [(name, {"zh": (more or [""])[0], "en": more[1] if len(more) > 1 else ""}) for name, *more in parts]
