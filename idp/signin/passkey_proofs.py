"""What a passkey proves: registrations and assertions, asked for and verified (WebAuthn Level 3, sections 7.1 and 7.2).

py_webauthn reads and verifies the signed structures. Here stands what it leaves to us: whose credential it is, the single use of the
challenge, frames, the keys that we take, what may have been copied. User verification is always asked for, so that a passkey is
two factors; attestation is not, so that nobody learns which device a person has.
"""

import functools
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_attestation_object
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from idp.signin import passkey_challenges, passkeys
from idp.signin.passkey_challenges import LIFETIME, REGISTER
from idp.signin.passkey_keys import ALGORITHMS, check_public_key
from idp.signin.passkeys import NewPasskey, Passkey
from idp.subjects import directory
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.rough_input import read_json
from runtime.settings import Settings

LONGEST_CREDENTIAL_ID = 1023
ATTESTATIONS = ("none", "packed")  # asked for none, a browser may still pass a key's attestation of itself on: "packed"
# Whatever the bytes of a stranger make of the library, and of what it stands on, it is a refusal.
UNREADABLE = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class PasskeysUnavailable(Refusal):
    """The service is reached by an IP address, for which no browser makes a passkey."""

    code, status = "passkeys-unavailable", 409
    title = Text("通过IP地址访问时不能使用通行密钥，请改用域名访问。", "Passkeys do not work where the address is an IP; use the service's name.")


class PasskeyRefused(Refusal):
    """What the authenticator gave proves nothing here; why is for the log alone."""

    code, status = "passkey-refused", 422
    title = Text("通行密钥验证未通过，请重试或改用其他方式。", "The passkey was not accepted; try again, or another way.")


class PasskeyUnknown(Refusal):
    """The credential is not, or no longer, registered here; the browser may then offer it no more."""

    code, status = "passkey-unknown", 422
    title = Text(
        "这个通行密钥已被移除，或不属于本系统，请改用其他方式登录。", "This passkey was removed, or is not for this service; sign in another way."
    )


class PasskeyNotYours(Refusal):
    """The passkey is right, but another person's than who is signed in."""

    code, status, title = "passkey-not-yours", 422, Text("请使用您本人账号的通行密钥。", "Use a passkey of your own account.")


class PasskeyCopied(Refusal):
    """The passkey's counter did not go up: an older copy of it was used. The view then calls `report_copy`."""

    code, status = "passkey-copied", 422
    title = Text(
        "这个通行密钥可能被复制过，已停用。请改用其他方式登录，并移除它。",
        "This passkey may have been copied, so it was stopped; sign in another way, and remove it.",
    )

    def __init__(self, passkey: Passkey, challenge: bytes) -> None:
        super().__init__("the counter did not go up")
        self.subject_id, self.passkey_id = passkey.subject_id, passkey.id
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What authenticators know of us: our name on the net and our origin; and the key of our challenges."""

    id: str
    origin: str
    challenge_key: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: to which purpose, of which browser or session (`binding`), and when."""

    party: RelyingParty
    purpose: str
    binding: str
    now: datetime

    def challenge(self) -> bytes:
        """Return a new challenge for it."""
        return passkey_challenges.issue(self.purpose, binding=self.binding, key=self.party.challenge_key, now=self.now)


@dataclass(frozen=True, slots=True)
class Proof:
    """Who proved to be who, and how (`amr`, RFC 8176)."""

    subject_id: UUID
    amr: list[str]


@functools.lru_cache(maxsize=4)
def find_relying_party(settings: Settings) -> RelyingParty | None:
    """Return what authenticators know of us, or None where the public address is an IP (section 5.1.2, a relying party is a domain)."""
    parts = urlsplit(settings.public_url)
    host = (parts.hostname or "").encode("idna").decode()
    try:
        ipaddress.ip_address(host)
    except ValueError:
        port = f":{parts.port}" if parts.port not in (None, 443 if settings.is_https else 80) else ""
        return RelyingParty(host, f"{parts.scheme}://{host}{port}", settings.derived_key("passkey-challenges"))
    return None


def get_relying_party(settings: Settings) -> RelyingParty:
    """Return what authenticators know of us; raises PasskeysUnavailable."""
    party = find_relying_party(settings)
    if party is None:
        raise PasskeysUnavailable("the public address is an IP")
    return party


def registration_options(session: Session, asked: Asked, *, subject_id: UUID) -> dict[str, Any]:
    """Return what a browser needs to make a person's next passkey; raises TooManyPasskeys.

    The authenticator, and whoever sees its list, learns the masked number and the random handle, and nothing else.
    """
    passkeys.check_room(session, subject_id)
    options = webauthn.generate_registration_options(
        rp_id=asked.party.id,
        rp_name=str(Text("卡包", "Kabao")),
        user_id=passkeys.handle_of(session, subject_id),
        user_name=directory.number_of(directory.get_subject(session, subject_id)).masked(),
        challenge=asked.challenge(),
        timeout=int(LIFETIME.total_seconds() * 1000),
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(passkeys.of(session, subject_id)),
        supported_pub_key_algs=list(ALGORITHMS),
    )
    return options_to_json_dict(options)


def assertion_options(asked: Asked, *, allowed: list[Passkey]) -> dict[str, Any]:
    """Return what a browser needs to use a passkey: one of those allowed, or any that it has for us if none is named."""
    options = webauthn.generate_authentication_options(
        rp_id=asked.party.id,
        challenge=asked.challenge(),
        timeout=int(LIFETIME.total_seconds() * 1000),
        allow_credentials=_descriptors(allowed),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def verify_registration(session: Session, asked: Asked, unverified: dict[str, Any]) -> NewPasskey:
    """Verify that a passkey was made for us, now and here, and spend the challenge; raises PasskeyRefused, ChallengeRefused."""
    assert asked.purpose == REGISTER
    challenge = _check_client_data(asked, unverified)
    try:
        attested = parse_attestation_object(base64url_to_bytes(unverified["response"]["attestationObject"]))
        if attested.fmt not in ATTESTATIONS or attested.att_stmt.x5c:
            raise PasskeyRefused("an attestation that was not asked for")
        verified = webauthn.verify_registration_response(
            credential=unverified,
            expected_challenge=challenge,
            expected_rp_id=asked.party.id,
            expected_origin=asked.party.origin,
            require_user_verification=True,
            supported_pub_key_algs=list(ALGORITHMS),
        )
        check_public_key(verified.credential_public_key)
    except UNREADABLE as error:
        raise PasskeyRefused(_why(error)) from error
    if len(verified.credential_id) > LONGEST_CREDENTIAL_ID or verified.credential_id != base64url_to_bytes(unverified["rawId"]):
        raise PasskeyRefused("the credential's id is another, or too long")
    passkey_challenges.spend(session, challenge, now=asked.now)
    return NewPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=[one for one in unverified["response"].get("transports", []) if one in set(AuthenticatorTransport)],
        backup_eligible=verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE,
        backed_up=verified.credential_backed_up,
    )


def prove(session: Session, asked: Asked, unverified: dict[str, Any], *, owner_id: UUID | None = None) -> Proof:
    """Verify that a passkey was used for us, now and here, spend the challenge, and return whose it is.

    Without `owner_id` the authenticator must say itself whose it is, by the handle; with it, the passkey must be that person's.
    The counter is compared only once the signature is right: a stranger cannot make a passkey look copied. Raises
    PasskeyUnknown, PasskeyNotYours, PasskeyRefused, ChallengeRefused, PasskeyCopied.
    """
    challenge = _check_client_data(asked, unverified)
    passkey = _find_named(session, unverified, owner_id)
    try:
        verified = webauthn.verify_authentication_response(
            credential=unverified,
            expected_challenge=challenge,
            expected_rp_id=asked.party.id,
            expected_origin=asked.party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except UNREADABLE as error:
        raise PasskeyRefused(_why(error)) from error
    if (verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE) != passkey.backup_eligible:
        raise PasskeyRefused("it says otherwise than before whether it may be copied")
    passkey_challenges.spend(session, challenge, now=asked.now)
    if not passkeys.use(session, passkey, sign_count=verified.new_sign_count, backed_up=verified.credential_backed_up, now=asked.now):
        raise PasskeyCopied(passkey, challenge)
    return Proof(passkey.subject_id, ["swk" if passkey.backup_eligible else "hwk", "user", "mfa"])


def report_copy(session: Session, refused: PasskeyCopied, *, now: datetime) -> None:
    """Stop the passkey and tell its owner, in a transaction of its own; the same proof is reported once. Raises ChallengeRefused."""
    passkey_challenges.spend(session, refused.challenge, now=now)
    passkeys.report_copy(session, refused.subject_id, refused.passkey_id, now=now)


def _check_client_data(asked: Asked, unverified: dict[str, Any]) -> bytes:
    """Check what the browser says of the page, and return the challenge; raises PasskeyRefused, ChallengeRefused."""
    try:
        said = read_json(base64url_to_bytes(unverified["response"]["clientDataJSON"]))
        challenge = base64url_to_bytes(said["challenge"])
        framed = bool(said.get("crossOrigin")) or "topOrigin" in said
    except UNREADABLE as error:
        raise PasskeyRefused(_why(error)) from error
    if framed:
        raise PasskeyRefused("in a frame of another page")
    passkey_challenges.check_challenge(challenge, asked.purpose, binding=asked.binding, key=asked.party.challenge_key, now=asked.now)
    return challenge


def _find_named(session: Session, unverified: dict[str, Any], owner_id: UUID | None) -> Passkey:
    found = passkeys.find_used(session, base64url_to_bytes(unverified["rawId"]))
    if found is None:
        raise PasskeyUnknown("no such credential")
    passkey, handle = found
    if owner_id is not None and passkey.subject_id != owner_id:
        raise PasskeyNotYours("another person's")
    said = unverified["response"].get("userHandle")
    if said is None and owner_id is None:
        raise PasskeyRefused("it does not say whose it is")
    if said is not None and not hmac.compare_digest(base64url_to_bytes(said), handle):
        raise PasskeyRefused("it says that it is another's")
    return passkey


def _descriptors(known: list[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=one.credential_id, transports=[AuthenticatorTransport(way) for way in one.transports]) for one in known]


def _why(error: BaseException) -> str:
    """Return why, for the log: the kind of fault alone, since messages of the library quote what was sent."""
    return type(error).__name__
