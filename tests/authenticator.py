"""An authenticator in software: makes passkeys and uses them, as a device with a browser before it would (WebAuthn Level 3, section 6).

What it is told to do wrong it does wrong: another origin, no user verification, an old counter, another's handle.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
ES256, EDDSA, RS256 = -7, -8, -257


def encoded(value: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Read base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    """A key pair of one of the algorithms."""

    def __init__(self, algorithm: int) -> None:
        self.algorithm = algorithm
        self.sign: Callable[[bytes], bytes]
        self.cose: dict[int, Any]
        if algorithm == ES256:
            p256 = ec.generate_private_key(ec.SECP256R1())
            numbers = p256.public_key().public_numbers()
            self.cose = {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
            self.sign = lambda signed: p256.sign(signed, ec.ECDSA(SHA256()))
        elif algorithm == EDDSA:
            ed = ed25519.Ed25519PrivateKey.generate()
            self.cose = {1: 1, 3: EDDSA, -1: 6, -2: ed.public_key().public_bytes_raw()}
            self.sign = ed.sign
        else:
            long = rsa.generate_private_key(65537, 2048)
            public = long.public_key().public_numbers()
            self.cose = {1: 3, 3: RS256, -1: public.n.to_bytes(256, "big"), -2: public.e.to_bytes(3, "big")}
            self.sign = lambda signed: long.sign(signed, padding.PKCS1v15(), SHA256())


@dataclass
class Credential:
    """A passkey as the device holds it."""

    id: bytes
    rp_id: str
    user_handle: bytes
    key: Key
    count: int = 0


@dataclass
class Authenticator:
    """A device and its browser, at an origin. `flags` are those that it sets; `counts` is whether it has a counter."""

    origin: str
    flags: int = UP | UV | BE | BS
    algorithm: int = ES256
    counts: bool = False
    credentials: list[Credential] = field(default_factory=list)

    def make(self, options: dict[str, Any], *, fmt: str = "none", cose: dict[int, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Make a passkey and return what `navigator.credentials.create()` gives, as JSON. `changes` are of the client data."""
        rp_id = options["rp"]["id"]
        made = Credential(secrets.token_bytes(32), rp_id, decoded(options["user"]["id"]), Key(self.algorithm), 1 if self.counts else 0)
        self.credentials.append(made)
        public = cbor2.dumps(cose or made.key.cose)
        data = self._data(made, AT) + bytes(16) + len(made.id).to_bytes(2, "big") + made.id + public
        client_data = self._client_data("webauthn.create", options["challenge"], changes)
        statement = {} if fmt == "none" else {"alg": self.algorithm, "sig": made.key.sign(data + hashlib.sha256(client_data).digest())}
        attestation = cbor2.dumps({"fmt": fmt, "attStmt": statement, "authData": data})
        response = {"clientDataJSON": encoded(client_data), "attestationObject": encoded(attestation), "transports": ["internal", "hybrid", "else"]}
        return _credential(made, {**response, "publicKeyAlgorithm": self.algorithm})

    def use(self, options: dict[str, Any], *, with_handle: bool = True, **changes: Any) -> dict[str, Any]:
        """Use the newest passkey that is asked for, and return what `navigator.credentials.get()` gives, as JSON."""
        asked_for = {decoded(one["id"]) for one in options["allowCredentials"]}
        used = next(one for one in reversed(self.credentials) if not asked_for or one.id in asked_for)
        used.count += 1 if self.counts else 0
        return self.answer(used, options, with_handle=with_handle, **changes)

    def answer(self, used: Credential, options: dict[str, Any], *, with_handle: bool = True, **changes: Any) -> dict[str, Any]:
        """Answer with a passkey, whether or not it was asked for, and leave its counter as it is."""
        data = self._data(used)
        client_data = self._client_data("webauthn.get", options["challenge"], changes)
        signature = used.key.sign(data + hashlib.sha256(client_data).digest())
        response = {"clientDataJSON": encoded(client_data), "authenticatorData": encoded(data), "signature": encoded(signature)}
        return _credential(used, {**response, "userHandle": encoded(used.user_handle) if with_handle else None})

    def _data(self, credential: Credential, more_flags: int = 0) -> bytes:
        flags = (self.flags | more_flags).to_bytes(1, "big")
        return hashlib.sha256(credential.rp_id.encode()).digest() + flags + credential.count.to_bytes(4, "big")

    def _client_data(self, kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**said, **changes}).encode()


def _credential(credential: Credential, response: dict[str, Any]) -> dict[str, Any]:
    id_ = encoded(credential.id)
    return {"id": id_, "rawId": id_, "type": "public-key", "response": response, "authenticatorAttachment": "platform", "clientExtensionResults": {}}
