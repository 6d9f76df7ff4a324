"""DPoP proofs for tests, and clients that bring them."""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt

from keys import suites
from tests.world_clients import ISSUER


@dataclass
class Prover:
    """A key that proofs are made with."""

    key: suites.PrivateKey = field(default_factory=suites.ES256.generate)
    nonce: str | None = None

    @property
    def jwk(self) -> dict[str, str]:
        """The public key."""
        return suites.public_jwk(self.key.public_key())

    @property
    def jkt(self) -> str:
        """Its thumbprint."""
        return suites.thumbprint(self.jwk)

    def proof(self, method: str = "POST", url: str = f"{ISSUER}/token", *, token: str | None = None, header: Any = None, **changes: Any) -> str:
        """Return a fresh proof, with some claims and header members changed (None takes one away)."""
        claims = {"jti": secrets.token_urlsafe(12), "htm": method, "htu": url, "iat": int(time.time()), "nonce": self.nonce, "ath": hash_of(token)}
        whole = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        headers = {"typ": "dpop+jwt", "jwk": self.jwk, **(header or {})}
        algorithm = headers.pop("alg", suites.suite_of(self.key).name)
        return jwt.encode(whole, self.key, algorithm=algorithm, headers=headers)

    def headers(self, *arguments: Any, **changes: Any) -> dict[str, str]:
        """Return the header of a request that brings a proof."""
        return {"DPoP": self.proof(*arguments, **changes)}

    def show(self, token: str, method: str, path: str, **changes: Any) -> dict[str, str]:
        """Return the headers of a request that shows a token bound to this key."""
        return {"Authorization": f"DPoP {token}", "DPoP": self.proof(method, f"{ISSUER}{path}", token=token, **changes)}


def hash_of(token: str | None) -> str | None:
    """Return the `ath` of an access token."""
    return None if token is None else base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
