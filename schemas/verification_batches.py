"""Batches of verifications: the lines that are sent, and the results that come back."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.batches import REF_LENGTH, BatchKeySchema, BatchQuerySchema, LineFaultSchema
from schemas.causes import CauseSchema, readable
from schemas.verifications import VerificationRequestSchema, VerificationSchema

MOST_LINES = 10_000


class VerificationLineSchema(VerificationRequestSchema):
    """A verification, as a line of a batch."""

    class Meta:
        unknown = RAISE

    ref = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, REF_LENGTH), readable],
        metadata={"description": "The caller's own name for the line; it comes back with the result.", "example": "2026-000017"},
    )


class VerificationHeaderSchema(Schema):
    """The first line, where it says why all that follow are looked at which say nothing of their own."""

    class Meta:
        unknown = RAISE

    cause = fields.Nested(CauseSchema, required=True, metadata={"description": "Why."})


class VerificationBatchQuerySchema(BatchQuerySchema):
    """How a batch is sent and answered."""

    class Meta:
        unknown = RAISE

    first_line = fields.Integer(
        load_default=1,
        strict=False,
        validate=validate.Range(1, MOST_LINES),
        metadata={"description": "The number of the first line that is sent: who resumes may leave out what is done."},
    )


class VerificationBatchKeySchema(BatchKeySchema):
    """The header that names a batch."""

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        metadata={
            "description": "Required, at most 128 printable characters: lines sent again under their key are answered as before, for two days.",
            "example": "b8f7a2c4-0001",
        },
    )


class VerificationResultSchema(Schema):
    """The result of a line: what the verification found, or a problem (RFC 9457)."""

    line = fields.Integer(metadata={"description": "The number of the line, from 1, a line with the cause alone not counted.", "example": 17})
    ref = fields.String(metadata={"description": "The caller's own name for the line, if it had one.", "example": "2026-000017"})
    status = fields.Integer(metadata={"description": "The status that the single request would have had.", "example": 201})
    verification = fields.Nested(VerificationSchema, metadata={"description": "What was found, with its receipt, where the status is 201."})
    type = fields.String(metadata={"description": "The kind of problem, where there is one.", "example": "urn:kabao:problem:code-spent"})
    title = fields.String(metadata={"description": "What it is, in the caller's language.", "example": "此二维码已使用过，请持证人重新出示。"})
    field = fields.String(metadata={"description": "The member at fault.", "example": "presented"})
    detail = fields.String(metadata={"description": "A further sentence.", "example": "It is needed where binding is required."})
    errors = fields.List(fields.Nested(LineFaultSchema), metadata={"description": "The members at fault, where a schema refuses the line."})
