"""Tokens that are not what they should be, in the manner of Wycheproof: each is one fault, signed well wherever the fault leaves room for that.

A case is made from `Material`: a good header, good claims and a key that signs them well. Whoever would take the good token must refuse every case.
"""

import base64
import hashlib
import hmac
import json
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keys import suites

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass
class Material:
    """What a good token is made of; the key is one of P-256."""

    header: dict[str, Any]
    claims: dict[str, Any]
    key: EllipticCurvePrivateKey

    def good(self) -> str:
        """Return the token that is to be taken."""
        return self.signed()

    def signed(self, header: Any = None, payload: Any = None, **changes: Any) -> str:
        """Sign any header and any payload, bytes as they are; `changes` are of the header, None takes a member away."""
        whole = {name: value for name, value in {**self.header, **changes}.items() if value is not None}
        parts = [whole if header is None else header, self.claims if payload is None else payload]
        text = ".".join(encoded(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in parts)
        return f"{text}.{encoded(self.signature(text.encode()))}"

    def saying(self, **changes: Any) -> str:
        """Sign other claims."""
        return self.signed(payload={**self.claims, **changes})

    def signature(self, signed: bytes) -> bytes:
        """Return the signature as JOSE writes it."""
        made: bytes = jwt.get_algorithm_by_name("ES256").sign(signed, self.key)
        return made

    def with_signature(self, make: Callable[[int, int], bytes], **changes: Any) -> str:
        """Return the good token with another signature, made from the numbers of the good one."""
        signed, _, signature = self.signed(**changes).rpartition(".")
        raw = decoded(signature)
        return f"{signed}.{encoded(make(int.from_bytes(raw[:32], 'big'), int.from_bytes(raw[32:], 'big')))}"

    def authenticated(self, secret: bytes, **changes: Any) -> str:
        """Return the token under an HMAC, as who confuses a public key with a secret would check it."""
        text = self.signed(alg="HS256", **changes).rpartition(".")[0]
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}"

    @property
    def public(self) -> dict[str, str]:
        """The public key as a JWK."""
        return suites.public_jwk(self.key.public_key())

    def by_stranger(self, **changes: Any) -> str:
        """Return the token signed by a key that nobody knows, with its header naming that key in some way."""
        stranger = suites.ES256.generate()
        assert isinstance(stranger, EllipticCurvePrivateKey)
        return Material(self.header, self.claims, stranger).signed(**changes)


def encoded(plain: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Read it back."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def two(r: int, s: int) -> bytes:
    """Return a signature of these two numbers."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def pem(material: Material) -> bytes:
    """Return the public key as who confuses algorithms has it."""
    return material.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der(material: Material) -> bytes:
    """Return it in DER."""
    return material.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def stray(token: str) -> str:
    """Return the token with bits in its last character that no byte has."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


def duplicated(document: dict[str, Any], name: str) -> bytes:
    """Return a JSON object with a member twice."""
    return json.dumps({name: document.get(name)}).encode()[:-1] + b"," + json.dumps(document).encode()[1:]


def flattened(token: str) -> str:
    """Return the JSON serialisation."""
    protected, payload, signature = token.split(".")
    return json.dumps({"protected": protected, "payload": payload, "signature": signature})


def general(token: str) -> str:
    """Return the other one."""
    protected, payload, signature = token.split(".")
    return json.dumps({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]})


def encrypted(**header: Any) -> str:
    """Return something in the form of a JWE."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = compressor.compress(b"0" * 200_000) + compressor.flush()
    parts = [json.dumps(header).encode(), secrets.token_bytes(40), secrets.token_bytes(12), bomb, secrets.token_bytes(16)]
    return ".".join(encoded(part) for part in parts)


def deep(opening: bytes, closing: bytes, times: int = 1200) -> bytes:
    """Return JSON that is nested deeply."""
    return b'{"a":' + opening * times + b"1" + closing * times + b"}"


Make = Callable[[Material], str]


def naming(algorithm: str, *, is_signed: bool = True) -> Make:
    """Return the maker of a token whose header names this algorithm, whatever it is signed by."""

    def make(material: Material) -> str:
        token = material.signed(alg=algorithm)
        return token if is_signed else token.rpartition(".")[0] + "."

    return make


FORM: dict[str, Make] = {
    "empty": lambda m: "",
    "one part": lambda m: m.good().split(".")[0],
    "two parts": lambda m: m.good().rpartition(".")[0],
    "no signature": lambda m: m.good().rpartition(".")[0] + ".",
    "four parts": lambda m: m.good() + ".AAAA",
    "dots alone": lambda m: "..",
    "four dots": lambda m: "....",
    "a dot before": lambda m: "." + m.good(),
    "padded": lambda m: m.good() + "==",
    "padded header": lambda m: m.good().replace(".", "=.", 1),
    "a space within": lambda m: m.good().replace(".", ". "),
    "a line break within": lambda m: m.good().replace(".", "\n."),
    "a nul within": lambda m: m.good().replace(".", "\0.", 1),
    "not ascii": lambda m: m.good().replace(".", "。"),
    "the other alphabet": lambda m: m.good()[:-2] + "+/",
    "stray bits": lambda m: stray(m.good()),
    "no base64": lambda m: "!!!." + m.good().partition(".")[2],
    "a lone character": lambda m: "A." + m.good().partition(".")[2],
    "huge": lambda m: m.saying(padding="x" * 200_000),
    "flattened json": lambda m: flattened(m.good()),
    "general json": lambda m: general(m.good()),
    "quoted": lambda m: f'"{m.good()}"',
    "two tokens": lambda m: f"{m.good()},{m.good()}",
}
JSON: dict[str, Make] = {
    "header is text": lambda m: m.signed(header=b"header"),
    "header is a list": lambda m: m.signed(header=[m.header]),
    "header is a number": lambda m: m.signed(header=b"7"),
    "header is null": lambda m: m.signed(header=b"null"),
    "header is empty": lambda m: m.signed(header=b"{}"),
    "alg twice": lambda m: m.signed(header=duplicated(m.header, "alg")),
    "header is deep": lambda m: m.signed(header=deep(b'{"a":', b"}")),
    "header in utf-16": lambda m: m.signed(header=json.dumps(m.header).encode("utf-16")),
    "header with a mark": lambda m: m.signed(header=b"\xef\xbb\xbf" + json.dumps(m.header).encode()),
    "payload is text": lambda m: m.signed(payload=b"claims"),
    "payload is empty": lambda m: m.signed(payload=b""),
    "payload is a list": lambda m: m.signed(payload=[m.claims]),
    "payload is a string": lambda m: m.signed(payload=b'"claims"'),
    "payload is null": lambda m: m.signed(payload=b"null"),
    "payload is no utf-8": lambda m: m.signed(payload=b'{"a":"\xff"}'),
    "payload is deep": lambda m: m.signed(payload=deep(b"[", b"]")),
    "payload in single quotes": lambda m: m.signed(payload=str(m.claims).encode()),
    "payload with a comma too many": lambda m: m.signed(payload=json.dumps(m.claims).encode()[:-1] + b",}"),
    "payload and more": lambda m: m.signed(payload=json.dumps(m.claims).encode() + b"{}"),
}
ALGORITHM: dict[str, Make] = {
    **{f"alg {named or 'empty'}": naming(named) for named in ("none", "None", "nOnE", "NONE", "", "es256", "ES256 ")},
    **{f"alg {named}, unsigned": naming(named, is_signed=False) for named in ("none", "NONE", "nOnE")},
    **{f"alg {named}, relabelled": naming(named) for named in ("ES384", "ES512", "ES256K", "RS256", "PS256", "EdDSA", "HS256")},
    "no alg": lambda m: m.signed(alg=None),
    "alg is a number": lambda m: m.signed(alg=256),
    "alg is a list": lambda m: m.signed(alg=["ES256"]),
    "alg is an object": lambda m: m.signed(alg={"name": "ES256"}),
    "alg is true": lambda m: m.signed(alg=True),
    "hmac by the public key in pem": lambda m: m.authenticated(pem(m)),
    "hmac by the public key in der": lambda m: m.authenticated(der(m)),
    "hmac by the public key as jwk": lambda m: m.authenticated(json.dumps(m.public).encode()),
    "hmac by nothing": lambda m: m.authenticated(b""),
    "hmac by x": lambda m: m.authenticated(decoded(m.public["x"])),
}
SIGNATURE: dict[str, Make] = {
    "psychic": lambda m: m.with_signature(lambda r, s: bytes(64)),
    "r is 0": lambda m: m.with_signature(lambda r, s: two(0, s)),
    "s is 0": lambda m: m.with_signature(lambda r, s: two(r, 0)),
    "r and s are 1": lambda m: m.with_signature(lambda r, s: two(1, 1)),
    "r is the order": lambda m: m.with_signature(lambda r, s: two(ORDER, s)),
    "s is the order": lambda m: m.with_signature(lambda r, s: two(r, ORDER)),
    "r and s swapped": lambda m: m.with_signature(lambda r, s: two(s, r)),
    "all ones": lambda m: m.with_signature(lambda r, s: b"\xff" * 64),
    "in der": lambda m: m.with_signature(encode_dss_signature),
    "too short": lambda m: m.with_signature(lambda r, s: two(r, s)[:-1]),
    "too long": lambda m: m.with_signature(lambda r, s: two(r, s) + b"\0"),
    "much too long": lambda m: m.with_signature(lambda r, s: two(r, s) * 20),
    "zeros before": lambda m: m.with_signature(lambda r, s: bytes(1) + two(r, s)),
    "one byte": lambda m: m.with_signature(lambda r, s: b"\0"),
    "the hash": lambda m: m.with_signature(lambda r, s: hashlib.sha512(b"").digest()),
    "of another token": lambda m: m.good().rpartition(".")[0] + "." + m.saying(other=1).rpartition(".")[2],
}
HEADER: dict[str, Make] = {
    "a stranger's signature": lambda m: m.by_stranger(),
    "a stranger's key in jku": lambda m: m.by_stranger(jku="https://127.0.0.1:1/keys"),
    "a stranger's key in x5u": lambda m: m.by_stranger(x5u="file:///etc/passwd"),
    "a stranger's key in x5c": lambda m: m.by_stranger(x5c=["AAAA"]),
    "kid is a path": lambda m: m.by_stranger(kid="../../../../dev/null"),
    "kid is a query": lambda m: m.by_stranger(kid="' OR 1=1 --"),
    "kid is a nul": lambda m: m.by_stranger(kid="\0"),
    "kid is half a character": lambda m: m.by_stranger(kid="\ud800"),
    "kid is a list": lambda m: m.by_stranger(kid=[]),
    "kid is an object": lambda m: m.by_stranger(kid={}),
    "kid is huge": lambda m: m.by_stranger(kid="x" * 50_000),
    "crit unknown": lambda m: m.signed(crit=["unknown"], unknown=1),
    "crit empty": lambda m: m.signed(crit=[]),
    "crit is text": lambda m: m.signed(crit="exp"),
    "crit names itself": lambda m: m.signed(crit=["crit"]),
    "b64 is false": lambda m: m.signed(crit=["b64"], b64=False),
    "b64 is false and not critical": lambda m: m.signed(b64=False),
}
ENCRYPTED: dict[str, Make] = {
    "jwe dir": lambda m: encrypted(alg="dir", enc="A256GCM"),
    "jwe none": lambda m: encrypted(alg="none", enc="none"),
    "jwe zip bomb": lambda m: encrypted(alg="dir", enc="A256GCM", zip="DEF"),
    "jwe of a password": lambda m: encrypted(alg="PBES2-HS256+A128KW", enc="A128GCM", p2c=2**31 - 1, p2s="AAAA"),
    "jwe to our key": lambda m: encrypted(alg="RSA-OAEP-256", enc="A256GCM"),
    "jwe by rsa 1.5": lambda m: encrypted(alg="RSA1_5", enc="A128CBC-HS256"),
    "jwe on a bad curve": lambda m: encrypted(alg="ECDH-ES", enc="A256GCM", epk={"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
    "jwe without a key": lambda m: encrypted(alg="ECDH-ES", enc="A256GCM"),
    "jwe with a number for alg": lambda m: encrypted(alg=1, enc=[]),
}
TOKENS = {**FORM, **JSON, **ALGORITHM, **SIGNATURE, **HEADER, **ENCRYPTED}
BAD_TIMES: dict[str, bytes] = {
    "not a number": b"NaN",
    "infinite": b"Infinity",
    "less than infinite": b"-Infinity",
    "beyond floats": b"1e999",
    "beyond integers": b"9" * 5000,
    "beyond all time": b"9" * 400,
    "negative": b"-1",
    "true": b"true",
    "null": b"null",
    "text": b'"4102444800"',
    "a list": b"[4102444800]",
    "an object": b"{}",
}
BAD_KEYS: dict[str, Any] = {
    "not on the curve": {"kty": "EC", "crv": "P-256", "x": encoded(b"\1" * 32), "y": encoded(b"\2" * 32)},
    "the point at infinity": {"kty": "EC", "crv": "P-256", "x": encoded(bytes(32)), "y": encoded(bytes(32))},
    "coordinates too long": {"kty": "EC", "crv": "P-256", "x": encoded(bytes(33)), "y": encoded(bytes(33))},
    "coordinates too short": {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
    "coordinates beyond the field": {"kty": "EC", "crv": "P-256", "x": encoded(b"\xff" * 32), "y": encoded(b"\xff" * 32)},
    "a curve that is none": {"kty": "EC", "crv": "P-0", "x": "AQ", "y": "AQ"},
    "a curve that is a list": {"kty": "EC", "crv": ["P-256"], "x": "AQ", "y": "AQ"},
    "coordinates that are numbers": {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
    "no coordinates": {"kty": "EC", "crv": "P-256"},
    "coordinates not base64": {"kty": "EC", "crv": "P-256", "x": "!", "y": "证"},
    "ed25519 of small order": {"kty": "OKP", "crv": "Ed25519", "x": encoded(b"\1" + bytes(31))},
    "ed25519 zero": {"kty": "OKP", "crv": "Ed25519", "x": encoded(bytes(32))},
    "ed25519 too short": {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
    "a key to encrypt to": {"kty": "OKP", "crv": "X25519", "x": encoded(bytes(32))},
    "rsa of exponent 1": {"kty": "RSA", "n": encoded(b"\xff" * 256), "e": "AQ"},
    "rsa of an even exponent": {"kty": "RSA", "n": encoded(b"\xff" * 256), "e": "Ag"},
    "rsa of 512 bits": {"kty": "RSA", "n": encoded(b"\xff" * 64), "e": "AQAB"},
    "rsa of 0": {"kty": "RSA", "n": "AA", "e": "AQAB"},
    "rsa of a huge modulus": {"kty": "RSA", "n": encoded(b"\xff" * 2000), "e": "AQAB"},
    "rsa of a huge exponent": {"kty": "RSA", "n": encoded(b"\xff" * 256), "e": encoded(b"\xff" * 256)},
    "a shared secret": {"kty": "oct", "k": "AAAA"},
    "a kind that is none": {"kty": "none"},
    "a kind that is a number": {"kty": 7},
    "empty": {},
    "a list": [],
    "text": "key",
    "null": None,
    "true": True,
    "deep": {"kty": "EC", "x": {"x": {"x": {"x": []}}}},
}
