"""Credentials for wallets elsewhere: OpenID for Verifiable Credential Issuance 1.0, as the Credential Issuer.

Owns the issuer's metadata, offers, nonces, proofs, the endpoints that issue, and what is remembered of a credential that lives elsewhere: which
licence, which wallet, which key and which place in a status list, never its text. Tokens are `idp.oauth`'s, the forms of credentials
`wallet.issuing.formats`', licences the register's.
"""
