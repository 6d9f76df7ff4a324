"""What a licence type is: its code, its fields, how it is shown and how long it is valid. Pure.

A definition is written in YAML, one file a type, and kept in the register as the same document. `read_definition` checks
one whole, so that a fault is named when a type is applied and not when a licence is issued.
"""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from marshmallow import ValidationError

from idp.subjects import credit_codes
from runtime.languages import Text, text_of
from schemas.licence_types import DefinitionSchema
from wallet.register import identifiers
from wallet.register.faces import Face, fault_in
from wallet.register.fields import Field, fault_of
from wallet.register.identifiers import MalformedIdentifier, check_type_code

HolderKind = Literal["person", "organisation", "either"]
FAMILIES = {
    "identity": Text("身份", "Identity"),
    "life": Text("生活", "Life"),
    "education-profession": Text("教育与职业", "Education and profession"),
    "property": Text("财产", "Property"),
    "enterprise": Text("企业", "Enterprise"),
}
PLAIN = ("code", "slug", "family", "colour", "holder", "most_holders", "number_rule", "summary", "proves_identity")
LISTS = ("checked_acts", "gathers", "open_to")
NAMES_OF_CREDENTIALS = ("iss", "sub", "iat", "nbf", "exp", "cnf", "vct", "status", "licence_valid_from", "licence_valid_until")
CLAIMS_OF_EVERY_LICENCE = ("holder_name", "holder_number", "licence_number", "licence_identifier")


class FaultyDefinition(ValueError):
    """A definition that cannot be used; the message names the member and the fault."""


@dataclass(frozen=True, slots=True)
class Validity:
    """How long a licence is valid: `permanent` has no end, `dated` must have one, `optional` may; `max_years` from its beginning.

    `ends_on`: an end falls on any day, or on the last of a month or of a year. It may be renewed from `renewable_days_before` its
    last day until `renewable_days_after` it; None: from its first day on, or until its last.
    """

    rule: Literal["permanent", "dated", "optional"]
    max_years: int | None = None
    ends_on: Literal["day", "month", "year"] = "day"
    renewable_days_before: int | None = None
    renewable_days_after: int | None = None


@dataclass(frozen=True, slots=True)
class LicenceType:
    """An entry of the catalogue. `version` grows with each change that is applied; `summary` names the field shown small on a card.

    `proves_identity`: a credential of it that was bound in person says who its holder is (`wallet.verifying.identity`).
    `checked_acts`: what takes a second officer. `gathers`: short names of types whose licences it may gather (多证合一).
    `open_to`: what any department may do with it, without a grant. `doctype`: its name as a mobile document (ISO/IEC 18013-5).
    """

    code: str
    slug: str
    name: Text
    family: str
    colour: str
    holder: HolderKind
    defining_authority: str
    defining_authority_name: Text
    number_rule: Literal["holder", "issuer"]
    validity: Validity
    summary: str
    fields: tuple[Field, ...]
    description: Text
    version: int = 1
    proves_identity: bool = False
    most_holders: int = 1
    checked_acts: tuple[str, ...] = ()
    gathers: tuple[str, ...] = ()
    open_to: tuple[str, ...] = ()
    doctype: str = ""
    face: Face = field(default_factory=Face)

    @property
    def family_name(self) -> Text:
        """The family in words."""
        return FAMILIES[self.family]

    def find_field(self, name: str) -> Field | None:
        """Return a field by its name."""
        return next((one for one in self.fields if one.name == name), None)


def read_definition(document: Any, *, version: int = 1) -> LicenceType:
    """Read a type from its document; raises FaultyDefinition."""
    if not isinstance(document, dict):
        raise FaultyDefinition("the document is not a mapping")
    try:
        loaded = DefinitionSchema().load(document)
    except ValidationError as error:
        raise FaultyDefinition(_first_fault(error.messages)) from error
    licence_type = _build(loaded, version)
    _check_codes(licence_type)
    _check_fields(licence_type)
    _check_rules(licence_type)
    return licence_type


def _build(loaded: dict[str, Any], version: int) -> LicenceType:
    authority = loaded.pop("defining_authority")
    plain: dict[str, Any] = {name: loaded[name] for name in PLAIN} | {name: tuple(loaded[name]) for name in LISTS}
    return LicenceType(
        **plain,
        name=text_of(loaded["name"]),
        description=text_of(loaded["description"]),
        defining_authority=authority["code"],
        defining_authority_name=text_of(authority["name"]),
        validity=Validity(**loaded["validity"]),
        fields=tuple(_build_field(one) for one in loaded["fields"]),
        face=_build_face(loaded["face"]),
        doctype=loaded["doctype"] or default_doctype(loaded["code"]),
        version=version,
    )


def _build_field(loaded: dict[str, Any]) -> Field:
    choices = {code: text_of(text) for code, text in loaded.pop("choices", {}).items()}
    return Field(label=text_of(loaded.pop("label")), choices=choices, **loaded)


def _build_face(loaded: dict[str, Any]) -> Face:
    members = dict(loaded)
    members.update({name: text_of(loaded[name]) for name in ("title", "statement") if name in loaded})
    members.update({name: tuple(loaded[name]) for name in ("front", "back")})
    members["labels"] = {name: text_of(text) for name, text in loaded["labels"].items()}
    return Face(**members)


def _check_codes(licence_type: LicenceType) -> None:
    try:
        check_type_code(licence_type.code)
    except MalformedIdentifier as error:
        raise FaultyDefinition(f"code: {error}") from error
    if credit_codes.fault(licence_type.defining_authority) is not None:
        raise FaultyDefinition("defining_authority.code: not a credit code")
    if not licence_type.code.startswith(licence_type.defining_authority):
        raise FaultyDefinition("code: does not begin with the defining authority's credit code")


def _check_fields(licence_type: LicenceType) -> None:
    names = [one.name for one in licence_type.fields]
    tags = [one.tag for one in licence_type.fields]
    for kind, values in (("name", names), ("tag", tags)):
        for value in values:
            if values.count(value) > 1:
                raise FaultyDefinition(f"fields: the {kind} {value} stands twice")
    if reserved := set(names) & {*CLAIMS_OF_EVERY_LICENCE, *NAMES_OF_CREDENTIALS}:
        raise FaultyDefinition(f"fields: {', '.join(sorted(reserved))} belongs to every licence")
    if licence_type.summary not in (*names, *CLAIMS_OF_EVERY_LICENCE):
        raise FaultyDefinition(f"summary: there is no field {licence_type.summary}")
    for one in licence_type.fields:
        _check_field(one)


def _check_rules(licence_type: LicenceType) -> None:
    validity = licence_type.validity
    if validity.rule == "permanent" and (validity.ends_on != "day" or validity.max_years or _is_window(validity)):
        raise FaultyDefinition("validity: what is permanent has no end that could be renewed, limited or moved")
    for member in LISTS:
        names = getattr(licence_type, member)
        if len(set(names)) < len(names):
            raise FaultyDefinition(f"{member}: it names the same twice")
    if licence_type.slug in licence_type.gathers:
        raise FaultyDefinition("gathers: a type cannot gather itself")
    if (fault := fault_in(licence_type.face, fields=tuple(one.name for one in licence_type.fields))) is not None:
        raise FaultyDefinition(f"face.{fault}")


def _is_window(validity: Validity) -> bool:
    return (validity.renewable_days_before, validity.renewable_days_after) != (None, None)


def _check_field(one: Field) -> None:
    path = f"fields.{one.name}"
    if one.hidden_by_default and not one.hideable:
        raise FaultyDefinition(f"{path}.hidden_by_default: what cannot be hidden is not hidden by default")
    if (one.type == "choice") != bool(one.choices):
        raise FaultyDefinition(f"{path}.choices: a choice has them, and nothing else does")
    if one.type != "string" and (one.pattern or one.max_length):
        raise FaultyDefinition(f"{path}: only a string has a pattern or a max_length")
    if one.type not in ("integer", "decimal") and (one.minimum is not None or one.maximum is not None):
        raise FaultyDefinition(f"{path}: only a number has a minimum or a maximum")
    if one.type == "string" and one.max_length is None:
        raise FaultyDefinition(f"{path}.max_length: a string needs one")
    try:
        re.compile(one.pattern or "")
    except re.error as error:
        raise FaultyDefinition(f"{path}.pattern: {error}") from error
    if (fault := fault_of(one, one.example)) is not None:
        raise FaultyDefinition(f"{path}.example: {fault.en}")


def _first_fault(messages: Any) -> str:
    path = []
    while not isinstance(messages, str):
        if isinstance(messages, dict):
            name, messages = next(iter(messages.items()))
            path.append(str(name))
        else:
            messages = messages[0]
    return f"{'.'.join(path)}: {messages}"


def default_doctype(code: str) -> str:
    """Return the mobile document's name of a type that says none: its code under the root of licence identifiers."""
    return f"{identifiers.ROOT}.{code}"


def document_of(licence_type: LicenceType) -> dict[str, Any]:
    """Return a type as its file writes it, with what the file may leave out."""
    return {
        **{name: getattr(licence_type, name) for name in (*PLAIN, "doctype")},
        **{name: list(getattr(licence_type, name)) for name in LISTS},
        "name": licence_type.name.as_json(),
        "description": licence_type.description.as_json(),
        "defining_authority": {"code": licence_type.defining_authority, "name": licence_type.defining_authority_name.as_json()},
        "validity": {name: value for name, value in asdict(licence_type.validity).items() if value is not None},
        "face": _document_of_face(licence_type.face),
        "fields": [_document_of_field(one) for one in licence_type.fields],
    }


def _document_of_face(face: Face) -> dict[str, Any]:
    texts = {name: text.as_json() for name in ("title", "statement") if (text := getattr(face, name)) is not None}
    return {
        **{name: getattr(face, name) for name in ("layout", "portrait", "seal")},
        **({"accent": face.accent} if face.accent else {}),
        **texts,
        "front": list(face.front),
        "back": list(face.back),
        "labels": {name: text.as_json() for name, text in face.labels.items()},
    }


def _document_of_field(one: Field) -> dict[str, Any]:
    limits = {name: getattr(one, name) for name in ("max_length", "pattern", "minimum", "maximum")}
    return {
        **{name: getattr(one, name) for name in ("name", "tag", "type", "example", "required", "hidden_by_default", "hideable")},
        "label": one.label.as_json(),
        **{name: value for name, value in limits.items() if value is not None},
        **({"choices": {code: text.as_json() for code, text in one.choices.items()}} if one.choices else {}),
    }
