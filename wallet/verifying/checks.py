"""What makes a presentation believed: thirteen checks, in the order in which they stand here and in `CHECKS`.

 0. form            it is of a form that is known, within bounds; header and payload can be read and mark nothing as critical
 1. signature       made with the key of the certificate that it carries, by that key's own algorithm
 2. type_header     it says that it is a credential, and names a type of licence, one of those expected
 3. issuer          a trusted root issued the certificate, for signing, it held when it signed and was not revoked; `iss` is a name in it.
                    Or a trust list names it, for this issuer and this type, at the time; and names the issuer, where nothing else does
 4. disclosures     each belongs to a digest, none stands where it may not (RFC 9901 section 7.1, ISO/IEC 18013-5 section 9.3.1)
 5. asked           it has all that a query asked for, of whom it was asked for; only where there was a query (OpenID4VP 1.0 section 8.6)
 6. marked_copy     the time is not over for which a copy was made for one purpose (加注件); only of such a copy
 7. validity        `iat` and `nbf` are past, `exp` is to come
 8. holder_binding  the holder's key signed, lately, over just these disclosures; or no binding was asked for and none came
 9. audience        the binding was made for whom we expect, and the credential for nobody else
10. nonce           and for this occasion
11. transaction     and over the act that its holder was to confirm; only where there was one (OpenID4VP 1.0 appendix B.3.3)
12. status          the licence is in force now, says whoever keeps its status; or it lives too briefly for anyone to keep one (`short_lives`)

The list is one for all forms: a reader of each (`presentations.Presentation`) says what that form can prove, and decides nothing.

Pure: no network, no database, no web framework, so that the checks run just the same in the API, on an officer's page and offline.
RFC 9901 section 7.3; SD-JWT VC section 2.5 (issuer by `x5c`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from cryptography import x509

from keys import paths
from keys.paths import Revoked
from wallet.issuing.copy_marks import Marking
from wallet.presenting import dcql
from wallet.presenting.dcql import Candidate, CredentialQuery
from wallet.verifying import chains, short_lives
from wallet.verifying.listed import Listed
from wallet.verifying.outcomes import Outcome, Reason, Result
from wallet.verifying.presentations import Presentation, is_same, is_time
from wallet.verifying.presentations import is_signed as is_signed
from wallet.verifying.sd_jwt_reading import SdJwtPresentation

SKEW = timedelta(seconds=60)
IN_FORCE, HOLDER_ENDED = "valid", "holder-ended"
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Expected:
    """What the verifier asked for. The verifier decides whether a binding is needed, never the presentation.

    `vcts` are the types of licence that will do, or None for any; `binding_age` is how old a binding may be. `query` is what was asked for
    in words of DCQL, `confirming` the acts to confirm, as they were sent; the checks of these are left out where nothing was. `subject` is what the
    issuer must call the holder, or None for whoever the holder is.
    """

    binding: bool
    audience: str | None
    nonce: str | None
    vcts: frozenset[str] | None
    binding_age: timedelta
    query: CredentialQuery | None = None
    confirming: tuple[str, ...] = ()
    subject: str | None = None

    def checks_of(self, shown: Presentation) -> "tuple[Check, ...]":
        """Return the checks that apply to what is shown."""
        if self.query is None and not self.confirming and not shown.is_marked:
            return USUAL
        applies: dict[Check, bool] = {asked: self.query is not None, transaction: bool(self.confirming), marked_copy: shown.is_marked}
        return tuple(check for check in CHECKS if applies.get(check, True))


@dataclass(frozen=True)
class Trust:
    """What the verifier holds: roots, whose leaves speak for whom they name; what was revoked, by fingerprint; and, from others' trust lists,
    the certificates that those name, each for one issuer and for what it was granted.

    A root of `outside` vouches only for the leaves that were imported here, by fingerprint. `granted` are the types that each issuer under a root
    was ever granted, or None where the register itself is asked, which knows each licence.
    """

    roots: tuple[x509.Certificate, ...]
    revoked: Mapping[str, Revoked] = field(default_factory=dict)
    outside: tuple[x509.Certificate, ...] = ()
    imported: frozenset[str] = frozenset()
    listed: Mapping[str, Listed] = field(default_factory=dict)
    granted: Mapping[str, frozenset[str]] | None = None

    @cached_property
    def all_roots(self) -> tuple[x509.Certificate, ...]:
        """Every root, ours and others'."""
        return (*self.roots, *self.outside)


StatusOf = Callable[[Mapping[str, Any]], str]


class StatusUnknown(Exception):
    """Raised by a `StatusOf` that cannot tell: another's list, an entry that is not there, a list past its time."""

    reason = Reason.STATUS_UNKNOWN


class SourceUnavailable(StatusUnknown):
    """Raised by a `StatusOf` whose source could not be asked this time."""

    reason = Reason.SOURCE_UNAVAILABLE


class IdentifierKept(StatusUnknown):
    """Raised by a `StatusOf` that asks for the very licence, of one whose holder kept its identifier back."""

    reason = Reason.IDENTIFIER_KEPT


class NotRegistered(StatusUnknown):
    """Raised by a `StatusOf` of a licence that was only named, where the register has none of that name."""

    reason = Reason.NOT_REGISTERED


@dataclass(frozen=True, slots=True)
class Verified:
    """A presentation that passed: the processed payload, the names disclosed, the outcome of each check, and what marks a copy, if it is one."""

    claims: dict[str, Any]
    disclosed: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    marking: Marking | None = None


class NotVerified(Exception):
    """A check failed. `claims` and `marking` are what the issuer signed in the open, once signature and issuer were believed, else None."""

    def __init__(
        self, check: str, reason: Reason, outcomes: tuple[Outcome, ...], claims: dict[str, Any] | None, marking: Marking | None = None
    ) -> None:
        super().__init__(f"{check}: {reason}")
        self.check, self.reason, self.outcomes, self.claims, self.marking = check, reason, outcomes, claims, marking


def verify(unverified: str | Presentation, *, expected: Expected, trust: Trust, status_of: StatusOf | None, now: datetime) -> Verified:
    """Run every check in order and return what may be believed; the first that fails raises NotVerified. A text is read as an SD-JWT.

    `status_of` is given the processed payload and returns the state now, `valid` if in force; None leaves the status unasked,
    and the outcome says so. Where nobody keeps a status, and none is needed, the outcome says why.
    """
    shown = SdJwtPresentation(unverified) if isinstance(unverified, str) else unverified
    case = Case(shown, expected, trust, status_of, now)
    outcomes: list[Outcome] = []
    applying = expected.checks_of(shown)
    for check in applying:
        name = check.__name__
        try:
            outcomes.append(OUTCOMES[name, Result.NOT_ASKED if name in shown.unproven else check(case)])
        except _Failure as failure:
            outcomes.append(Outcome(name, Result.FAILED, failure.reason))
            unreached = [Outcome(later.__name__, Result.NOT_REACHED) for later in applying[len(outcomes) :]]
            believed = case.named(shown.payload) if len(outcomes) > applying.index(issuer) + 1 else None
            raise NotVerified(name, failure.reason, (*outcomes, *unreached), believed, case.marking if believed else None) from failure
    return Verified(case.claims, shown.disclosed, tuple(outcomes), case.marking)


@dataclass(frozen=True)
class Case:
    """One presentation before the checks."""

    shown: Presentation
    expected: Expected
    trust: Trust
    status_of: StatusOf | None
    now: datetime

    @cached_property
    def leaf(self) -> chains.Leaf:
        """The certificate that the presentation carries."""
        return _read(lambda: chains.read_leaf(self.shown.chain[0]), Reason.NO_CERTIFICATE)

    @cached_property
    def listed(self) -> Listed | None:
        """What another house's trust list says of that certificate, if one does."""
        return self.trust.listed.get(self.leaf.fingerprint)

    def named(self, claims: dict[str, Any]) -> dict[str, Any]:
        """Return claims with the issuer's name; one that has no name of its own has that which the trust list gives its certificate."""
        if self.shown.names_issuer or self.listed is None:
            return claims
        return {**claims, "iss": self.listed.uri}

    @property
    def marking(self) -> Marking | None:
        """What marks it as a copy for one purpose, where that can be read."""
        try:
            return self.shown.marking
        except ValueError:
            return None

    @cached_property
    def claims(self) -> dict[str, Any]:
        """The processed payload."""
        return self.named(_read(lambda: self.shown.claims, Reason.BAD_DISCLOSURES))


Check = Callable[[Case], Result | Reason]


def form(case: Case) -> Result:
    """Check that what is shown can be read, and that nothing in it must be understood that is not."""
    _read(case.shown.check_form, Reason.MALFORMED)
    return Result.PASSED


def signature(case: Case) -> Result:
    """Check the issuer's signature against the certificate's key."""
    key = case.leaf.key
    _require(_read(lambda: case.shown.is_signed(key), Reason.BAD_SIGNATURE), Reason.BAD_SIGNATURE)
    return Result.PASSED


def type_header(case: Case) -> Result:
    """Check that it says of itself that it is a credential, and of what type of licence."""
    found = case.shown.type
    _require(found is not None, Reason.WRONG_TYPE)
    _require(case.expected.vcts is None or found in case.expected.vcts, Reason.WRONG_TYPE)
    return Result.PASSED


def issuer(case: Case) -> Result:
    """Check that each certificate was trusted when it signed, and that `iss` is whom it names."""
    _check_issuer(case, case.leaf, case.shown.chain)
    for chain in case.shown.further_chains:
        _check_issuer(case, _read(lambda chain=chain: chains.read_leaf(chain[0]), Reason.NO_CERTIFICATE), chain)  # type: ignore[misc]
    return Result.PASSED


def disclosures(case: Case) -> Result:
    """Check that every disclosure belongs, once, and where it stands."""
    _require(isinstance(case.claims, dict), Reason.BAD_DISCLOSURES)
    return Result.PASSED


def asked(case: Case) -> Result:
    """Check that all is there that was asked for. What came besides is not looked at, and goes no further."""
    shown, query = case.shown, case.expected.query
    assert query is not None, "left out otherwise"
    authorities = _read(lambda: paths.authorities_of(tuple(shown.chain)), Reason.NO_CERTIFICATE)
    candidate = Candidate(None, shown.format, shown.types, _read(lambda: shown.queried, Reason.BAD_DISCLOSURES), authorities, bindable=True)
    _require(dcql.match(query, candidate) is not None, Reason.NOT_AS_ASKED)
    return Result.PASSED


def marked_copy(case: Case) -> Result:
    """Check that a copy made for one purpose is not over."""
    marking = _read(lambda: case.shown.marking, Reason.MALFORMED)
    _require(marking is not None and case.now < marking.ends_at, Reason.COPY_EXPIRED)
    return Result.PASSED


def validity(case: Case) -> Result:
    """Check the period of the credential; `exp` may be absent, for a licence without end."""
    present = case.now.timestamp()
    times = {name: case.claims.get(name) for name in ("iat", "nbf", "exp")}
    _require(all(value is None or is_time(value) for value in times.values()), Reason.MALFORMED)
    ahead = present + SKEW.total_seconds()
    _require(all(value is None or value <= ahead for value in (times["iat"], times["nbf"])), Reason.NOT_YET_VALID)
    _require(times["exp"] is None or present < times["exp"], Reason.EXPIRED)
    return Result.PASSED


def holder_binding(case: Case) -> Result:
    """Check that the holder's key, which the issuer named, signed over just this, lately."""
    if not case.expected.binding:
        _require(not case.shown.is_bound, Reason.UNEXPECTED_BINDING)
        _require_subject(case)
        return Result.NOT_ASKED
    _require(case.shown.is_bound, Reason.NOT_BOUND)
    _require(not _read(lambda: case.shown.is_bound_by_mac, Reason.BAD_BINDING), Reason.BOUND_BY_MAC)
    _require(_read(case.shown.is_bound_rightly, Reason.BAD_BINDING), Reason.BAD_BINDING)
    present = case.now.timestamp()
    oldest, newest = present - case.expected.binding_age.total_seconds(), present + SKEW.total_seconds()
    _require(case.shown.is_made_between(oldest, newest) and not case.shown.is_over(present), Reason.STALE_BINDING)
    _require_subject(case)
    return Result.PASSED


def audience(case: Case) -> Result:
    """Check for whom the binding was made; and the credential, where its issuer says that it is for somebody in particular (RFC 7519 4.1.3)."""
    _require(_is_for_us(case.claims.get("aud"), case.expected.audience), Reason.WRONG_AUDIENCE)
    if not case.expected.binding:
        return Result.NOT_ASKED
    _require(case.shown.is_for(case.expected.audience), Reason.WRONG_AUDIENCE)
    return Result.PASSED


def nonce(case: Case) -> Result:
    """Check for which occasion the binding was made."""
    if not case.expected.binding:
        return Result.NOT_ASKED
    _require(case.shown.is_of(case.expected.nonce), Reason.WRONG_NONCE)
    return Result.PASSED


def transaction(case: Case) -> Result:
    """Check that the holder's key signed over the acts to confirm, all of them and no other."""
    _require(_read(lambda: case.shown.confirms(case.expected.confirming), Reason.NOT_CONFIRMED), Reason.NOT_CONFIRMED)
    return Result.PASSED


def status(case: Case) -> Result | Reason:
    """Check that the licence is in force now; one that names no keeper of its status is not believed, but for a short life of another house's."""
    if short_lives.is_short(case.shown) and case.listed is not None:
        return Reason.SHORT_LIVED
    if case.status_of is None:
        return Result.NOT_ASKED
    _require(isinstance(case.claims.get("status"), dict), Reason.NO_STATUS)
    try:
        state = case.status_of(case.claims)
    except StatusUnknown as error:
        raise _Failure(error.reason) from error
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
CHECKS = (form, signature, type_header, issuer, disclosures, asked, marked_copy, validity, holder_binding, audience, nonce, transaction, status)
OUTCOMES: dict[tuple[str, Result | Reason], Outcome] = {
    **{(check.__name__, result): Outcome(check.__name__, result) for check in CHECKS for result in (Result.PASSED, Result.NOT_ASKED)},
    (status.__name__, Reason.SHORT_LIVED): Outcome(status.__name__, Result.NOT_ASKED, Reason.SHORT_LIVED),
}
USUAL = tuple(check for check in CHECKS if check not in (asked, transaction, marked_copy))


def _check_issuer(case: Case, leaf: chains.Leaf, chain: list[str]) -> None:
    payload, present = case.named(case.shown.payload), case.now.timestamp()
    iat, iss = payload.get("iat"), payload.get("iss")
    signed_at = min(iat, present) if is_time(iat) else present
    listed = case.trust.listed.get(leaf.fingerprint)
    if listed is not None:
        _require(isinstance(iss, str) and iss == listed.uri, Reason.WRONG_ISSUER)
        _require_listed(listed, payload.get("vct"), signed_at, present)
        return
    path = _read(lambda: paths.check_path(chain, roots=case.trust.all_roots), Reason.UNTRUSTED)
    _read(lambda: path.check_held(signed_at), Reason.UNTRUSTED)
    _require(path.root in case.trust.roots or path.fingerprints[0] in case.trust.imported, Reason.UNTRUSTED)
    _read(lambda: path.check_not_revoked(case.trust.revoked, signed_at), Reason.CERTIFICATE_REVOKED)
    _require(isinstance(iss, str) and iss in leaf.uris, Reason.WRONG_ISSUER)
    _require(case.trust.granted is None or case.shown.type in case.trust.granted.get(str(iss), frozenset()), Reason.NOT_GRANTED)


def _is_for_us(named: Any, audience: str | None) -> bool:
    """Whether an `aud` is absent, or names us, by itself or among others."""
    return named is None or any(is_same(one, audience) for one in (named if isinstance(named, list) else [named]))


def _require_subject(case: Case) -> None:
    """Require the holder who was asked, where that is somebody in particular, bound or not."""
    _require(case.expected.subject is None or is_same(case.claims.get("sub"), case.expected.subject), Reason.OTHER_HOLDER)


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
