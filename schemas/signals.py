"""What receivers of shared signals send (Shared Signals Framework 1.0 section 8.1, RFC 8936 section 2.2); unknown members are left aside."""

from marshmallow import EXCLUDE, Schema, fields, validate

URI = validate.Length(1, 500)
SHORT = validate.Length(1, 256)
HEADER = validate.Regexp(r"[!-~][ -~]{0,998}\Z")


class DeliverySchema(Schema):
    """How events reach the receiver."""

    class Meta:
        unknown = EXCLUDE

    method = fields.String(required=True, validate=validate.OneOf(("urn:ietf:rfc:8935", "urn:ietf:rfc:8936")))
    endpoint_url = fields.String(validate=URI)
    authorization_header = fields.String(validate=HEADER)


class StreamSchema(Schema):
    """The configuration of a stream: what the receiver supplies, and what of ours it may say back."""

    class Meta:
        unknown = EXCLUDE

    events_requested = fields.List(fields.String(validate=URI), validate=validate.Length(max=100))
    delivery = fields.Nested(DeliverySchema)
    description = fields.String(validate=SHORT)
    iss = fields.String()
    aud = fields.Raw()
    events_supported = fields.List(fields.String())
    events_delivered = fields.List(fields.String())
    min_verification_interval = fields.Integer()


class StreamChangeSchema(StreamSchema):
    """A change of a stream, which it names."""

    stream_id = fields.UUID(required=True)


class StatusSchema(Schema):
    """A change of a stream's status."""

    class Meta:
        unknown = EXCLUDE

    stream_id = fields.UUID(required=True)
    status = fields.String(required=True, validate=validate.OneOf(("enabled", "paused", "disabled")))
    reason = fields.String(validate=SHORT)


class SubjectIdentifierSchema(Schema):
    """A subject identifier of the one format by which we know subjects: a pairwise `sub` of ours (RFC 9493 section 3.2.3)."""

    class Meta:
        unknown = EXCLUDE

    format = fields.String(required=True, validate=validate.Equal("iss_sub"))
    iss = fields.String(required=True, validate=URI)
    sub = fields.String(required=True, validate=SHORT)


class SubjectSchema(Schema):
    """A subject that a receiver does, or does not, want to hear of."""

    class Meta:
        unknown = EXCLUDE

    stream_id = fields.UUID(required=True)
    subject = fields.Nested(SubjectIdentifierSchema, required=True)
    verified = fields.Boolean()


class VerificationSchema(Schema):
    """A request for a verification event."""

    class Meta:
        unknown = EXCLUDE

    stream_id = fields.UUID(required=True)
    state = fields.String(validate=validate.Length(max=1000))


class SetErrorSchema(Schema):
    """Why a receiver does not take an event (RFC 8936 section 2.6)."""

    class Meta:
        unknown = EXCLUDE

    err = fields.String(required=True, validate=SHORT)
    description = fields.String(validate=validate.Length(max=2000))


class PollSchema(Schema):
    """A poll: what was received, what was not liked, and how much more is wanted."""

    class Meta:
        unknown = EXCLUDE

    maxEvents = fields.Integer(strict=True, validate=validate.Range(min=0))  # noqa: N815 (the name on the wire)
    returnImmediately = fields.Boolean(load_default=False)  # noqa: N815
    ack = fields.List(fields.String(validate=SHORT), load_default=list, validate=validate.Length(max=1000))
    setErrs = fields.Dict(  # noqa: N815
        keys=fields.String(validate=SHORT), values=fields.Nested(SetErrorSchema), load_default=dict, validate=validate.Length(max=1000)
    )
