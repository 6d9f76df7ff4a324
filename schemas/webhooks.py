"""Webhooks as they are asked for and shown."""

from marshmallow import RAISE, Schema, ValidationError, fields, validate

KIND = "licence.revoked"
URL = "https://system.example.gov.cn/hooks/kabao"


def _each_once(values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise ValidationError("Each may be given once.")


class WebhookRequestSchema(Schema):
    """A webhook that is to be made."""

    class Meta:
        unknown = RAISE

    url = fields.String(
        required=True, validate=validate.Length(1, 500), metadata={"description": "Where events are posted, an https address.", "example": URL}
    )
    events = fields.List(
        fields.String(validate=validate.Length(1, 100)),
        required=True,
        validate=[validate.Length(1, 100), _each_once],
        metadata={
            "description": "What to hear of, such as licence.issued or presentation.answered; a refusal lists what there is.",
            "example": [KIND],
        },
    )
    description = fields.String(
        load_default=None, validate=validate.Length(1, 256), metadata={"description": "What it is for, in your words.", "example": "综合执法监管系统"}
    )


class WebhookSchema(Schema):
    """A webhook. Its secret is shown when it is made or changed, and never again."""

    id = fields.UUID(metadata={"description": "Its id.", "example": "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f"})
    url = fields.String(metadata={"description": "Where events are posted.", "example": URL})
    events = fields.List(fields.String(), metadata={"description": "What it hears of.", "example": [KIND]})
    description = fields.String(metadata={"description": "What it is for.", "example": "综合执法监管系统"})
    status = fields.String(metadata={"description": "enabled, paused or disabled.", "example": "enabled"})
    made_at = fields.AwareDateTime(metadata={"description": "When it was made.", "example": "2026-01-01T08:00:00+00:00"})
    failures = fields.Integer(metadata={"description": "How often in a row it could not be reached.", "example": 0})
    waiting = fields.Integer(metadata={"description": "How many events wait.", "example": 0})
    set_aside = fields.Integer(metadata={"description": "How many it refused; an operator can have them sent again.", "example": 0})
    secret = fields.String(metadata={"description": "What its signatures are made with (Standard Webhooks).", "example": "whsec_..."})


class WebhooksSchema(Schema):
    """Every webhook of the caller."""

    webhooks = fields.List(fields.Nested(WebhookSchema), metadata={"description": "The oldest first."})
