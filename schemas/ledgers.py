"""The ledger as anyone may watch it: its newest checkpoint, and the proof that it goes on from an earlier one."""

from marshmallow import Schema, fields, validate

MOST_ROWS = 2**63 - 1
HASH = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


class CheckpointSchema(Schema):
    """How many rows are sealed, under which root, and the signature of that."""

    size = fields.Integer(metadata={"description": "How many rows.", "example": 152})
    root = fields.String(metadata={"description": "The root of their tree (RFC 9162), base64.", "example": HASH})
    sealed_at = fields.DateTime(metadata={"description": "When.", "example": "2026-05-04T08:30:02+00:00"})
    checkpoint = fields.String(
        metadata={"description": "All that, signed: a compact JWS of type `checkpoint+jwt`.", "example": "eyJ0eXAiOiJjaGVja3BvaW50K2p3dCJ9…"}
    )


class ConsistencyQuerySchema(Schema):
    """Two sizes of the ledger."""

    first = fields.Integer(required=True, validate=validate.Range(1, MOST_ROWS), metadata={"description": "How many rows there were.", "example": 40})
    second = fields.Integer(required=True, validate=validate.Range(1, MOST_ROWS), metadata={"description": "How many there are.", "example": 152})


class ConsistencySchema(Schema):
    """The proof that the larger ledger begins with the smaller one."""

    first = fields.Integer(metadata={"description": "How many rows there were.", "example": 40})
    second = fields.Integer(metadata={"description": "How many there are.", "example": 152})
    path = fields.List(fields.String(), metadata={"description": "The hashes of RFC 9162 section 2.1.4, innermost first, base64.", "example": [HASH]})
