"""The TLS certificate of a client, handed on by the proxy that ends TLS (RFC 9440, or nginx's way).

The header that the settings name is believed only from the addresses of that proxy. From there it goes on under a name of our own; whoever
else sends one of these headers has it taken away before any view can see it. Without the setting nothing is believed at all.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from runtime.settings import Settings

CERTIFICATE, VERIFIED = "Kabao-Client-Certificate", "Kabao-Client-Verified"
LONGEST = 16 * 1024
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class ClientCertificates:
    """The outermost layer of the application: it sees who is really connected, before any proxy's word about that counts."""

    def __init__(self, inner: Wsgi, settings: Settings) -> None:
        self.inner = inner
        self.certificate = _key(settings.client_certificate_header)
        self.verified = _key(settings.client_certificate_verified_header)
        self.proxies = settings.client_certificate_proxies

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Take every such header away, and hand on what the proxy says."""
        for name in OWN:
            environ.pop(name, None)
        if self.certificate is not None:
            certificate = environ.pop(self.certificate, "")
            verified = environ.pop(self.verified, "") if self.verified else ""
            if certificate and len(certificate) <= LONGEST and self._is_proxy(environ.get("REMOTE_ADDR", "")):
                environ[OWN[0]] = certificate
                environ[OWN[1]] = "yes" if verified == "SUCCESS" else "no"
        return self.inner(environ, start_response)

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self.proxies)


def _key(header: str | None) -> str | None:
    return None if header is None else "HTTP_" + header.upper().replace("-", "_")


OWN = tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in (CERTIFICATE, VERIFIED))
