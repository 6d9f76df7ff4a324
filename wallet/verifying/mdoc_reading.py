"""Mobile documents (ISO/IEC 18013-5) before the checks: a `DeviceResponse` with its session transcript, or an `IssuerSigned` alone. Pure.

The holder's device signs over the session transcript, in which the verifier's own name and nonce stand: a proof that fits the transcript is for
this verifier and this occasion, and carries no time of its own. A `DeviceResponse` read without a transcript proves no holder. Proofs by MAC are
refused by name: they need a key of the reader's in the session, and the session of OpenID4VP has none. What the device itself states of its holder
is left out; no issuer vouches for it.
"""

import base64
import hashlib
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any

import cbor2
from cryptography.hazmat.primitives.serialization import Encoding

from keys import cose, suites
from runtime import base64url
from wallet.presenting.handovers import signed_by_device
from wallet.verifying import chains
from wallet.verifying.presentations import Presentation

MOST_BYTES, MOST_ITEMS = 256 * 1024, 256
VERSIONS, HASHES = ("1.0",), {"SHA-256": hashlib.sha256, "SHA-384": hashlib.sha384, "SHA-512": hashlib.sha512}
EMBEDDED, DATE_TIME, FULL_DATE = 24, 0, 1004
DATES = frozenset({DATE_TIME, FULL_DATE})
CURVES = {(2, 1): ("EC", "P-256"), (1, 6): ("OKP", "Ed25519")}
RESERVED = frozenset({"iss", "vct", "iat", "nbf", "exp", "cnf", "status"})


class MalformedMdoc(ValueError):
    """The CBOR is no mobile document. The message holds nothing of the content."""


def read_device_response(unverified: bytes, *, transcript: bytes | None) -> tuple["MdocPresentation", ...]:
    """Return each document of a `DeviceResponse`, to be checked under the session transcript in CBOR; raises MalformedMdoc.

    Without a transcript the documents prove no holder.
    """
    response = _map(_read(unverified))
    documents = response.get("documents")
    if not isinstance(response.get("version"), str) or response.get("status") != 0 or not isinstance(documents, list) or not documents:
        raise MalformedMdoc("not a response with documents")
    return tuple(MdocPresentation(_map(one), transcript=transcript) for one in documents)


def read_issuer_signed(unverified: bytes) -> "MdocPresentation":
    """Return a document as its issuer made it, without a proof of its holder's device; raises MalformedMdoc."""
    return MdocPresentation({"issuerSigned": _map(_read(unverified))}, transcript=None)


def read_mdoc(unverified: bytes, *, transcript: bytes | None) -> "MdocPresentation":
    """Return the one document of a `DeviceResponse`, or an `IssuerSigned`; raises MalformedMdoc."""
    found = _map(_read(unverified))
    if "issuerAuth" in found:
        return MdocPresentation({"issuerSigned": found}, transcript=None)
    documents = read_device_response(unverified, transcript=transcript)
    if len(documents) != 1:
        raise MalformedMdoc("there is more than one document")
    return documents[0]


class MdocPresentation(Presentation):
    """One document."""

    format = "mso_mdoc"

    def __init__(self, document: Mapping[Any, Any], *, transcript: bytes | None) -> None:
        self.document, self.transcript = document, transcript

    @cached_property
    def signed(self) -> Mapping[Any, Any]:
        """The `IssuerSigned`."""
        return _map(self.document.get("issuerSigned"))

    @cached_property
    def auth(self) -> cose.Sign1:
        """The issuer's signature."""
        return cose.read_sign1(self.signed.get("issuerAuth"))

    @cached_property
    def security_object(self) -> Mapping[Any, Any]:
        """The mobile security object: digests, device key, dates."""
        wrapped = _read(self.auth.payload or b"")
        if not isinstance(wrapped, cbor2.CBORTag) or wrapped.tag != EMBEDDED or not isinstance(wrapped.value, bytes):
            raise MalformedMdoc("no mobile security object")
        return _map(_read(wrapped.value))

    def check_form(self) -> None:
        """Read the security object and the elements."""
        if self.security_object.get("version") not in VERSIONS:
            raise MalformedMdoc("of a version that is not known")
        _ = self.hash, self.items, self.payload

    @property
    def hash(self) -> Callable[[bytes], Any]:
        """The hash that the digests are of."""
        named = self.security_object.get("digestAlgorithm")
        if not isinstance(named, str) or named not in HASHES:
            raise MalformedMdoc("of a hash that is not known")
        return HASHES[named]

    @cached_property
    def chain(self) -> list[str]:
        """The certificates of `x5chain`."""
        found = self.auth.chain
        if not found:
            raise MalformedMdoc("no certificate")
        return [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in found]

    def is_signed(self, key: suites.PublicKey) -> bool:
        """Whether the key signed the security object."""
        cose.verify1(self.auth, key)
        return True

    @property
    def type(self) -> str | None:
        """The document's name, if the document and its security object say the same."""
        name = self.security_object.get("docType")
        return name if isinstance(name, str) and self.document.get("docType", name) == name else None

    @cached_property
    def payload(self) -> dict[str, Any]:
        """What the security object says; the issuer is whom its certificate names."""
        dates = _map(self.security_object.get("validityInfo"))
        times = {name: dates.get(key) for name, key in (("iat", "signed"), ("nbf", "validFrom"), ("exp", "validUntil"))}
        if not all(isinstance(one, datetime) and one.tzinfo is not None for one in times.values()):
            raise MalformedMdoc("a date is missing")
        status = {"status": _plain(self.security_object["status"])} if "status" in self.security_object else {}
        return {
            "iss": self._issuer(),
            "vct": self.security_object.get("docType"),
            **{name: one.timestamp() for name, one in times.items() if one is not None},
            **status,
        }

    @property
    def names_issuer(self) -> bool:
        """Whether the certificate has any address in it: the form has no place for its issuer's name, and the standard asks for none there."""
        return bool(chains.read_leaf(self.chain[0]).uris)

    @cached_property
    def items(self) -> list[tuple[str, Mapping[Any, Any], cbor2.CBORTag]]:
        """Each element that is shown, with its name space and as it was signed."""
        spaces = _map(self.signed.get("nameSpaces", {}))
        found = [(name, one) for name, items in spaces.items() for one in _list(items)]
        if len(found) > MOST_ITEMS or not all(isinstance(one, cbor2.CBORTag) and one.tag == EMBEDDED for _, one in found):
            raise MalformedMdoc("elements that are too many, or no elements")
        return [(str(name), _map(_read(one.value)), one) for name, one in found]

    @cached_property
    def claims(self) -> dict[str, Any]:
        """What the security object says, with the elements whose digests it has; raises MalformedMdoc for any other."""
        digests = _map(self.security_object.get("valueDigests"))
        elements: dict[str, Any] = {}
        for space, item, embedded in self.items:
            number, name = item.get("digestID"), item.get("elementIdentifier")
            if type(number) is not int or not isinstance(name, str) or not isinstance(item.get("random"), bytes):
                raise MalformedMdoc("an element that is none")
            if name in elements or name in RESERVED:
                raise MalformedMdoc("an element stands twice, or where it may not")
            if _map(digests.get(space)).get(number) != self.hash(cbor2.dumps(embedded)).digest():
                raise MalformedMdoc("an element has no digest that fits")
            elements[name] = _plain(item.get("elementValue"))
        return {**elements, **self.payload}

    @property
    def queried(self) -> dict[str, Any]:
        """The elements by their name spaces."""
        names: dict[str, dict[str, Any]] = {space: {} for space, _, _ in self.items}
        for space, item, _ in self.items:
            names[space][str(item.get("elementIdentifier"))] = _plain(item.get("elementValue"))
        return names

    @property
    def disclosed(self) -> tuple[str, ...]:
        """The names of the elements."""
        return tuple(name for name in self.claims if name not in RESERVED)

    @property
    def is_bound(self) -> bool:
        """Whether a device proves its holder, and for a session that is known."""
        return self.transcript is not None and "deviceSigned" in self.document

    @property
    def occasion(self) -> str | None:
        """The session, over which a device signs."""
        return "session_transcript" if "deviceSigned" in self.document else None

    @property
    def is_bound_by_mac(self) -> bool:
        """Whether the device made a MAC in place of a signature."""
        auth = _map(_map(self.document.get("deviceSigned", {})).get("deviceAuth", {}))
        return "deviceMac" in auth

    def is_bound_rightly(self) -> bool:
        """Whether the device key of the security object signed over the transcript, for this document."""
        proof = _map(self.document["deviceSigned"])
        names, auth = proof.get("nameSpaces"), _map(proof.get("deviceAuth"))
        if not isinstance(names, cbor2.CBORTag) or names.tag != EMBEDDED or self.transcript is None:
            raise MalformedMdoc("no device name spaces")
        signed = signed_by_device(self.transcript, doctype=str(self.type), names=names)
        key = _public_key(_map(_map(self.security_object.get("deviceKeyInfo")).get("deviceKey")))
        cose.verify1(cose.read_sign1(auth.get("deviceSignature")), key, payload=signed)
        return True

    def is_made_between(self, oldest: float, newest: float) -> bool:
        """The transcript is of this session."""
        return self.is_bound

    def is_for(self, audience: str | None) -> bool:
        """The transcript names the verifier."""
        return self.is_bound

    def is_of(self, nonce: str | None) -> bool:
        """The transcript holds the nonce."""
        return self.is_bound

    def _issuer(self) -> str | None:
        uris = chains.read_leaf(self.chain[0]).uris
        return next(iter(uris)) if len(uris) == 1 else None


def _read(unverified: Any) -> Any:
    if not isinstance(unverified, bytes) or len(unverified) > MOST_BYTES:
        raise MalformedMdoc("too large, or no bytes")
    return cose.read_cbor(unverified, tags=DATES)


def _map(found: Any) -> Mapping[Any, Any]:
    if not isinstance(found, Mapping):
        raise MalformedMdoc("a map is missing")
    return found


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise MalformedMdoc("a list is missing")
    return found


def _plain(value: Any) -> Any:
    """Return an element's value as JSON has it: dates as they are written, bytes in base64url; raises MalformedMdoc for anything else."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case date():
            return value.isoformat()
        case bytes():
            return base64url.write(value)
        case list() | tuple():
            return [_plain(one) for one in value]
        case Mapping() if all(isinstance(name, str) for name in value):
            return {name: _plain(one) for name, one in value.items()}
    raise MalformedMdoc("a value of a kind that licences have not")


def _public_key(found: Mapping[Any, Any]) -> suites.PublicKey:
    """Return the key of a COSE_Key (RFC 9053 section 7.1); raises ValueError."""
    named = found.get(1), found.get(-1)
    kind = CURVES.get(named) if all(type(one) is int for one in named) else None  # type: ignore[arg-type]
    point = [found.get(label) for label in ((-2, -3) if kind and kind[0] == "EC" else (-2,))]
    if kind is None or not all(isinstance(one, bytes) for one in point):
        raise MalformedMdoc("a device key of a kind that is not supported")
    encoded = [base64url.write(one) for one in point if one is not None]
    return suites.key_from_jwk({"kty": kind[0], "crv": kind[1], **dict(zip(("x", "y"), encoded, strict=False))})
