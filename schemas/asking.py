"""Requests to wallets (OpenID4VP 1.0): what a department or a portal asks for, and what comes of it."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from schemas.causes import CauseSchema, not_blank, readable
from schemas.parties import PartySchema
from schemas.verifications import VerificationSchema

MOST_CREDENTIALS, MOST_FIELDS, MOST_OPTIONAL = 8, 40, 20
LONGEST_ACT, SHORTEST_LIFE, LONGEST_LIFE, USUAL_LIFE = 500, 60, 7 * 24 * 3600, 300
FIELD = fields.String(validate=[validate.Length(1, 60), readable])


class WantedSchema(Schema):
    """A licence that is asked for."""

    class Meta:
        unknown = RAISE

    type = fields.String(
        required=True,
        validate=[validate.Length(1, 60), readable],
        metadata={"description": "The licence type's code or short name.", "example": "driving-licence"},
    )
    fields_ = fields.List(
        FIELD,
        data_key="fields",
        attribute="fields",
        load_default=list,
        validate=validate.Length(max=MOST_FIELDS),
        metadata={"description": "The fields that the matter needs; none: only whether the licence is valid.", "example": ["vehicle_class"]},
    )
    optional = fields.List(
        FIELD,
        load_default=list,
        validate=validate.Length(max=MOST_OPTIONAL),
        metadata={"description": "Fields that the holder may leave out.", "example": ["first_issued_on"]},
    )
    formats = fields.List(
        fields.String(validate=validate.OneOf(["dc+sd-jwt", "mso_mdoc", "jwt_vc_json"])),
        load_default=lambda: ["dc+sd-jwt"],
        validate=[validate.Length(1, 3), validate.ContainsNoneOf([])],
        metadata={
            "description": "The forms that will do, the one preferred first. `jwt_vc_json`, a W3C credential, shows the whole licence, so it is "
            "asked for last wherever it stands; the result has only what was asked for all the same.",
            "example": ["dc+sd-jwt"],
        },
    )
    multiple = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={
            "description": "Whether the holder may show several of this type, eight at most, such as every title that they hold. Each has its own "
            "verdict and receipt; those that fail are to be left out. Count by the licence's `identifier`.",
            "example": False,
        },
    )


class AnswerSchema(Schema):
    """A yes or no that is asked for, in place of a licence."""

    class Meta:
        unknown = RAISE

    kind = fields.String(
        required=True,
        validate=validate.OneOf(["over_18", "over_60", "holds", "represents"]),
        metadata={
            "description": "`over_18`, `over_60`, `holds` (a valid licence of a type), or `represents` (may act for an organisation).",
            "example": "over_18",
        },
    )
    type = fields.String(
        validate=[validate.Length(1, 60), readable],
        metadata={"description": "Of `holds`: the licence type's code or short name.", "example": "driving-licence"},
    )
    organisation = fields.Nested(
        PartySchema, metadata={"description": "Of `represents`: which one; left out, the holder chooses one of those that they may act for."}
    )

    @validates_schema(skip_on_field_errors=True)
    def check_about(self, data: dict[str, Any], **_: Any) -> None:
        """Take what it is about where it is about something, and nowhere else."""
        if ("type" in data) != (data["kind"] == "holds"):
            raise ValidationError("It goes with holds, which needs it.", "type")
        if "organisation" in data and data["kind"] != "represents":
            raise ValidationError("It goes with represents.", "organisation")


class AskSchema(Schema):
    """What is asked for, why, and how."""

    class Meta:
        unknown = RAISE

    credentials = fields.List(
        fields.Nested(WantedSchema),
        validate=validate.Length(1, MOST_CREDENTIALS),
        metadata={"description": "Licences by their types and fields.", "example": [{"type": "driving-licence", "fields": ["vehicle_class"]}]},
    )
    statements = fields.List(
        fields.Nested(AnswerSchema),
        validate=validate.Length(1, MOST_CREDENTIALS),
        metadata={
            "description": "A yes or no each, without the data behind it. Read it in the result's `fields`: an answer of no is `valid`, too.",
            "x-in-place-of": "credentials",
            "example": [{"kind": "over_18"}],
        },
    )
    dcql_query = fields.Dict(
        metadata={
            "description": "In place of `credentials`, a query in DCQL (OpenID4VP 1.0 section 6) over types known here. Ask for "
            "`licence_identifier`: without it no status can be told.",
            "x-in-place-of": "credentials",
        }
    )
    cause = fields.Nested(CauseSchema, required=True, metadata={"description": "Why; the holder reads it."})
    basis = fields.String(
        load_default="consent",
        validate=validate.OneOf(["consent", "contract", "duty"]),
        metadata={"description": "On what basis: `consent`, `contract`, or `duty` (a statutory one).", "example": "consent"},
    )
    response_mode = fields.String(
        load_default="direct_post.jwt",
        validate=validate.OneOf(["direct_post", "direct_post.jwt"]),
        metadata={"description": "Whether the answer is encrypted to a key of this request alone.", "example": "direct_post.jwt"},
    )
    client_id_prefix = fields.String(
        load_default="x509_hash",
        validate=validate.OneOf(["x509_hash", "x509_san_dns"]),
        metadata={"description": "By which name the department asks.", "example": "x509_hash"},
    )
    confirm = fields.String(
        validate=[validate.Length(1, LONGEST_ACT), readable, not_blank],
        metadata={"description": "Words that the holder confirms with their key (`transaction_data`).", "example": "同意将车辆转移登记给李某"},
    )
    lifetime = fields.Integer(
        load_default=USUAL_LIFE,
        strict=True,
        validate=validate.Range(SHORTEST_LIFE, LONGEST_LIFE),
        metadata={"description": "For how many seconds it can be answered.", "example": USUAL_LIFE},
    )
    holder = fields.Nested(
        PartySchema,
        metadata={
            "description": "In whose inbox it waits, and whose the answer must be; a licence of another province is only by the `holder_number` "
            "that it shows. Not with a person's own token, which says so itself."
        },
    )
    return_to = fields.String(
        validate=[validate.URL(schemes={"https", "http"}, require_tld=False), validate.Length(1, 500), validate.Regexp(r"[!-~]+\Z")],
        metadata={
            "description": "On the same device: where the wallet sends the person back to, with a `response_code` that the result then needs.",
            "example": "https://hall.example.gov.cn/back",
        },
    )

    @validates_schema(skip_on_field_errors=True)
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Ask for one way of saying what is wanted."""
        if ("credentials" in data or "statements" in data) == ("dcql_query" in data):
            raise ValidationError("Either dcql_query is needed, or credentials or statements or both.", "credentials")

    @validates_schema(skip_on_field_errors=True)
    def check_return(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse an address that has a fragment, which would hide the code."""
        if "#" in data.get("return_to", ""):
            raise ValidationError("It may have no fragment.", "return_to")


class ResultQuerySchema(Schema):
    """What a portal brings back from the holder's browser."""

    response_code = fields.String(
        validate=validate.Length(1, 100),
        metadata={
            "description": "The code that the browser came back with; needed after a `return_to`.",
            "example": "Jk3q9XnM2vTzR8cL5wYb1A",
        },
    )


class PresentedSchema(VerificationSchema):
    """One presentation."""

    query = fields.String(metadata={"description": "The credential query that it answers.", "example": "driving-licence-1"})


class ResultSchema(Schema):
    """What came of an answer."""

    verdict = fields.String(metadata={"description": "`valid` if all that was asked for is there and valid.", "example": "valid"})
    presentations = fields.List(fields.Nested(PresentedSchema), metadata={"description": "Each presentation, with its checks and its receipt."})
    confirmed = fields.String(allow_none=True, metadata={"description": "What the holder confirmed; null if nothing.", "example": None})


class RequestSchema(Schema):
    """A request, and how it stands."""

    id = fields.String(metadata={"description": "Its id.", "example": "019a4d7e-0000-7000-8000-000000000000"})
    state = fields.String(metadata={"description": "`waiting`, `fetched`, `answered`, `declined` or `expired`.", "example": "waiting"})
    asked_at = fields.AwareDateTime(metadata={"description": "Since when."})
    expires_at = fields.AwareDateTime(metadata={"description": "Until when it can be answered."})
    client_id = fields.String(
        metadata={"description": "The department's name there.", "example": "x509_hash:Uvo3HtuIxuhC92rShpgqcT3YXwrqRxWEviRiA0OZszk"}
    )
    request_uri = fields.String(metadata={"description": "Where a wallet fetches it, once."})
    link = fields.String(metadata={"description": "The link for any wallet (`openid4vp://`)."})
    https_link = fields.String(metadata={"description": "The link to the wallet here."})
    qr = fields.String(metadata={"description": "The link as a QR code, in SVG."})
    needs_response_code = fields.Boolean(metadata={"description": "Whether the result waits for its `response_code`.", "example": False})
    result = fields.Nested(ResultSchema, allow_none=True, metadata={"description": "What came of it; null as long as nothing did."})
