"""The trust bundle at its public address, for anyone who verifies without a network."""

from flask import Blueprint, Response, request

from runtime.clock import now
from runtime.guard import allow, anyone
from wallet.verifying import bundling
from wallet.verifying.bundles import MEDIA_TYPE

MAX_AGE = 300
bundles_api = Blueprint("trust_bundle", __name__)


@bundles_api.get("/trust-bundle")
@allow(anyone)
def newest() -> Response:
    """Give the newest bundle; its ETag lets a reader ask again for little."""
    found = bundling.newest(now=now())
    response = Response(found.token, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.set_etag(found.etag)
    response.make_conditional(request)
    return response
