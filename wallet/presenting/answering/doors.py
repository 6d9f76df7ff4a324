"""The verifier's two doors: where its request is fetched, and where the answer goes. Nothing is followed, and nothing is sent twice.

What our own service asks is fetched within this process: it need not be able to reach itself from outside, and cannot be led to another of its
addresses than these two.
"""

import json
import secrets
from collections.abc import Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, current_app
from werkzeug.test import EnvironBuilder, run_wsgi_app

from runtime import outbound
from runtime.outbound import NoAnswer
from runtime.settings import Settings
from wallet.presenting.answering import readable
from wallet.presenting.answering.links import POST, Link
from wallet.presenting.answering.refusals import NOT_THERE, RequestRefused, Whom
from wallet.presenting.answering.request_objects import LONGEST, TYPE

REQUESTS, RESPONSES = "/requests/", "/responses/"
TIMEOUT = 6.0
ANSWER_LIMIT, LONGEST_GOAL = 16 * 1024, 2048
MEDIA_TYPE = f"application/{TYPE}"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
METADATA = {
    "vp_formats_supported": readable.OURS,
    "client_id_prefixes_supported": ["x509_san_dns", "x509_hash"],
    "response_types_supported": ["vp_token"],
    "response_modes_supported": ["direct_post", "direct_post.jwt"],
    "request_object_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"],
    "authorization_encryption_alg_values_supported": ["ECDH-ES"],
    "authorization_encryption_enc_values_supported": ["A128GCM", "A256GCM"],
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A request object as it came, and the nonce that we sent for it, if we sent one."""

    text: str
    wallet_nonce: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """How the verifier took an answer: whether it did, and where it would have the person go on."""

    is_taken: bool
    goal: str | None = None


def fetch(link: Link, settings: Settings) -> Fetched:
    """Return the request object that a link leads to, still to be verified; raises RequestRefused."""
    if link.request_uri is None:
        return Fetched(link.request or "", None)
    nonce = secrets.token_urlsafe(16) if link.method == POST else None
    form = {"wallet_nonce": nonce, "wallet_metadata": json.dumps(METADATA)} if nonce else None
    try:
        status, content_type, body = _ask(link.request_uri, form, settings, within=REQUESTS, accept=MEDIA_TYPE, limit=LONGEST)
        if status != 200 or content_type.partition(";")[0].strip().lower() not in (MEDIA_TYPE, "application/jwt"):
            raise NoAnswer("no request object")
        return Fetched(body.decode("ascii").strip(), nonce)
    except (NoAnswer, ValueError) as error:
        raise RequestRefused("not fetched", shown=NOT_THERE) from error


def deliver(whom: Whom, parameters: Mapping[str, str], settings: Settings) -> Delivered:
    """Send an answer, or an error, to the verifier, once; raises NoAnswer if it cannot be told whether it arrived."""
    form = {**parameters, **({"state": whom.state} if whom.state is not None and "response" not in parameters else {})}
    status, _, body = _ask(whom.response_uri, form, settings, within=RESPONSES, accept="application/json", limit=ANSWER_LIMIT)
    return Delivered(status == 200, _goal(body, settings) if status == 200 else None)


def _ask(url: str, form: Mapping[str, str] | None, settings: Settings, *, within: str, accept: str, limit: int) -> tuple[int, str, bytes]:
    body = urlencode(form).encode() if form is not None else None
    headers = {**(FORM if form is not None else {}), "Accept": accept}
    if url.startswith(f"{settings.public_url}/"):
        if not urlsplit(url).path.startswith(within) or ".." in url:
            raise NoAnswer("another address of ours")
        return Context().run(_ask_ourselves, current_app._get_current_object(), url, body, headers)  # type: ignore[attr-defined]
    method = "GET" if body is None else "POST"
    answer = outbound.fetch(method, url, body=body, headers=headers, allowed=outbound.allowed_by(settings), timeout=TIMEOUT, limit=limit)
    return answer.status, answer.headers.get("content-type", ""), answer.body


def _ask_ourselves(app: Flask, url: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """Answer by our own views, past what stands before them for requests from outside."""
    parts = urlsplit(url)
    builder = EnvironBuilder(path=parts.path, query_string=parts.query, base_url=f"{parts.scheme}://{parts.netloc}/", **_sent(body, headers))
    try:
        pieces, status, answered = run_wsgi_app(lambda environ, start: type(app).wsgi_app(app, environ, start), builder.get_environ(), buffered=True)
    finally:
        builder.close()
    return int(status.split()[0]), answered.get("Content-Type", ""), b"".join(pieces)


def _sent(body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
    return {"method": "GET" if body is None else "POST", "headers": dict(headers), "data": body}


def _goal(body: bytes, settings: Settings) -> str | None:
    """Return the address at which a verifier would have the person go on; one that no browser should be sent to is none."""
    try:
        content: Any = json.loads(body)
        goal = content.get("redirect_uri") if isinstance(content, dict) else None
        parts = urlsplit(goal) if isinstance(goal, str) and len(goal) <= LONGEST_GOAL and goal.isascii() and goal.isprintable() else None
        if parts is None or parts.username is not None or not parts.hostname:
            return None
    except (ValueError, RecursionError):
        return None
    return goal if parts.scheme == "https" or (parts.scheme == "http" and settings.development) else None
