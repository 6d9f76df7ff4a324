"""Licence types: as the catalogue's files write them, and as the API gives them."""

from marshmallow import RAISE, Schema, fields, validate

FAMILIES = ("identity", "life", "education-profession", "property", "enterprise")
COLOURS = ("red", "rose", "amber", "green", "teal", "blue", "indigo", "purple", "brown", "slate")
FIELD_TYPES = ("string", "date", "integer", "decimal", "choice")
SNAKE_CASE = validate.Regexp(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z", error="It must be in snake_case.")
KEBAB_CASE = validate.Regexp(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z", error="It must be in kebab-case.")
TAG = validate.Regexp(r"[A-Z][A-Z0-9_]{1,39}\Z", error="It must be capital letters, digits and underscores.")


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


class DefiningAuthoritySchema(Schema):
    """The authority that defined the type."""

    class Meta:
        unknown = RAISE

    code = fields.String(
        required=True, validate=validate.Length(equal=18), metadata={"description": "Its credit code.", "example": "11100000000013127D"}
    )
    name = fields.Nested(TextSchema, required=True, metadata={"description": "Its name."})


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
        required=True, validate=validate.OneOf(("person", "organisation")), metadata={"description": "Who may hold it.", "example": "person"}
    )
    defining_authority = fields.Nested(DefiningAuthoritySchema, required=True, metadata={"description": "Who defined it."})
    number_rule = fields.String(
        required=True,
        validate=validate.OneOf(("holder", "issuer")),
        metadata={"description": "Whether the licence number is the holder's number or is given by the issuer.", "example": "holder"},
    )
    validity = fields.Nested(ValiditySchema, required=True, metadata={"description": "How long it is valid."})
    proves_identity = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether to show it, bound in person to a key of the holder's, proves who the holder is.", "example": False},
    )
    summary = fields.String(
        required=True, validate=SNAKE_CASE, metadata={"description": "The field shown small on a card.", "example": "issuing_office"}
    )
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


class LicenceTypesSchema(Schema):
    """The catalogue."""

    licence_types = fields.List(fields.Nested(LicenceTypeSchema), metadata={"description": "Every licence type, by family and code."})
