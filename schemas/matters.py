"""Matters (事项) that a department may look at licences for, and what each of them needs."""

from marshmallow import Schema, fields, validate

from schemas.causes import readable
from schemas.licence_types import TextSchema

MOST = 200


class MattersQuerySchema(Schema):
    """Which matters, and which page of them."""

    type = fields.String(
        validate=[validate.Length(1, 60), readable],
        metadata={"description": "Only those of a licence type, by its code or short name.", "example": "driving-licence"},
    )
    after = fields.String(
        validate=[validate.Length(1, 64), readable], metadata={"description": "The `next` of the page before.", "example": "JZDJ-001"}
    )
    limit = fields.Integer(load_default=100, validate=validate.Range(1, MOST), metadata={"description": "At most so many.", "example": 100})


class NeededLicenceSchema(Schema):
    """What a matter needs of licences of one type."""

    type = fields.String(metadata={"description": "The licence type's code.", "example": "11100000000013127D011"})
    slug = fields.String(metadata={"description": "Its short name.", "example": "driving-licence"})
    fields_ = fields.List(
        fields.String(),
        data_key="fields",
        attribute="fields",
        metadata={"description": "What to ask for; none: only whether it is valid.", "example": ["holder_name", "vehicle_class"]},
    )
    may = fields.List(
        fields.String(), metadata={"description": "What the caller's department may do with the type: `verify`, `draw`.", "example": ["verify"]}
    )


class MatterNeedsSchema(Schema):
    """A matter, as a `cause` names it."""

    code = fields.String(metadata={"description": "Its code, for `cause.matter`.", "example": "CLZL-001"})
    name = fields.Nested(TextSchema, metadata={"description": "Its name; the code where it has none."})
    licences = fields.List(fields.Nested(NeededLicenceSchema), metadata={"description": "What it needs, by licence type."})


class MattersSchema(Schema):
    """A page of matters."""

    matters = fields.List(fields.Nested(MatterNeedsSchema), metadata={"description": "By their codes."})
    next = fields.String(allow_none=True, metadata={"description": "For `after`; null at the end.", "example": None})
