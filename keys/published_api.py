"""The public halves: key sets by use, and the root that departments' certificates chain to."""

from typing import Any

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from keys import certificates, jwe, ring
from runtime.guard import allow, anyone

published = Blueprint("keys", __name__)
MAX_AGE = int(ring.PUBLISHED_FOR.total_seconds())


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
    """Give the root certificate, which a verifier of credentials holds."""
    return Response(certificates.root_pem(), content_type="application/x-pem-file", headers={"Cache-Control": f"public, max-age={MAX_AGE}"})


def _key_set(use: str, *others: dict[str, Any]) -> Response:
    keys = [{**key.jwk, "kid": key.kid, "alg": key.suite, "use": "sig"} for key in ring.verifying_keys(use).values()]
    response = jsonify(keys=[*keys, *others])
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return response
