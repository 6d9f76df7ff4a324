"""Proofs that tokens are bound to: a client's key (DPoP) and its TLS certificate. Owns no token and no client."""
