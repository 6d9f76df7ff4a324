"""How a client proves who it is (RFC 6749 section 2.3, RFC 7521, RFC 7523, RFC 8705 section 2, OpenID Connect Core section 9).

One way a client, the one that it was registered with; two proofs in one request are refused. The algorithm of an assertion is its key's, never
the one that its header names. Whatever is wrong with a proof, the answer is the same as for a client that is not known; why it was refused stands
in the log, for the operator. Who has signed rightly, and at another time, is told to look at their clock: that tells no stranger anything.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeGuard
from urllib.parse import unquote_plus

import structlog
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from idp.oauth import assertions, client_keys
from idp.oauth.attested import wallet_attestation
from idp.oauth.binding import mutual_tls
from idp.oauth.binding.mutual_tls import Headers
from idp.oauth.client_kinds import (
    AUTH_METHODS,
    CLIENT_SECRET_BASIC,
    CLIENT_SECRET_JWT,
    CLIENT_SECRET_POST,
    NONE,
    PRIVATE_KEY_JWT,
    SELF_SIGNED_TLS_CLIENT_AUTH,
    TLS_CLIENT_AUTH,
)
from idp.oauth.clients import Client, find_client
from idp.oauth.compact import Compact, NotCompact, is_moment, take_apart
from keys import suites
from runtime.settings import Settings
from runtime.together import Steps, Trip

log = structlog.get_logger(__name__)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE, LEEWAY = 3600.0, 30.0  # seconds
LONGEST, LONGEST_SECRET = 4096, 1024
LONGEST_JTI = 256
TYPED = "client-authentication+jwt"
TYPES = ("jwt", TYPED)
FAPI_ALGORITHMS = frozenset({"ES256", "EdDSA", "Ed25519", "PS256"})
BY_ASSERTION, BY_CERTIFICATE = (PRIVATE_KEY_JWT, CLIENT_SECRET_JWT), (TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH)
INTROSPECTION = "introspection"
ENDPOINTS = ("token", "revocation", INTROSPECTION)
NO_HEADERS: dict[str, str] = {}
USED_BEFORE = "an assertion that was used before"
UseOnce = Callable[..., bool]
NOT_PROVEN = "The client is not known by this proof."
NOT_NOW = "The assertion is not good at this time: exp is to be within the hour, nbf and iat past. Compare your clock with the Date of this answer."


def authenticate(
    form: dict[str, str],
    *,
    authorization: str | None,
    settings: Settings,
    now: datetime,
    path: str = "/token",
    headers: Headers = NO_HEADERS,
    before_use: Callable[[Client], None] = lambda _: None,
    use_once: UseOnce = assertions.use_once,
) -> Client:
    """Return the client that a request proves to come from; `path` is what it was sent to, which an assertion may be for.

    `before_use` is called with a client whose assertion is good, before that is used up: what it raises leaves the assertion unused.
    `use_once` uses it up, or keeps it in mind for later (`Ahead`).
    Raises InvalidClientError, which does not say what was wrong with a proof, and InvalidRequestError for two proofs at once.
    """
    is_attested = wallet_attestation.is_brought(headers)
    offered = [authorization is not None, "client_secret" in form, "client_assertion" in form, is_attested]
    if sum(offered) > 1:
        raise InvalidRequestError("Prove the client in one way.")
    if is_attested:
        client = wallet_attestation.authenticate(headers, settings=settings, now=now)
    elif "client_assertion" in form:
        client = _by_assertion(form, path=path, settings=settings, now=now, before_use=before_use, use_once=use_once)
    elif authorization is not None:
        client = _by_basic(authorization)
    elif "client_secret" in form:
        client = _by_secret(form.get("client_id", ""), form["client_secret"], CLIENT_SECRET_POST)
    else:
        client = _by_name(form.get("client_id", ""), headers=headers, settings=settings)
    if not is_offered(client.auth_method, settings):
        raise _refused("a method that the settings do not leave on", client)
    if "client_id" in form and form["client_id"] != client.client_id:
        raise _refused("another client_id beside the proof", client)
    return client


class Ahead:
    """A client's assertion that is used up when the answer is made, and before that leaves; making it must change nothing."""

    def __init__(self) -> None:
        self._use: tuple[str, assertions.Use] | None = None

    def __call__(self, client_id: str, jti: str, *, expires_at: datetime) -> bool:
        """Keep in mind what is to be used up."""
        self._use = client_id, assertions.use_of(client_id, jti, expires_at=expires_at)
        return True

    def settled(self) -> Steps[None]:
        """Use the assertion up; raises InvalidClientError if it was used before."""
        if self._use is not None:
            client_id, use = self._use
            if not (yield Trip(assertions.use_all, use)):
                raise _refused(USED_BEFORE, find_client(client_id))


def methods_offered(settings: Settings) -> list[str]:
    """Return the methods that the operator leaves on."""
    return [one for one in AUTH_METHODS if is_offered(one, settings)]


def is_offered(method: str, settings: Settings) -> bool:
    """Whether the operator leaves a method on; those by certificate need a proxy that says what it saw, and what it made of it."""
    if method not in settings.client_authentication:
        return False
    if method not in BY_CERTIFICATE:
        return True
    is_seen = settings.client_certificate_header is not None
    return is_seen and (method == SELF_SIGNED_TLS_CLIENT_AUTH or settings.client_certificate_verified_header is not None)


def announced(settings: Settings) -> dict[str, Any]:
    """Return what discovery says of proofs: at each endpoint which, and by which algorithms where assertions are among them (RFC 8414 section 2)."""
    methods = methods_offered(settings)
    by_key, by_secret = PRIVATE_KEY_JWT in methods, CLIENT_SECRET_JWT in methods
    algorithms = [*(sorted(suites.SUITES) if by_key else []), *(["HS256"] if by_secret else [])]
    told: dict[str, Any] = {}
    for endpoint in ENDPOINTS:
        told[f"{endpoint}_endpoint_auth_methods_supported"] = [one for one in methods if one != NONE or endpoint != INTROSPECTION]
        if algorithms:
            told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = algorithms
    return {**told, **wallet_attestation.announced(methods)}


def _by_assertion(
    form: dict[str, str], *, path: str, settings: Settings, now: datetime, before_use: Callable[[Client], None], use_once: UseOnce
) -> Client:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise _refused("another client_assertion_type")
    client = None
    try:
        assertion = take_apart(form["client_assertion"], longest=LONGEST)
        if assertion.kind not in TYPES:  # another token that the client signed by the same key (RFC 8725 section 3.11)
            raise LookupError("another kind of token")
        client = _claimed_client(assertion.claims)
        _check_signature(client, assertion)
    except (LookupError, NotCompact) as error:
        raise _refused(str(error), client) from error
    claims, jti = assertion.claims, assertion.claims.get("jti")
    if claims.get("sub") != client.client_id:
        raise _refused("sub is not the client", client)
    if not _names_us(assertion, client, path=path, settings=settings):
        raise _refused("aud is not this service", client)
    expires_at = _check_times(claims, client, now=now)
    if not _is_id(jti):
        raise _refused("no jti, or none that can be kept", client)
    before_use(client)
    if not use_once(client.client_id, jti, expires_at=expires_at):
        raise _refused(USED_BEFORE, client)
    return client


def _claimed_client(claims: dict[str, Any]) -> Client:
    issuer = claims.get("iss")
    client = find_client(issuer) if isinstance(issuer, str) else None
    if client is None or client.auth_method not in BY_ASSERTION:
        raise LookupError("no client of that name proves itself by an assertion")
    return client


def _check_signature(client: Client, assertion: Compact) -> None:
    """Check the signature, or the HMAC, by the client's own key or secret and the algorithms of that; raises LookupError."""
    named, wanted = assertion.algorithm, client.metadata.token_endpoint_auth_signing_alg
    if wanted not in (None, named) or (client.metadata.is_fapi2 and named not in FAPI_ALGORITHMS):
        raise LookupError("an algorithm that is not the client's")
    if client.auth_method == CLIENT_SECRET_JWT:
        if named != "HS256" or not any(assertion.is_authenticated_by(secret) for secret in client.hmac_secrets):
            raise LookupError("another secret")
        return
    key = client_keys.key_of(client, assertion.header.get("kid"), named)
    if named not in key.algorithms or not assertion.is_signed_by(key.key, named):
        raise LookupError("another's signature")


def _is_id(jti: Any) -> TypeGuard[str]:
    """Whether this is a text of bounded length that UTF-8 can carry, which JSON's halves of surrogate pairs are not."""
    return isinstance(jti, str) and 0 < len(jti) <= LONGEST_JTI and jti.isprintable()


def _names_us(assertion: Compact, client: Client, *, path: str, settings: Settings) -> bool:
    """Whether the assertion is for us and nobody besides: our issuer, the token endpoint, or where it was sent.

    One that is typed is of the newer kind (RFC 7523 as updated in 2025) and names our issuer alone; so does one under FAPI 2.0, as a string.
    """
    audience = assertion.claims.get("aud")
    if client.metadata.is_fapi2:
        return bool(audience == settings.public_url)
    named = audience if isinstance(audience, list) else [audience]
    if named == [settings.public_url] or assertion.kind == TYPED:
        return named == [settings.public_url]
    bases = (settings.public_url, *([settings.mtls_url] if settings.mtls_url else []))
    ours = {settings.public_url, *(f"{base}{at}" for base in bases for at in ("/token", path))}
    return bool(named) and all(isinstance(one, str) and one in ours for one in named)


def _check_times(claims: dict[str, Any], client: Client, *, now: datetime) -> datetime:
    """Return until when the assertion must be remembered; it expires at most an hour ahead."""
    moment = now.timestamp()
    expires, begins, issued = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
    if not (is_moment(expires) and is_moment(begins) and is_moment(issued)):
        raise _refused("exp, nbf or iat is no time", client)
    if not moment - LEEWAY < expires <= moment + LONGEST_LIFE + LEEWAY or max(begins, issued) > moment + LEEWAY:
        raise _refused("expired, not yet good, or good for more than an hour", client, said=NOT_NOW)
    return now + timedelta(seconds=expires - moment + 2 * LEEWAY)


def _by_basic(authorization: str) -> Client:
    """Know a client by HTTP Basic, whose parts are form-encoded before they are put together (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        name, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise _refused("no name and secret in the Authorization header") from error
    if scheme.lower() != "basic":
        raise _refused("another scheme than Basic")
    return _by_secret(unquote_plus(name), unquote_plus(secret), CLIENT_SECRET_BASIC)


def _by_secret(client_id: str, secret: str, method: str) -> Client:
    client = find_client(client_id)
    if client is None:
        raise _refused("no such client")
    if client.auth_method != method:
        raise _refused("another method than the registered one", client)
    if len(secret) > LONGEST_SECRET or not client.check_client_secret(secret):
        raise _refused("another secret", client)
    return client


def _by_name(client_id: str, *, headers: Headers, settings: Settings) -> Client:
    """Know a client by its name alone, or by its name and the certificate of its connection."""
    client = find_client(client_id)
    if client is None:
        raise _refused("no such client, or no proof at all")
    if client.auth_method == NONE:
        return client
    presented = mutual_tls.read(headers, settings) if client.auth_method in BY_CERTIFICATE else None
    if presented is None:
        raise _refused("a name without a proof", client)
    if not mutual_tls.is_client(client, presented):
        raise _refused("another certificate", client)
    return client


def _refused(why: str, client: Client | None = None, *, said: str = NOT_PROVEN) -> InvalidClientError:
    """Return the one answer to every proof that is not good; the log alone says why, and of which client where there is such a one.

    What else is `said` is for the ears of whoever has the key.
    """
    log.info("client not proven", why=why, client_id=client.client_id if client else None)
    return InvalidClientError(description=said, status_code=401)
