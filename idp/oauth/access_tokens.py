"""Access tokens: signed JWTs of ten minutes (RFC 9068), written to no table.

For a system, `sub` is its client id. For a person, `sub` is pairwise; acting for an organisation or a child, `sub` is theirs
and `act` names the person (RFC 8693 section 4.1). Such a token ends with the mandate: by its time, and by `cutoffs`.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt

from idp.oauth import cutoffs
from idp.oauth.authentication import Authentication
from idp.oauth.bindings import Binding
from idp.oauth.clients import NOTHING, Client, find_client
from idp.oauth.exchange import actors
from idp.oauth.grantees import PERSON, Grantee
from idp.oauth.pairwise import NotPairwise, pairwise_sid, session_of, subject_of
from idp.oauth.terms import PLAIN, Terms
from idp.signin.assurance import LEAST, Level, read_acr
from keys import ring
from runtime import cache
from runtime.languages import Text
from runtime.problems import NotSignedIn
from runtime.settings import Settings

TYP = "at+jwt"
LONGEST = 4096


class InvalidToken(NotSignedIn):
    """The token is not one of ours, or spent (RFC 6750 section 3.1: invalid_token)."""

    code, status, title = "invalid-token", 401, Text("访问令牌无效或已过期。", "The access token is not valid, or has expired.")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that was verified.

    `department` is the credit code of the client's owner. `subject_id` and `holder_id` are the person or organisation that the token
    is for (None for a system in its own name); `acting_person` is who acts, where that is another. `level` is how well the person was
    known, and how strongly they signed in, when the token was given: `issued_ms`, in milliseconds, in the session `session_id`.
    `actors` are the systems that it was passed on to, the present one first.
    """

    client_id: str
    department: str
    scopes: frozenset[str]
    subject_id: UUID | None = None
    holder_id: UUID | None = None
    acting_person: UUID | None = None
    expires_at: int = 0
    level: Level = LEAST
    issued_ms: int = 0
    holder_kind: str | None = None
    session_id: UUID | None = None
    binding: Binding | None = None
    terms: Terms = PLAIN
    actors: tuple[str, ...] = ()

    @property
    def grantee(self) -> Grantee | None:
        """Whom the token is for, None for a system's own."""
        if self.holder_id is None:
            return None
        return Grantee(self.holder_id, self.acting_person or self.holder_id, self.acting_person is not None and self.holder_kind == PERSON)


def audience(settings: Settings) -> str:
    """Return the `aud` of every access token: the API."""
    return f"{settings.public_url}/api"


def sign_access_token(
    client: Client,
    *,
    scopes: str,
    settings: Settings,
    now: datetime,
    grantee: Grantee | None = None,
    authentication: Authentication | None = None,
    terms: Terms = PLAIN,
    binding: Binding | None = None,
    also: Mapping[str, Any] = NOTHING,
) -> str:
    """Make an access token for a client, in its own name unless there is a grantee; bound to a key or a certificate if one is given.

    `also` are claims that differ from the usual ones, where a token was exchanged.
    """
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": settings.public_url,
        "aud": audience(settings),
        "sub": client.client_id,
        "client_id": client.client_id,
        "department": client.owner,
        "scope": scopes,
        "iat": issued,
        "exp": issued + int(settings.access_token_lifetime.total_seconds()),
        "jti": secrets.token_urlsafe(12),
    }
    if grantee is not None:
        claims.update(grantee.claims(client.sector), iat_ms=int(now.timestamp() * 1000), exp=issued + expires_in(settings, now=now, grantee=grantee))
    if authentication is not None:
        claims.update(authentication.brief_claims(), sid=pairwise_sid(authentication.session_id, client.client_id))
    if binding is not None:
        claims["cnf"] = binding.confirmation
    claims.update(also)
    return ring.signer(ring.OIDC).sign(claims, typ=TYP)


def verify_access_token(unverified: str, *, settings: Settings, now: datetime) -> AccessToken:
    """Return what a token says once its signature, issuer, audience, time and client are checked; raises InvalidToken.

    A verified token is kept for at most a minute, and no longer than the keys stay as they are: a system sends the same one many
    times. A client that was disabled is refused at once.
    """
    if len(unverified) > LONGEST:
        raise InvalidToken("too long")
    digest = hashlib.sha256(unverified.encode()).digest()
    token = cache.get(ring.TOPIC, digest, lambda: _verify(unverified, settings))
    if token is None or token.expires_at <= now.timestamp():
        raise InvalidToken("expired")
    if find_client(token.client_id) is None:
        raise InvalidToken("the client is disabled")
    grantee = token.grantee
    if grantee is not None and _is_cut(token, grantee):
        raise InvalidToken("the person's sessions, or the mandate, ended")
    return token


def _is_cut(token: AccessToken, grantee: Grantee) -> bool:
    return cutoffs.is_cut(
        person_id=grantee.person_id, holder_id=grantee.holder_id, session_id=token.session_id or cutoffs.WHOEVER, issued_ms=token.issued_ms
    )


def _verify(unverified: str, settings: Settings) -> AccessToken:
    try:
        claims = ring.verify(unverified, use=ring.OIDC, typ=TYP, audience=audience(settings), issuer=settings.public_url)
        return _read(claims)
    except (jwt.InvalidTokenError, NotPairwise) as error:
        raise InvalidToken(type(error).__name__) from error


def _read(claims: dict[str, Any]) -> AccessToken:
    client = find_client(claims["client_id"])
    if client is None:
        raise InvalidToken("the client is disabled")
    scopes = frozenset(claims["scope"].split())
    if "sub_type" not in claims:
        return AccessToken(client.client_id, claims["department"], scopes, expires_at=claims["exp"])
    holder_id = subject_of(claims["sub"], client.sector)
    chain = actors.read(claims)
    person = subject_of(chain.person, client.sector) if chain.person is not None else None
    return AccessToken(
        client_id=client.client_id,
        department=claims["department"],
        scopes=scopes,
        subject_id=holder_id,
        holder_id=holder_id,
        acting_person=person,
        expires_at=claims["exp"],
        level=read_acr(claims.get("acr", "")) or LEAST,
        issued_ms=claims.get("iat_ms", claims["iat"] * 1000),
        holder_kind=claims["sub_type"],
        session_id=session_of(claims["sid"], client.client_id) if "sid" in claims else None,
        actors=chain.systems,
    )


def expires_in(settings: Settings, *, now: datetime, grantee: Grantee | None = None) -> int:
    """Return the lifetime of an access token in seconds: never beyond the mandate that it is issued under."""
    whole = int(settings.access_token_lifetime.total_seconds())
    if grantee is None or grantee.until is None:
        return whole
    return max(0, min(whole, int((grantee.until - now).total_seconds())))
