"""Answers for the verifier's eyes alone (`direct_post.jwt`): whose key they are written to. OpenID4VP 1.0 section 8.3, HAIP 1.0."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keys import jwe, suites
from wallet.presenting.answering.refusals import UNSUPPORTED, RequestRefused

MOST_KEYS, LONGEST_KID = 16, 200
ENCS = ("A256GCM", "A128GCM", "A128CBC-HS256", "A256CBC-HS512")
USUAL_ENC = "A128GCM"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A key of the verifier's, and how it is written to."""

    jwk: Mapping[str, str]
    kid: str
    alg: str
    enc: str

    def encrypt(self, document: Mapping[str, Any]) -> str:
        """Return the answer as a compact JWE."""
        return jwe.encrypt(json.dumps(document).encode(), jwk=self.jwk, alg=self.alg, enc=self.enc, headers={"kid": self.kid})


def recipient_of(unverified_metadata: Any) -> Recipient:
    """Return the first key that can be written to; raises RequestRefused where there is none."""
    metadata = unverified_metadata if isinstance(unverified_metadata, dict) else {}
    keys = metadata.get("jwks", {}).get("keys") if isinstance(metadata.get("jwks"), dict) else None
    offered = metadata.get("encrypted_response_enc_values_supported", [USUAL_ENC])
    enc = next((one for one in ENCS if isinstance(offered, list) and one in offered), None)
    if not isinstance(keys, list) or len(keys) > MOST_KEYS or enc is None:
        raise RequestRefused("no key to encrypt to", shown=UNSUPPORTED)
    found = next((one for one in (_read(key, enc) for key in keys) if one is not None), None)
    if found is None:
        raise RequestRefused("no key that can be written to", shown=UNSUPPORTED)
    return found


def _read(unverified: Any, enc: str) -> Recipient | None:
    if not isinstance(unverified, dict) or unverified.get("use", "enc") != "enc" or unverified.get("alg") not in jwe.EC_ALGS:
        return None
    kid = unverified.get("kid")
    if not isinstance(kid, str) or not 1 <= len(kid) <= LONGEST_KID or unverified.get("kty") != "EC":
        return None
    try:
        key = suites.key_from_jwk(unverified)
    except ValueError:
        return None
    return Recipient(suites.public_jwk(key), kid, unverified["alg"], enc)
