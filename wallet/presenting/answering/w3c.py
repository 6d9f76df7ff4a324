"""Showing a licence as a W3C credential (`jwt_vc_json`): the whole of it, in a presentation that the holder's key signs for one verifier and request.

Of such a credential nothing can be kept back, so whoever agrees to one agrees to all of it. Like a mobile document it is made for the answer in which
it goes, over the licence's own place in the status list, with a key that is then forgotten. OpenID4VP 1.0 B.1, W3C data model 1.1 section 6.3.1.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from sqlalchemy.orm import Session

from keys import suites
from runtime.settings import Settings
from wallet.issuing import credentials, vc_jwt
from wallet.issuing.contents import content_of
from wallet.issuing.w3c_types import PRESENTATION
from wallet.presenting import holder_names
from wallet.presenting.answering.request_objects import RequestObject
from wallet.register.licences import Licence

LIFETIME = timedelta(minutes=5)


def claims_of(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID) -> dict[str, Any]:
    """Return the credential as a query sees it, without the dates that each has of its own."""
    return vc_jwt.said_1_1(content_of(session, settings, licence, holder_id=holder_id))


def present(session: Session, settings: Settings, licence: Licence, request: RequestObject, *, is_bound: bool, holder_id: UUID, now: datetime) -> str:
    """Return the presentation, or the credential alone, bound to nobody, where no proof is asked for; raises KeyNotReady, CredentialNotFound."""
    content, key = content_of(session, settings, licence, holder_id=holder_id), suites.ES256.generate()
    jwk = suites.public_jwk(key.public_key())
    place = credentials.credential_of(session, licence, holder_id=holder_id).place
    held = vc_jwt.make_1_1(settings, content, holder_key=jwk if is_bound else None, place=place, now=now)
    if not is_bound:
        return held
    name = holder_names.name_of(jwk)
    payload = _payload(held, name, request, now=now)
    return jwt.encode(payload, key, algorithm=suites.ES256.name, headers={"typ": vc_jwt.TYPE_1_1, "kid": name + holder_names.VERIFICATION})


def _payload(held: str, name: str, request: RequestObject, *, now: datetime) -> dict[str, Any]:
    made_at = int(now.timestamp())
    return {
        "iss": name,
        "jti": uuid4().urn,
        "aud": request.client_id,
        "nonce": request.nonce,
        "iat": made_at,
        "nbf": made_at,
        "exp": made_at + int(LIFETIME.total_seconds()),
        "vp": {"@context": [vc_jwt.CONTEXT_1_1], "type": [PRESENTATION], "holder": name, "verifiableCredential": [held]},
    }
