"""What makes a presentation believed: ten checks, in the order in which they stand here and in `CHECKS`.

 0. form            the text is an SD-JWT within bounds; header and payload are JSON objects and mark nothing as critical
 1. signature       made with the key of the certificate that it carries, by that key's own algorithm
 2. type_header     `typ` says SD-JWT VC, `vct` names a type of licence, one of those expected
 3. issuer          a trusted root issued the certificate, for signing, it held when it signed and was not revoked; `iss` is a name in it.
                    Or a trust list names it, for this issuer and this type, at the time
 4. disclosures     each belongs to a digest, none stands where it may not (RFC 9901 section 7.1)
 5. validity        `iat` and `nbf` are past, `exp` is to come
 6. holder_binding  the holder's key signed, lately, over just these disclosures; or no binding was asked for and none came
 7. audience        the binding was made for whom we expect
 8. nonce           and for this occasion
 9. status          the licence is in force now, says whoever keeps its status

Pure: no network, no database, no web framework, so that the checks run just the same in the API, on an officer's page and offline.
RFC 9901 section 7.3; SD-JWT VC section 2.5 (issuer by `x5c`).
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeGuard, TypeVar

import jwt
from cryptography import x509

from keys import paths, suites
from keys.paths import Revoked
from wallet.issuing import sd_jwt
from wallet.verifying import chains
from wallet.verifying.listed import Listed

TYPES = ("dc+sd-jwt", "vc+sd-jwt")
BINDING_TYPE = "kb+jwt"
SKEW = timedelta(seconds=60)
IN_FORCE, HOLDER_ENDED = "valid", "holder-ended"
Value = TypeVar("Value")


class Reason(StrEnum):
    """Why a check failed. The list is closed, so that no reason can carry what a stranger wrote."""

    MALFORMED = "malformed"
    NO_CERTIFICATE = "no_certificate"
    BAD_SIGNATURE = "bad_signature"
    WRONG_TYPE = "wrong_type"
    UNTRUSTED = "untrusted"
    CERTIFICATE_REVOKED = "certificate_revoked"
    NOT_GRANTED = "not_granted"
    LIST_EXPIRED = "list_expired"
    WRONG_ISSUER = "wrong_issuer"
    BAD_DISCLOSURES = "bad_disclosures"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    NOT_BOUND = "not_bound"
    UNEXPECTED_BINDING = "unexpected_binding"
    BAD_BINDING = "bad_binding"
    STALE_BINDING = "stale_binding"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_NONCE = "wrong_nonce"
    NO_STATUS = "no_status"
    STATUS_UNKNOWN = "status_unknown"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    NOT_IN_FORCE = "not_in_force"
    HOLDER_ENDED = "holder_ended"


class Result(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_ASKED = "not_asked"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check and how it ended; `reason` only where it failed."""

    check: str
    result: Result
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What the verifier asked for. The verifier decides whether a binding is needed, never the presentation.

    `vcts` are the types of licence that will do, or None for any; `binding_age` is how old a binding may be.
    """

    binding: bool
    audience: str | None
    nonce: str | None
    vcts: frozenset[str] | None
    binding_age: timedelta


@dataclass(frozen=True)
class Trust:
    """What the verifier holds: roots, whose leaves speak for whom they name; what was revoked, by fingerprint; and, from others' trust lists,
    the certificates that those name, each for one issuer and for what it was granted.

    A root of `outside` vouches only for the leaves that were imported here, by fingerprint.
    """

    roots: tuple[x509.Certificate, ...]
    revoked: Mapping[str, Revoked] = field(default_factory=dict)
    outside: tuple[x509.Certificate, ...] = ()
    imported: frozenset[str] = frozenset()
    listed: Mapping[str, Listed] = field(default_factory=dict)

    @cached_property
    def all_roots(self) -> tuple[x509.Certificate, ...]:
        """Every root, ours and others'."""
        return (*self.roots, *self.outside)


StatusOf = Callable[[Mapping[str, Any]], str]


class StatusUnknown(Exception):
    """Raised by a `StatusOf` that cannot tell: another's list, an entry that is not there, a list past its time."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A presentation that passed: the processed payload, the names disclosed, and the outcome of each check."""

    claims: dict[str, Any]
    disclosed: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


class NotVerified(Exception):
    """A check failed. `claims` is what the issuer signed in the open, once signature and issuer were believed, else None."""

    def __init__(self, check: str, reason: Reason, outcomes: tuple[Outcome, ...], claims: dict[str, Any] | None) -> None:
        super().__init__(f"{check}: {reason}")
        self.check, self.reason, self.outcomes, self.claims = check, reason, outcomes, claims


def verify(unverified: str, *, expected: Expected, trust: Trust, status_of: StatusOf | None, now: datetime) -> Verified:
    """Run every check in order and return what may be believed; the first that fails raises NotVerified.

    `status_of` is given the processed payload and returns the state now, `valid` if in force; None leaves the status unasked,
    and the outcome says so.
    """
    case = Case(unverified, expected, trust, status_of, now)
    outcomes: list[Outcome] = []
    for check in CHECKS:
        try:
            outcomes.append(Outcome(check.__name__, check(case)))
        except _Failure as failure:
            outcomes.append(Outcome(check.__name__, Result.FAILED, failure.reason))
            unreached = [Outcome(later.__name__, Result.NOT_REACHED) for later in CHECKS[len(outcomes) :]]
            believed = case.payload if len(outcomes) > CHECKS.index(issuer) + 1 else None
            raise NotVerified(check.__name__, failure.reason, (*outcomes, *unreached), believed) from failure
    names = tuple(str(disclosure.name) for disclosure in case.parts.disclosures if disclosure.name in case.claims)
    return Verified(case.claims, names, tuple(outcomes))


@dataclass(frozen=True)
class Case:
    """One presentation before the checks: each part is read when a check first looks at it, and fails that check."""

    unverified: str
    expected: Expected
    trust: Trust
    status_of: StatusOf | None
    now: datetime

    @cached_property
    def parts(self) -> sd_jwt.SdJwt:
        """The text taken apart."""
        return _read(lambda: sd_jwt.parse(self.unverified), Reason.MALFORMED)

    @cached_property
    def header(self) -> dict[str, Any]:
        """The issuer's header."""
        return _object(self.parts.jwt, 0)

    @cached_property
    def payload(self) -> dict[str, Any]:
        """What the issuer signed, digests and all."""
        return _object(self.parts.jwt, 1)

    @cached_property
    def leaf(self) -> chains.Leaf:
        """The certificate that the presentation carries."""
        chain = self.header.get("x5c")
        _require(isinstance(chain, list) and chain != [] and all(isinstance(one, str) for one in chain), Reason.NO_CERTIFICATE)
        return _read(lambda: chains.read_leaf(self.header["x5c"][0]), Reason.NO_CERTIFICATE)

    @cached_property
    def claims(self) -> dict[str, Any]:
        """The processed payload."""
        return _read(lambda: sd_jwt.reveal(self.payload, self.parts.disclosures), Reason.BAD_DISCLOSURES)

    @cached_property
    def binding(self) -> dict[str, Any]:
        """The payload of the key binding, its signature not yet checked."""
        return _object(self.parts.key_binding, 1, Reason.BAD_BINDING)


def form(case: Case) -> Result:
    """Check that the text can be read, and that nothing in its header must be understood that is not."""
    _require("crit" not in case.header and isinstance(case.payload, dict), Reason.MALFORMED)
    return Result.PASSED


def signature(case: Case) -> Result:
    """Check the issuer's signature against the certificate's key."""
    _require(is_signed(case.parts.jwt, case.header, case.leaf.key), Reason.BAD_SIGNATURE)
    return Result.PASSED


def type_header(case: Case) -> Result:
    """Check `typ` (today's and the older drafts' spelling) and `vct`."""
    vct = case.payload.get("vct")
    _require(case.header.get("typ") in TYPES and isinstance(vct, str), Reason.WRONG_TYPE)
    _require(case.expected.vcts is None or vct in case.expected.vcts, Reason.WRONG_TYPE)
    return Result.PASSED


def issuer(case: Case) -> Result:
    """Check that the certificate was trusted when it signed, and that `iss` is whom it names."""
    iat, iss, present = case.payload.get("iat"), case.payload.get("iss"), case.now.timestamp()
    signed_at = min(iat, present) if _is_time(iat) else present
    listed = case.trust.listed.get(case.leaf.fingerprint)
    if listed is not None:
        _require(isinstance(iss, str) and iss == listed.uri, Reason.WRONG_ISSUER)
        _require_listed(listed, case.payload.get("vct"), signed_at, present)
        return Result.PASSED
    path = _read(lambda: paths.check_path(case.header["x5c"], roots=case.trust.all_roots), Reason.UNTRUSTED)
    _read(lambda: path.check_held(signed_at), Reason.UNTRUSTED)
    _require(path.root in case.trust.roots or path.fingerprints[0] in case.trust.imported, Reason.UNTRUSTED)
    _read(lambda: path.check_not_revoked(case.trust.revoked, signed_at), Reason.CERTIFICATE_REVOKED)
    _require(isinstance(iss, str) and iss in case.leaf.uris, Reason.WRONG_ISSUER)
    return Result.PASSED


def disclosures(case: Case) -> Result:
    """Check that every disclosure belongs, once, and where it stands."""
    _require(isinstance(case.claims, dict), Reason.BAD_DISCLOSURES)
    return Result.PASSED


def validity(case: Case) -> Result:
    """Check the period of the credential; `exp` may be absent, for a licence without end."""
    present = case.now.timestamp()
    times = {name: case.claims.get(name) for name in ("iat", "nbf", "exp")}
    _require(all(value is None or _is_time(value) for value in times.values()), Reason.MALFORMED)
    ahead = present + SKEW.total_seconds()
    _require(all(value is None or value <= ahead for value in (times["iat"], times["nbf"])), Reason.NOT_YET_VALID)
    _require(times["exp"] is None or present < times["exp"], Reason.EXPIRED)
    return Result.PASSED


def holder_binding(case: Case) -> Result:
    """Check that the holder's key, which the issuer named in `cnf`, signed over this text, lately."""
    bound = case.parts.key_binding
    if not case.expected.binding:
        _require(not bound, Reason.UNEXPECTED_BINDING)
        return Result.NOT_ASKED
    _require(bool(bound), Reason.NOT_BOUND)
    header, cnf = _object(bound, 0, Reason.BAD_BINDING), case.claims.get("cnf")
    key = _read(lambda: suites.key_from_jwk(cnf.get("jwk") if isinstance(cnf, dict) else None), Reason.BAD_BINDING)
    _require(header.get("typ") == BINDING_TYPE and "crit" not in header and is_signed(bound, header, key), Reason.BAD_BINDING)
    _require(_is_same(case.binding.get("sd_hash"), sd_jwt.sd_hash(case.parts.bound_text)), Reason.BAD_BINDING)
    made_at, present = case.binding.get("iat"), case.now.timestamp()
    oldest, newest = present - case.expected.binding_age.total_seconds(), present + SKEW.total_seconds()
    _require(_is_time(made_at) and oldest <= made_at <= newest, Reason.STALE_BINDING)
    return Result.PASSED


def audience(case: Case) -> Result:
    """Check for whom the binding was made."""
    if not case.expected.binding:
        return Result.NOT_ASKED
    _require(case.expected.audience is not None and _is_same(case.binding.get("aud"), case.expected.audience), Reason.WRONG_AUDIENCE)
    return Result.PASSED


def nonce(case: Case) -> Result:
    """Check for which occasion the binding was made."""
    if not case.expected.binding:
        return Result.NOT_ASKED
    _require(case.expected.nonce is not None and _is_same(case.binding.get("nonce"), case.expected.nonce), Reason.WRONG_NONCE)
    return Result.PASSED


def status(case: Case) -> Result:
    """Check that the licence is in force now; one that names no keeper of its status is not believed."""
    if case.status_of is None:
        return Result.NOT_ASKED
    _require(isinstance(case.claims.get("status"), dict), Reason.NO_STATUS)
    try:
        state = case.status_of(case.claims)
    except StatusUnknown as error:
        raise _Failure(Reason.STATUS_UNKNOWN) from error
    _require(state == IN_FORCE, STATES.get(state, Reason.NOT_IN_FORCE))
    return Result.PASSED


STATES = {
    "revoked": Reason.REVOKED,
    "annulled": Reason.REVOKED,
    "suspended": Reason.SUSPENDED,
    "expired": Reason.EXPIRED,
    "not-yet-valid": Reason.NOT_YET_VALID,
    HOLDER_ENDED: Reason.HOLDER_ENDED,
}
CHECKS = (form, signature, type_header, issuer, disclosures, validity, holder_binding, audience, nonce, status)


def _require_listed(listed: Listed, vct: Any, signed_at: float, present: float) -> None:
    """Require what a trust list says of a certificate: that the list is in force, and that the type was granted when it was signed."""
    _require(present < listed.known_until, Reason.LIST_EXPIRED)
    _require(listed.held_at(signed_at), Reason.UNTRUSTED)
    _require(isinstance(vct, str) and listed.is_granted(vct, signed_at), Reason.NOT_GRANTED)


class _Failure(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def _require(met: bool, reason: Reason) -> None:  # noqa: FBT001 (a condition is what it takes)
    if not met:
        raise _Failure(reason)


def _read(read: Callable[[], Value], reason: Reason) -> Value:
    try:
        return read()
    except ValueError as error:
        raise _Failure(reason) from error


def _object(compact: str, part: int, reason: Reason = Reason.MALFORMED) -> dict[str, Any]:
    content = _read(lambda: sd_jwt.read_json(compact.split(".")[part]), reason)
    _require(isinstance(content, dict), reason)
    found: dict[str, Any] = content
    return found


def is_signed(compact: str, header: dict[str, Any], key: suites.PublicKey) -> bool:
    """Tell whether a compact JWS, whose header was read, was signed with the key by that key's own algorithm."""
    suite = suites.suite_of(key)
    if header.get("alg") != suite.name:
        return False
    signed, _, encoded = compact.rpartition(".")
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return False
    return jwt.get_algorithm_by_name(suite.name).verify(signed.encode(), key, raw)


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(unverified: Any, expected: str) -> bool:
    return isinstance(unverified, str) and hmac.compare_digest(unverified.encode(), expected.encode())
