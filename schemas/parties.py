"""A person or an organisation in a request: by its number alone."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.causes import readable


class PartySchema(Schema):
    """A person or an organisation."""

    class Meta:
        unknown = RAISE

    number = fields.String(
        required=True,
        validate=[validate.Length(1, 64), readable],
        metadata={"description": "Citizen number or unified social credit code.", "example": "379999199006150024"},
    )
