"""What wallets send and are sent: JSON, or JSON that is encrypted to us and for them (OpenID4VCI 1.0 section 10).

A request is read strictly: a member that comes twice, a number that is none, a text that is too long are malformed. What is compressed is not
opened: a few bytes could stand for a great many. Whoever asks for a compressed answer is sent a plain one, whose header says so.
"""

import json
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from idp.oauth.compact import NotCompact, read_object
from idp.oauth.key_sets import EncryptionKey, read_key_set
from idp.oauth.server import NO_STORE
from keys import jwe
from keys.jwe import NotDecrypted
from runtime.settings import Settings
from wallet.issuing.oid4vci.errors import CredentialError, InvalidCredentialRequest, InvalidEncryptionParameters

JSON, JWT = "application/json", "application/jwt"
LONGEST = 512 * 1024
PARAMETER = "credential_response_encryption"
ENCRYPTION_ALGS = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "RSA-OAEP-256")
ENCRYPTION_ENCS = ("A128GCM", "A256GCM", "A128CBC-HS256", "A256CBC-HS512")


@dataclass(frozen=True, slots=True)
class Encryption:
    """How the answer is to be encrypted: to which key, and by which algorithms."""

    key: EncryptionKey
    alg: str
    enc: str


@dataclass(frozen=True, slots=True)
class Message:
    """A request's members, and how its answer is to be encrypted, if at all."""

    members: dict[str, Any]
    encryption: Encryption | None

    def text(self, name: str, *, longest: int, error: type[CredentialError] = InvalidCredentialRequest) -> str | None:
        """Return a member that is a text, None where it is absent; raises an error that names it."""
        value = self.members.get(name)
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= longest):
            raise error(f"{name} is not a text of one to {longest} characters.")
        return value


def read(settings: Settings) -> Message:
    """Return the present request's message; raises InvalidCredentialRequest, InvalidEncryptionParameters."""
    body = request.get_data(cache=False)
    if len(body) > LONGEST:
        raise InvalidCredentialRequest("The request is too long.")
    if request.mimetype == JWT:
        members = _object(_decrypted(body))
        return Message(members, _encryption_of(members))
    if request.mimetype != JSON:
        raise InvalidCredentialRequest("The request is neither application/json nor application/jwt.")
    members = _object(body)
    if settings.credential_encryption_required:
        raise InvalidEncryptionParameters("The request must be encrypted to a key of the credential issuer.")
    if PARAMETER in members:
        raise InvalidEncryptionParameters("An encrypted response is asked for by an encrypted request alone.")
    return Message(members, None)


def check_encryption(message: Message, settings: Settings) -> None:
    """Check that the answer is to be encrypted, where the operator wants that; raises InvalidEncryptionParameters."""
    if settings.credential_encryption_required and message.encryption is None:
        raise InvalidEncryptionParameters("credential_response_encryption is required.")


def answer(document: dict[str, Any], message: Message, *, status: int) -> Response:
    """Return the response, encrypted where that was asked for, whatever is in it."""
    plain = json.dumps(document)
    if message.encryption is None:
        return Response(plain, status, mimetype=JSON, headers=NO_STORE)
    wanted = message.encryption
    named = {"kid": wanted.key.kid} if wanted.key.kid is not None else {}
    try:
        written = jwe.encrypt(plain.encode(), jwk=wanted.key.jwk, alg=wanted.alg, enc=wanted.enc, headers=named)
    except ValueError as error:
        raise InvalidEncryptionParameters("The key of credential_response_encryption cannot be encrypted to.") from error
    return Response(written, status, mimetype=JWT, headers=NO_STORE)


def announced(settings: Settings) -> dict[str, Any]:
    """Return what the metadata says of encryption (section 12.2.4)."""
    keys = [{**jwk, "alg": jwk.get("alg", ENCRYPTION_ALGS[0])} for jwk in jwe.published()]
    is_required = settings.credential_encryption_required
    if not keys:
        return {}
    return {
        "credential_request_encryption": {"jwks": {"keys": keys}, "enc_values_supported": list(ENCRYPTION_ENCS), "encryption_required": is_required},
        "credential_response_encryption": {
            "alg_values_supported": list(ENCRYPTION_ALGS),
            "enc_values_supported": list(ENCRYPTION_ENCS),
            "encryption_required": is_required,
        },
    }


def _decrypted(body: bytes) -> bytes:
    try:
        return jwe.decrypt(body.decode("ascii").strip(), algs=ENCRYPTION_ALGS, encs=ENCRYPTION_ENCS)
    except (NotDecrypted, UnicodeDecodeError) as error:
        raise InvalidEncryptionParameters("The request is not encrypted to a key of the credential issuer, or not as it may be.") from error


def _object(body: bytes) -> dict[str, Any]:
    try:
        return read_object(body)
    except NotCompact as error:
        raise InvalidCredentialRequest("The request is not one JSON object whose members stand once.") from error


def _encryption_of(members: dict[str, Any]) -> Encryption | None:
    asked = members.get(PARAMETER)
    if asked is None and PARAMETER not in members:
        return None
    if not isinstance(asked, dict) or not {"jwk", "enc"} <= asked.keys():
        raise InvalidEncryptionParameters("credential_response_encryption lacks jwk or enc.")
    try:
        keys = read_key_set({"keys": [asked["jwk"]]}).encryption
    except ValueError as error:
        raise InvalidEncryptionParameters("The jwk of credential_response_encryption is not a public key.") from error
    alg = asked["jwk"].get("alg")
    if not keys or alg not in ENCRYPTION_ALGS or not keys[0].fits(alg) or asked["enc"] not in ENCRYPTION_ENCS:
        raise InvalidEncryptionParameters("The alg of the jwk, or enc, of credential_response_encryption is not supported.")
    return Encryption(keys[0], alg, asked["enc"])
