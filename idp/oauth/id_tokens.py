"""ID tokens: who signed in, when and how, for one portal (OpenID Connect Core section 2).

`ial` says how well the person is known, `aal` how strong the sign-in was, both as they are and not as they were asked for; `acr` says both at
once. No name and no number: the token comes back to us as `id_token_hint`, in an address, so those are the userinfo endpoint's alone (section 5.4).
"""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any

import jwt

from idp.oauth.authentication import Authentication
from idp.oauth.clients import Client
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sid
from keys import ring, suites
from runtime.settings import Settings

TYP = "JWT"
LIFETIME = timedelta(minutes=10)
LONGEST = 8192


def sign_id_token(client: Client, grantee: Grantee, authentication: Authentication, *, access_token: str, settings: Settings, now: datetime) -> str:
    """Make the ID token that goes with an access token."""
    issued = int(now.timestamp())
    signer = ring.signer(ring.OIDC)
    claims: dict[str, Any] = {
        "iss": settings.public_url,
        "aud": client.client_id,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        **authentication.claims(),
        "sid": pairwise_sid(authentication.session_id, client.client_id),
        "at_hash": half_hash(access_token, signer.suite),
        **grantee.claims(client.sector),
    }
    if authentication.nonce is not None:
        claims["nonce"] = authentication.nonce
    return signer.sign(claims, typ=TYP)


def read_hint(unverified: str, settings: Settings) -> dict[str, Any] | None:
    """Return the claims of an ID token of ours, however old, or None; only for a hint, never as a proof of anything.

    RP-Initiated Logout section 2 wants an expired one accepted.
    """
    if len(unverified) > LONGEST:
        return None
    try:
        header = jwt.get_unverified_header(unverified)
        known = ring.verifying_keys(ring.OIDC).get(str(header.get("kid")))
        if known is None or header.get("typ") != TYP:
            return None
        options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "aud", "sid"]}
        claims: dict[str, Any] = jwt.decode(unverified, known.key, algorithms=[known.suite], issuer=settings.public_url, options=options)
    except jwt.InvalidTokenError:
        return None
    return claims


def half_hash(token: str, suite: str) -> str:
    """Return the left half of a token's hash, by the hash of the signature's suite (section 3.1.3.6; Ed25519 uses SHA-512)."""
    digest = (hashlib.sha512 if suite in (suites.EDDSA.name, suites.ED25519.name) else hashlib.sha256)(token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
