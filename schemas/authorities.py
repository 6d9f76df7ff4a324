"""Authority over licence types, as the departments that define them grant it."""

from marshmallow import RAISE, Schema, fields, validate

from schemas.departments import CREDIT_CODE
from schemas.licence_types import ACTS

ACTIONS = ("issue", "verify", "draw", "supervise", "identify")


class AuthorityNameSchema(Schema):
    """Whose authority to do what."""

    class Meta:
        unknown = RAISE

    department = fields.String(
        required=True, validate=validate.Length(equal=18), metadata={"description": "The department's credit code.", "example": CREDIT_CODE}
    )
    action = fields.String(required=True, validate=validate.OneOf(ACTIONS), metadata={"description": "What it may do.", "example": "issue"})


class GrantSchema(AuthorityNameSchema):
    """An authority to grant."""

    acts = fields.List(
        fields.String(validate=validate.OneOf(ACTS)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, len(ACTS)),
        metadata={"description": "The acts that issuing is limited to; null: all.", "example": ["suspend", "resume"]},
    )
    valid_from = fields.Date(
        load_default=None,
        allow_none=True,
        format="%Y-%m-%d",
        metadata={"description": "The first day, in China; null: from now.", "example": "2026-01-01"},
    )
    valid_until = fields.Date(
        load_default=None,
        allow_none=True,
        format="%Y-%m-%d",
        metadata={"description": "The last day, in China; null: for good.", "example": "2028-12-31"},
    )


class AuthoritySchema(Schema):
    """An authority as it stands."""

    department = fields.String(metadata={"description": "The department's credit code.", "example": CREDIT_CODE})
    type = fields.String(metadata={"description": "The licence type's code.", "example": "11100000000013127D011"})
    action = fields.String(metadata={"description": "What it may do.", "example": "issue"})
    acts = fields.List(fields.String(), allow_none=True, metadata={"description": "The acts that it is limited to; null: all.", "example": None})
    valid_from = fields.AwareDateTime(metadata={"description": "Since when.", "example": "2026-01-01T00:00:00+00:00"})
    valid_until = fields.AwareDateTime(allow_none=True, metadata={"description": "Until when, or null.", "example": None})
    granted_by = fields.String(metadata={"description": "Who gave it.", "example": f"department:{CREDIT_CODE}"})
    holds = fields.Boolean(metadata={"description": "Whether it holds now.", "example": True})


class AuthoritiesSchema(Schema):
    """Every authority over a type."""

    authorities = fields.List(fields.Nested(AuthoritySchema), metadata={"description": "By department and action."})
