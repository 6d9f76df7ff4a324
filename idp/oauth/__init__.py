"""OAuth 2 and OpenID Connect: clients, scopes, consent, codes, tokens, endpoints and logout.

Built on Authlib's server framework, each grant subclassed in its own file; tokens are signed and verified by `keys/`. Knows who
is signed in from `idp.signin` and what they are called from `idp.subjects`; knows nothing of licences.
"""
