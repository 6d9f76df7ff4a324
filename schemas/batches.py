"""Batches: the lines that are sent, and the results that come back."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.licences import LICENCE_ID, LicenceRequestSchema, LicenceSchema, clean

REF_LENGTH = 128


class LineSchema(Schema):
    """What every line of a batch may have."""

    class Meta:
        unknown = RAISE

    act = fields.String(
        load_default="issue",
        metadata={"description": "What is to be done: `issue` where it is left out, or any act on a licence.", "example": "suspend"},
    )
    ref = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, REF_LENGTH), clean],
        metadata={"description": "The caller's own name for the line; it comes back with the result.", "example": "JSZ-2026-000017"},
    )


class BatchLineSchema(LineSchema, LicenceRequestSchema):
    """A licence to issue, as a line of a batch."""

    class Meta:
        unknown = RAISE


class ActLineSchema(LineSchema):
    """What a line has that acts on a licence, beside what the act itself takes."""

    class Meta:
        unknown = RAISE

    licence = fields.String(
        required=True,
        validate=[validate.Length(1, 128), clean],
        metadata={"description": "The licence acted on: its id or its identifier (证照标识).", "example": LICENCE_ID},
    )
    type = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 60),
        metadata={"description": "The type that it must be of, by code or short name; null: whichever it is.", "example": "driving-licence"},
    )


class BatchQuerySchema(Schema):
    """How a batch is sent and answered."""

    class Meta:
        unknown = RAISE

    interleave = fields.Boolean(
        load_default=False,
        metadata={
            "description": "Whether results come while lines are still being sent, to callers that read while they write; else after the last line."
        },
    )
    first_line = fields.Integer(
        load_default=1,
        strict=False,
        validate=validate.Range(1, 100_000),
        metadata={"description": "The number of the first line that is sent: who resumes may leave out what is done."},
    )


class BatchKeySchema(Schema):
    """The header that names a batch."""

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "Required, at most 128 printable characters: a batch sent again under its key goes on.", "example": "b8f7a2c4-0001"},
    )


class LineFaultSchema(Schema):
    """One member of a line that is wrong."""

    field = fields.String(metadata={"description": "Its path.", "example": "fields.vehicle_class"})
    detail = fields.String(metadata={"description": "What is wrong with it, in the caller's language.", "example": "必填。"})


class BatchResultSchema(Schema):
    """The result of a line: a licence, or a problem (RFC 9457)."""

    line = fields.Integer(metadata={"description": "The number of the line, from 1.", "example": 17})
    ref = fields.String(metadata={"description": "The caller's own name for the line, if it had one.", "example": "JSZ-2026-000017"})
    status = fields.Integer(metadata={"description": "The status that the single request would have had.", "example": 201})
    licence = fields.Nested(LicenceSchema, metadata={"description": "The licence, where the status is 201."})
    type = fields.String(metadata={"description": "The kind of problem, where there is one.", "example": "urn:kabao:problem:invalid-request"})
    title = fields.String(metadata={"description": "What it is, in the caller's language.", "example": "请求内容有误。"})
    field = fields.String(metadata={"description": "The member at fault.", "example": "fields.vehicle_class"})
    detail = fields.String(metadata={"description": "A further sentence.", "example": "第9列处不是规范的JSON。"})
    errors = fields.List(fields.Nested(LineFaultSchema), metadata={"description": "The members at fault, where a schema refuses the line."})
