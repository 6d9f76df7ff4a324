"""The keys that bind a credential to its holder, while the wallet here holds them: one a credential, so that none links two.

The private part rests sealed beside the credential that it belongs to; only this module opens it.
"""

import base64
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt

from keys import sealing, suites

TABLE, COLUMN = "credentials", "holder_key_sealed"


@dataclass(frozen=True, slots=True)
class HolderKey:
    """A fresh key: its public JWK for `cnf`, and its private part, sealed for one credential's row."""

    jwk: dict[str, str]
    sealed: bytes


def create(credential_id: UUID) -> HolderKey:
    """Make the key of one credential."""
    key = suites.ES256.generate()
    der = base64.b64encode(suites.to_der(key)).decode()
    return HolderKey(suites.public_jwk(key.public_key()), sealing.seal(der, table=TABLE, column=COLUMN, row=credential_id))


def sign(sealed: bytes, payload: dict[str, Any], *, credential_id: UUID, typ: str) -> str:
    """Sign for the holder with the key of one credential; raises SealBroken if it is another's."""
    der = base64.b64decode(sealing.unseal(sealed, table=TABLE, column=COLUMN, row=credential_id))
    return jwt.encode(payload, suites.from_der(der), algorithm=suites.ES256.name, headers={"typ": typ})
