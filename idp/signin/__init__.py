"""Signing in: accounts and their passwords, sessions, the throttle, and the caller who is signed in.

Owns the proof that a browser is a person's. What a portal or a system may do with that is `idp.oauth`'s.
"""
