"""Draws: which licence a department reads without its being shown, and what it is given."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.causes import CauseSchema, readable
from schemas.parties import PartySchema
from schemas.receipts import IssuedReceiptSchema
from schemas.verifications import LicenceSummarySchema


class DrawRequestSchema(Schema):
    """Which licence, of whom, and why."""

    class Meta:
        unknown = RAISE

    type = fields.String(
        required=True,
        validate=[validate.Length(1, 60), readable],
        metadata={"description": "The licence type's code or short name.", "example": "driving-licence"},
    )
    holder = fields.Nested(
        PartySchema, metadata={"description": "Needed on statutory authority; not to be sent with a person's own token, which names its holder."}
    )
    cause = fields.Nested(CauseSchema, required=True, metadata={"description": "Why."})
    fields_ = fields.List(
        fields.String(validate=[validate.Length(1, 60), readable]),
        data_key="fields",
        attribute="fields",
        validate=validate.Length(max=100),
        metadata={
            "description": "The fields that are needed. On authority none beyond those that the matter needs; unless given, just these.",
            "example": ["vehicle_class"],
        },
    )


class DrawnHolderSchema(Schema):
    """What the asker must know of the holder, beyond the licence."""

    state = fields.String(metadata={"description": "`active`, `deceased` or `dissolved`, as the registry says.", "example": "active"})
    number_changed = fields.Boolean(metadata={"description": "Whether the number that was asked for is a former one.", "example": False})


class DrawSchema(Schema):
    """What was drawn."""

    licence = fields.Nested(LicenceSummarySchema, metadata={"description": "The licence."})
    fields_ = fields.Dict(data_key="fields", attribute="fields", metadata={"description": "Its fields.", "example": {"vehicle_class": "C1"}})
    salt = fields.String(
        metadata={
            "description": "Random. The receipt's digest is SHA-256 of the JSON of `fields`, `licence` and `salt`: sorted, without spaces, in UTF-8.",
            "example": "Jk3q9XnM2vTzR8cL5wYb1A",
        }
    )
    holder = fields.Nested(DrawnHolderSchema, metadata={"description": "On statutory authority alone: what to know of the holder."})
    receipt = fields.Nested(IssuedReceiptSchema, metadata={"description": "To be filed in place of a copy."})
