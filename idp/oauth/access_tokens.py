"""Access tokens: signed JWTs of ten minutes (RFC 9068), written to no table, each for the resources that its `aud` names (RFC 8707).

For a system, `sub` is its client id. For a person, `sub` is pairwise; acting for an organisation or a child, `sub` is theirs
and `act` names the person (RFC 8693 section 4.1). Such a token ends with the mandate: by its time, and by `cutoffs`;
so it does with the refresh family of its grant, which `gid` stands for. `revoked_tokens` knows the single ones that were given back,
and with one end those that were exchanged for it: `origins` are the `jti` of what they were made from, `origin_clients` whose tokens those were.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy.orm import Session

from idp.oauth import cutoffs, resources, revoked_tokens
from idp.oauth.authentication import Authentication
from idp.oauth.bindings import CERTIFICATE, DPOP, Binding
from idp.oauth.clients import NOTHING, Client, find_client
from idp.oauth.exchange import actors
from idp.oauth.grantees import PERSON, Grantee
from idp.oauth.pairwise import NotPairwise, grant_of, opaque_gid, pairwise_sid, session_of, subject_of
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Holder
from idp.oauth.terms import PLAIN, Terms
from idp.signin.assurance import LEAST, Level, read_acr
from keys import ring, sealing
from runtime import base64url, cache
from runtime.languages import Text
from runtime.problems import NotSignedIn
from runtime.settings import Settings

TYP = "at+jwt"
LONGEST = 8192
KINDS = {"exp": int, "iat": int, "aud": str | list, "sub": str, "client_id": str, "jti": str, "scope": str, "department": str}


class InvalidToken(NotSignedIn):
    """The token is not one of ours, or spent (RFC 6750 section 3.1: invalid_token)."""

    code, status, title = "invalid-token", 401, Text("访问令牌无效或已过期。", "The access token is not valid, or has expired.")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that was verified.

    `department` is the credit code of the client's owner. `subject_id` and `holder_id` are the person or organisation that the token
    is for (None for a system in its own name); `acting_person` is who acts, where that is another. `level` is how well the person was
    known, and how strongly they signed in, when the token was given: `issued_ms`, in milliseconds, in the session `session_id`.
    `actors` are the systems that it was passed on to, the present one first. `terms.resources` are whom it is for, `claims` what it says.
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
    grant_id: UUID | None = None
    jti: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def clients(self) -> tuple[str, ...]:
        """The client, and those whose tokens it was made from."""
        return self.client_id, *self.claims.get("origin_clients", ())

    @property
    def grantee(self) -> Grantee | None:
        """Whom the token is for, None for a system's own."""
        if self.holder_id is None:
            return None
        return Grantee(self.holder_id, self.acting_person or self.holder_id, self.acting_person is not None and self.holder_kind == PERSON)


def details_of(terms: Terms, settings: Settings, *, holder: Holder | None = None) -> list[dict[str, Any]]:
    """Return the authorization details that go with a token on these terms."""
    if not terms.authorization_details:
        return []
    own, details = resources.own(settings), terms.authorization_details
    return authorization_details.given(details, audience=terms.resources or (own,), settings=settings, own=own, holder=holder)


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
    grant_id: UUID | None = None,
    details: list[dict[str, Any]] | None = None,
) -> str:
    """Make an access token for a client, in its own name unless there is a grantee; bound to a key or a certificate if one is given.

    It is for the resources of the terms, for our own API if they name none; `grant_id` is what it ends with. `also` are claims that
    differ from the usual ones, where a token was exchanged. `details` are those of the terms, where they are known already.
    """
    issued = int(now.timestamp())
    audience = terms.resources or (resources.own(settings),)
    claims: dict[str, Any] = {
        "iss": settings.public_url,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "sub": client.client_id,
        "client_id": client.client_id,
        "department": client.owner,
        "scope": scopes,
        "iat": issued,
        "exp": issued + int(settings.access_token_lifetime.total_seconds()),
        "jti": base64url.write(secrets.token_bytes(12)),
    }
    if grantee is not None:
        told_ms = int(sealing.by_database(now).timestamp() * 1000)  # by which it is cut (`cutoffs`): told by one clock, whatever this machine's shows
        claims.update(grantee.claims(client.sector), iat_ms=told_ms, exp=issued + expires_in(settings, now=now, grantee=grantee))
    if authentication is not None:
        claims.update(authentication.brief_claims(), sid=pairwise_sid(authentication.session_id, client.client_id))
    if grant_id is not None:
        claims["gid"] = opaque_gid(grant_id, client.client_id)
    if details := details_of(terms, settings) if details is None else details:
        claims["authorization_details"] = details
    if binding is not None:
        claims["cnf"] = binding.confirmation
    if asked := (terms.claims or {}).get("userinfo") if grantee is not None and resources.own(settings) in audience else None:
        claims["claims"] = {"userinfo": asked}
    claims.update(also)
    return ring.signer(ring.OIDC, _suite_for(audience, settings)).sign(claims, typ=TYP)


def _suite_for(audience: tuple[str, ...], settings: Settings) -> str | None:
    """Return the suite that a resource server wants its tokens signed by; ours, and several at once, take the usual one."""
    if len(audience) > 1 or audience[0] == resources.own(settings):
        return None
    resource = resources.find_resource(audience[0], settings)
    return resource.signing_alg if resource is not None else None


def verify_access_token(unverified: str, *, settings: Settings, now: datetime, audience: str | None = None) -> AccessToken:
    """Return what a token says once its signature, issuer, audience, time and client are checked; raises InvalidToken.

    One that is for other resources alone than our own API, or the audience named, is refused, good as it may be (RFC 9068 section 4).
    """
    token = read_access_token(unverified, settings=settings, now=now)
    if (audience or resources.own(settings)) not in token.terms.resources:
        raise InvalidToken("for another resource")
    return token


def read_access_token(unverified: str, *, settings: Settings, now: datetime) -> AccessToken:
    """Return what a token says, whomever it is for; raises InvalidToken.

    A verified token is kept for at most a minute, and no longer than the keys stay as they are: a system sends the same one many
    times. A client that was disabled, a token that was revoked and one whose grant has ended are refused at once, and no table is asked.
    """
    if len(unverified) > LONGEST:
        raise InvalidToken("too long")
    digest = hashlib.sha256(unverified.encode()).digest()
    token = cache.get(ring.TOPIC, digest, lambda: _verify(unverified, settings))
    if token is None or token.expires_at <= now.timestamp():
        raise InvalidToken("expired")
    check_not_ended(token)
    return token


def check_not_ended(token: AccessToken) -> None:
    """Check that nothing has ended a token since it was given but, perhaps, its time: for whoever is at work by it; raises InvalidToken."""
    if any(find_client(one) is None for one in token.clients):
        raise InvalidToken("the client is disabled, or one whose token it was made from")
    grantee = token.grantee
    if grantee is not None and _is_cut(token, grantee):
        raise InvalidToken("the person's sessions, the mandate or the grant ended")
    if any(map(revoked_tokens.is_revoked, (token.jti, *token.claims.get("origins", ())))):
        raise InvalidToken("revoked")


def check_not_cut(session: Session, token: AccessToken) -> None:
    """Check that nothing has cut a person's token by this very moment, for whoever waited for a row since it was verified; raises InvalidToken."""
    grantee = token.grantee
    if grantee is not None and cutoffs.is_cut_meanwhile(session, **_named(token, grantee)):
        raise InvalidToken("it was cut meanwhile")


def _is_cut(token: AccessToken, grantee: Grantee) -> bool:
    return cutoffs.is_cut(**_named(token, grantee))


def _named(token: AccessToken, grantee: Grantee) -> dict[str, Any]:
    return {
        "person_id": grantee.person_id,
        "holder_id": grantee.holder_id,
        "session_id": token.session_id or cutoffs.WHOEVER,
        "grant_id": token.grant_id or cutoffs.WHOEVER,
        "clients": token.clients,
        "issued_ms": token.issued_ms,
    }


def _verify(unverified: str, settings: Settings) -> AccessToken:
    try:
        claims = ring.verify(unverified, use=ring.OIDC, typ=TYP, audience=None, issuer=settings.public_url)
        return _read(_checked(claims))
    except (jwt.InvalidTokenError, NotPairwise) as error:
        raise InvalidToken(type(error).__name__) from error


def _checked(claims: dict[str, Any]) -> dict[str, Any]:
    """Return the claims if all are there that each token has, and of their kinds (RFC 9068 section 2.2); raises jwt.InvalidTokenError."""
    if not all(isinstance(claims.get(name), kind) for name, kind in KINDS.items()):
        raise jwt.InvalidTokenError("a claim is missing, or of another kind")
    return claims


def _read(claims: dict[str, Any]) -> AccessToken:
    client = find_client(claims["client_id"])
    if client is None:
        raise InvalidToken("the client is disabled")
    scopes = frozenset(claims["scope"].split())
    if "sub_type" not in claims:
        return AccessToken(client.client_id, claims["department"], scopes, expires_at=claims["exp"], **_terms_of(claims))
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
        grant_id=grant_of(claims["gid"], client.client_id) if "gid" in claims else None,
        **_terms_of(claims),
    )


def _terms_of(claims: dict[str, Any]) -> dict[str, Any]:
    """Return what every token says, whoever it is given to."""
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    terms = Terms(resources=tuple(audience), authorization_details=tuple(claims.get("authorization_details", ())), claims=claims.get("claims"))
    return {"terms": terms, "jti": claims["jti"], "binding": _binding_of(claims.get("cnf", {})), "claims": claims}


def _binding_of(confirmation: Mapping[str, str]) -> Binding | None:
    """Return what a token is bound to, by its `cnf` (RFC 7800)."""
    return next((Binding(method, confirmation[method]) for method in (DPOP, CERTIFICATE) if method in confirmation), None)


def expires_in(settings: Settings, *, now: datetime, grantee: Grantee | None = None) -> int:
    """Return the lifetime of an access token in seconds: never beyond the mandate that it is issued under."""
    whole = int(settings.access_token_lifetime.total_seconds())
    if grantee is None or grantee.until is None:
        return whole
    return max(0, min(whole, int((grantee.until - now).total_seconds())))
