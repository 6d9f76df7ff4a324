"""An issuer with a certificate under a root of its own, and a holder: whatever a test wants to present, right or wrong. No database."""

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from keys import suites
from wallet.issuing import sd_jwt
from wallet.verifying.checks import Expected, Trust

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
ISSUER, VCT = "https://kabao.example/departments/11379999MB1A0001X0", "https://kabao.example/types/driving-licence"
AUDIENCE, NONCE = "https://kabao.example/api/v1/verifications", "n-0S6_WzA2Mj"
YEAR = timedelta(days=365)


@cache
def key(name: str) -> suites.PrivateKey:
    """Return the test's key of a name, made once."""
    return suites.EDDSA.generate() if name.startswith("ed") else suites.ES256.generate()


def certificate(
    *, subject: str = "leaf", issuer: str = "root", uri: str | None = ISSUER, ca: bool = False, signs: bool = True,
    begins: datetime = NOW - YEAR, ends: datetime = NOW + YEAR, extra: x509.ExtensionType | None = None, constrained: bool = True,
) -> x509.Certificate:  # fmt: skip
    """Issue a certificate for the key `subject`, signed by the key `issuer`."""
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key(subject).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.KeyUsage(digital_signature=signs, key_cert_sign=ca, crl_sign=ca, **usage), critical=True)
    )
    if constrained:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if uri:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
    if extra:
        builder = builder.add_extension(extra, critical=True)
    return builder.sign(key(issuer), SHA256())


@cache
def root() -> x509.Certificate:
    """Return the root that the tests trust."""
    return certificate(subject="root", uri=None, ca=True, signs=False, begins=NOW - 5 * YEAR, ends=NOW + 5 * YEAR)


@cache
def leaf() -> x509.Certificate:
    """Return the issuer's proper certificate."""
    return certificate()


def trust() -> Trust:
    """Return the trust that the tests verify with."""
    return Trust((root(),))


def encode(certificate: x509.Certificate) -> str:
    """Return a certificate as `x5c` carries it."""
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()


def encode_json(content: Any) -> str:
    """Return base64url of JSON, or of text as it is."""
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


ACT = encode_json({"type": "urn:kabao:transaction:confirmation", "credential_ids": ["q"], "text": "同意"})
EXPECTED = Expected(binding=True, audience=AUDIENCE, nonce=NONCE, vcts=None, binding_age=timedelta(minutes=5))


@dataclass
class Presented:
    """A presentation in the making; every member may be spoilt before `text()`."""

    chain: list[x509.Certificate] = field(default_factory=lambda: [leaf()])
    signed_by: str = "leaf"
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    shown: tuple[str, ...] = ("holder_name", "vehicle_class")
    more: tuple[sd_jwt.Disclosure, ...] = ()
    bound: bool = True
    bound_by: str = "holder"
    binding_header: dict[str, Any] = field(default_factory=dict)
    binding: dict[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """Sign everything and put it together; a member whose value is None is left out."""
        claims = without_none(
            {
                "iss": ISSUER,
                "vct": VCT,
                "iat": int(NOW.timestamp()) - 1000,
                "nbf": int(NOW.timestamp()) - 1000,
                "exp": int(NOW.timestamp()) + 1000,
                "cnf": {"jwk": suites.public_jwk(key("holder").public_key())},
                "status": {"status_list": {"idx": 7, "uri": "https://kabao.example/status/1"}},
                "licence_identifier": "1.2.156.3005.2.test",
                "holder_name": "欧阳试",
                "vehicle_class": "C1",
                "address": "试验路 1 号",
                **self.claims,
            }
        )
        hidden = [name for name in ("holder_name", "vehicle_class", "address") if name in claims]
        payload, disclosures = sd_jwt.conceal(claims, hidden=hidden)
        header = without_none({"typ": "dc+sd-jwt", "x5c": [encode(one) for one in self.chain], **self.header})
        signed = sign({**payload, **self.payload}, self.signed_by, header)
        shown = [disclosure for disclosure in disclosures if disclosure.name in self.shown]
        return self.bind(sd_jwt.combine(signed, [*shown, *self.more]))

    def bind(self, presented: str) -> str:
        """Add the holder's binding, unless there is to be none."""
        if not self.bound:
            return presented
        payload = {
            "iat": int(NOW.timestamp()),
            "aud": AUDIENCE,
            "nonce": NONCE,
            "sd_hash": sd_jwt.sd_hash(presented),
            "transaction_data_hashes": [sd_jwt.sd_hash(ACT)],
        }
        payload |= self.binding
        return presented + sign(without_none(payload), self.bound_by, {"typ": "kb+jwt", **self.binding_header})


def without_none(members: dict[str, Any]) -> dict[str, Any]:
    """Leave out the members whose value is None."""
    return {name: value for name, value in members.items() if value is not None}


def sign(payload: dict[str, Any], by: str, header: dict[str, Any]) -> str:
    """Sign as the key of that name does; a header may claim another `alg`."""
    claimed = header.pop("alg", None)
    token = jwt.PyJWS().encode(json.dumps(payload).encode(), key(by), algorithm=suites.suite_of(key(by)).name, headers=header)
    if claimed is None:
        return token
    _, body, signature = token.split(".")
    return ".".join([encode_json({**header, "alg": claimed}), body, signature])
