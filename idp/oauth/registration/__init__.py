"""Registration: how a portal or a system comes to be known, by an operator's hand or by its own within a policy.

RFC 7591 and RFC 7592, OpenID Connect Dynamic Client Registration 1.0. Owns policies, initial access tokens, software statements and the
operators' pages for all of it; what a client is, and what must hold of each, is `idp.oauth.clients`' and `idp.oauth.client_checks`'.
"""
