"""Receipts: what is filed in place of a copy, and what anyone may ask of one."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.causes import readable


class IssuedReceiptSchema(Schema):
    """A receipt as it goes with an answer."""

    id = fields.UUID(metadata={"description": "The receipt's number.", "example": "01985c1f-8a3e-7b1c-9f4e-2d5a6b7c8d9e"})
    jws = fields.String(
        metadata={"description": "The receipt itself, a compact JWS of type `receipt+jwt`.", "example": "eyJ0eXAiOiJyZWNlaXB0K2p3dCJ9…"}
    )


class ReceiptSchema(IssuedReceiptSchema):
    """A receipt that the department made before."""

    issued_at = fields.DateTime(metadata={"description": "When.", "example": "2026-05-04T08:30:00+00:00"})
    way = fields.String(metadata={"description": "`verification` or `draw`.", "example": "verification"})
    verdict = fields.String(metadata={"description": "`valid` or `invalid`.", "example": "valid"})
    claims = fields.Dict(metadata={"description": "What the receipt says.", "example": {"verdict": "valid"}})


class ReceiptCheckRequestSchema(Schema):
    """A text that someone takes for a receipt."""

    class Meta:
        unknown = RAISE

    receipt = fields.String(
        required=True,
        validate=[validate.Length(1, 16 * 1024), readable],
        metadata={"description": "The receipt, as it was given.", "example": "eyJ0eXAiOiJyZWNlaXB0K2p3dCJ9…"},
    )


class ReceiptCheckSchema(Schema):
    """Whether it is one."""

    genuine = fields.Boolean(metadata={"description": "Whether it was signed and recorded here.", "example": True})
    receipt = fields.Dict(allow_none=True, metadata={"description": "What it says, if it is genuine.", "example": {"verdict": "valid"}})
    sealed = fields.Boolean(metadata={"description": "Whether the ledger has sealed it; it does within seconds.", "example": True})
    ledger = fields.Dict(
        allow_none=True,
        metadata={"description": "Inclusion proof (RFC 9162) and the signed checkpoint, once sealed.", "example": {"position": 12, "size": 40}},
    )
