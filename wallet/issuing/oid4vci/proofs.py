"""Proofs of keys: to which keys the credentials are bound that a wallet asks for (OpenID4VCI 1.0 sections 8.2, appendices D and F).

One type of proof a request: `jwt`, one for each key, or `attestation`, a maker's word for many. What must hold of one stands in `_check_claims`
and `_key_of` in the order of appendix F.4. Nothing that a header carries is believed before its signature is checked, and a private key in one
refuses the whole request.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.oauth.attested import key_attestation, makers
from idp.oauth.attested.key_attestation import Attested, NotAttested
from idp.oauth.attested.makers import NotVouchedFor
from idp.oauth.compact import Compact, NotCompact, is_moment, take_apart
from keys import suites
from runtime.settings import Settings
from wallet.issuing.oid4vci import c_nonces
from wallet.issuing.oid4vci.errors import InvalidNonce, InvalidProof

JWT, ATTESTATION = "jwt", "attestation"
TYPES = (JWT, ATTESTATION)
TYPE = "openid4vci-proof+jwt"
BATCH = 20
LONGEST = 64 * 1024
OLDEST, LEEWAY = timedelta(minutes=10), timedelta(minutes=1)
NAMING = ("jwk", "kid", "x5c")
UNATTESTED = (
    "The keys of this wallet must be attested by its maker: send proofs of the type attestation, "
    "or proofs of the type jwt with a key_attestation in their header."
)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a proof must fit: the algorithms, the wallet, and whether a maker must vouch for its keys."""

    algorithms: Collection[str]
    client_id: str
    is_anonymous: bool
    needs_attestation: bool

    def takes(self, jwk: dict[str, str]) -> bool:
        """Whether a key can sign by one of the algorithms."""
        return not set(self.algorithms).isdisjoint(suites.algorithms_of(suites.key_from_jwk(jwk)))


@dataclass(frozen=True, slots=True)
class Proved:
    """The keys that were proved, each a bare public JWK and none twice, and the nonces that the proofs carry."""

    keys: tuple[dict[str, str], ...]
    nonces: frozenset[str]


def check(unverified: Any, *, expected: Expected, settings: Settings, now: datetime) -> Proved:
    """Return the keys of a request's `proofs`; raises InvalidProof, and InvalidNonce where nothing is wrong but a nonce.

    Whether a nonce was used is looked at when the caller spends it.
    """
    if not isinstance(unverified, dict) or len(unverified) != 1:
        raise InvalidProof("proofs is not an object with exactly one type of proof.")
    kind, listed = next(iter(unverified.items()))
    if kind not in TYPES:
        raise InvalidProof("This type of proof is not supported.")
    if not isinstance(listed, list) or not 0 < len(listed) <= BATCH:
        raise InvalidProof(f"proofs holds no array of one to {BATCH} proofs.")
    if not all(isinstance(one, str) for one in listed):
        raise InvalidProof("A proof is not a text.")
    found = _by_jwt(listed, expected, settings, now=now) if kind == JWT else _by_attestation(listed, expected, now=now)
    for nonce in found.nonces:
        c_nonces.check(nonce, settings, now=now)
    return found


def _by_jwt(listed: list[str], expected: Expected, settings: Settings, *, now: datetime) -> Proved:
    keys: list[dict[str, str]] = []
    attested: list[dict[str, str]] = []
    nonces: set[str] = set()
    for unverified in listed:
        proof = _take_apart(unverified)
        vouched = _attestation_of(proof, expected, now=now)
        key = suites.public_jwk(_key_of(proof, vouched, expected, now=now))
        nonces.add(_check_claims(proof.claims, expected, settings, now=now))
        if vouched is not None:
            nonces.add(_nonce(vouched.nonce))
            if key not in vouched.keys:
                raise InvalidProof("A proof is not signed by a key of its own key attestation.")
            attested += [one for one in vouched.keys if one not in attested]
        keys.append(key)
    return Proved(_each_once(keys, attested, expected), frozenset(nonces))


def _by_attestation(listed: list[str], expected: Expected, *, now: datetime) -> Proved:
    if len(listed) != 1:
        raise InvalidProof("proofs holds more than one attestation.")
    vouched = _read_attestation(listed[0], expected, needs_end=False, now=now)
    return Proved(_each_once(list(vouched.keys), [], expected), frozenset({_nonce(vouched.nonce)}))


def _take_apart(unverified: str) -> Compact:
    try:
        return take_apart(unverified, longest=LONGEST)
    except NotCompact as error:
        raise InvalidProof("A proof is not one well-formed signed token.") from error


def _attestation_of(proof: Compact, expected: Expected, *, now: datetime) -> Attested | None:
    if "key_attestation" in proof.header:
        return _read_attestation(proof.header["key_attestation"], expected, needs_end=True, now=now)
    if expected.needs_attestation:
        raise InvalidProof(UNATTESTED)
    return None


def _read_attestation(unverified: Any, expected: Expected, *, needs_end: bool, now: datetime) -> Attested:
    try:
        return key_attestation.read(unverified, algorithms=expected.algorithms, needs_end=needs_end, now=now)
    except NotAttested as error:
        raise InvalidProof(str(error)) from error


def _key_of(proof: Compact, vouched: Attested | None, expected: Expected, *, now: datetime) -> suites.PublicKey:
    """Return the key that a proof is signed by; its algorithm must be one of the key's."""
    if proof.header.get("typ") != TYPE:
        raise InvalidProof(f"The typ of a proof is not {TYPE}.")
    if proof.algorithm not in expected.algorithms:
        raise InvalidProof("A proof is signed by an algorithm that is not taken.")
    key = _named_key(proof.header, vouched, now=now)
    if proof.algorithm not in suites.algorithms_of(key) or not proof.is_signed_by(key, proof.algorithm):
        raise InvalidProof("The signature of a proof is not right.")
    return key


def _named_key(header: dict[str, Any], vouched: Attested | None, *, now: datetime) -> suites.PublicKey:
    named = [name for name in NAMING if name in header]
    if len(named) != 1:
        raise InvalidProof("A proof names its key by exactly one of jwk, kid and x5c.")
    try:
        if named[0] == "jwk":
            return suites.key_from_jwk(header["jwk"])
        if named[0] == "kid":
            return suites.key_from_jwk(_attested_key(header["kid"], vouched))
        chain = makers.read_chain(header["x5c"])
        makers.check_signed_along(chain, now=now)
        return makers.key_of(chain[0])[0]
    except NotVouchedFor as error:
        raise InvalidProof("The x5c of a proof is not a chain of certificates.") from error
    except ValueError as error:
        raise InvalidProof("The key of a proof is not a public key of a kind that is taken.") from error


def _attested_key(kid: Any, vouched: Attested | None) -> dict[str, str]:
    """Return the key of an attestation that a `kid` names, by its own id or by its place (appendix F.1)."""
    if vouched is None or not isinstance(kid, str):
        raise InvalidProof("The kid of a proof names no key that is known here.")
    places = [place for place, one in enumerate(vouched.kids) if one == kid]
    places = places or ([int(kid)] if kid.isascii() and kid.isdigit() and len(kid) <= 2 and int(kid) < len(vouched.keys) else [])
    if len(places) != 1:
        raise InvalidProof("The kid of a proof names no key of its attestation.")
    return vouched.keys[places[0]]


def _check_claims(claims: dict[str, Any], expected: Expected, settings: Settings, *, now: datetime) -> str:
    """Check who a proof is from, for whom and when, and return its nonce."""
    if claims.get("aud") != settings.public_url:
        raise InvalidProof("The aud of a proof is not this credential issuer.")
    if "iss" in claims and (expected.is_anonymous or claims["iss"] != expected.client_id):
        raise InvalidProof("The iss of a proof is not the client_id of the wallet, or must be left out.")
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    made, begins, ends = claims.get("iat"), claims.get("nbf", 0), claims.get("exp", moment + leeway)
    if not (is_moment(made) and is_moment(begins) and is_moment(ends)):
        raise InvalidProof("A proof has no iat, or a time that is no number.")
    if not moment - OLDEST.total_seconds() <= made <= moment + leeway or begins > moment + leeway or ends <= moment - leeway:
        raise InvalidProof("A proof is too old, or from the future.")
    return _nonce(claims.get("nonce"))


def _nonce(value: Any) -> str:
    if value is None:
        raise InvalidProof("A proof has no c_nonce.")
    if not isinstance(value, str):
        raise InvalidNonce()
    return value


def _each_once(keys: list[dict[str, str]], attested: list[dict[str, str]], expected: Expected) -> tuple[dict[str, str], ...]:
    """Return the keys to bind to: all that were attested, where a maker vouched; each at most once (section 8.3)."""
    found = attested or keys
    if not all(expected.takes(key) for key in found):
        raise InvalidProof("A key is of a kind that is not taken.")
    thumbprints = {suites.thumbprint(key) for key in found}
    if len(thumbprints) != len(found) or len({suites.thumbprint(key) for key in keys}) != len(keys):
        raise InvalidProof("The same key is proved twice.")
    if attested and not all(key in attested for key in keys):
        raise InvalidProof("Some of the keys are attested and others are not.")
    if len(found) > BATCH:
        raise InvalidProof(f"More than {BATCH} keys at once.")
    return tuple(found)
