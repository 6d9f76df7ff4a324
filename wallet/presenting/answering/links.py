"""The link or QR code by which somebody asks a wallet: where the request is, and who claims to have made it. Pure; nothing of it is believed."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from runtime.languages import Text
from runtime.problems import Refusal

SCHEMES = ("openid4vp", "haip-vp", "https", "http")
LONGEST, LONGEST_URI = 64 * 1024, 2048
GET, POST = "get", "post"
KNOWN = frozenset({"client_id", "request_uri", "request_uri_method", "request"})
NOT_SIGNED = Text("该请求没有签名，无法确认是谁发出的，不能答复。", "The request is not signed: nobody can tell who made it, so it is not answered.")


class NotARequest(Refusal):
    """The text is no link by which a wallet is asked."""

    code, status = "not-a-request", 422
    title = Text("这不是出示请求，请重新扫码或粘贴完整链接。", "That is no request to a wallet; scan it again, or paste the whole link.")


@dataclass(frozen=True, slots=True)
class Link:
    """Who says to ask, and where the request object is: at an address, or in the link itself."""

    client_id: str
    request_uri: str | None
    method: str = GET
    request: str | None = None


def read_link(unverified: str) -> Link:
    """Return what a link says; raises NotARequest. Parameters that are not known are left out (OpenID4VP section 5)."""
    text = unverified.strip()
    if not 1 <= len(text) <= LONGEST or not text.isprintable():
        raise NotARequest("not a link", field="link")
    try:
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=40, errors="strict")
    except ValueError as error:
        raise NotARequest("not a link", field="link") from error
    named = [name for name, _ in pairs if name in KNOWN]
    if parts.scheme.lower() not in SCHEMES or len(set(named)) != len(named):
        raise NotARequest("another scheme, or a parameter twice", field="link")
    return _link({name: value for name, value in pairs if name in KNOWN}, is_unsigned="response_type" in dict(pairs) or "dcql_query" in dict(pairs))


def _link(found: dict[str, str], *, is_unsigned: bool) -> Link:
    uri, request, method = found.get("request_uri"), found.get("request"), found.get("request_uri_method", GET)
    if uri is None and request is None and is_unsigned:
        raise NotARequest("unsigned", field="link", shown=NOT_SIGNED)
    if not found.get("client_id") or (uri is None) == (request is None) or len(uri or "") > LONGEST_URI:
        raise NotARequest("no client, or no request", field="link")
    if method not in (GET, POST) or (request is not None and "request_uri_method" in found):
        raise NotARequest("another method", field="link")
    return Link(found["client_id"], uri, method, request)
