"""Where a browser may be sent: exact addresses, registered beforehand. Pure.

RFC 9700 section 2.1 (exact match) with the one exception of RFC 8252 section 7.3: the port of a loopback IP literal. A native application
may have a scheme of its own, named by a domain turned round (section 7.1).
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(/[!-~]*)?")
PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:/(?!/)[!-~]*")
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,252})|[0-9a-f:.]+")  # as a browser, a resolver and a page's policy all read it alike
PRINTABLE = re.compile(r"[!-~]{1,500}")


def is_acceptable(uri: str) -> bool:
    """Whether an address may be registered: https, or http to a loopback IP literal; no fragment, no user name."""
    if not PRINTABLE.fullmatch(uri) or "#" in uri or "\\" in uri:
        return False
    if LOOPBACK.fullmatch(uri):
        return True
    try:
        parts = urlsplit(uri)
        return parts.scheme == "https" and bool(HOST.fullmatch(parts.hostname or "")) and parts.username is None and parts.port != 0
    except ValueError:
        return False


def is_private_use(uri: str) -> bool:
    """Whether this is an address within a native application's own scheme, such as `cn.gov.example.app:/callback`."""
    return bool(PRINTABLE.fullmatch(uri) and PRIVATE_USE.fullmatch(uri)) and "#" not in uri and "\\" not in uri


def is_of_a_host(uri: str) -> bool:
    """Whether an acceptable address is some host's, rather than this machine's own."""
    return not LOOPBACK.fullmatch(uri) and not is_private_use(uri)


def is_registered(unverified_uri: str, registered: Iterable[str]) -> bool:
    """Whether an address is one of the registered ones."""
    known = list(registered)
    if unverified_uri in known:
        return True
    portless = _without_port(unverified_uri)
    return portless is not None and any(_without_port(uri) == portless for uri in known)


def origin_of(uri: str) -> str:
    """Return scheme, host and port of a registered address; of one that no host has, the scheme."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


def origins_covering(uri: str) -> str:
    """Return the origin of a registered address as a page's policy names it: with any port, where the port is free."""
    match = LOOPBACK.fullmatch(uri)
    return f"http://{match[1]}:*" if match else origin_of(uri)


def sector_of(uris: Iterable[str], *, client_id: str) -> str:
    """Return the sector that a client belongs to unless it names one: the host of its first address, or itself on a loopback."""
    first = next(iter(uris), None)
    if first is None or not is_of_a_host(first):
        return client_id
    return urlsplit(first).hostname or client_id


def _without_port(uri: str) -> tuple[str, str] | None:
    match = LOOPBACK.fullmatch(uri)
    if match is None or "#" in uri:
        return None
    return match[1], match[2] or ""
