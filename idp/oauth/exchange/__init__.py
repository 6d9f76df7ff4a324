"""Tokens for tokens: what a client gets for something it was given elsewhere, without a browser.

A token for another one (RFC 8693), for the word of an identity system that the operator trusts (RFC 7523 section 2.1), or for a code that
came with a credential offer (OpenID4VCI 1.0). Owned here: whom the operator trusts, and the codes. Not owned: how tokens are signed.
"""
