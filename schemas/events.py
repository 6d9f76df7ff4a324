"""Events as supervising departments read them."""

from marshmallow import RAISE, Schema, fields, validate

CURSOR = "1234-56"


class EventsQuerySchema(Schema):
    """Which events."""

    class Meta:
        unknown = RAISE

    after = fields.String(
        load_default="0-0",
        validate=validate.Length(3, 40),
        metadata={"description": "The `next` of the page before; without it, from the beginning.", "example": CURSOR},
    )
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500), metadata={"description": "At most so many.", "example": 100})


class EventSchema(Schema):
    """Something that happened to a licence. It names nobody."""

    id = fields.UUID(metadata={"description": "Its id.", "example": "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f"})
    kind = fields.String(metadata={"description": "What happened.", "example": "licence.issued"})
    happened_at = fields.AwareDateTime(metadata={"description": "When.", "example": "2026-01-01T08:00:00+00:00"})
    type = fields.String(attribute="topic", metadata={"description": "The licence type's code.", "example": "11100000000013127D011"})
    licence = fields.String(
        attribute="object_id",
        metadata={"description": "The licence's id; of `draws.flagged`, the flag's.", "example": "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f"},
    )
    detail = fields.Dict(metadata={"description": "Issuer, identifier, state and dates.", "example": {"state": "valid"}})


class EventsSchema(Schema):
    """A page of events."""

    events = fields.List(fields.Nested(EventSchema), metadata={"description": "In their final order."})
    next = fields.String(metadata={"description": "Where the next page begins; send it as `after`.", "example": CURSOR})
