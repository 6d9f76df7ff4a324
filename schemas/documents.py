"""Sealed documents of licences, as departments ask for them."""

from marshmallow import RAISE, Schema, fields, validate

KINDS = ("a4", "card")


class DocumentQuerySchema(Schema):
    """In which form a document is wanted."""

    class Meta:
        unknown = RAISE

    kind = fields.String(
        load_default="a4", validate=validate.OneOf(KINDS), metadata={"description": "A sheet of A4, or a card of two sides.", "example": "a4"}
    )
