"""Callers with an access token: departments' systems, and portals for a person (RFC 6750)."""

import re

from flask import current_app, g, request

from idp.oauth.access_tokens import InvalidToken, verify_access_token
from runtime.clock import now
from runtime.guard import Caller
from runtime.languages import Text
from runtime.problems import NotAllowed, NotSignedIn

BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]+)", re.IGNORECASE)


class InsufficientScope(NotAllowed):
    """The token is good, but not for this (RFC 6750 section 3.1: insufficient_scope)."""

    code, status, title = "insufficient-scope", 403, Text("访问令牌的授权范围不足。", "The access token does not have the scope for this.")


class Bearer:
    """Someone with an access token of one of some scopes; records it as `g.token`."""

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self.scopes = scopes
        self.name = "bearer:" + "|".join(scopes)

    def admit(self) -> None:
        """Record the token of the request; raises NotSignedIn, InvalidToken or InsufficientScope, each with its challenge."""
        match = BEARER.fullmatch(request.headers.get("Authorization", ""))
        if match is None:
            raise NotSignedIn("no bearer token", headers={"WWW-Authenticate": 'Bearer realm="kabao"'})
        try:
            token = verify_access_token(match[1], settings=current_app.extensions["kabao_settings"], now=now())
        except InvalidToken as error:
            error.headers["WWW-Authenticate"] = 'Bearer realm="kabao", error="invalid_token"'
            raise
        if token.scopes.isdisjoint(self.scopes):
            challenge = f'Bearer realm="kabao", error="insufficient_scope", scope="{" ".join(self.scopes)}"'
            raise InsufficientScope("the token lacks the scope", headers={"WWW-Authenticate": challenge})
        g.token = token


def bearer(*scopes: str) -> Caller:
    """Return the caller with a token of this scope; of several scopes, one is enough."""
    return Bearer(scopes)
