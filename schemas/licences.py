"""Licences as issuing departments send and receive them."""

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from runtime.languages import Text
from schemas.departments import CREDIT_CODE

FIELDS_OF_A_DRIVING_LICENCE = {
    "vehicle_class": "C1",
    "first_issued": "2012-07-01",
    "sex": "female",
    "birth_date": "1990-06-15",
    "nationality": "CHN",
    "address": "示例省示例市示例路1号",
    "file_number": "379900123456",
    "record_status": "normal",
}


def clean(text: str) -> None:
    """Raise ValidationError for control characters, which no number, name or reason holds, and for halves of surrogate pairs."""
    if any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 or 0xD800 <= ord(character) < 0xE000 for character in text):
        raise ValidationError(str(Text("含有控制字符。", "It holds control characters.")))


def not_blank(text: str) -> None:
    """Raise ValidationError for spaces alone."""
    if not text.strip():
        raise ValidationError(str(Text("不能为空。", "It must not be empty.")))


class LicenceHolderSchema(Schema):
    """Whom a licence is for."""

    class Meta:
        unknown = RAISE

    number = fields.String(
        required=True,
        validate=[validate.Length(1, 64), clean],
        metadata={"description": "Citizen number or unified social credit code.", "example": "379999199006150024"},
    )
    name = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, 120), clean],
        metadata={"description": "If given, it must be the name in the registry.", "example": "李海燕"},
    )


class LicenceRequestSchema(Schema):
    """A licence to issue."""

    class Meta:
        unknown = RAISE

    type = fields.String(
        required=True,
        validate=[validate.Length(1, 60), clean],
        metadata={"description": "The licence type's code or short name.", "example": "driving-licence"},
    )
    holder = fields.Nested(LicenceHolderSchema, required=True, metadata={"description": "Whom it is for."})
    fields_ = fields.Dict(
        keys=fields.String(),
        required=True,
        data_key="fields",
        attribute="fields",
        validate=validate.Length(max=100),
        metadata={"description": "Values by field name, as the licence type defines them.", "example": FIELDS_OF_A_DRIVING_LICENCE},
    )
    valid_from = fields.Date(required=True, format="%Y-%m-%d", metadata={"description": "The first day, in China.", "example": "2026-01-01"})
    valid_until = fields.Date(
        load_default=None,
        allow_none=True,
        format="%Y-%m-%d",
        metadata={"description": "The last day, in China; null: no end.", "example": "2032-01-01"},
    )
    licence_number = fields.String(
        load_default=None,
        allow_none=True,
        validate=[validate.Length(1, 64), clean],
        metadata={
            "description": "The issuer's own number, where the type has one; if none is sent, one is given.",
            "example": None,
        },
    )


class LicenceSchema(Schema):
    """A licence as it was issued."""

    id = fields.UUID(metadata={"description": "Its id here.", "example": "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f"})
    identifier = fields.String(
        metadata={
            "description": "Licence identifier, GB/T 36904.",
            "example": "1.2.156.3005.2.11100000000013127D011.113799990000100228.0123456789ABCDEFGHIJ.001.X",
        }
    )
    type = fields.String(metadata={"description": "The licence type's code.", "example": "11100000000013127D011"})
    type_slug = fields.String(metadata={"description": "The licence type's short name.", "example": "driving-licence"})
    issuer = fields.String(metadata={"description": "The issuing department's credit code.", "example": CREDIT_CODE})
    state = fields.String(
        metadata={"description": "`valid`, `suspended`, `revoked`, …; `expired` and `not-yet-valid` by the calendar.", "example": "valid"}
    )
    issued_at = fields.AwareDateTime(metadata={"description": "When it was issued.", "example": "2026-01-01T08:00:00+00:00"})
    valid_from = fields.Date(metadata={"description": "The first day.", "example": "2026-01-01"})
    valid_until = fields.Date(allow_none=True, metadata={"description": "The last day, or null.", "example": "2032-01-01"})
    licence_number = fields.String(metadata={"description": "Licence number (证照编号).", "example": "示例证字第0001号"})
    holder_number_changed = fields.Boolean(
        metadata={
            "description": "Only when issuing, and true: the holder was named by a former number; the licence is under the present one.",
            "example": True,
        }
    )


class LicenceDetailSchema(LicenceSchema):
    """A licence with its fields, for its issuer."""

    fields_ = fields.Dict(
        keys=fields.String(),
        data_key="fields",
        attribute="fields",
        metadata={"description": "Values by field name.", "example": {"vehicle_class": "C1"}},
    )
    metadata = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        metadata={
            "description": "The same in the elements of GB/T 36903, by their tags.",
            "example": {"ZZMC": "机动车驾驶证", "KZ_ZJCX": "小型汽车"},
        },
    )
    changed_at = fields.AwareDateTime(metadata={"description": "When its state last changed.", "example": "2026-01-01T08:00:00+00:00"})


class RevocationSchema(Schema):
    """Why a licence is revoked."""

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


class IdempotencySchema(Schema):
    """The header that lets a request be sent again."""

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "At most 128 printable characters; the same key with the same body issues once.", "example": "b8f7a2c4-0001"},
    )
