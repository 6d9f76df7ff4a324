"""Identity assurance: claims told together with who verified them, when and how (`verified_claims`, OpenID Connect for Identity Assurance 1.0).

Owns what may be asked of a verification, what our proofs amount to in its words, and the names that discovery announces. Whom it is told,
and the claims themselves, are the userinfo endpoint's.
"""
