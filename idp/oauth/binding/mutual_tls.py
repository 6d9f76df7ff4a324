"""Mutual TLS: a client proves itself, or its right to use a token, by the certificate of its connection (RFC 8705).

The proxy that ends TLS has seen the client prove the certificate's key; `runtime.client_certificates` lets nobody else say so. Whether the
certificate is under an authority that the proxy trusts is the proxy's word as well, and asked for where a name in it counts.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import unquote

from cryptography import x509

from idp.oauth import client_keys
from idp.oauth.certificate_names import names
from idp.oauth.client_kinds import SELF_SIGNED_TLS_CLIENT_AUTH, TLS_CLIENT_AUTH
from idp.oauth.clients import Client
from idp.oauth.key_sets import hash_of
from runtime import base64url
from runtime.client_certificates import CERTIFICATE, VERIFIED
from runtime.settings import Settings

CALLED = (
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "userinfo_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "backchannel_authentication_endpoint",
)
BYTE_SEQUENCE = re.compile(r":([A-Za-z0-9+/]+={0,2}):")


class Headers(Protocol):
    """The headers of a request."""

    def get(self, name: str, /) -> str | None:
        """Return one."""


@dataclass(frozen=True, slots=True)
class Presented:
    """The certificate of the client's connection; `is_verified` says that the proxy found it to be under an authority that it trusts."""

    certificate: x509.Certificate
    thumbprint: str
    is_verified: bool


def read(headers: Headers, settings: Settings) -> Presented | None:
    """Return the certificate that a request came with, None if with none that can be read."""
    unverified = headers.get(CERTIFICATE)
    if not unverified:
        return None
    found = _parse(unverified, settings.client_certificate_format)
    return Presented(*found, headers.get(VERIFIED) == "yes") if found else None


def is_client(client: Client, presented: Presented) -> bool:
    """Whether a certificate proves a client, in the way that it was registered with (sections 2.1 and 2.2)."""
    if client.auth_method == SELF_SIGNED_TLS_CLIENT_AUTH:
        try:
            key = hash_of(presented.certificate.public_key())
        except ValueError:
            return False
        return key in client_keys.public_key_hashes_of(client) or key in client_keys.public_key_hashes_of(client, lacking=True)
    return client.auth_method == TLS_CLIENT_AUTH and presented.is_verified and names(client.metadata, presented.certificate)


def announced(whole: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return what discovery says to clients with a certificate (sections 3.3 and 5): nothing without a proxy that hands certificates on."""
    if settings.client_certificate_header is None:
        return {}
    called = {name: at.replace(settings.public_url, settings.mtls_url, 1) for name, at in whole.items() if settings.mtls_url and name in CALLED}
    return {"tls_client_certificate_bound_access_tokens": True, **({"mtls_endpoint_aliases": called} if called else {})}


@lru_cache(maxsize=512)
def _parse(unverified: str, form: str) -> tuple[x509.Certificate, str] | None:
    """Read a certificate as the proxy writes it, and compute its `x5t#S256`; None if it is none."""
    try:
        der = _der(unverified, form)
        thumbprint = base64url.write(hashlib.sha256(der).digest())
        return x509.load_der_x509_certificate(der), thumbprint
    except (ValueError, binascii.Error):
        return None


def _der(unverified: str, form: str) -> bytes:
    """Return the bytes that were hashed: RFC 9440's byte sequence, or nginx's URL-encoded PEM; of exactly one certificate."""
    if form == "rfc9440":
        found = BYTE_SEQUENCE.fullmatch(unverified.strip())
    else:
        text = "".join(unquote(unverified).split())
        found = re.fullmatch(r"-----BEGINCERTIFICATE-----([A-Za-z0-9+/]+={0,2})-----ENDCERTIFICATE-----", text)
    if found is None:
        raise ValueError("not one certificate")
    return base64.b64decode(found[1], validate=True)
