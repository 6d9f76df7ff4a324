"""The cause (事由) that every look at a licence must state, and texts that people write."""

from marshmallow import RAISE, Schema, ValidationError, fields, validate

LONGEST = 200


def readable(text: str) -> None:
    """Raise ValidationError for control characters, and for halves of surrogate pairs, which nothing can store."""
    if any(ord(one) < 32 or 0x7F <= ord(one) < 0xA0 or 0xD800 <= ord(one) < 0xE000 for one in text):
        raise ValidationError("It holds control characters.")


def not_blank(text: str) -> None:
    """Raise ValidationError for a text of nothing but spaces."""
    if not text.strip():
        raise ValidationError("It is blank.")


class CauseSchema(Schema):
    """Why a licence is looked at."""

    class Meta:
        unknown = RAISE

    text = fields.String(
        required=True,
        validate=[validate.Length(1, LONGEST), readable, not_blank],
        metadata={"description": "The reason, in words that its holder will read.", "example": "办理机动车驾驶证换证"},
    )
    matter = fields.String(
        validate=[validate.Length(1, 64), readable],
        metadata={"description": "Code of the government matter (事项编码).", "example": "370100-GA-0021"},
    )
    matter_name = fields.String(
        validate=[validate.Length(1, LONGEST), readable], metadata={"description": "Name of the matter (事项名称).", "example": "驾驶证期满换证"}
    )
    system = fields.String(
        validate=[validate.Length(1, 100), readable], metadata={"description": "The system that asks.", "example": "车管所窗口系统"}
    )
