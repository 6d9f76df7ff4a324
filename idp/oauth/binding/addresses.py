"""The address of a request, as a DPoP proof names it in `htu`: without query and fragment, normalised (RFC 3986 sections 6.2.2, 6.2.3). Pure."""

from urllib.parse import quote, unquote, urljoin, urlsplit

LONGEST = 2048
PORTS = {"https": 443, "http": 80}
SAFE = "/:@!$&'()*+,;=-._~"


def normal(address: str) -> str | None:
    """Return the normal form of an absolute http or https address, None if it is not one."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if len(address) > LONGEST or not address.isascii() or scheme not in PORTS or not host or "@" in parts.netloc:
        return None
    at = f"[{host}]" if ":" in host else host
    walked = urlsplit(urljoin("http://x/", parts.path)).path if "/." in parts.path and not parts.path.startswith("//") else parts.path
    return f"{scheme}://{at}{'' if port in (None, PORTS[scheme]) else f':{port}'}{escaped(unquote(walked))}"


def escaped(decoded_path: str) -> str:
    """Return a path with each character escaped that must be, and no other."""
    return quote(decoded_path, safe=SAFE) or "/"
