"""Answers as tokens: what a client is told, signed by the suite and encrypted to the key that it registered.

ID tokens, logout tokens, userinfo, authorization responses (JARM) and introspection all leave by `write`. Signed first, then encrypted: a nested JWT
(RFC 7519 section 11.2, OpenID Connect Core section 16.14). Signatures are made by our key ring, encryption is to the client's public key: a
symmetric key would be its secret, of which only a hash is kept.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from authlib.oauth2 import OAuth2Error

from idp.oauth import client_keys
from idp.oauth.clients import Client
from keys import jwe, ring
from runtime.settings import Settings

JWT, NESTED = "application/jwt", {"cty": "JWT"}


class NoKeyToWriteTo(OAuth2Error):
    """The client wants its answers encrypted, and none of its keys can be written to in the way that it registered."""

    error = "invalid_request"
    description = "The client has no key that its answers can be encrypted to."


def write(
    client: Client,
    claims: Mapping[str, Any],
    *,
    alg: str | None,
    encryption_alg: str | None,
    encryption_enc: str | None,
    typ: str,
    settings: Settings,
    now: datetime,
) -> str:
    """Return the claims as a token for a client: a JWS, or a JWE around one where `encryption_alg` is given.

    `iss`, `aud` and `iat` are added where the claims do not say them. An `alg` of None is the service's usual suite. Raises NoKeyToWriteTo.
    """
    whole = {"iss": settings.public_url, "aud": client.client_id, "iat": int(now.timestamp()), **claims}
    signed = ring.signer(ring.OIDC, alg).sign(whole, typ=typ)
    return signed if encryption_alg is None else _encrypt(client, signed.encode(), alg=encryption_alg, enc=encryption_enc, headers=NESTED)


def encrypt_claims(client: Client, claims: Mapping[str, Any], *, encryption_alg: str, encryption_enc: str | None, typ: str) -> str:
    """Return the claims as a JWE that is not signed, for a client that registered encryption alone; raises NoKeyToWriteTo."""
    return _encrypt(client, json.dumps(dict(claims)).encode(), alg=encryption_alg, enc=encryption_enc, headers={"typ": typ})


def _encrypt(client: Client, plain: bytes, *, alg: str, enc: str | None, headers: Mapping[str, Any]) -> str:
    try:
        found = client_keys.encryption_key_of(client, alg)
        named = {"kid": found.kid} if found.kid else {}
        return jwe.encrypt(plain, jwk=found.jwk, alg=alg, enc=enc or jwe.USUAL_ENC, headers={**headers, **named})
    except (LookupError, ValueError) as error:
        raise NoKeyToWriteTo() from error
