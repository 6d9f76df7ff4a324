"""A mapping: which column of a file is which member of a licence."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas.licences import clean

NAME = validate.Length(1, 200)


class SourceSchema(Schema):
    """Where a member's value comes from: a column, how it is written there, and what stands for an empty cell."""

    class Meta:
        unknown = RAISE

    column = fields.String(required=True, validate=[NAME, clean])
    date = fields.String(load_default=None, validate=validate.Length(1, 40))
    choices = fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)
    empty = fields.String(load_default=None, validate=validate.Length(1, 200))


class SourceField(fields.Field[Any]):
    """A column's name alone, or a source in full."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return SourceSchema().load({"column": value} if isinstance(value, str) else value)


class MappingSchema(Schema):
    """A mapping file."""

    class Meta:
        unknown = RAISE

    type = fields.String(required=True, validate=validate.Length(1, 60))
    columns = fields.Dict(keys=fields.String(), values=SourceField(), required=True)
    constants = fields.Dict(keys=fields.String(), values=fields.Raw(), load_default=dict)

    @validates_schema
    def _each_once(self, data: dict[str, Any], **_: Any) -> None:
        """Raise ValidationError for a member that has both a column and a constant."""
        twice = sorted(set(data.get("columns", {})) & set(data.get("constants", {})))
        if twice:
            raise ValidationError(f"{twice[0]} has both a column and a constant")

    @post_load
    def _written(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Let a constant that YAML read as a number or a date be the text that was written."""
        data["constants"] = {name: value if isinstance(value, str | int) else str(value) for name, value in data["constants"].items()}
        return data
