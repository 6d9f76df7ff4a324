"""Where wallets find out what this issuer has (OpenID4VCI 1.0 section 12.2.2), and where an offer is fetched (section 4.1.3).

The public address has no path, so the well-known address stands right behind the host.
"""

import hashlib
import json

from flask import Blueprint, Response, current_app, request

from idp.oauth import oauth_errors
from keys import jwe, ring
from runtime import cache
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.settings import Settings
from wallet.issuing.oid4vci import metadata, offers
from wallet.register import catalogue

issuer_metadata = Blueprint("issuer_metadata", __name__)
oauth_errors.init_blueprint(issuer_metadata)
JSON, JWT = "application/json", "application/jwt"
MAX_AGE = 300
FRESH_SECONDS = 3600


@issuer_metadata.get("/.well-known/openid-credential-issuer")
@allow(anyone)
def issuer() -> Response:
    """Give the metadata, signed to whoever prefers that."""
    settings: Settings = current_app.extensions["kabao_settings"]
    wanted = JWT if _wants_signed() else JSON
    response = Response(_kept(settings, wanted), mimetype=wanted)
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers.add("Vary", "Accept")
    response.make_conditional(request)
    return response


@issuer_metadata.get("/offers/<reference>")
@allow(anyone)
def offer(reference: str) -> Response:
    """Give an offer to a wallet that was shown where it is."""
    with transaction() as session:
        document = offers.fetch(session, reference, settings=current_app.extensions["kabao_settings"], now=now())
    response = Response(json.dumps(document), mimetype=JSON)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _wants_signed() -> bool:
    """Whether a caller names the signed form and likes no other better: whoever names it can verify it."""
    accepted = request.accept_mimetypes
    return JWT in list(accepted.values()) and accepted.quality(JWT) >= accepted.quality(JSON)


def _kept(settings: Settings, wanted: str) -> str:
    """Return the metadata as text, put together once in a while: after a change of the catalogue or of our keys, and each hour."""
    moment = now()
    key = ("issuer metadata", wanted, int(moment.timestamp()) // FRESH_SECONDS, settings, frozenset(jwe.decryption_keys()), _signing_kid(wanted))
    found = cache.get(catalogue.TOPIC, key, lambda: _written(settings, wanted))
    assert found is not None
    return found


def _signing_kid(wanted: str) -> str | None:
    return ring.signer(ring.METADATA).kid if wanted == JWT else None


def _written(settings: Settings, wanted: str) -> str:
    return metadata.signed(settings, now=now()) if wanted == JWT else json.dumps(metadata.document_of(settings), ensure_ascii=False)
