"""The session over which a mobile document's device signs when it answers OpenID4VP: said the same by who answers and by who verifies. Pure.

Verifier, nonce, the key that the answer is encrypted to and where it goes stand in it, so that a proof fits one request alone. OpenID4VP 1.0
appendix B.2.6.1.
"""

import base64
import hashlib

import cbor2

HANDOVER, EMBEDDED = "OpenID4VPHandover", 24


def transcript(client_id: str, nonce: str, thumbprint: str | None, response_uri: str) -> bytes:
    """Return a session transcript in CBOR; `thumbprint` is that of the key that the answer is encrypted to (RFC 7638), None for an open one."""
    key = base64.urlsafe_b64decode(thumbprint + "=" * (-len(thumbprint) % 4)) if thumbprint is not None else None
    info = hashlib.sha256(cbor2.dumps([client_id, nonce, key, response_uri])).digest()
    return cbor2.dumps([None, None, [HANDOVER, info]])


def signed_by_device(session_transcript: bytes, *, doctype: str, names: cbor2.CBORTag) -> bytes:
    """Return what a device signs over: the session, the document's name and what it states itself (ISO/IEC 18013-5 section 9.1.3.4)."""
    signed = b"\x84" + cbor2.dumps("DeviceAuthentication") + session_transcript + cbor2.dumps(doctype) + cbor2.dumps(names)
    return cbor2.dumps(cbor2.CBORTag(EMBEDDED, signed))
