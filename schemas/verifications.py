"""Verifications: what a department sends that was shown a licence, and what it is told."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from schemas.causes import CauseSchema, readable
from schemas.receipts import IssuedReceiptSchema

LONGEST = 128 * 1024
REQUIRED, NONE = "required", "none"
REQUIRED_MESSAGE = "Missing data for required field."


class IdempotencyKeySchema(Schema):
    """The header by which a request may be sent again."""

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "Any text of the caller's own; the same key and body get the same answer for two days.", "example": "b7c1-0001"},
    )


class NamedLicenceSchema(Schema):
    """A licence as it stands on paper."""

    class Meta:
        unknown = RAISE

    identifier = fields.String(
        required=True,
        validate=[validate.Length(1, 128), readable],
        metadata={"description": "Licence identifier (证照标识).", "example": "1.2.156.3005.2.…"},
    )
    number = fields.String(
        required=True,
        validate=[validate.Length(1, 64), readable],
        metadata={"description": "Its own number (证照编号), or its holder's.", "example": "379999199003070021"},
    )


class ScannedField(fields.String):
    """A text as a scanner or a file gives it: without the ends of lines that most of them put after it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        return text.strip("\r\n\t") if isinstance(text, str) else text


class VerificationRequestSchema(Schema):
    """What was shown, and why it is looked at."""

    class Meta:
        unknown = RAISE

    presented = ScannedField(
        validate=[validate.Length(1, LONGEST), readable],
        metadata={
            "description": "What was shown, as text: the content of a QR code (dynamic, or `KBL1:…` for offline use), an SD-JWT VC with or without "
            "key binding, a W3C credential as JWT, alone or in a presentation (`vp`), or an mdoc (`DeviceResponse` or `IssuerSigned`) in base64url. "
            "One of `presented`, `file` and `licence` is needed.",
            "example": "KABAO1:ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        },
    )
    cause = fields.Nested(CauseSchema, required=True, metadata={"description": "Why."})
    binding = fields.String(
        load_default=REQUIRED,
        validate=validate.OneOf([REQUIRED, NONE]),
        metadata={
            "description": "Whether the holder must have bound it to this occasion, which a dynamic QR code always is. `none` for what nobody "
            "binds: a sealed PDF, a code for offline use, a credential alone. They prove what was issued, not who shows it.",
            "example": REQUIRED,
        },
    )
    nonce = fields.String(
        validate=[validate.Length(8, 256), readable],
        metadata={
            "description": "The nonce that the verifier gave the holder; needed with an SD-JWT or a `vp` whose binding is required.",
            "example": "n-0S6_WzA2Mj",
        },
    )
    audience = fields.String(
        validate=[validate.Length(1, 500), readable],
        metadata={"description": "Whom the holder bound it to; this endpoint's address unless given.", "example": "https://hall.example.gov.cn"},
    )

    session_transcript = fields.String(
        validate=validate.Regexp(r"[A-Za-z0-9_-]{1,20000}\Z", error="Give it in base64url without padding."),
        metadata={
            "description": "Of a `DeviceResponse`, and needed with it where binding is required: the `SessionTranscript` in base64url, over which "
            "the device signed.",
            "example": "g_b2",
        },
    )
    file = fields.String(
        validate=[validate.Length(1), validate.Regexp(r"[A-Za-z0-9+/]+={0,2}\Z")],
        metadata={
            "description": "A file in base64: a sealed PDF, or a photo or screenshot (PNG, JPEG) of a QR code.",
            "x-in-place-of": "presented",
            "example": "JVBERi0xLjcK",
        },
    )
    licence = fields.Nested(
        NamedLicenceSchema, metadata={"description": "A licence that is only named, as it stands on paper.", "x-in-place-of": "presented"}
    )
    at = fields.String(
        validate=validate.Regexp(
            r"\d{4}-\d{2}-\d{2}(T[0-9:.]{5,15}(Z|[+-]\d{2}:\d{2}))?\Z",
            error="Give a day (2026-03-01) or a moment with its offset (2026-03-01T09:30:00+08:00).",
        ),
        metadata={"description": "A past day or moment; the answer then says how the licence stood, too.", "example": "2026-03-01"},
    )

    @validates_schema(skip_on_field_errors=True)
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Ask for just one thing to look at."""
        given = [name for name in ("presented", "file", "licence") if name in data]
        if not given:
            raise ValidationError(REQUIRED_MESSAGE, "presented")
        if len(given) > 1:
            raise ValidationError("Only one of presented, file and licence.", given[1])

    @validates_schema(skip_on_field_errors=True)
    def check_nonce(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a binding that would be required for no occasion: it could be shown again."""
        if "~" in data.get("presented", "") and data["binding"] == REQUIRED and "nonce" not in data:
            raise ValidationError("It is needed where binding is required.", "nonce")


CODE, CAUSE = frozenset({"presented", "cause"}), CauseSchema()
PLAIN = CODE | {"nonce"}
PRINTABLE = bytes(range(0x20, 0x7F))


def read_plainly(document: Any) -> dict[str, Any] | None:
    """Return the plainest kind of body just as its schema would load it, at a tenth of the time; None for any other, good or bad."""
    if not isinstance(document, dict) or document.keys() not in (PLAIN, CODE):
        return None
    presented, nonce, cause = document["presented"], document.get("nonce"), document["cause"]
    if not _is_usual(presented, 1, LONGEST) or not isinstance(cause, dict):
        return None
    if "~" in presented if document.keys() == CODE else not _is_usual(nonce, 8, 256):
        return None
    try:
        read = dict(_read_cause(tuple(cause.items())))
    except (TypeError, ValidationError):
        return None
    return {"presented": presented, "cause": read, "binding": REQUIRED, **({} if nonce is None else {"nonce": nonce})}


def _is_usual(text: Any, least: int, most: int) -> bool:
    return isinstance(text, str) and least <= len(text) <= most and text.isascii() and not text.encode().translate(None, PRINTABLE)


@lru_cache(maxsize=256)
def _read_cause(members: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(CAUSE.load(dict(members)).items())


VERIFICATION_FORM = {
    "type": "object",
    "description": "The same members as texts, those within another named with a point between, and the file as it is.",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "A sealed PDF, or a photo or screenshot (PNG, JPEG) of a QR code; 8 MiB."},
        "cause.text": {"type": "string", "description": "Why.", "example": "办理机动车驾驶证换证"},
        "cause.matter": {"type": "string"},
        "cause.matter_name": {"type": "string"},
        "cause.system": {"type": "string"},
        "binding": {"type": "string", "enum": [REQUIRED, NONE], "description": "`none` for a sealed PDF, or a picture of a code for offline use."},
        "nonce": {"type": "string"},
        "audience": {"type": "string"},
        "at": {"type": "string"},
    },
    "required": ["file", "cause.text"],
}


class CheckSchema(Schema):
    """One check."""

    check = fields.String(metadata={"description": "Its name.", "example": "signature"})
    outcome = fields.String(metadata={"description": "`passed`, `failed`, `not_asked` or `not_reached`.", "example": "passed"})
    reason = fields.String(
        allow_none=True, metadata={"description": "Why it failed, or could not be asked (`short_lived`), a code.", "example": None}
    )
    detail = fields.String(allow_none=True, metadata={"description": "The same in words.", "example": None})


class LicenceIssuerSchema(Schema):
    """The department that issued a licence."""

    code = fields.String(metadata={"description": "Its credit code.", "example": "11379999MB1A0001X0"})
    name = fields.Dict(
        allow_none=True, metadata={"description": "Its name in both languages.", "example": {"zh": "示例市公安局", "en": "Example Police"}}
    )
    province = fields.String(metadata={"description": "Which province's trust list names it; left out for departments here.", "example": "虚构省"})


class LicenceSummarySchema(Schema):
    """A licence as an answer names it."""

    type = fields.String(metadata={"description": "Code of the licence type.", "example": "11100000000013127D001"})
    version = fields.Integer(metadata={"description": "Version of the licence type by which it is read.", "example": 1})
    slug = fields.String(metadata={"description": "Short name of the licence type.", "example": "driving-licence"})
    name = fields.Dict(metadata={"description": "Name of the licence type.", "example": {"zh": "机动车驾驶证", "en": "Driving licence"}})
    identifier = fields.String(metadata={"description": "Licence identifier (证照标识).", "example": "1.2.156.3005.2.…"})
    issuer = fields.Nested(LicenceIssuerSchema, metadata={"description": "Who issued it."})
    state = fields.String(metadata={"description": "Its state now, as the register has it.", "example": "valid"})


class StateAtSchema(Schema):
    """How a licence stood in the past."""

    at = fields.String(metadata={"description": "The day or moment that was asked for.", "example": "2026-03-01"})
    state = fields.String(allow_none=True, metadata={"description": "Its state then; null if none is known.", "example": "valid"})


class MarkedCopySchema(Schema):
    """A copy that its holder let be made for one purpose (加注件): it should serve no other."""

    made_for = fields.String(metadata={"description": "For whom it was made.", "example": "示例市住房和城乡建设局"})
    cause = fields.String(metadata={"description": "Why (事由).", "example": "办理施工许可"})
    made_at = fields.String(metadata={"description": "When it was made.", "example": "2026-03-01T09:30:00+00:00"})
    ends_at = fields.String(metadata={"description": "From when on it is over.", "example": "2026-03-31T16:00:00+00:00"})


class ShownHolderSchema(Schema):
    """What whoever looks must know of the holder, beyond what was shown."""

    name_changed = fields.Boolean(
        metadata={"description": "The name that was shown is not the one that the register has now; which that is, is not told.", "example": True}
    )


class FindingSchema(Schema):
    """What was found of one licence."""

    verdict = fields.String(metadata={"description": "`valid` or `invalid`.", "example": "valid"})
    conclusion = fields.String(
        metadata={
            "description": "What it comes to: `valid`, `false`, `expired`, `suspended`, `revoked`, `not_yet_valid`, `not_in_force`, "
            "`untrusted_issuer`, `not_shown_by_holder`, `other_type`, `not_as_asked`, `not_confirmed`, `unreadable`, "
            "`unknown` (the register cannot tell), `source_unavailable` "
            "(it could not be asked; try again).",
            "example": "valid",
        }
    )
    checks = fields.List(fields.Nested(CheckSchema), metadata={"description": "Each check, in order."})
    licence = fields.Nested(LicenceSummarySchema, allow_none=True, metadata={"description": "The licence; null if not even its issuer is believed."})
    fields_ = fields.Dict(
        data_key="fields",
        attribute="fields",
        metadata={"description": "The disclosed fields; none if the verdict is invalid.", "example": {"vehicle_class": "C1"}},
    )
    marked_copy = fields.Nested(
        MarkedCopySchema, metadata={"description": "For whom, why and until when a marked copy was made; left out of anything else."}
    )
    holder = fields.Nested(ShownHolderSchema, metadata={"description": "Left out unless there is something to know."})
    state_at = fields.Nested(StateAtSchema, metadata={"description": "How it stood at `at`; left out unless that was asked."})


class VerificationSchema(FindingSchema):
    """What a verification found."""

    verdict_of_all = fields.String(
        metadata={
            "description": "`valid` only if each licence is for which the code stands: `verdict`, unless there are `further`. Decide by this.",
            "example": "valid",
        }
    )
    further = fields.List(
        fields.Nested(FindingSchema),
        metadata={"description": "What was found of the other licences for which a QR code stands; left out where it stands for one."},
    )
    receipt = fields.Nested(IssuedReceiptSchema, metadata={"description": "To be filed in place of a copy; one for all."})
