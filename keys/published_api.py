"""The public halves: key sets by use, the roots that departments' certificates chain to, and what these revoked."""

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from keys import certificates, jwe, revocation_lists, ring
from runtime import cache
from runtime.guard import allow, anyone

published = Blueprint("keys", __name__)
MAX_AGE = int(ring.PUBLISHED_FOR.total_seconds() - cache.LIFETIME)  # a process may give out for so long what it read before a key was published


@published.get("/jwks")
@allow(anyone)
def jwks() -> Response:
    """Give the keys that verify what clients are answered with, and those by which they write to us (RFC 7517)."""
    return _key_set(ring.OIDC, *jwe.published())


@published.get("/jwks/<use>")
@allow(anyone)
def jwks_of_use(use: str) -> Response:
    """Give the keys of receipts, of the ledger, of status lists or of the requests that this service sends."""
    if use not in ring.PUBLISHED_USES:
        raise NotFound
    return _key_set(use)


@published.get("/certificates/root.pem")
@allow(anyone)
def root() -> Response:
    """Give the root certificates that a verifier of credentials holds, the one that signs first."""
    return Response(certificates.root_pem(), content_type="application/x-pem-file", headers={"Cache-Control": f"public, max-age={MAX_AGE}"})


@published.get("/certificates/<kid>.crt")
@allow(anyone)
def root_by_key(kid: str) -> Response:
    """Give the certificate of a root by its key, in DER (RFC 5280 section 4.2.2.1)."""
    found = next((root for root in certificates.anchors().roots if certificates.kid_of(root) == kid), None)
    if found is None:
        raise NotFound
    return _public(found.public_bytes(Encoding.DER), "application/pkix-cert")


@published.get("/certificates/<kid>.crl")
@allow(anyone)
def revocation_list(kid: str) -> Response:
    """Give the newest revocation list of a root, in DER (RFC 5280 section 5)."""
    found = revocation_lists.find(kid)
    if found is None:
        raise NotFound
    return _public(found, "application/pkix-crl")


def _public(body: bytes, content_type: str) -> Response:
    return Response(body, content_type=content_type, headers={"Cache-Control": f"public, max-age={MAX_AGE}", "Access-Control-Allow-Origin": "*"})


def _key_set(use: str, *others: dict[str, Any]) -> Response:
    keys = [{**key.jwk, "kid": key.kid, "alg": key.suite, "use": "sig"} for key in ring.verifying_keys(use).values()]
    response = jsonify(keys=[*keys, *others])
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
