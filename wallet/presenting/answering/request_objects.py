"""A signed request object: what a verifier asks, and the certificate that it signed with. OpenID4VP 1.0 sections 5 and 8, HAIP 1.0.

Pure, strict, and bounded. That it was signed says only that whoever has the certificate's key made it; whether that is somebody known is for
`verifiers` to say. Nothing is ever sent to an address that the signer's own name does not stand for.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from cryptography import x509

from keys import paths, suites
from keys.paths import UNREADABLE
from runtime import base64url
from wallet.issuing import sd_jwt
from wallet.presenting.answering import encryption, readable, transactions
from wallet.presenting.answering.encryption import Recipient
from wallet.presenting.answering.refusals import OVER, UNSIGNED, UNSUPPORTED, WRONG_NAME, WRONG_PLACE, RequestRefused, Whom
from wallet.presenting.answering.transactions import Transaction
from wallet.presenting.dcql import MalformedQuery, Query, read_query

TYPE = "oauth-authz-req+jwt"
LONGEST, LONGEST_URI, SKEW = 64 * 1024, 2048, 60
COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,512}")
DIRECT_POST, DIRECT_POST_JWT = "direct_post", "direct_post.jwt"
SAN_DNS, HASH = "x509_san_dns", "x509_hash"
SELF_ISSUED = "https://self-issued.me/v2"


@dataclass(frozen=True, slots=True)
class RequestObject:
    """What was asked, by whoever signed. `recipient` is who an encrypted answer is for, `None` for an open one."""

    client_id: str
    prefix: str
    name: str
    chain: tuple[str, ...]
    response_uri: str
    nonce: str
    state: str | None
    query: Query
    transactions: tuple[Transaction, ...]
    recipient: Recipient | None
    expires_at: float | None
    payload: Mapping[str, Any] = field(repr=False)

    @property
    def host(self) -> str:
        """The host that the answer goes to."""
        return urlsplit(self.response_uri).hostname or ""

    @property
    def digest(self) -> bytes:
        """What this request is known by, however often its link is opened."""
        return digest_of(self.client_id, self.nonce, self.response_uri)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a request must be: from this client, for us, of now, and with our nonce if we sent one."""

    client_id: str
    own_url: str
    now: datetime
    wallet_nonce: str | None = None
    plain_http: bool = False


def digest_of(client_id: str, nonce: str, response_uri: str) -> bytes:
    """Return what a request is known by, on either side."""
    return hashlib.sha256("\0".join((client_id, nonce, response_uri)).encode()).digest()


def read(unverified: str, *, expected: Expected) -> RequestObject:
    """Verify a request object and return what it asks; raises RequestRefused.

    Signature first, by the leaf's own algorithm; then whether the client's name is the certificate's; then each parameter.
    """
    header, payload = _open(unverified)
    chain = _chain(header)
    leaf = _leaf(chain[0])
    _check_signature(unverified, header, leaf)
    prefix, name = _check_client(payload, leaf, chain[0], expected)
    _check_times(payload, expected)
    if expected.wallet_nonce is not None and payload.get("wallet_nonce") != expected.wallet_nonce:
        raise RequestRefused("wallet_nonce", shown=UNSIGNED)
    response_uri = _response_uri(payload, expected, dns_name=name if prefix == SAN_DNS else None)
    try:
        return _asked(payload, expected.client_id, prefix, name, chain, response_uri)
    except RequestRefused as refused:
        refused.whom = Whom(response_uri, payload["state"] if _is_token(payload.get("state")) else None)
        raise


def _asked(payload: dict[str, Any], client_id: str, prefix: str, name: str, chain: tuple[str, ...], response_uri: str) -> RequestObject:
    if payload.get("response_type") != "vp_token":
        raise RequestRefused("another response type", shown=UNSUPPORTED)
    query = _query(payload)
    readable.check_formats(query, payload.get("client_metadata"))
    return RequestObject(
        client_id=client_id,
        prefix=prefix,
        name=name,
        chain=chain,
        response_uri=response_uri,
        nonce=_token(payload, "nonce"),
        state=_token(payload, "state") if "state" in payload else None,
        query=query,
        transactions=transactions.read(payload["transaction_data"], query) if "transaction_data" in payload else (),
        recipient=_recipient(payload),
        expires_at=payload.get("exp"),
        payload=payload,
    )


def unverified_client_id(unverified: str) -> object:
    """Return the client that a request object names; raises RequestRefused."""
    return _open(unverified)[1].get("client_id")


def certificate_hash(encoded: str) -> str:
    """Return what `x509_hash` says of a certificate, given as `x5c` carries it."""
    return base64url.write(hashlib.sha256(base64.b64decode(encoded)).digest())


def _open(unverified: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if len(unverified) > LONGEST or not COMPACT_JWS.fullmatch(unverified):
        raise RequestRefused("not a signed request object")
    try:
        header, payload = (sd_jwt.read_json(part) for part in unverified.split(".")[:2])
    except sd_jwt.MalformedSdJwt as error:
        raise RequestRefused("a part cannot be read") from error
    if not isinstance(header, dict) or not isinstance(payload, dict) or header.get("typ") != TYPE or "crit" in header:
        raise RequestRefused("another type, or something that must be understood and is not")
    return header, payload


def _chain(header: dict[str, Any]) -> tuple[str, ...]:
    chain = header.get("x5c")
    if not isinstance(chain, list) or not 1 <= len(chain) <= paths.MOST_CERTIFICATES or not all(isinstance(one, str) for one in chain):
        raise RequestRefused("no chain of certificates", shown=WRONG_NAME)
    return tuple(chain)


def _leaf(encoded: str) -> x509.Certificate:
    try:
        leaf = paths.read_certificate(encoded)
        suites.suite_of(leaf.public_key())  # type: ignore[arg-type]
    except UNREADABLE as error:
        raise RequestRefused("not a certificate", shown=WRONG_NAME) from error
    if leaf.issuer == leaf.subject:
        raise RequestRefused("a certificate that signed itself", shown=WRONG_NAME)
    return leaf


def _check_signature(unverified: str, header: dict[str, Any], leaf: x509.Certificate) -> None:
    key: Any = leaf.public_key()
    signed, _, encoded = unverified.rpartition(".")
    alg = header.get("alg")
    if alg not in suites.algorithms_of(key):
        raise RequestRefused("the algorithm is not the key's", shown=UNSIGNED)
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError as error:
        raise RequestRefused("not a signature", shown=UNSIGNED) from error
    if not suites.verify(key, signed.encode(), raw, suite=alg):
        raise RequestRefused("the signature does not fit", shown=UNSIGNED)


def _check_client(payload: dict[str, Any], leaf: x509.Certificate, encoded: str, expected: Expected) -> tuple[str, str]:
    if payload.get("client_id") != expected.client_id:
        raise RequestRefused("another client than the link names", shown=WRONG_NAME)
    prefix, _, name = expected.client_id.partition(":")
    if prefix == SAN_DNS and name and name in _dns_names(leaf):
        return prefix, name
    if prefix == HASH and name and name == certificate_hash(encoded):
        return prefix, name
    raise RequestRefused("the client's name is not the certificate's", shown=WRONG_NAME if prefix in (SAN_DNS, HASH) else UNSUPPORTED)


def _dns_names(leaf: x509.Certificate) -> frozenset[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except UNREADABLE:
        return frozenset()
    return frozenset(names.get_values_for_type(x509.DNSName))


def _check_times(payload: dict[str, Any], expected: Expected) -> None:
    present = expected.now.timestamp()
    exp, made = _time(payload, "exp", present + 1), max(_time(payload, "iat", 0), _time(payload, "nbf", 0))
    if exp <= present:
        raise RequestRefused("over", shown=OVER)
    if made > present + SKEW:
        raise RequestRefused("not yet")
    aud = payload.get("aud", SELF_ISSUED)
    if not {SELF_ISSUED, expected.own_url}.intersection(one for one in (aud if isinstance(aud, list) else [aud]) if isinstance(one, str)):
        raise RequestRefused("made for another wallet")


def _time(payload: dict[str, Any], name: str, absent: float) -> float:
    value = payload.get(name, absent)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise RequestRefused("a time that is none")
    return value


def _response_uri(payload: dict[str, Any], expected: Expected, *, dns_name: str | None) -> str:
    if payload.get("response_mode") not in (DIRECT_POST, DIRECT_POST_JWT):
        raise RequestRefused("another response mode", shown=UNSUPPORTED)
    uri = payload.get("response_uri")
    if not isinstance(uri, str) or len(uri) > LONGEST_URI or "redirect_uri" in payload or not uri.isascii() or not uri.isprintable():
        raise RequestRefused("response_uri", shown=WRONG_PLACE)
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RequestRefused("response_uri", shown=WRONG_PLACE) from error
    schemes = ("https", "http") if expected.plain_http else ("https",)
    if parts.scheme not in schemes or not host or parts.username is not None or parts.fragment:
        raise RequestRefused("response_uri", shown=WRONG_PLACE)
    if dns_name is not None and host.lower() != dns_name.lower():
        raise RequestRefused("response_uri of another host", shown=WRONG_PLACE)
    return uri


def _query(payload: dict[str, Any]) -> Query:
    if "scope" in payload or "dcql_query" not in payload:
        raise RequestRefused("a query that is missing, or is there twice", shown=UNSUPPORTED)
    try:
        return read_query(payload["dcql_query"])
    except (MalformedQuery, KeyError, TypeError) as error:
        raise RequestRefused("dcql_query") from error


def _recipient(payload: dict[str, Any]) -> Recipient | None:
    return encryption.recipient_of(payload.get("client_metadata")) if payload["response_mode"] == DIRECT_POST_JWT else None


def _token(payload: dict[str, Any], name: str) -> str:
    value = payload.get(name)
    if not _is_token(value):
        raise RequestRefused(name)
    return value


def _is_token(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and TOKEN.fullmatch(value) is not None
