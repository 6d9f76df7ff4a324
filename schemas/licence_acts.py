"""Acts on a licence, as issuing departments send them: each with its reason and its legal basis."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.departments import CREDIT_CODE
from schemas.licences import LICENCE_ID, LicenceHolderSchema, clean, not_blank


class WhySchema(Schema):
    """Why an act is done."""

    class Meta:
        unknown = RAISE

    reason = fields.String(
        required=True,
        validate=[validate.Length(2, 500), not_blank, clean],
        metadata={"description": "The reason.", "example": "持证人累计记满12分且未按规定参加学习。"},
    )
    legal_basis = fields.String(
        required=True,
        validate=[validate.Length(2, 300), not_blank, clean],
        metadata={"description": "The law that it rests on.", "example": "《机动车驾驶证申领和使用规定》第七十九条"},
    )


class ActSchema(WhySchema):
    """An act that changes a licence's state."""

    effective_on = fields.Date(
        load_default=None,
        allow_none=True,
        format="%Y-%m-%d",
        metadata={
            "description": "The day in China from which it is in effect, today or before; not before the act that it follows, but for an annulment.",
            "example": "2026-01-15",
        },
    )


class TransferOutSchema(ActSchema):
    """A licence that another department takes over."""

    to = fields.String(
        required=True, validate=validate.Length(equal=18), metadata={"description": "The department that may take it over.", "example": CREDIT_CODE}
    )


class SuccessorSchema(WhySchema):
    """An act that makes a successor, which names its holders as the registry has them today."""

    fields_ = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        data_key="fields",
        attribute="fields",
        validate=validate.Length(max=100),
        metadata={
            "description": "The fields that change; null takes one away, and the others stay.",
            "example": {"address": "示例路2号"},
        },
    )
    licence_number = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, 64), clean],
        metadata={"description": "A new licence number, where the type has one of the issuer's; otherwise it stays.", "example": None},
    )
    co_holders = fields.List(
        fields.Nested(LicenceHolderSchema),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=100),
        metadata={"description": "Who holds it with the first holder from now on; null: as before.", "example": None},
    )


class ChangeSchema(SuccessorSchema):
    """A licence that is written anew because something that it says has changed."""


class ReplacementSchema(SuccessorSchema):
    """A licence that is written anew though nothing changed, for one that was lost or damaged."""


class TransferInSchema(SuccessorSchema):
    """A licence that is taken over from another department."""


class RenewalSchema(SuccessorSchema):
    """A licence that goes on beyond its last day; the successor is valid from today."""

    valid_until = fields.Date(
        required=True,
        allow_none=True,
        format="%Y-%m-%d",
        metadata={"description": "The new last day, in China; null: no end, where the type allows it.", "example": "2038-01-01"},
    )


class GatheringSchema(Schema):
    """Licences that are gathered into one (多证合一)."""

    class Meta:
        unknown = RAISE

    licences = fields.List(
        fields.UUID(),
        required=True,
        validate=validate.Length(1, 50),
        metadata={"description": "The ids of licences of the same holder, of types that this one's type gathers.", "example": [LICENCE_ID]},
    )


class RefusalSchema(Schema):
    """Why a second officer refuses an act."""

    class Meta:
        unknown = RAISE

    reason = fields.String(
        required=True,
        validate=[validate.Length(2, 500), not_blank, clean],
        metadata={"description": "The reason, for whoever asked.", "example": "材料不齐，请补正后重新提交。"},
    )


class ActRequestsQuerySchema(Schema):
    """Which requests."""

    class Meta:
        unknown = RAISE

    state = fields.String(
        load_default="pending",
        validate=validate.OneOf(("pending", "all")),
        metadata={"description": "Those that wait, or all.", "example": "pending"},
    )
    before = fields.UUID(load_default=None, metadata={"description": "The `next` of the page before.", "example": LICENCE_ID})


class ActRequestSchema(Schema):
    """An act that waits for a second officer or system, or waited for one."""

    id = fields.UUID(metadata={"description": "Its id.", "example": LICENCE_ID})
    href = fields.String(metadata={"description": "Its place.", "example": f"/api/v1/act-requests/{LICENCE_ID}"})
    act = fields.String(metadata={"description": "What is to be done.", "example": "revoke"})
    type = fields.String(attribute="type_code", metadata={"description": "The licence type's code.", "example": "11100000000013127D011"})
    licence = fields.UUID(attribute="licence_id", allow_none=True, metadata={"description": "The licence acted on.", "example": LICENCE_ID})
    state = fields.String(metadata={"description": "`pending`, `approved`, `refused` or `expired`.", "example": "pending"})
    made_at = fields.AwareDateTime(metadata={"description": "When it was asked for.", "example": "2026-01-01T08:00:00+00:00"})
    expires_at = fields.AwareDateTime(metadata={"description": "Until when it can be decided.", "example": "2026-01-08T08:00:00+00:00"})
    decided_at = fields.AwareDateTime(allow_none=True, metadata={"description": "When it was decided.", "example": None})
    result = fields.UUID(attribute="result_id", allow_none=True, metadata={"description": "The licence that came of it.", "example": None})
    refusal = fields.String(allow_none=True, metadata={"description": "Why it was refused.", "example": None})


class ActRequestDetailSchema(ActRequestSchema):
    """The same, with the document that asks for it."""

    document = fields.Dict(metadata={"description": "What was sent.", "example": {"reason": "累计记满12分", "legal_basis": "第七十九条"}})


class ActRequestsSchema(Schema):
    """A page of requests."""

    requests = fields.List(fields.Nested(ActRequestSchema), metadata={"description": "The newest first."})
    next = fields.UUID(allow_none=True, metadata={"description": "Send it as `before` for older ones.", "example": None})
