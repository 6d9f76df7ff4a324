"""Makers of wallets: their certificates, and what they attest of wallets and keys."""

import base64
import secrets
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask

from idp.oauth.attested import key_attestation, wallet_attestation
from idp.oauth.attested import makers as trusted
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from tests.world_clients import ISSUER

WEEK = timedelta(days=7)


def certificate(
    key: suites.PrivateKey, name: str, *, by: tuple[suites.PrivateKey, x509.Certificate] | None = None, is_ca: bool = False, age: timedelta = WEEK
) -> x509.Certificate:
    """Return a certificate of a key, under another or by itself; `age` says how long ago it began, and it lasts a year."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[1].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - age)
        .not_valid_after(now() - age + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    return builder.sign(by[0] if by else key, SHA256())  # type: ignore[arg-type]


def encoded(one: x509.Certificate) -> str:
    return base64.b64encode(one.public_bytes(Encoding.DER)).decode()


def self_signed(key: suites.PrivateKey, *, age: timedelta = WEEK) -> str:
    """Return a certificate as `x5c` carries it, signed by its own key."""
    return encoded(certificate(key, "a holder's key", age=age))


@dataclass
class Maker:
    """A maker with a root, and a signing key whose certificate is under it."""

    issuer: str = field(default_factory=lambda: f"https://maker-{secrets.token_hex(4)}.example")
    root_key: suites.PrivateKey = field(default_factory=suites.ES256.generate)
    key: suites.PrivateKey = field(default_factory=suites.ES256.generate)

    def __post_init__(self) -> None:
        self.root = certificate(self.root_key, f"root of {self.issuer}", is_ca=True)
        self.leaf = certificate(self.key, "signing", by=(self.root_key, self.root))

    def trust(self, app: Flask, *purposes: str) -> "Maker":
        with app.app_context(), transaction() as session:
            pem = self.root.public_bytes(Encoding.PEM)
            trusted.trust(session, issuer=self.issuer, jwks=None, roots=[pem], purposes=purposes or trusted.PURPOSES, now=now())
        return self

    def attest_keys(self, *keys: suites.PrivateKey, nonce: str, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a key attestation; a claim given as `...` is left out."""
        moment = int(time.time())
        claims = {
            "iss": self.issuer,
            "iat": moment,
            "exp": moment + 300,
            "attested_keys": [suites.public_jwk(key.public_key()) for key in keys],
            "key_storage": ["iso_18045_moderate"],
            "user_authentication": ["iso_18045_moderate"],
            "nonce": nonce,
            **changes,
        }
        return self.sign({name: value for name, value in claims.items() if value is not ...}, key_attestation.TYPE, headers)

    def attest_wallet(self, client_id: str, instance: suites.PrivateKey, *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """Return a wallet attestation for an installation."""
        moment = int(time.time())
        confirmed = {"jwk": suites.public_jwk(instance.public_key())}
        claims = {"iss": self.issuer, "sub": client_id, "iat": moment, "exp": moment + 600, "cnf": confirmed, **changes}
        return self.sign({name: value for name, value in claims.items() if value is not ...}, wallet_attestation.ATTESTATION_TYPE, headers)

    def sign(self, claims: dict[str, Any], typ: str, headers: dict[str, Any] | None = None) -> str:
        header = {"typ": typ, "x5c": [encoded(self.leaf)], **(headers or {})}
        return jwt.encode(claims, self.key, algorithm="ES256", headers={name: value for name, value in header.items() if value is not ...})


def proof_of_instance(client_id: str, instance: suites.PrivateKey, *, typ: str = wallet_attestation.PROOF_TYPE, **changes: Any) -> str:
    """Return an installation's proof of its key."""
    claims = {"iss": client_id, "aud": ISSUER, "jti": secrets.token_urlsafe(16), "iat": int(time.time()), **changes}
    kept = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(kept, instance, algorithm=suites.suite_of(instance).name, headers={"typ": typ})


def attested(maker: Maker, client_id: str, instance: suites.PrivateKey) -> dict[str, str]:
    """Return the headers that prove an installation of a wallet."""
    return {
        wallet_attestation.ATTESTATION: maker.attest_wallet(client_id, instance),
        wallet_attestation.PROOF: proof_of_instance(client_id, instance),
    }
