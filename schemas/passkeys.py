"""Passkeys on the wire: what a browser's `PublicKeyCredential.toJSON()` gives (WebAuthn Level 3, section 5.1), of bounded size.

Members that we make no use of are left aside: browsers add to them as the specification grows.
"""

from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, fields, validate

from schemas.causes import readable

LONGEST_ID, LONGEST_PATH, LONGEST_NAME = 1364, 4096, 50  # an id has up to 1023 bytes


def base64url(longest: int, *, required: bool = True, **more: Any) -> fields.String:
    """Return a member that holds some bytes in base64url without padding; of a length that some bytes have."""
    rules = [validate.Length(1, longest), validate.Regexp(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?\Z")]
    return fields.String(required=required, validate=rules, **more)


class _Credential(Schema):
    class Meta:
        unknown = EXCLUDE

    id = base64url(LONGEST_ID)
    rawId = base64url(LONGEST_ID)  # noqa: N815 (the specification's spelling)
    type = fields.String(required=True, validate=validate.Equal("public-key"))


class _Assertion(Schema):
    class Meta:
        unknown = EXCLUDE

    clientDataJSON = base64url(4096)  # noqa: N815
    authenticatorData = base64url(4096)  # noqa: N815
    signature = base64url(2048)
    userHandle = base64url(128, required=False, allow_none=True)  # noqa: N815


class _Attestation(Schema):
    class Meta:
        unknown = EXCLUDE

    clientDataJSON = base64url(4096)  # noqa: N815
    attestationObject = base64url(24_000)  # noqa: N815
    transports = fields.List(fields.String(validate=validate.Length(0, 40)), validate=validate.Length(max=20))


class AssertionSchema(_Credential):
    """A passkey that was used: `navigator.credentials.get()`."""

    response = fields.Nested(_Assertion, required=True)


class RegistrationSchema(_Credential):
    """A passkey that was made: `navigator.credentials.create()`."""

    response = fields.Nested(_Attestation, required=True)


class PasskeyProofSchema(Schema):
    """A proof by passkey, and the path to go to with it."""

    class Meta:
        unknown = RAISE

    credential = fields.Nested(AssertionSchema, required=True)
    next = fields.String(validate=validate.Length(max=LONGEST_PATH))


class NewPasskeySchema(Schema):
    """A new passkey, and what its owner calls it."""

    class Meta:
        unknown = RAISE

    credential = fields.Nested(RegistrationSchema, required=True)
    name = fields.String(load_default="", validate=[validate.Length(max=LONGEST_NAME), readable])
