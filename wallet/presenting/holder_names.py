"""The name that a holder goes by in a W3C presentation: `did:jwk`, which is the key itself, spelled as an identifier. Pure.

Such a name proves nothing and leads nowhere: nothing is fetched to read one, and whose key counts is for the credential's issuer to say (`cnf`).
What a name must not do is speak of another key.
"""

import json
from collections.abc import Mapping
from typing import Any

from keys import suites
from runtime import base64url
from wallet.issuing import sd_jwt

PREFIX = "did:jwk:"
VERIFICATION = "#0"  # the one method of such a name's document


def name_of(jwk: Mapping[str, str]) -> str:
    """Return the name of a public key, its members in order and without spaces, so that it has one name only."""
    written = json.dumps(dict(jwk), sort_keys=True, separators=(",", ":")).encode()
    return PREFIX + base64url.write(written)


def is_of_another(unverified_name: str, jwk: Mapping[str, Any]) -> bool:
    """Whether a name is a key's, and another's than this one; raises ValueError for a key that cannot be read. Other names are nobody's."""
    if not unverified_name.startswith(PREFIX):
        return False
    named = suites.key_from_jwk(sd_jwt.read_json(unverified_name.removeprefix(PREFIX)))
    return suites.public_jwk(named) != suites.public_jwk(suites.key_from_jwk(dict(jwk)))
