"""The signed request object that a wallet fetches, once. OpenID4VP 1.0 sections 5 and 8.3, RFC 9101, HAIP 1.0.

Signed by the department that asks, or by the service, whose certificate travels along, without the root. Cause and basis are told in
`verifier_info`, for wallets that show them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from keys import suites
from runtime import strict_json
from runtime.settings import Settings
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT
from wallet.verifying.openid4vp import asking, references, verifiers
from wallet.verifying.openid4vp.errors import InvalidRequest, RequestOver
from wallet.verifying.openid4vp.requests import PresentationRequest, RequestNotFound, take

TYPE = "oauth-authz-req+jwt"
MEDIA_TYPE = f"application/{TYPE}"
SELF_ISSUED = "https://self-issued.me/v2"
CAUSE = "urn:kabao:cause"
SIGNING_ALGS = "request_object_signing_alg_values_supported"
LONGEST_NONCE, LONGEST_METADATA = 512, 16 * 1024
SIGNED = ["ES256", "EdDSA", "Ed25519"]
COSE_SIGNED = [-7, -9, -8, -19]
FORMATS: dict[str, Any] = {
    SD_JWT_VC: {"sd-jwt_alg_values": SIGNED, "kb-jwt_alg_values": SIGNED},
    MDOC: {"issuerauth_alg_values": COSE_SIGNED, "deviceauth_alg_values": COSE_SIGNED},
    VC_JWT: {"alg_values": SIGNED},
}
ENCRYPTED = ("ECDH-ES",)
CONTENTS = ("A128GCM", "A256GCM")


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a wallet says of itself when it fetches by POST: a nonce that the request object must repeat, and what it can do."""

    nonce: str | None = None
    metadata: str | None = None


def fetch(session: Session, settings: Settings, unverified_reference: str, wallet: Wallet, *, now: datetime) -> str:
    """Return the request object to the first who asks for it; raises RequestNotFound, RequestOver, InvalidRequest, KeyNotReady.

    It is marked fetched before it is signed: who comes second, or too late, is given nothing.
    """
    request_id = references.find_id(settings, unverified_reference)
    if request_id is None:
        raise RequestNotFound
    _check_nonce(wallet)
    supported = _supported(wallet.metadata)
    row = take(session, request_id, now=now)
    if row is None:
        raise RequestOver()
    signer = verifiers.signer_of(row.department)
    if row.verifier != verifiers.identifier_of(settings, row.department, verifiers.prefix_of(row.verifier)):
        raise RequestOver()  # the certificate that the request was to be known by was exchanged since
    if supported is not None and signer.suite not in supported:
        raise InvalidRequest("The wallet does not support the algorithm by which the request is signed.")
    nonce = {"wallet_nonce": wallet.nonce} if wallet.nonce is not None else {}
    return signer.sign({**payload_of(settings, row), "iat": int(now.timestamp()), **nonce}, typ=TYPE)


def payload_of(settings: Settings, row: PresentationRequest) -> dict[str, Any]:
    """Return what a request object says."""
    terms = row.terms
    basis = asking.BASES[terms.basis]
    return {
        "client_id": row.verifier,
        "aud": SELF_ISSUED,
        "exp": int(row.expires_at.timestamp()),
        "response_type": "vp_token",
        "response_mode": row.response_mode,
        "response_uri": references.response_uri(settings, row.id),
        "nonce": row.nonce,
        "state": row.state,
        "dcql_query": terms.query,
        "client_metadata": _metadata(row),
        **({"transaction_data": terms.transaction} if terms.transaction else {}),
        "verifier_info": [{"format": CAUSE, "data": {**terms.cause, "basis": basis.zh, "basis#en": basis.en}}],
    }


def encryption_jwk(key: suites.PrivateKey) -> dict[str, str]:
    """Return the public key that an answer is encrypted to, named by its thumbprint (RFC 7638)."""
    jwk = suites.public_jwk(key.public_key())
    return {**jwk, "kid": suites.thumbprint(jwk), "use": "enc", "alg": ENCRYPTED[0]}


def _metadata(row: PresentationRequest) -> dict[str, Any]:
    name = verifiers.name_of(row.department)
    told: dict[str, Any] = {"client_name": name.zh, "client_name#en": name.en, "vp_formats_supported": FORMATS}
    key = row.key
    if key is not None:
        told |= {"jwks": {"keys": [encryption_jwk(key)]}, "encrypted_response_enc_values_supported": list(CONTENTS)}
    return told


def _check_nonce(wallet: Wallet) -> None:
    if wallet.nonce is not None and not (0 < len(wallet.nonce) <= LONGEST_NONCE and wallet.nonce.isascii() and wallet.nonce.isprintable()):
        raise InvalidRequest("wallet_nonce is not a short text of ASCII.")


def _supported(unverified: str | None) -> list[Any] | None:
    """Return the algorithms by which a wallet says that it verifies requests, None if it says nothing of that; at all else nothing is looked at."""
    if unverified is None:
        return None
    try:
        content = strict_json.read(unverified.encode()) if len(unverified) <= LONGEST_METADATA else None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise InvalidRequest("wallet_metadata is not a JSON object.")
    known = content.get(SIGNING_ALGS, [])
    if not isinstance(known, list):
        raise InvalidRequest(f"{SIGNING_ALGS} is not a list.")
    return known if SIGNING_ALGS in content else None
