"""Offers of licences to wallets, as departments ask for them and are given them."""

from marshmallow import RAISE, Schema, fields, validate

PRE_AUTHORIZED, SIGN_IN = "pre-authorized", "sign-in"


class OfferRequestSchema(Schema):
    """How the holder is to take a licence up."""

    class Meta:
        unknown = RAISE

    grant = fields.String(
        load_default=PRE_AUTHORIZED,
        validate=validate.OneOf((PRE_AUTHORIZED, SIGN_IN)),
        metadata={
            "description": "`pre-authorized`: by a code in the offer and a transaction code; `sign-in`: the holder signs in here first.",
            "example": PRE_AUTHORIZED,
        },
    )


class OfferSchema(Schema):
    """An offer that waits for a wallet."""

    credential_offer_uri = fields.String(required=True, metadata={"description": "Where a wallet fetches the offer, five times at most."})
    link = fields.String(required=True, metadata={"description": "What to show as a QR code, or as a link on the holder's own phone."})
    credential_offer = fields.Dict(required=True, metadata={"description": "The offer itself (OpenID4VCI 1.0 section 4.1.1)."})
    tx_code = fields.String(required=True, allow_none=True, metadata={"description": "Tell it to the holder alone, by another way."})
    expires_at = fields.AwareDateTime(required=True, metadata={"description": "Until when the offer can be taken up."})
