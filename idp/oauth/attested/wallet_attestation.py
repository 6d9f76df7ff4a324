"""A wallet proves itself by its maker's word and by a key that this names (draft-ietf-oauth-attestation-based-client-auth-07, sections 5 to 8).

Two signed texts in two headers: the maker's attestation, whose `sub` is the wallet's client id and whose `cnf` is the key of this one
installation, and the installation's own proof of that key, made for us and good once. In this order: both are there once and well formed;
the maker is trusted; the attestation is of its kind, in time and for a client that is registered for it; the proof is by its key, of its kind,
for us, recent, and new.
"""

from datetime import datetime, timedelta
from typing import Any

import structlog
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError
from werkzeug.datastructures import Headers

from idp.oauth import assertions
from idp.oauth.attested import makers
from idp.oauth.attested.makers import NotVouchedFor
from idp.oauth.client_kinds import ATTEST_JWT
from idp.oauth.clients import Client, find_client
from idp.oauth.compact import Compact, NotCompact, is_moment, take_apart
from keys import suites
from runtime.settings import Settings

log = structlog.get_logger(__name__)
ATTESTATION, PROOF = "OAuth-Client-Attestation", "OAuth-Client-Attestation-PoP"
ATTESTATION_TYPE, PROOF_TYPE = "oauth-client-attestation+jwt", "oauth-client-attestation-pop+jwt"
LONGEST, LONGEST_PROOF, LONGEST_JTI = 12 * 1024, 4096, 256
WINDOW, LEEWAY = timedelta(minutes=5), timedelta(seconds=30)
ALGORITHMS = ("ES256", "EdDSA", "Ed25519", "PS256")


class UseFreshAttestation(OAuth2Error):
    """The attestation has expired (section 6.2)."""

    error = "use_fresh_attestation"
    description = "The client attestation has expired: get a new one from the wallet's maker."


def is_brought(headers: Any) -> bool:
    """Whether a request brings an attestation or a proof of one."""
    return ATTESTATION in headers or PROOF in headers


def authenticate(headers: Any, *, settings: Settings, now: datetime) -> Client:
    """Return the client that a request's headers prove to come from; raises InvalidClientError, UseFreshAttestation."""
    client = None
    try:
        attestation, proof = take_apart(_single(headers, ATTESTATION), longest=LONGEST), take_apart(_single(headers, PROOF), longest=LONGEST_PROOF)
        client = _attested_client(attestation, now=now)
        instance = _instance_key(attestation)
        _check_proof(proof, instance, client, settings=settings, now=now)
    except (NotCompact, NotVouchedFor, LookupError) as error:
        raise _refused(str(error), client) from error
    if attestation.claims["exp"] <= now.timestamp() - LEEWAY.total_seconds():
        _say("the attestation has expired", client)
        raise UseFreshAttestation()
    if not assertions.use_once(f"{PROOF} {thumbprint_of(instance)}", proof.claims["jti"], expires_at=now + 2 * WINDOW):
        raise _refused("the proof was used before", client)
    return client


def instance_of(headers: Any) -> str | None:
    """Return the thumbprint of the key of the installation that brought an attestation, once it was verified; None if it brought none."""
    if not is_brought(headers):
        return None
    return thumbprint_of(_instance_key(take_apart(_single(headers, ATTESTATION), longest=LONGEST)))


def thumbprint_of(key: suites.PublicKey) -> str:
    """Return the thumbprint of a key."""
    return suites.thumbprint(suites.public_jwk(key))


def announced(methods: list[str]) -> dict[str, Any]:
    """Return what discovery says of attestations, where they are a way to prove oneself (section 10.1)."""
    if ATTEST_JWT not in methods:
        return {}
    return {
        "client_attestation_signing_alg_values_supported": list(ALGORITHMS),
        "client_attestation_pop_signing_alg_values_supported": list(ALGORITHMS),
    }


def _single(headers: Any, name: str) -> str:
    found = headers.getlist(name) if isinstance(headers, Headers) or hasattr(headers, "getlist") else [headers[name]] if name in headers else []
    if len(found) != 1:
        raise LookupError("not just one header")
    return str(found[0]).strip()


def _attested_client(attestation: Compact, *, now: datetime) -> Client:
    """Return the client that a trusted maker's word is about; that the word is in time is said later, and by its own name."""
    header, claims = attestation.header, attestation.claims
    if header.get("typ") != ATTESTATION_TYPE or attestation.algorithm not in ALGORITHMS:
        raise LookupError("another kind of token")
    voucher = makers.voucher_for(header, purpose=makers.CLIENTS, now=now)
    if attestation.algorithm not in voucher.algorithms or not attestation.is_signed_by(voucher.key, attestation.algorithm):
        raise LookupError("another's signature")
    if claims.get("iss") != voucher.maker.issuer or not is_moment(claims.get("exp")):
        raise LookupError("another maker, or no end")
    latest = now.timestamp() + LEEWAY.total_seconds()
    if not all(is_moment(moment) and moment <= latest for moment in (claims.get("iat", 0), claims.get("nbf", 0))):
        raise LookupError("not yet")
    sub = claims.get("sub")
    client = find_client(sub) if isinstance(sub, str) else None
    if client is None or client.auth_method != ATTEST_JWT:
        raise LookupError("no such client")
    return client


def _instance_key(attestation: Compact) -> suites.PublicKey:
    confirmed = attestation.claims.get("cnf")
    try:
        return suites.key_from_jwk(confirmed.get("jwk") if isinstance(confirmed, dict) else None)
    except ValueError as error:
        raise LookupError("no key of an installation") from error


def _check_proof(proof: Compact, key: suites.PublicKey, client: Client, *, settings: Settings, now: datetime) -> None:
    claims = proof.claims
    if proof.header.get("typ") != PROOF_TYPE or proof.algorithm not in suites.algorithms_of(key) or proof.algorithm not in ALGORITHMS:
        raise LookupError("another kind of token")
    if not proof.is_signed_by(key, proof.algorithm):
        raise LookupError("another's signature")
    audience = claims.get("aud")
    if claims.get("iss") != client.client_id or settings.public_url not in (audience if isinstance(audience, list) else [audience]):
        raise LookupError("another client's, or for another server")
    jti, made, begins = claims.get("jti"), claims.get("iat"), claims.get("nbf", 0)
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not jti.isprintable():
        raise LookupError("no jti")
    if not is_moment(made) or not is_moment(begins):
        raise LookupError("no moment")
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if not moment - WINDOW.total_seconds() <= made <= moment + leeway or begins > moment + leeway:
        raise LookupError("too old, or from the future")


def _say(why: str, client: Client | None) -> None:
    """Tell the log alone why, in words of ours, and of which client once it is known to be one."""
    log.info("client not proven", why=why, client_id=client.client_id if client else None)


def _refused(why: str, client: Client | None) -> InvalidClientError:
    _say(why, client)
    return InvalidClientError(description="The client is not known by this proof.", status_code=401)
