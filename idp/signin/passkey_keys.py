"""The public keys of passkeys: three algorithms, each with the one kind of key that belongs to it (COSE, RFC 9053 and RFC 8812).

A registration without attestation proves nothing by its key, so that one which could never verify anything is found here, not at
the first sign-in.
"""

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography
from webauthn.helpers.cose import COSEAlgorithmIdentifier

ES256, EDDSA, RS256 = COSEAlgorithmIdentifier.ECDSA_SHA_256, COSEAlgorithmIdentifier.EDDSA, COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256
ALGORITHMS = (ES256, EDDSA, RS256)  # in the order in which we like them
RSA_BITS = range(2048, 4097)


def check_public_key(unverified: bytes) -> None:
    """Check that a COSE key is one of ours to verify with; raises ValueError, or what reading it raises."""
    decoded = decode_credential_public_key(unverified)
    key = decoded_public_key_to_cryptography(decoded)
    fits = {
        ES256: isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1),
        EDDSA: isinstance(key, Ed25519PublicKey),
        RS256: isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS,
    }
    if not fits[decoded.alg]:
        raise ValueError("a key of another kind or size than its algorithm takes")
