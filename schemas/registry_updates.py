"""Registry updates: what a registry tells of its own accord, a line a change, and what became of each line."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from runtime.languages import Text
from schemas.licences import clean, not_blank

CHANGES = ("name", "number", "death", "dissolution", "representative", "restored")
NEEDS = {"name": "name", "number": "former_number", "representative": "representative"}


def _number(description: str, **options: Any) -> fields.String:
    return fields.String(validate=[validate.Length(1, 64), clean], metadata={"description": description, "example": "379999196803120015"}, **options)


class RegistryUpdateSchema(Schema):
    """One change."""

    class Meta:
        unknown = RAISE

    id = fields.String(
        required=True,
        validate=[validate.Length(1, 128), not_blank, clean],
        metadata={"description": "The registry's own name of this change: sent again, it takes effect once.", "example": "2026-11-23-0001"},
    )
    change = fields.String(
        required=True,
        validate=validate.OneOf(CHANGES),
        metadata={"description": "What changed; `restored` corrects a death or a dissolution that was told by mistake.", "example": "death"},
    )
    number = _number("Whom it is about: the present number.", required=True)
    former_number = _number("The number before, where `change` is `number`.")
    name = fields.String(
        validate=[validate.Length(1, 200), not_blank, clean],
        metadata={"description": "The new name, where `change` is `name`.", "example": "许静怡"},
    )
    representative = _number("The new legal representative's number, where `change` is `representative`.")
    on = fields.Date(format="%Y-%m-%d", metadata={"description": "The day on which it came about, where that is known.", "example": "2026-11-20"})

    @validates_schema(skip_on_field_errors=True)
    def check_needs(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a change without what it says, and with what belongs to another."""
        needed = NEEDS.get(data["change"])
        if needed is not None and needed not in data:
            raise ValidationError(str(Text("必填。", "It is needed for this change.")), needed)
        for other in set(NEEDS.values()) - {needed}:
            if other in data:
                raise ValidationError(str(Text("与此类变更无关。", "It does not belong to this change.")), other)


class RegistryUpdateResultSchema(Schema):
    """What became of one line."""

    id = fields.String(allow_none=True, metadata={"description": "The line's id, if it could be read.", "example": "2026-11-23-0001"})
    result = fields.String(metadata={"description": "`applied`, `unchanged`, `unknown` or `refused`.", "example": "applied"})
    repeated = fields.Boolean(metadata={"description": "Whether this line was sent before, and this is what became of it then.", "example": False})
    problem = fields.Dict(
        metadata={"description": "Why it was refused: `code`, `title`, `field`.", "example": {"code": "number-refused", "field": "number"}}
    )


class RegistryUpdateResultsSchema(Schema):
    """What became of each line, in their order."""

    results = fields.List(fields.Nested(RegistryUpdateResultSchema), metadata={"description": "A result a line."})
