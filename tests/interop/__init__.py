"""Implementations that are not ours: openid-client as a portal and as a department's system, @sd-jwt as an issuer and a verifier."""
