"""Licence types: as the catalogue's files write them, and as the API gives them."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

FAMILIES = ("identity", "life", "education-profession", "property", "enterprise")
COLOURS = ("red", "rose", "amber", "green", "teal", "blue", "indigo", "purple", "brown", "slate")
LEVELS = ("national", "provincial", "municipal", "county", "township", "other")
LAYOUTS = ("card", "certificate", "diploma", "booklet")
ACTS = ("issue", "renew", "change", "replace", "suspend", "resume", "revoke", "annul", "cancel", "lapse", "transfer")
OPEN_ACTIONS = ("verify", "draw", "supervise")
FIELD_TYPES = ("string", "date", "integer", "decimal", "choice")
SNAKE_CASE = validate.Regexp(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z", error="It must be in snake_case.")
KEBAB_CASE = validate.Regexp(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z", error="It must be in kebab-case.")
TAG = validate.Regexp(r"[A-Z][A-Z0-9_]{1,39}\Z", error="It must be capital letters, digits and underscores.")


def _names(known: tuple[str, ...], description: str, example: list[str]) -> Any:
    """Return a list of some of the names known; none unless said."""
    name = fields.String(validate=validate.OneOf(known))
    return fields.List(name, load_default=list, validate=validate.Length(max=len(known)), metadata={"description": description, "example": example})


class TextSchema(Schema):
    """A text in Chinese and in English."""

    class Meta:
        unknown = RAISE

    zh = fields.String(required=True, validate=validate.Length(1, 300), metadata={"description": "In Chinese.", "example": "性别"})
    en = fields.String(required=True, validate=validate.Length(1, 300), metadata={"description": "In English.", "example": "Sex"})


class FieldSchema(Schema):
    """A field of a licence type."""

    class Meta:
        unknown = RAISE

    name = fields.String(
        required=True,
        validate=[SNAKE_CASE, validate.Length(1, 40)],
        metadata={"description": "Its name, in a request's `fields` and as a claim of a credential.", "example": "sex"},
    )
    label = fields.Nested(TextSchema, required=True, metadata={"description": "What people read."})
    tag = fields.String(required=True, validate=TAG, metadata={"description": "Its element in a file of GB/T 36903.", "example": "KZ_XB"})
    type = fields.String(
        required=True, validate=validate.OneOf(FIELD_TYPES), metadata={"description": "The form of its values.", "example": "choice"}
    )
    example = fields.Raw(required=True, metadata={"description": "A value that fits.", "example": "female"})
    required = fields.Boolean(load_default=True, metadata={"description": "Whether a licence must have it.", "example": True})
    hidden_by_default = fields.Boolean(
        load_default=False, metadata={"description": "Whether it is shown only if the holder says so.", "example": False}
    )
    hideable = fields.Boolean(load_default=True, metadata={"description": "Whether a holder may show the licence without it.", "example": True})
    max_length = fields.Integer(
        strict=True, validate=validate.Range(1, 4000), metadata={"description": "Longest text, in characters.", "example": 60}
    )
    pattern = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "Regular expression that the whole text fits.", "example": "[0-9]{12}"}
    )
    minimum = fields.Integer(strict=True, metadata={"description": "Least value.", "example": 0})
    maximum = fields.Integer(strict=True, metadata={"description": "Greatest value.", "example": 100})
    choices = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 40)),
        values=fields.Nested(TextSchema),
        validate=validate.Length(1, 60),
        metadata={"description": "Codes that may be chosen, with their names.", "example": {"female": {"zh": "女", "en": "Female"}}},
    )


class ValiditySchema(Schema):
    """How long licences of a type are valid."""

    class Meta:
        unknown = RAISE

    rule = fields.String(
        required=True,
        validate=validate.OneOf(("permanent", "dated", "optional")),
        metadata={"description": "`permanent`: no end; `dated`: an end is required; `optional`: either.", "example": "dated"},
    )
    max_years = fields.Integer(strict=True, validate=validate.Range(1, 100), metadata={"description": "Longest span.", "example": 10})
    ends_on = fields.String(
        load_default="day",
        validate=validate.OneOf(("day", "month", "year")),
        metadata={"description": "Whether an end is any day, or the last of a month or a year.", "example": "day"},
    )
    renewable_days_before = fields.Integer(
        strict=True,
        validate=validate.Range(0, 3660),
        metadata={"description": "Days before its end from which on it may be renewed; absent: from its first day on.", "example": 90},
    )
    renewable_days_after = fields.Integer(
        strict=True,
        validate=validate.Range(0, 3660),
        metadata={"description": "Days after its end until which it may be renewed; absent: none.", "example": 30},
    )


class FaceSchema(Schema):
    """What a licence of a type looks like: a designed layout, and what stands where on it."""

    class Meta:
        unknown = RAISE

    layout = fields.String(
        load_default="card",
        validate=validate.OneOf(LAYOUTS),
        metadata={"description": "A card of two sides, an upright certificate, one across with a border, or a booklet.", "example": "card"},
    )
    accent = fields.String(validate=validate.OneOf(COLOURS), metadata={"description": "A second colour.", "example": "red"})
    title = fields.Nested(TextSchema, metadata={"description": "Its title as on paper; absent: the type's name."})
    statement = fields.Nested(TextSchema, metadata={"description": "A sentence with names of fields in braces."})
    front = fields.List(
        fields.String(),
        load_default=list,
        validate=validate.Length(max=30),
        metadata={"description": "What stands on its front or left page, in order.", "example": ["holder_name", "sex"]},
    )
    back = fields.List(
        fields.String(),
        load_default=list,
        validate=validate.Length(max=30),
        metadata={"description": "What stands on its back or right page.", "example": ["issuer", "validity"]},
    )
    labels = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(TextSchema),
        load_default=dict,
        validate=validate.Length(max=30),
        metadata={"description": "Other words for some names.", "example": {"holder_name": {"zh": "姓名", "en": "Name"}}},
    )
    portrait = fields.Boolean(load_default=False, metadata={"description": "Whether it has a place for a portrait.", "example": True})
    seal = fields.Boolean(load_default=True, metadata={"description": "Whether the issuer's seal stands on it.", "example": True})


class DefiningAuthoritySchema(Schema):
    """The authority that defined the type."""

    class Meta:
        unknown = RAISE

    code = fields.String(
        required=True, validate=validate.Length(equal=18), metadata={"description": "Its credit code.", "example": "11100000000013127D"}
    )
    name = fields.Nested(TextSchema, required=True, metadata={"description": "Its name."})
    level = fields.String(
        load_default="national", validate=validate.OneOf(LEVELS), metadata={"description": "Its level of government.", "example": "national"}
    )


class MatterSchema(Schema):
    """A matter of public service by which licences of a type come about (关联事项); with `needs`, one that they are shown for."""

    class Meta:
        unknown = RAISE

    code = fields.String(
        required=True,
        validate=validate.Regexp(r"[0-9A-Za-z-]{1,40}\Z", error="It must be letters, digits and hyphens."),
        metadata={"description": "Its code.", "example": "000131001000"},
    )
    name = fields.Nested(TextSchema, required=True, metadata={"description": "Its name."})
    needs = fields.List(
        fields.String(validate=SNAKE_CASE),
        validate=validate.Length(max=40),
        metadata={
            "description": "What the matter needs of such a licence, fields and what every licence has; empty: only that it is valid.",
            "example": ["holder_name", "sex"],
        },
    )


class DefinitionSchema(Schema):
    """A licence type as a file of the catalogue writes it."""

    class Meta:
        unknown = RAISE

    code = fields.String(
        required=True, validate=validate.Length(equal=21), metadata={"description": "Type code, GB/T 36902.", "example": "11100000000013127D001"}
    )
    slug = fields.String(
        required=True,
        validate=[KEBAB_CASE, validate.Length(1, 60)],
        metadata={"description": "Its short name in addresses.", "example": "resident-identity-card"},
    )
    name = fields.Nested(TextSchema, required=True, metadata={"description": "Its name."})
    description = fields.Nested(TextSchema, required=True, metadata={"description": "What it attests."})
    family = fields.String(
        required=True, validate=validate.OneOf(FAMILIES), metadata={"description": "Its place in the wallet.", "example": "identity"}
    )
    colour = fields.String(required=True, validate=validate.OneOf(COLOURS), metadata={"description": "Its colour on a card.", "example": "blue"})
    holder = fields.String(
        required=True,
        validate=validate.OneOf(("person", "organisation", "either")),
        metadata={"description": "Who may hold it.", "example": "person"},
    )
    most_holders = fields.Integer(
        load_default=1, strict=True, validate=validate.Range(1, 50), metadata={"description": "How many may hold one together.", "example": 1}
    )
    defining_authority = fields.Nested(DefiningAuthoritySchema, required=True, metadata={"description": "Who defined it."})
    number_rule = fields.String(
        required=True,
        validate=validate.OneOf(("holder", "issuer")),
        metadata={"description": "Whether the licence number is the holder's number or is given by the issuer.", "example": "holder"},
    )
    number_pattern = fields.String(
        validate=validate.Length(1, 200),
        metadata={
            "description": "Regular expression that the issuer's numbers fit; without one, numbers may be left to us.",
            "example": "SC[0-9]{14}",
        },
    )
    number_example = fields.String(
        validate=validate.Length(1, 60), metadata={"description": "A licence number that fits.", "example": "SC12437999912345"}
    )
    issuer_levels = _names(LEVELS, "At which levels of government it is issued; empty: not said.", ["municipal", "county"])
    matters = fields.List(
        fields.Nested(MatterSchema),
        load_default=list,
        validate=validate.Length(max=20),
        metadata={"description": "Matters by which it comes about (关联事项), and those that it is shown for, with what they need."},
    )
    validity = fields.Nested(ValiditySchema, required=True, metadata={"description": "How long it is valid."})
    proves_identity = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether to show it, bound in person to a key of the holder's, proves who the holder is.", "example": False},
    )
    summary = fields.String(
        required=True, validate=SNAKE_CASE, metadata={"description": "The field shown small on a card.", "example": "issuing_office"}
    )
    checked_acts = _names(ACTS, "Acts that take a second officer.", ["revoke"])
    barred_acts = _names(ACTS, "Acts that are never done with it.", ["suspend", "transfer"])
    open_to = _names(OPEN_ACTIONS, "What any department may do with it, without a grant.", ["verify"])
    gathers = fields.List(
        fields.String(validate=[KEBAB_CASE, validate.Length(1, 60)]),
        load_default=list,
        validate=validate.Length(max=60),
        metadata={"description": "Short names of the types whose licences it may gather.", "example": ["food-business-licence"]},
    )
    doctype = fields.String(
        load_default="",
        validate=validate.Regexp(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}\Z|\Z", error="It must be letters, digits, dots, colons and hyphens."),
        metadata={"description": "Its name as a mobile document.", "example": "1.2.156.3005.2.11100000000013127D001"},
    )
    face = fields.Nested(FaceSchema, load_default=lambda: FaceSchema().load({}), metadata={"description": "What it looks like."})
    fields_ = fields.List(
        fields.Nested(FieldSchema),
        required=True,
        data_key="fields",
        attribute="fields",
        validate=validate.Length(1, 40),
        metadata={"description": "Its fields."},
    )


class LicenceTypeSchema(DefinitionSchema):
    """A licence type as the API gives it."""

    version = fields.Integer(metadata={"description": "Grows with each change.", "example": 1})
    elements = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={"description": "The type in the elements of GB/T 36902.", "example": {"CertificateTypeName": "机动车驾驶证"}},
    )


class LicenceTypeVersionsSchema(Schema):
    """Every version of a licence type."""

    versions = fields.List(fields.Nested(LicenceTypeSchema), metadata={"description": "The newest first; a licence is read by its own."})


class LicenceTypesSchema(Schema):
    """The catalogue."""

    licence_types = fields.List(fields.Nested(LicenceTypeSchema), metadata={"description": "Every licence type, by family and code."})
