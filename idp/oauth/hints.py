"""Whom a portal means: `id_token_hint`, the `sub` of the `claims` parameter, and `login_hint` (OpenID Connect Core sections 3.1.2.1 and 3.1.2.2).

The first two bind: nobody else is ever answered for. A `login_hint` is only heard if it is a `sub` that this client knows somebody by. Any other,
a number above all, is dropped before the request goes into an address of ours.
"""

import re
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import id_tokens
from idp.oauth.clients import Client
from idp.oauth.server import OAuthRequest

SUB = re.compile(r"[A-Za-z0-9_-]{32,86}")


def check_id_token_hint(request: OAuthRequest, client: Client) -> None:
    """Check that the hint is an ID token of ours for this client, however old, and note whom it names; raises InvalidRequestError."""
    unverified = request.payload.data.get("id_token_hint")
    if unverified is None:
        return
    hint = id_tokens.read_hint(unverified, request.settings)
    if hint is None or hint["aud"] != client.client_id:
        raise InvalidRequestError("id_token_hint is not an ID token that was issued here to this client.")
    request.hinted_sub = str(hint["sub"])


def wanted_subs(request: OAuthRequest) -> frozenset[str] | None:
    """Return by which `sub` the person must be known, any one of them, none at all where hints contradict; None where anybody may come."""
    named = [*([frozenset({request.hinted_sub})] if request.hinted_sub else []), *_of_claims(request.terms.claims or {})]
    return frozenset.intersection(*named) if named else None


def expected_sub(request: OAuthRequest) -> str | None:
    """Return by which `sub` a portal expects the person to be known, without insisting: its `login_hint`, where that is one."""
    hint = request.payload.data.get("login_hint", "")
    return hint if SUB.fullmatch(hint) else None


def speakable(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return a request without a `login_hint` that is not of the shape of a `sub`: no number of anybody's goes into an address."""
    return {name: value for name, value in parameters.items() if name != "login_hint" or SUB.fullmatch(value)}


def _of_claims(claims: Mapping[str, Any]) -> list[frozenset[str]]:
    """Return whom the `claims` parameter names, in either of its members (section 5.5.1)."""
    asked = [member.get("sub") for name in ("id_token", "userinfo") if isinstance(member := claims.get(name), Mapping)]
    return [frozenset(map(str, one.get("values") or [one["value"]])) for one in asked if isinstance(one, Mapping) and {"value", "values"} & set(one)]
