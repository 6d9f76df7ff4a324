"""The cause (事由) that every look at a licence must state, and texts that people write."""

import re

from marshmallow import RAISE, Schema, ValidationError, fields, validate

LONGEST = 200
NO_OBJECT = "It is an object with the member text; in a form: cause.text, cause.matter, each by itself."
UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def is_readable(text: str) -> bool:
    """Tell whether a text is free of control characters, of what turns a line about or ends it, and of halves of surrogate pairs."""
    return UNREADABLE.search(text) is None


def readable(text: str) -> None:
    """Raise ValidationError for a text that is not readable."""
    if not is_readable(text):
        raise ValidationError("It holds control characters.")


def not_blank(text: str) -> None:
    """Raise ValidationError for a text of nothing but spaces."""
    if not text.strip():
        raise ValidationError("It is blank.")


class CauseSchema(Schema):
    """Why a licence is looked at."""

    error_messages: dict[str, str] = {"type": NO_OBJECT}  # noqa: RUF012 (marshmallow declares it so)

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
