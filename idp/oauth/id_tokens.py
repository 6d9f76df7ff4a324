"""ID tokens: who signed in, when and how, for one portal (OpenID Connect Core section 2).

`ial` says how well the person is known, `aal` how strong the sign-in was, both as they are and not as they were asked for; `acr` says both at
once. No name and no number, not even in a token that is encrypted: decrypted, it comes back to us as `id_token_hint`, in an address, so those
are the userinfo endpoint's alone (section 5.4).
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import jwt

from idp.oauth import signed_answers
from idp.oauth.authentication import Authentication
from idp.oauth.clients import Client
from idp.oauth.grantees import Grantee
from idp.oauth.pairwise import pairwise_sid
from idp.oauth.requests import claims as asked_claims
from idp.oauth.terms import PLAIN, Terms
from keys import jwe, ring, suites
from keys.jwe import NotDecrypted
from runtime import base64url
from runtime.settings import Settings

TYP = "JWT"
LIFETIME = timedelta(minutes=10)
LONGEST = 8192
BY_SHA_512 = (suites.EDDSA.name, suites.ED25519.name)


def sign_id_token(
    client: Client,
    grantee: Grantee,
    authentication: Authentication,
    *,
    access_token: str,
    settings: Settings,
    now: datetime,
    terms: Terms = PLAIN,
) -> str:
    """Make the ID token that goes with an access token, signed and encrypted as the client registered; raises NoKeyToWriteTo."""
    alg = ring.signer(ring.OIDC, client.metadata.id_token_signed_response_alg).suite
    claims: dict[str, Any] = {
        "exp": int(now.timestamp()) + int(LIFETIME.total_seconds()),
        **authentication.claims(),
        "sid": pairwise_sid(authentication.session_id, client.client_id),
        "at_hash": half_hash(access_token, alg),
        **grantee.claims(client.sector),
    }
    if authentication.nonce is not None:
        claims["nonce"] = authentication.nonce
    claims["acr"] = asked_claims.acr_to_tell(terms, claims["acr"])
    return signed_answers.write(
        client,
        claims,
        alg=alg,
        encryption_alg=client.metadata.id_token_encrypted_response_alg,
        encryption_enc=client.metadata.id_token_encrypted_response_enc,
        typ=TYP,
        settings=settings,
        now=now,
    )


def read_hint(unverified: str, settings: Settings) -> dict[str, Any] | None:
    """Return the claims of an ID token of ours, however old, or None; only for a hint, never as a proof of anything.

    RP-Initiated Logout section 2 wants an expired one accepted. One that was encrypted to the client comes back decrypted, or encrypted anew
    to a key of ours (OpenID Connect Core section 3.1.2.1).
    """
    if len(unverified) > LONGEST:
        return None
    try:
        signed = jwe.decrypt(unverified).decode() if jwe.is_jwe(unverified) else unverified
        header = jwt.get_unverified_header(signed)
        known = ring.verifying_keys(ring.OIDC).get(str(header.get("kid")))
        if known is None or header.get("typ") != TYP:
            return None
        options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "aud", "sid"]}
        claims: dict[str, Any] = jwt.decode(signed, known.key, algorithms=[known.suite], issuer=settings.public_url, options=options)
    except (jwt.InvalidTokenError, NotDecrypted, ValueError):
        return None
    return claims


def half_hash(token: str, suite: str) -> str:
    """Return the left half of a token's hash, by the hash of the signature's suite (section 3.1.3.6; Ed25519 uses SHA-512)."""
    digest = (hashlib.sha512 if suite in BY_SHA_512 else hashlib.sha256)(token.encode()).digest()
    return base64url.write(digest[: len(digest) // 2])
