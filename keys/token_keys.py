"""Private keys that live in a token (PKCS#11): made there, never to leave it, and used like any other by whoever signs.

The ring's row has a reference instead of a sealed key: the token's label and serial number, the key's id and label. Such a key is a private key
to the library that makes signatures and certificates; only what would take the key itself out raises. ECDSA is made over a
digest that is taken here (CKM_ECDSA); Ed25519 takes the whole message (CKM_EDDSA). A key is believed to be the row's by its first signature.
"""

import hashlib
import os
from datetime import datetime
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurve,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    EllipticCurveSignatureAlgorithm,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pkcs11 import Attribute, KeyType, Mechanism

from keys import suites
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.security_module import ModuleAway, SecurityModule, Session, module_of
from runtime.settings import Settings

HALF = 32
P256, EDWARDS_25519 = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06032b6570")  # the curves' object identifiers, in DER
NEVER_OUT = {Attribute.TOKEN: True, Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.SIGN: True}


class NotInToken(Refusal):
    """The key cannot be made in a token, or cannot stay there as it must."""

    code, status, title = "not-in-token", 409, Text("无法在签名设备中生成该密钥。", "The key cannot be made in the security module.")


class _TokenKey:
    """What the kinds have in common: where the key is, and that it stays there."""

    def __init__(self, module: SecurityModule, token: str, key_id: bytes, public_key: Any) -> None:
        self._module, self._token, self._id, self._public = module, token, key_id, public_key
        self._is_known = False

    def _sign(self, data: bytes, mechanism: Mechanism) -> bytes:
        signature: bytes = self._module.run(self._token, lambda session: session.find(self._id).sign(data, mechanism=mechanism))
        return signature

    def _stays(self, *_: Any, **__: Any) -> NoReturn:
        raise ValueError("the key is in a token and never leaves it")

    private_bytes = private_bytes_raw = private_numbers = exchange = __deepcopy__ = _stays

    def __copy__(self) -> Any:
        return self


class TokenEllipticKey(_TokenKey, EllipticCurvePrivateKey):
    """A P-256 key in a token."""

    @property
    def curve(self) -> EllipticCurve:
        """P-256."""
        return SECP256R1()

    @property
    def key_size(self) -> int:
        """The size in bits."""
        return self.curve.key_size

    def public_key(self) -> EllipticCurvePublicKey:
        """Return the public half."""
        found: EllipticCurvePublicKey = self._public
        return found

    def sign_raw(self, data: bytes) -> bytes:
        """Return r and s of a signature over the SHA-256 of the data, one after the other; raises ModuleAway."""
        raw = self._sign(hashlib.sha256(data).digest(), Mechanism.ECDSA)
        if not self._is_known:
            self._check(raw, data)
        return raw

    def sign(self, data: Any, signature_algorithm: EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the same in DER, as certificates have it."""
        if not isinstance(signature_algorithm, ECDSA) or not isinstance(signature_algorithm.algorithm, SHA256):
            raise ValueError("a key of P-256 signs by ECDSA over SHA-256")
        return _der(self.sign_raw(bytes(data)))

    def _check(self, raw: bytes, data: bytes) -> None:
        try:
            self._public.verify(_der(raw), data, ECDSA(SHA256()))
        except InvalidSignature as error:
            raise ModuleAway("the token has another key under this id") from error
        self._is_known = True


class TokenEdwardsKey(_TokenKey, Ed25519PrivateKey):
    """An Ed25519 key in a token."""

    def public_key(self) -> Ed25519PublicKey:
        """Return the public half."""
        found: Ed25519PublicKey = self._public
        return found

    def sign(self, data: Any) -> bytes:
        """Return the signature; raises ModuleAway."""
        signature = self._sign(bytes(data), Mechanism.EDDSA)
        if not self._is_known:
            try:
                self._public.verify(signature, bytes(data))
            except InvalidSignature as error:
                raise ModuleAway("the token has another key under this id") from error
            self._is_known = True
        return signature


TokenKey = TokenEllipticKey | TokenEdwardsKey
KINDS: dict[str, type[TokenEllipticKey] | type[TokenEdwardsKey]] = {
    "ES256": TokenEllipticKey,
    "EdDSA": TokenEdwardsKey,
    "Ed25519": TokenEdwardsKey,
}


def generate(settings: Settings, *, use: str, suite: suites.Suite, now: datetime) -> tuple[TokenKey, dict[str, Any]]:
    """Make a key in the token and return it with the reference that the ring keeps; raises NotInToken, ModuleAway."""
    if suite.name not in KINDS:
        raise NotInToken(f"{suite.name} is not for a token; {', '.join(KINDS)} are")
    module, token, key_id = _module(settings), _access(settings).token, os.urandom(16)
    label = f"kabao {use} {now:%Y-%m-%d}"
    public, serial = module.run(token, lambda session: _generate(session, suite.name, key_id, label))
    reference = {"module": _access(settings).module, "token": token, "serial": serial, "key": key_id.hex(), "label": label}
    return KINDS[suite.name](module, token, key_id, public), reference


def open_key(settings: Settings, reference: dict[str, Any], *, suite: str, public_jwk: dict[str, Any]) -> TokenKey:
    """Return the key of a reference; the token is not asked before it signs. Raises ModuleAway where the settings name no module."""
    public = suites.key_from_jwk(public_jwk)
    return KINDS[suite](_module(settings), reference["token"], bytes.fromhex(reference["key"]), public)


def destroy(settings: Settings, reference: dict[str, Any]) -> None:
    """Destroy both halves of a key in its token; one that is not there any more is not missed. Raises ModuleAway."""

    def remove(session: Session) -> None:
        for one in list(session.opened.get_objects({Attribute.ID: bytes.fromhex(reference["key"])})):
            one.destroy()

    _module(settings).run(reference["token"], remove)


def _module(settings: Settings) -> SecurityModule:
    return module_of(_access(settings))


def _access(settings: Settings) -> Any:
    if settings.pkcs11 is None:
        raise ModuleAway("no module is named: set KABAO_PKCS11_MODULE, KABAO_PKCS11_TOKEN and KABAO_PKCS11_PIN_FILE")
    return settings.pkcs11


def _generate(session: Session, suite: str, key_id: bytes, label: str) -> tuple[Any, str]:
    is_edwards = suite in suites.EDWARDS
    kind, curve = (KeyType.EC_EDWARDS, EDWARDS_25519) if is_edwards else (KeyType.EC, P256)
    parameters = session.opened.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
    public, private = parameters.generate_keypair(
        id=key_id,
        label=label,
        store=True,
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN if is_edwards else Mechanism.EC_KEY_PAIR_GEN,
        private_template=NEVER_OUT,
    )
    _check_stays(private, public)
    point = _point(public[Attribute.EC_POINT])
    serial = session.opened.token.serial
    text = serial.decode("ascii", "replace").strip() if isinstance(serial, bytes) else str(serial)
    if is_edwards:
        return Ed25519PublicKey.from_public_bytes(point), text
    return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point), text


def _check_stays(private: Any, public: Any) -> None:
    if private[Attribute.EXTRACTABLE] or not (private[Attribute.NEVER_EXTRACTABLE] and private[Attribute.SENSITIVE]):
        private.destroy()
        public.destroy()
        raise NotInToken("the token would let the key out")


def _point(encoded: bytes) -> bytes:
    """Return a public point from CKA_EC_POINT: a DER octet string, which some modules leave bare."""
    is_wrapped = len(encoded) > 2 and encoded[0] == 0x04 and encoded[1] == len(encoded) - 2
    return encoded[2:] if is_wrapped else encoded


def _der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:HALF]), int.from_bytes(raw[HALF:]))
