"""Signatures on the requests that this service sends to others: RFC 9421 over the method, the address, and the body's digest (RFC 9530).

The key is the ring's, of the use `requests`, and its algorithm is the key's own. Whoever is asked finds the public half
at `/jwks/requests`, and must refuse a signature that is older than a minute or whose `nonce` it has met.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from http_message_signatures import HTTPMessageSigner, HTTPSignatureAlgorithm, algorithms

from keys import ring, suites

ALGORITHMS: dict[str, type[HTTPSignatureAlgorithm]] = {
    suites.ES256.name: algorithms.ECDSA_P256_SHA256,
    **dict.fromkeys(suites.EDWARDS, algorithms.ED25519),
}
COVERED = ("@method", "@target-uri", "content-type")
LABEL = "kabao"
LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def sign_headers(method: str, url: str, body: bytes, *, now: datetime, content_type: str = "application/json") -> dict[str, str]:
    """Return the headers to send with a request: Content-Type, Content-Digest, Signature-Input and Signature; raises KeyNotReady."""
    signer = ring.signer(ring.REQUESTS)
    request = _Request(method, url, {"Content-Type": content_type})
    algorithm = ALGORITHMS[signer.suite]
    writer = HTTPMessageSigner(signature_algorithm=algorithm)
    prepared = writer.prepare(
        request,
        key_id=signer.kid,
        created=now,
        expires=now + LIFETIME,
        nonce=secrets.token_urlsafe(16),
        label=LABEL,
        tag=LABEL,
        covered_component_ids=COVERED,
        body=body,
    )
    writer.apply(request, prepared, algorithm(private_key=signer.key).sign(prepared.signature_base))
    return request.headers
