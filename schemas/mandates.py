"""Mandates: what a portal learns of the one that it is used under, and what a department's system may ask."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.causes import CauseSchema, readable
from schemas.parties import PartySchema

ROLES = ["legal_representative", "licence_manager", "handler", "guardian"]
REACH = validate.Length(max=1000)


class MandateSchema(Schema):
    """A mandate, as far as it concerns the portal that asks."""

    role = fields.String(required=True, validate=validate.OneOf(ROLES), metadata={"description": "As what the person acts.", "example": "handler"})
    holder_type = fields.String(
        required=True,
        validate=validate.OneOf(["organisation", "person"]),
        metadata={"description": "Whom they act for: an organisation, or a minor.", "example": "organisation"},
    )
    holder = fields.String(required=True, metadata={"description": "The pairwise `sub` of whom they act for.", "example": "q83vEjRWeJA"})
    person = fields.String(required=True, metadata={"description": "The pairwise `sub` of who acts.", "example": "mHZUMhARq80"})
    licence_types = fields.List(
        fields.String(), validate=REACH, allow_none=True, metadata={"description": "The licence types that it covers; null for all.", "example": None}
    )
    valid_from = fields.AwareDateTime(format="iso", metadata={"description": "Since when.", "example": "2026-03-01T00:00:00+08:00"})
    valid_until = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "Until before when; null without an end.", "example": None}
    )


class MandatesSchema(Schema):
    """The mandates that a token is used under: one, or none where a person is there for themselves."""

    mandates = fields.List(fields.Nested(MandateSchema), required=True, validate=validate.Length(max=1), metadata={"description": "The mandate."})


class MandateCheckRequestSchema(Schema):
    """Who, for whom, for what, and why it is asked."""

    class Meta:
        unknown = RAISE

    person = fields.Nested(PartySchema, required=True, metadata={"description": "Who would act."})
    organisation = fields.Nested(PartySchema, required=True, metadata={"description": "For which organisation."})
    licence_type = fields.String(
        validate=[validate.Length(1, 60), readable],
        metadata={"description": "A licence type's code or short name, which must be covered.", "example": "business-licence"},
    )
    portal = fields.String(
        validate=[validate.Length(1, 100), readable],
        metadata={"description": "A portal's client id, which must be covered.", "example": "enterprise-hall"},
    )
    cause = fields.Nested(CauseSchema, required=True, metadata={"description": "Why; the organisation reads it."})


class MandateCheckSchema(Schema):
    """The answer: yes with role and end, or no."""

    may_act = fields.Boolean(required=True, metadata={"description": "Whether the person may act for the organisation now.", "example": True})
    role = fields.String(validate=validate.OneOf(ROLES), metadata={"description": "As what; only with a yes.", "example": "licence_manager"})
    valid_until = fields.AwareDateTime(
        format="iso", allow_none=True, metadata={"description": "Until before when, null without an end; only with a yes.", "example": None}
    )
    checked_at = fields.AwareDateTime(
        required=True, format="iso", metadata={"description": "When it was so.", "example": "2026-11-23T09:00:00+00:00"}
    )
