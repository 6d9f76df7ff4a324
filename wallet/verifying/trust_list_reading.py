"""Reading another province's trust list: its signature, its times, its number, and whom it names for what. Pure; nothing is believed before.

Everything is bounded, and whatever is odd refuses the whole list: a list that is half understood is no list.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from keys import paths
from wallet.issuing import sd_jwt
from wallet.issuing.trust_list_words import EXTENSION, GRANTED, SERVICE, WITHDRAWN
from wallet.verifying import chains
from wallet.verifying.checks import is_signed
from wallet.verifying.listed import Granted, Listed, Span

MOST_BYTES = 32 * 1024 * 1024  # ten thousand departments and more, each with its certificates and types
MOST_ENTITIES, MOST_SERVICES, MOST_TURNS, MOST_CERTIFICATES = 20_000, 500, 200, 50
LONGEST_TEXT = 500
LONGEST_LIFE = timedelta(days=366)
SKEW = timedelta(minutes=5)
TYPES = ("JOSE", "jose")
TRADE_NAME = "GOVCN-"


class ListRefused(ValueError):
    """The list is not one to believe; the message says why, in words that a stranger cannot choose."""


@dataclass(frozen=True, slots=True)
class Source:
    """Whose list it is, as the operator said: the province, the root that its signer is under, and the types that it is believed for.

    `signer` is the name in the certificate that signed the first list; `own` begins the addresses that nobody else speaks for.
    """

    province: str
    root: x509.Certificate
    types: frozenset[str]
    own: str
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class ReadList:
    """A list that was read: its number, its times, who signed it, and what it says of each certificate, by fingerprint."""

    sequence: int
    issued_at: datetime
    next_update: datetime
    signer: str
    listed: Mapping[str, Listed]
    ignored: int


def read_list(unverified: bytes, source: Source, *, now: datetime) -> ReadList:
    """Check a list and return what it says; raises ListRefused."""
    if len(unverified) > MOST_BYTES:
        raise ListRefused("the list is too large")
    try:
        return _read(unverified.decode("ascii").strip(), source, now=now)
    except ListRefused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise ListRefused("the list is cut short, or not of the shape of a list of trusted entities") from error


def _read(unverified: str, source: Source, *, now: datetime) -> ReadList:
    header = sd_jwt.read_json(unverified.split(".")[0])
    leaf, path = _signer(unverified, header, source)
    payload = sd_jwt.read_json(unverified.split(".")[1])["LoTE"]
    about = payload["ListAndSchemeInformation"]
    issued, next_update, sequence = _time(about["ListIssueDateTime"]), _time(about["NextUpdate"]), about["LoTESequenceNumber"]
    if type(sequence) is not int or not 0 < sequence < 2**31:
        raise ListRefused("the sequence number is none")
    if issued > now + SKEW or not issued < next_update <= issued + LONGEST_LIFE:
        raise ListRefused("the list is from the future, or lasts too long")
    if now >= next_update:
        raise ListRefused("the list is past its time")
    if not path.begins <= issued.timestamp() <= path.ends:
        raise ListRefused("the certificate did not hold when the list was signed")
    listed, ignored = _listed(payload["TrustedEntitiesList"], source, known_until=next_update.timestamp())
    if leaf.uris & {one.uri for one in listed.values()}:
        raise ListRefused("one of those whom the list names has signed it")
    return ReadList(sequence, issued, next_update, leaf.certificate.subject.rfc4514_string(), listed, ignored)


def _signer(unverified: str, header: Any, source: Source) -> tuple[chains.Leaf, paths.Path]:
    chain = header.get("x5c")
    if not isinstance(chain, list) or not chain or not all(isinstance(one, str) for one in chain) or "crit" in header:
        raise ListRefused("the list carries no certificate of its signer")
    leaf = chains.read_leaf(chain[0])
    if header.get("typ") not in TYPES or unverified.count(".") != 2 or not is_signed(unverified, header, leaf.key):
        raise ListRefused("the signature does not fit, or it is a token of another kind")
    try:
        path = paths.check_path(chain, roots=(source.root,))
    except paths.UntrustedChain as error:
        raise ListRefused("the signer is not under the root that was pinned") from error
    if source.signer is not None and leaf.certificate.subject.rfc4514_string() != source.signer:
        raise ListRefused("somebody else has signed it than the lists before")
    return leaf, path


def _listed(entities: Any, source: Source, *, known_until: float) -> tuple[dict[str, Listed], int]:
    found: dict[str, Listed] = {}
    uris: set[str] = set()
    ignored = 0
    for entity in _bounded(entities, MOST_ENTITIES):
        information, services = entity["TrustedEntityInformation"], _bounded(entity["TrustedEntityServices"], MOST_SERVICES)
        uri, code = _text(information["TEInformationURI"][0]["uriValue"]), _code(information)
        if uri in uris:
            raise ListRefused("the list names an issuer twice")
        if _is_own(uri, source):
            raise ListRefused("the list speaks for one of our own departments")
        uris.add(uri)
        granted = [one for one in services if _is_granted(one["ServiceInformation"], source)]
        ignored += len(services) - len(granted)
        grants = dict(_grants(granted, source))
        name = {one["lang"]: _text(one["value"]) for one in _bounded(information["TEName"], 10)}
        for certificate, ends in _certificates(services):
            fingerprint = paths.fingerprint_of(certificate)
            if fingerprint in found:
                raise ListRefused("the list gives one certificate to two issuers")
            period = certificate.not_valid_before_utc.timestamp(), min(certificate.not_valid_after_utc.timestamp(), ends)
            found[fingerprint] = Listed(uri, code, name, source.province, *period, known_until, grants, (source.root,))
    return found, ignored


def _is_granted(present: dict[str, Any], source: Source) -> bool:
    """Whether a service is of a type that the operator granted to the list; the rest is none of ours to believe."""
    return present["ServiceTypeIdentifier"] == SERVICE and _extension(present).get("licence_type") in source.types


def _grants(services: list[Any], source: Source) -> Iterator[tuple[str, Granted]]:
    """Yield what the list says of services that the operator granted, by `vct` and by the name of the mobile document."""
    for service in services:
        present = service["ServiceInformation"]
        told = _extension(present)
        vct = _text(told["vct"])
        if _is_own(vct, source):
            raise ListRefused("the list speaks for a type of ours")
        turns = [present, *_bounded(service.get("ServiceHistory", []), MOST_TURNS)]
        granted = Granted(_text(told["licence_type"]), tuple(_spans(turns)))
        yield vct, granted
        if "doctype" in told:
            yield _text(told["doctype"]), granted


def _spans(turns: list[Any]) -> Iterator[Span]:
    """Yield the times in which a service was granted, be it within one second; the turns come newest first."""
    ends = math.inf
    for turn in turns:
        begins = _time(turn["StatusStartingTime"]).timestamp()
        if turn["ServiceStatus"] not in (GRANTED, WITHDRAWN) or begins > ends:
            raise ListRefused("the history of a service is out of order")
        if turn["ServiceStatus"] == GRANTED:
            yield begins, ends
        ends = begins


def _certificates(services: list[Any]) -> Iterator[tuple[x509.Certificate, float]]:
    """Yield each certificate of an issuer once, with the moment at which a revocation ended it, if one did."""
    seen: dict[str, float] = {}
    for service in services:
        present = service["ServiceInformation"]
        ended = _extension(present).get("ended", {})
        for one in _bounded(present["ServiceDigitalIdentity"].get("X509Certificates", []), MOST_CERTIFICATES):
            encoded = one["val"]
            if encoded in seen:
                continue
            leaf = chains.read_leaf(encoded)
            if not paths.may_sign(leaf.certificate) or leaf.certificate.subject == leaf.certificate.issuer:
                raise ListRefused("the list names a certificate that may not sign")
            revoked = ended.get(leaf.fingerprint)
            seen[encoded] = _time(revoked).timestamp() if revoked else math.inf
            yield leaf.certificate, seen[encoded]


def _extension(present: Mapping[str, Any]) -> dict[str, Any]:
    for one in _bounded(present.get("ServiceInformationExtensions", []), 10):
        if isinstance(one, dict) and EXTENSION in one:
            told: dict[str, Any] = one[EXTENSION]
            return told
    return {}


def _is_own(uri: str, source: Source) -> bool:
    return uri == source.own or uri.startswith(f"{source.own}/")


def _code(information: Mapping[str, Any]) -> str:
    names = [_text(one["value"]) for one in _bounded(information.get("TETradeName", []), 10)]
    return next((name.removeprefix(TRADE_NAME) for name in names if name.startswith(TRADE_NAME)), "")


def _bounded(unverified: Any, most: int) -> list[Any]:
    if not isinstance(unverified, list) or len(unverified) > most:
        raise ListRefused("the list is longer than any list, or not one where it should be")
    return unverified


def _text(unverified: Any) -> str:
    if not isinstance(unverified, str) or not 0 < len(unverified) <= LONGEST_TEXT or not unverified.isprintable():
        raise ListRefused("a text is none, or too long")
    return unverified


def _time(unverified: Any) -> datetime:
    moment = datetime.fromisoformat(_text(unverified))
    if moment.tzinfo is None:
        raise ListRefused("a time says no zone")
    return moment.astimezone(UTC)
