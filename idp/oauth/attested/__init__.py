"""Wallets that their makers vouch for: who the makers are, and how a wallet shows their word (OpenID4VCI 1.0 appendices D and E).

Owns the list of trusted makers and the reading of what they sign: a wallet attestation is how a client proves itself
(draft-ietf-oauth-attestation-based-client-auth-07), a key attestation tells how a key is kept. Not owned: what is issued for it.
"""
