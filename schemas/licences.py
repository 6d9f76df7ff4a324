"""Licences as issuing departments send and receive them."""

import re
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from runtime.languages import Text
from schemas.causes import CauseSchema
from schemas.departments import CREDIT_CODE

LICENCE_ID = "01995b6e-8c1a-7d2e-9f30-5a1b2c3d4e5f"
MOST_FIELDS = 100
CURSOR = f"11100000000013127D011.{LICENCE_ID}"
STATES = ("valid", "suspended", "annulled", "cancelled", "lapsed", "transferred", "revoked", "not-yet-valid", "expired")

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
    co_holders = fields.List(
        fields.Nested(LicenceHolderSchema),
        load_default=list,
        validate=validate.Length(max=100),
        metadata={
            "description": "Who holds it with the first holder, where the type allows several; each is checked likewise.",
            "example": [],
        },
    )
    fields_ = fields.Dict(
        keys=fields.String(),
        required=True,
        data_key="fields",
        attribute="fields",
        validate=validate.Length(max=MOST_FIELDS),
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


PLAIN, NEEDED = frozenset({"type", "holder", "fields", "valid_from", "valid_until", "licence_number"}), {"type", "holder", "fields", "valid_from"}
UNCLEAN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_plainly(document: Any) -> dict[str, Any] | None:
    """Return the plainest kind of body just as LicenceRequestSchema would load it, at a tenth of the time; None for any other, good or bad."""
    if not isinstance(document, dict) or not NEEDED <= document.keys() <= PLAIN:
        return None
    holder, values, number, ends = document["holder"], document["fields"], document.get("licence_number"), document.get("valid_until")
    begins, last = _read_day(document["valid_from"]), _read_day(ends)
    if (
        begins is None
        or (last is None) != (ends is None)
        or not _is_text(document["type"], 60)
        or not isinstance(holder, dict)
        or not {"number"} <= holder.keys() <= {"number", "name"}
        or not _is_text(holder["number"], 64)
        or not (holder.get("name") is None or _is_text(holder["name"], 120))
        or not (number is None or _is_text(number, 64))
        or not isinstance(values, dict)
        or len(values) > MOST_FIELDS
    ):
        return None
    who = {"number": holder["number"], "name": holder.get("name")}
    dates = {"valid_from": begins, "valid_until": last}
    return {"type": document["type"], "holder": who, "fields": dict(values), **dates, "licence_number": number, "co_holders": []}


def _is_text(text: Any, most: int) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= most and UNCLEAN.search(text) is None


def _read_day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if isinstance(text, str) and DAY.fullmatch(text) else None
    except ValueError:
        return None


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
    state_code = fields.String(metadata={"description": "The state's code in the national exchange: 01 valid, 02 suspended, …", "example": "01"})
    licence_number = fields.String(metadata={"description": "Licence number (证照编号).", "example": "示例证字第0001号"})
    predecessor = fields.UUID(metadata={"description": "The licence whose place it took.", "example": LICENCE_ID})
    successor = fields.UUID(metadata={"description": "The licence that took its place.", "example": LICENCE_ID})
    gathered_by = fields.UUID(metadata={"description": "The licence that it was gathered into (多证合一).", "example": LICENCE_ID})
    due_for = fields.List(
        fields.String(),
        metadata={"description": "What of its holder is no longer as it says: `name`, `number`, `ended`.", "example": ["name"]},
    )
    holder_number_changed = fields.Boolean(
        metadata={
            "description": "Only when issuing, and true: the holder was named by a former number; the licence is under the present one.",
            "example": True,
        }
    )


class LicencesQuerySchema(Schema):
    """Which of the department's licences."""

    class Meta:
        unknown = RAISE

    type = fields.String(validate=[validate.Length(1, 60), clean], metadata={"description": "Of a type.", "example": "driving-licence"})
    state = fields.String(validate=validate.OneOf(STATES), metadata={"description": "In a state.", "example": "valid"})
    expiring_before = fields.Date(
        format="%Y-%m-%d", metadata={"description": "Whose last day lies before this one, by that day.", "example": "2026-12-31"}
    )
    due = fields.Boolean(metadata={"description": "Whether they are due for change.", "example": True})
    after = fields.String(validate=[validate.Length(1, 80), clean], metadata={"description": "The `next` of the page before.", "example": CURSOR})
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500), metadata={"description": "At most so many.", "example": 100})


class LicencesSchema(Schema):
    """A page of licences."""

    licences = fields.List(fields.Nested(LicenceSchema), metadata={"description": "By type and age, or by their ends."})
    next = fields.String(allow_none=True, metadata={"description": "Where the next page begins, or null; send it as `after`.", "example": CURSOR})


class SearchedHolderSchema(Schema):
    """Whose licences are looked up."""

    class Meta:
        unknown = RAISE

    number = fields.String(
        required=True,
        validate=[validate.Length(1, 64), clean],
        metadata={"description": "Citizen number or unified social credit code.", "example": "379999199006150024"},
    )


class LicenceSearchSchema(Schema):
    """A look-up by the holder's number."""

    class Meta:
        unknown = RAISE

    holder = fields.Nested(SearchedHolderSchema, required=True, metadata={"description": "Whose licences."})
    cause = fields.Nested(CauseSchema, required=True, metadata={"description": "Why."})
    after = fields.UUID(load_default=None, metadata={"description": "The `next` of the page before; the newest come first.", "example": LICENCE_ID})
    limit = fields.Integer(
        load_default=100, strict=True, validate=validate.Range(1, 500), metadata={"description": "At most so many.", "example": 100}
    )


class DayOrMoment(fields.Field[date | datetime]):
    """A day, as it ended in China, or a moment with its offset."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date | datetime:
        text = str(value).replace(" ", "+")
        try:
            return date.fromisoformat(text) if len(text) == len("2026-01-15") else _with_offset(datetime.fromisoformat(text))
        except (ValueError, OverflowError) as error:  # the first and the last day of all are none everywhere
            raise ValidationError("It must be a date, or a date and time with an offset.") from error


def _with_offset(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment.astimezone(UTC)


class LicenceQuerySchema(Schema):
    """As of when."""

    class Meta:
        unknown = RAISE

    at = DayOrMoment(
        load_default=None,
        metadata={"description": "A day (as it ended, in China) or a moment: `standing` says how the licence stood then.", "example": "2026-01-15"},
    )


class PeriodSchema(Schema):
    """A period."""

    begins = fields.AwareDateTime(data_key="from", attribute="from", metadata={"description": "Since when.", "example": "2026-01-01T08:00:00+00:00"})
    until = fields.AwareDateTime(allow_none=True, metadata={"description": "Until when, or null.", "example": None})


class StandingSchema(Schema):
    """How a licence stood at a moment."""

    at = fields.AwareDateTime(metadata={"description": "The moment.", "example": "2026-01-15T15:59:59.999999+00:00"})
    state = fields.String(allow_none=True, metadata={"description": "Its state then, as is known now; null: there was none.", "example": "valid"})
    state_code = fields.String(allow_none=True, metadata={"description": "The state's code.", "example": "01"})
    act = fields.String(allow_none=True, metadata={"description": "The act that led to it.", "example": "issue"})
    since = fields.AwareDateTime(allow_none=True, metadata={"description": "Since when.", "example": "2026-01-01T08:00:00+00:00"})
    recorded_state = fields.String(allow_none=True, metadata={"description": "The state that the register told at that moment.", "example": "valid"})
    valid_from = fields.Date(metadata={"description": "The first day.", "example": "2026-01-01"})
    valid_until = fields.Date(allow_none=True, metadata={"description": "The last day, or null.", "example": "2032-01-01"})
    suspensions = fields.List(fields.Nested(PeriodSchema), metadata={"description": "When it was suspended.", "example": []})


class CoHolderSchema(Schema):
    """A further holder."""

    number = fields.String(metadata={"description": "The present number.", "example": "379999199006150024"})
    name = fields.String(metadata={"description": "The present name.", "example": "李海燕"})
    state = fields.String(metadata={"description": "`active`, `deceased` or `dissolved`.", "example": "active"})


class ReasonSchema(Schema):
    """Why the state last changed."""

    reason = fields.String(metadata={"description": "The reason.", "example": "累计记满12分"})
    legal_basis = fields.String(metadata={"description": "The law that it rests on.", "example": "第七十九条"})


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
    due_since = fields.AwareDateTime(allow_none=True, metadata={"description": "Since when it is due for change.", "example": None})
    holder_state = fields.String(metadata={"description": "Of the first holder: `active`, `deceased` or `dissolved`.", "example": "active"})
    co_holders = fields.List(fields.Nested(CoHolderSchema), metadata={"description": "Who holds it, too.", "example": []})
    gathered = fields.List(fields.UUID(), metadata={"description": "What was gathered into it.", "example": []})
    reason = fields.Nested(ReasonSchema, allow_none=True, metadata={"description": "Why its state last changed."})
    standing = fields.Nested(StandingSchema, metadata={"description": "With `at`: how it stood then."})


class TurnSchema(Schema):
    """One turn of a licence's life."""

    turn = fields.Integer(metadata={"description": "Its place, from 1.", "example": 2})
    act = fields.String(metadata={"description": "What was done.", "example": "suspend"})
    state = fields.String(metadata={"description": "The state that it led to.", "example": "suspended"})
    state_code = fields.String(metadata={"description": "The state's code.", "example": "02"})
    at = fields.AwareDateTime(metadata={"description": "When it was written.", "example": "2026-01-15T08:00:00+00:00"})
    effective_at = fields.AwareDateTime(metadata={"description": "From when on it is in effect.", "example": "2026-01-14T16:00:00+00:00"})
    actor = fields.String(metadata={"description": "Who did it.", "example": f"department:{CREDIT_CODE}"})
    related = fields.UUID(allow_none=True, metadata={"description": "The licence that it made, was made from, or followed.", "example": None})
    reason = fields.String(allow_none=True, metadata={"description": "The reason.", "example": "累计记满12分"})
    legal_basis = fields.String(allow_none=True, metadata={"description": "The law that it rests on.", "example": "第七十九条"})


class HistorySchema(Schema):
    """A licence's life."""

    turns = fields.List(fields.Nested(TurnSchema), metadata={"description": "The first one first."})


class IdempotencySchema(Schema):
    """The header that lets a request be sent again."""

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        metadata={"description": "At most 128 printable characters; the same key with the same body issues once.", "example": "b8f7a2c4-0001"},
    )
