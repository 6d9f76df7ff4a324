"""The public keys that a client registers, as a JWK set (RFC 7517). Pure."""

from dataclasses import dataclass
from typing import Any

from keys import suites

KEY_LIMIT = 5


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key that a client signs its assertions with; the algorithm is the key's."""

    kid: str | None
    algorithm: str
    key: suites.PublicKey


def keys_of(jwks: dict[str, Any] | None) -> tuple[ClientKey, ...]:
    """Import the public keys of a JWK set; raises ValueError."""
    if jwks is None:
        return ()
    if not isinstance(jwks.get("keys"), list) or not 0 < len(jwks["keys"]) <= KEY_LIMIT:
        raise ValueError("not a key set of one to five keys")
    found = []
    for jwk in jwks["keys"]:
        key = suites.key_from_jwk(jwk)
        found.append(ClientKey(jwk.get("kid"), suites.suite_of(key).name, key))
    return tuple(found)
