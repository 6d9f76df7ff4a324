"""A trust bundle as it is read: everything by which licences are judged without a network, signed, for a day. Pure.

In it are the roots, what was revoked, each department's certificates and the types that it was ever granted, every status list's token, and the
trust lists of other provinces, each of which is read again as strictly as at home. Whoever reads a bundle must hold a root already: the bundle
cannot vouch for itself.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from keys import paths, suites
from keys.paths import Revoked
from wallet.verifying import chains
from wallet.verifying.checks import IN_FORCE, SourceUnavailable, StatusUnknown, Trust
from wallet.verifying.listed import Listed
from wallet.verifying.presentations import chain_of, is_signed, read_object
from wallet.verifying.status_files import BadStatusFile, StatusFile, read_status_file
from wallet.verifying.trust_list_reading import ListRefused, Source, read_list

TYPE, MEDIA_TYPE, SIGNER = "trust-bundle+jwt", "application/trust-bundle+jwt", "/jwks/trust-list"
ANSWERS, ANSWER = "/jwks/answers", "urn:kabao:answer:"  # who signs a bare yes or no, and how its type begins (`wallet.presenting.statements`)
MOST_BYTES = 256 * 1024 * 1024
SHORT_KID = 8


class BadBundle(ValueError):
    """The bundle is not one that the root vouches for, or cannot be read."""


class BundleOver(BadBundle):
    """The bundle is past its time; fetch a newer one."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read: whose, of when, until when, and what it holds. `names` are of departments and types, for people to read."""

    service: str
    made_at: datetime
    ends_at: datetime
    trust: Trust
    certificates: Mapping[str, list[list[str]]] = field(repr=False)
    names: Mapping[str, Mapping[str, str]] = field(repr=False)
    status_lists: Mapping[str, str] = field(repr=False)
    opened: dict[str, StatusFile] = field(default_factory=dict, repr=False)

    def age_at(self, now: datetime) -> float:
        """Return how old it is, in seconds."""
        return (now - self.made_at).total_seconds()

    def chains_of(self, department: str, kid: bytes) -> list[list[str]]:
        """Return the certificates of a department's keys of a short id."""
        return [one for one in self.certificates.get(department, []) if kid_of(one[0]) == kid]

    def status_of(self, claims: Mapping[str, Any], *, now: datetime) -> str:
        """Return the state by the list that the credential names; raises SourceUnavailable for a list that is not there, or past its time.

        A bare yes or no has none: it says how things stood when it was made, and is over within minutes.
        """
        if claims["iss"] == self.service + ANSWERS:
            return IN_FORCE
        reference = claims["status"].get("status_list")
        uri = reference.get("uri") if isinstance(reference, Mapping) else None
        token = self.status_lists.get(uri) if isinstance(uri, str) else None
        if uri is None or not isinstance(uri, str):
            raise StatusUnknown
        if token is None:
            raise SourceUnavailable
        if uri not in self.opened:
            try:
                self.opened[uri] = read_status_file(token.encode(), roots=self.trust.roots, now=now)
            except BadStatusFile as error:
                raise SourceUnavailable from error
        if self.opened[uri].is_over(now):
            raise SourceUnavailable
        return self.opened[uri](claims)


def read_bundle(unverified: bytes, *, roots: tuple[x509.Certificate, ...], now: datetime) -> Bundle:
    """Check a bundle under a root that is held already and return what it holds; raises BadBundle, BundleOver.

    Raises TypeError if a root is given as text or bytes: it would look as if the bundle were another root's.
    """
    if not isinstance(unverified, bytes) or not all(isinstance(one, x509.Certificate) for one in roots):
        raise TypeError("the bundle is given as bytes, each root as a certificate: x509.load_pem_x509_certificate(pem)")
    if len(unverified) > MOST_BYTES:
        raise BadBundle("the bundle is too large")
    try:
        return _read(unverified.decode("ascii").strip(), roots, now)
    except BadBundle:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise BadBundle("not a trust bundle under the root") from error


def kid_of(encoded: str) -> bytes:
    """Return the short form of the id of a certificate's key."""
    return suites.thumbprint(suites.public_jwk(chains.read_leaf(encoded).key)).encode()[:SHORT_KID]


def _read(compact: str, roots: tuple[x509.Certificate, ...], now: datetime) -> Bundle:
    header = read_object(compact, 0)
    leaf = chains.read_leaf(chain_of(header)[0])
    paths.check_path(header["x5c"], roots=roots).check_held(now.timestamp())
    if header.get("typ") != TYPE or "crit" in header or not is_signed(compact, header, leaf.key):
        raise BadBundle("the signature does not fit, or it is a token of another type")
    told = read_object(compact, 1)
    if told["iss"] + SIGNER not in leaf.uris:
        raise BadBundle("it was signed for another purpose")
    made_at, ends_at = (datetime.fromtimestamp(told[name], UTC) for name in ("iat", "exp"))
    if now >= ends_at:
        raise BundleOver(f"the bundle was over at {ends_at:%Y-%m-%d %H:%M} UTC; fetch a newer one")
    known = tuple(map(paths.read_certificate, told["roots"]))
    trust = Trust(
        known,
        {name: Revoked(datetime.fromtimestamp(at, UTC), bool(compromised)) for name, (at, compromised) in told["revoked"].items()},
        tuple(map(paths.read_certificate, told["outside"])),
        frozenset(told["imported"]),
        _listed(told["trust_lists"], told["iss"]),
        {issuer: frozenset(types) for issuer, types in told["granted"].items()},
    )
    return Bundle(told["iss"], made_at, ends_at, trust, told["certificates"], told["names"], told["status_lists"])


def _listed(lists: list[dict[str, Any]], own: str) -> dict[str, Listed]:
    """Return what the other provinces' lists say, as at home: of a moment at which each was good; one that has run out says so itself."""
    found: dict[str, Listed] = {}
    for one in lists:
        root = x509.load_der_x509_certificate(base64.b64decode(one["root"]))
        source = Source(one["province"], root, frozenset(one["types"]), own, one["signer"])
        try:
            read = read_list(one["token"].encode(), source, now=datetime.fromtimestamp(one["taken_at"], UTC))
        except ListRefused as error:
            raise BadBundle("a trust list in it is not good") from error
        found = {**read.listed, **found}
    return found
