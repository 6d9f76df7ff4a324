"""What can you show? The rooms follow the life of a licence: register, issue, hold, present, verify.

Asks `idp` who someone is and `keys` to sign; no room imports a later one.
"""
