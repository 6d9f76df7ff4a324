"""The one door outwards: whatever this service asks of another over HTTP goes through `fetch`.

No redirect is followed, the whole exchange has one deadline, no more than `limit` bytes of an answer are read, and a name
is resolved once: the address that was checked is the one that is connected to. Inner addresses (loopback, private,
link-local and their disguises) are refused unless the operator named the host; plain HTTP is for development alone.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

import certifi

from runtime.settings import Settings

PORTS = {"https": 443, "http": 80}
CHUNK = 64 * 1024
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NAT64 = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NoAnswer(Exception):
    """There was no whole answer in time, or the address may not be asked. The message holds neither address nor body."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What else than public addresses over HTTPS may be asked: `hosts` may be inner ones, and in development loopback and plain HTTP are fine."""

    hosts: frozenset[str] = frozenset()
    development: bool = False

    def check(self, host: str, address: Address) -> None:
        """Check that a host may be asked at an address; raises NoAnswer. Nobody's word opens link-local or multicast ones."""
        real = _disguised(address)
        if real.is_link_local or real.is_multicast or real.is_unspecified:
            raise NoAnswer("an address that nobody is asked at")
        is_inner = not real.is_global or real.is_reserved or getattr(real, "is_site_local", False)  # fec0::/10, ::127.0.0.1: global, says the library
        if is_inner and not (host.lower() in self.hosts or (self.development and real.is_loopback)):
            raise NoAnswer("an inner address, and the operator did not name its host (KABAO_OUTBOUND_HOSTS)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, a redirect included; the names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def allowed_by(settings: Settings, *own_urls: str) -> Allowed:
    """Return what the operator allows: the hosts that the settings name, and those of addresses that are settings themselves."""
    own = {urlsplit(url).hostname or "" for url in own_urls}
    return Allowed(settings.outbound_hosts | own, settings.development)


def fetch(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] = NO_HEADERS, allowed: Allowed, timeout: float, limit: int
) -> Answer:
    """Send one request and return its answer, all within `timeout` seconds.

    An answer longer than `limit` bytes is none; a limit of 0 reads its head alone. Raises NoAnswer.
    """
    deadline = time.monotonic() + timeout
    try:
        parts = urlsplit(url)
        with _connect(parts, allowed, deadline) as connected:
            return _exchange(connected, parts, method, body, headers, limit)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(type(error).__name__) from error


class _Deadline(io.RawIOBase):
    """A socket's bytes, for as long as the exchange has time: a trickle of bytes gains none."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self.connected, self.deadline = connected, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self.connected.settimeout(_left(self.deadline))
        return self.connected.recv_into(buffer)


class _Connected:
    """A socket as http.client uses one, kept to the deadline."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self.connected, self.deadline = connected, deadline

    def __enter__(self) -> "_Connected":
        return self

    def __exit__(self, *_: object) -> None:
        self.connected.close()

    def sendall(self, data: bytes) -> None:
        self.connected.settimeout(_left(self.deadline))
        self.connected.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Deadline(self.connected, self.deadline), CHUNK)

    def close(self) -> None:
        """Do nothing: http.client says so before the body is read. The block that opened the connection closes it."""


def _exchange(connected: _Connected, parts: SplitResult, method: str, body: bytes | None, headers: Mapping[str, str], limit: int) -> Answer:
    connection = http.client.HTTPConnection(_host(parts), _port(parts))
    connection.sock = connected
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
    connection.request(method, target, body, {"Host": host, "Accept-Encoding": "identity", "Connection": "close", **headers})
    response = connection.getresponse()
    read = response.read(limit + 1) if limit else b""
    if len(read) > limit:
        raise NoAnswer("longer than any answer")
    promised = response.headers.get("Content-Length", "")
    if limit and promised.isdecimal() and method != "HEAD" and len(read) < int(promised) and response.status not in (204, 304):
        raise NoAnswer("cut short")
    names = {name.lower() for name in response.headers}
    return Answer(response.status, {name: ", ".join(response.headers.get_all(name, [])) for name in names}, read)


def _connect(parts: SplitResult, allowed: Allowed, deadline: float) -> _Connected:
    """Connect to the first of the host's addresses that answers; each has its share of the time that is left."""
    if parts.scheme not in PORTS or parts.username is not None or not parts.hostname:
        raise NoAnswer("not an address to ask")
    if parts.scheme == "http" and not allowed.development:
        raise NoAnswer("plain HTTP, outside development")
    addresses = _resolve(_host(parts), _port(parts), deadline)
    for address in addresses:
        allowed.check(parts.hostname, address)
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            connected = socket.create_connection((str(address), _port(parts)), timeout=_left(deadline) / left)
        except OSError:
            if left == 1:
                raise
            continue
        return _Connected(_secured(connected, parts, deadline), deadline)
    raise NoAnswer("a host without an address")


def _secured(connected: socket.socket, parts: SplitResult, deadline: float) -> socket.socket:
    connected.settimeout(_left(deadline))
    if parts.scheme == "http":
        return connected
    try:
        return _tls().wrap_socket(connected, server_hostname=_host(parts))
    except BaseException:
        connected.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    """Return what is trusted: the system's authorities (SSL_CERT_FILE may name others), else those that ship with certifi."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    return context


def _resolve(host: str, port: int, deadline: float) -> list[Address]:
    """Return the addresses of a host, asked once; a resolver that hangs is left behind, as it cannot be stopped."""
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    found: list[Address] = []

    def ask() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return
        found.extend(dict.fromkeys(ipaddress.ip_address(str(row[4][0])) for row in rows))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_left(deadline))
    return list(found)


def _disguised(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for (mapped, 6to4, Teredo, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return host if host.isascii() else host.encode("idna").decode()


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
