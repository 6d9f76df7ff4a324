"""What a licence type is: its code, its fields, how it is shown and how long it is valid. Pure.

A definition is written in YAML, one file a type, and kept in the register as the same document. `read_definition` checks
one whole, so that a fault is named when a type is applied and not when a licence is issued.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from marshmallow import ValidationError

from runtime.languages import Text, text_of
from schemas.licence_types import DefinitionSchema
from wallet.register import identifiers
from wallet.register.definition_checks import FaultyDefinition, check_definition, first_fault
from wallet.register.faces import CLAIMS_OF_EVERY_LICENCE, Face
from wallet.register.fields import Field

HolderKind = Literal["person", "organisation", "either"]
FAMILIES = {
    "identity": Text("身份", "Identity"),
    "life": Text("生活", "Life"),
    "education-profession": Text("教育与职业", "Education and profession"),
    "property": Text("财产", "Property"),
    "enterprise": Text("企业", "Enterprise"),
}
PLAIN = ("code", "slug", "family", "colour", "holder", "most_holders", "number_rule", "summary", "proves_identity")
LISTS = ("checked_acts", "barred_acts", "gathers", "open_to", "issuer_levels")
OPTIONAL = ("number_pattern", "number_example")
__all__ = [
    "CLAIMS_OF_EVERY_LICENCE",
    "FAMILIES",
    "FaultyDefinition",
    "LicenceType",
    "Matter",
    "Validity",
    "document_of",
    "read_definition",
    "read_stored",
]


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
class Matter:
    """A matter of public service by which licences of a type come about (关联事项); with `needs`, one that they are shown for."""

    code: str
    name: Text
    needs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LicenceType:
    """An entry of the catalogue. `version` grows with each change that is applied; `summary` names the field shown small on a card.

    `proves_identity`: a credential of it that was bound in person says who its holder is (`wallet.verifying.identity`).
    `checked_acts`: what takes a second officer. `barred_acts`: what is never done with it.
    `gathers`: short names of types whose licences it may gather (多证合一).
    `number_pattern`: what the issuer's numbers look like, `number_example` one of them. `issuer_levels`: which levels of government issue it.
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
    barred_acts: tuple[str, ...] = ()
    gathers: tuple[str, ...] = ()
    open_to: tuple[str, ...] = ()
    doctype: str = ""
    face: Face = field(default_factory=Face)
    number_pattern: str | None = None
    number_example: str | None = None
    authority_level: str = "national"
    issuer_levels: tuple[str, ...] = ()
    matters: tuple[Matter, ...] = ()

    @property
    def may_be_suspended(self) -> bool:
        """Whether any act that there is for it leaves its licences in suspense."""
        return not {"suspend", "transfer"} <= set(self.barred_acts)

    @property
    def family_name(self) -> Text:
        """The family in words."""
        return FAMILIES[self.family]

    @property
    def origins(self) -> tuple[Matter, ...]:
        """The matters by which licences of it come about."""
        return tuple(one for one in self.matters if one.needs is None)

    def find_field(self, name: str) -> Field | None:
        """Return a field by its name."""
        return next((one for one in self.fields if one.name == name), None)


def read_definition(document: Any, *, version: int = 1) -> LicenceType:
    """Read a type from its document, and check it whole; raises FaultyDefinition."""
    licence_type = read_stored(document, version=version)
    check_definition(licence_type)
    return licence_type


def read_stored(document: Any, *, version: int) -> LicenceType:
    """Read a type that was checked when it was applied: what was asked of it then is not asked again; raises FaultyDefinition."""
    if not isinstance(document, dict):
        raise FaultyDefinition("definition", Text("应为键值结构。", "It is not a mapping."))
    try:
        loaded = DefinitionSchema().load(document)
    except ValidationError as error:
        raise first_fault(error.messages) from error
    return _build(loaded, version)


def _build(loaded: dict[str, Any], version: int) -> LicenceType:
    authority = loaded.pop("defining_authority")
    plain: dict[str, Any] = {name: loaded[name] for name in PLAIN} | {name: tuple(loaded[name]) for name in LISTS}
    plain |= {name: loaded.get(name) for name in OPTIONAL}
    return LicenceType(
        **plain,
        name=text_of(loaded["name"]),
        description=text_of(loaded["description"]),
        defining_authority=authority["code"],
        defining_authority_name=text_of(authority["name"]),
        validity=Validity(**loaded["validity"]),
        fields=tuple(_build_field(one) for one in loaded["fields"]),
        face=_build_face(loaded["face"]),
        authority_level=authority["level"],
        matters=tuple(_build_matter(one) for one in loaded["matters"]),
        doctype=loaded["doctype"] or default_doctype(loaded["code"]),
        version=version,
    )


def _build_matter(loaded: dict[str, Any]) -> Matter:
    return Matter(loaded["code"], text_of(loaded["name"]), tuple(loaded["needs"]) if "needs" in loaded else None)


def _build_field(loaded: dict[str, Any]) -> Field:
    choices = {code: text_of(text) for code, text in loaded.pop("choices", {}).items()}
    return Field(label=text_of(loaded.pop("label")), choices=choices, **loaded)


def _build_face(loaded: dict[str, Any]) -> Face:
    members = dict(loaded)
    members.update({name: text_of(loaded[name]) for name in ("title", "statement") if name in loaded})
    members.update({name: tuple(loaded[name]) for name in ("front", "back")})
    members["labels"] = {name: text_of(text) for name, text in loaded["labels"].items()}
    return Face(**members)


def default_doctype(code: str) -> str:
    """Return the mobile document's name of a type that says none: its code under the root of licence identifiers."""
    return f"{identifiers.ROOT}.{code}"


def document_of(licence_type: LicenceType) -> dict[str, Any]:
    """Return a type as its file writes it, with what the file may leave out."""
    return {
        **{name: getattr(licence_type, name) for name in (*PLAIN, "doctype")},
        **{name: list(getattr(licence_type, name)) for name in LISTS},
        **{name: value for name in OPTIONAL if (value := getattr(licence_type, name)) is not None},
        "matters": [_document_of_matter(one) for one in licence_type.matters],
        "name": licence_type.name.as_json(),
        "description": licence_type.description.as_json(),
        "defining_authority": {
            "code": licence_type.defining_authority,
            "name": licence_type.defining_authority_name.as_json(),
            "level": licence_type.authority_level,
        },
        "validity": {name: value for name, value in asdict(licence_type.validity).items() if value is not None},
        "face": _document_of_face(licence_type.face),
        "fields": [_document_of_field(one) for one in licence_type.fields],
    }


def _document_of_matter(one: Matter) -> dict[str, Any]:
    return {"code": one.code, "name": one.name.as_json(), **({"needs": list(one.needs)} if one.needs is not None else {})}


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
