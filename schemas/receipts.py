"""Receipts: what is filed in place of a copy, and what anyone may ask of one."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from schemas.causes import readable

OF_ALL = "`valid` or `invalid`; of a code for several licences `valid` only if each of them was."


class IssuedReceiptSchema(Schema):
    """A receipt as it goes with an answer."""

    id = fields.UUID(metadata={"description": "The receipt's number.", "example": "01985c1f-8a3e-7b1c-9f4e-2d5a6b7c8d9e"})
    jws = fields.String(
        metadata={"description": "The receipt itself, a compact JWS of type `receipt+jwt`.", "example": "eyJ0eXAiOiJyZWNlaXB0K2p3dCJ9…"}
    )


class ReceiptSchema(IssuedReceiptSchema):
    """A receipt that the department made before."""

    issued_at = fields.DateTime(metadata={"description": "When.", "example": "2026-05-04T08:30:00+00:00"})
    way = fields.String(metadata={"description": "`verification` or `draw`.", "example": "verification"})
    verdict = fields.String(metadata={"description": OF_ALL, "example": "valid"})
    claims = fields.Dict(metadata={"description": "What the receipt says.", "example": {"verdict": "valid"}})
    sealed = fields.Boolean(metadata={"description": "Whether the ledger has sealed it; it does within seconds.", "example": True})
    ledger = fields.Dict(
        allow_none=True,
        metadata={
            "description": "Once sealed: the inclusion proof (RFC 9162), the signed checkpoint, and the `row` whose hash is the leaf.",
            "example": {"position": 12, "size": 40},
        },
    )
    check_url = fields.String(
        metadata={
            "description": "Where anyone who is shown the receipt may ask whether it is genuine.",
            "example": "https://example.org/receipts/…/…",
        }
    )


class ListedReceiptSchema(Schema):
    """A receipt in a list."""

    id = fields.UUID(metadata={"description": "The receipt's number.", "example": "01985c1f-8a3e-7b1c-9f4e-2d5a6b7c8d9e"})
    issued_at = fields.DateTime(metadata={"description": "When.", "example": "2026-05-04T08:30:00+00:00"})
    way = fields.String(metadata={"description": "`verification` or `draw`.", "example": "verification"})
    verdict = fields.String(metadata={"description": OF_ALL, "example": "valid"})
    type = fields.String(
        attribute="type_code",
        allow_none=True,
        metadata={"description": "The licence type's code, null where none was recognised.", "example": "11100000000013127D011"},
    )
    further_types = fields.List(
        fields.String(),
        allow_none=True,
        metadata={"description": "The types of the other licences under the same code, null if there was one alone.", "example": None},
    )


class ReceiptsQuerySchema(Schema):
    """Which receipts of the department."""

    class Meta:
        unknown = RAISE

    since = fields.AwareDateTime(data_key="from", metadata={"description": "From this moment on.", "example": "2026-05-01T00:00:00+08:00"})
    until = fields.AwareDateTime(metadata={"description": "Before this moment.", "example": "2026-06-01T00:00:00+08:00"})
    way = fields.String(
        validate=validate.OneOf(("verification", "draw")), metadata={"description": "`verification` or `draw`.", "example": "verification"}
    )
    verdict = fields.String(validate=validate.OneOf(("valid", "invalid")), metadata={"description": OF_ALL, "example": "valid"})
    type = fields.String(
        validate=[validate.Length(1, 60), readable],
        metadata={
            "description": "The code or short name of a licence type; receipts that name a licence of it, alone or among others.",
            "example": "driving-licence",
        },
    )
    before = fields.UUID(metadata={"description": "The `next` of the page before.", "example": "01985c1f-8a3e-7b1c-9f4e-2d5a6b7c8d9e"})
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200), metadata={"description": "At most so many.", "example": 50})


class ReceiptsSchema(Schema):
    """A page of receipts, the newest first."""

    receipts = fields.List(fields.Nested(ListedReceiptSchema), metadata={"description": "The page."})
    next = fields.UUID(
        allow_none=True,
        metadata={"description": "Where the next page begins, or null; send it as `before`.", "example": "01985c1f-8a3e-7b1c-9f4e-2d5a6b7c8d9e"},
    )


class ArchiveQuerySchema(Schema):
    """Which receipts are archived."""

    class Meta:
        unknown = RAISE

    since = fields.AwareDateTime(
        data_key="from", required=True, metadata={"description": "From this moment on.", "example": "2026-05-01T00:00:00+08:00"}
    )
    until = fields.AwareDateTime(required=True, metadata={"description": "Before this moment.", "example": "2026-06-01T00:00:00+08:00"})


class ReceiptCheckRequestSchema(Schema):
    """A text that someone takes for a receipt."""

    class Meta:
        unknown = RAISE

    receipt = fields.String(
        validate=[validate.Length(1, 16 * 1024), readable],
        metadata={"description": "The receipt, as it was given.", "example": "eyJ0eXAiOiJyZWNlaXB0K2p3dCJ9…"},
    )
    id = fields.UUID(
        metadata={
            "description": "Or its number, with `digest`: these count where there is no `receipt`.",
            "example": "01985c1f-8a3e-7b1c-9f4e-2d5a6b7c8d9e",
        }
    )
    digest = fields.String(
        validate=validate.Regexp("[A-Za-z0-9_-]{43}\\Z"),
        metadata={
            "description": "SHA-256 of the receipt, base64url.",
            "example": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
        },
    )

    @validates_schema
    def check_one_way(self, data: dict[str, Any], **_: Any) -> None:
        """Ask for the receipt, or for number and digest."""
        if "receipt" not in data and not {"id", "digest"} <= data.keys():
            raise ValidationError("Send `receipt`, or `id` and `digest`.", "receipt")


class ReceiptCheckSchema(Schema):
    """Whether it is one."""

    genuine = fields.Boolean(metadata={"description": "Whether it was signed and recorded here.", "example": True})
    receipt = fields.Dict(
        allow_none=True, metadata={"description": "What it says, if it is genuine and was sent whole.", "example": {"verdict": "valid"}}
    )
    statement = fields.Dict(
        allow_none=True,
        metadata={
            "description": "If it is genuine: its number, when, who looked, at which type of licence, how it ended; `also` of others under the same "
            "code; nobody's name or number.",
            "example": {"verdict": "valid"},
        },
    )
    sealed = fields.Boolean(metadata={"description": "Whether the ledger has sealed it; it does within seconds.", "example": True})
    ledger = fields.Dict(
        allow_none=True,
        metadata={"description": "Inclusion proof (RFC 9162) and the signed checkpoint, once sealed.", "example": {"position": 12, "size": 40}},
    )
