"""How an authorization response leaves: in the query, the fragment or a posted form, plain or as one signed JWT. The one place where it does.

OAuth 2.0 Multiple Response Type Encoding Practices section 2.1, OAuth 2.0 Form Post Response Mode, JARM, RFC 9207. Errors leave in the mode that
was asked for, too; where that is none that there is, or is asked for twice, they leave in the usual one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Response, make_response, redirect, render_template

from idp.oauth import redirects, signed_answers
from idp.oauth.client_metadata import RESPONSE_MODES
from idp.oauth.clients import Client, find_client
from idp.oauth.server import NO_STORE, OAuthRequest
from keys import jwe, ring
from runtime.pages import form_may_lead_only_to
from runtime.settings import Settings

QUERY, FRAGMENT, FORM_POST = "query", "fragment", "form_post"
JWT = "jwt"
SIGNED = "." + JWT
LIFETIME = timedelta(minutes=2)
TYP = "JWT"


@dataclass(frozen=True, slots=True)
class Mode:
    """What carries the response, and whether it is a JWT."""

    carrier: str
    is_signed: bool = False


def announced(settings: Settings) -> dict[str, Any]:
    """Return what discovery says of the authorization endpoint's answers and pages; these fit a window, a popup and a finger alike."""
    return {
        "response_modes_supported": list(RESPONSE_MODES),
        "authorization_signing_alg_values_supported": list(ring.signing_suites(ring.OIDC)),
        "authorization_encryption_alg_values_supported": list(jwe.ALGS),
        "authorization_encryption_enc_values_supported": list(jwe.ENCS),
        "display_values_supported": ["page", "touch"],
        "ui_locales_supported": ["zh-CN", "en"],
    }


def mode_of(parameters: Mapping[str, str]) -> Mode:
    """Return the mode that a request asks for, the usual one of its response type where it names none (section 5; JARM section 2.3.4)."""
    named, usual = parameters.get("response_mode", ""), _usual(parameters.get("response_type", ""))
    if named == JWT:
        return Mode(usual, is_signed=True)
    if named not in RESPONSE_MODES:
        return Mode(usual)
    return Mode(named.removesuffix(SIGNED), is_signed=named.endswith(SIGNED))


def check_mode(request: OAuthRequest, client: Client) -> None:
    """Check that the mode that is asked for is one of ours, and of the client's where it registered some; raises InvalidRequestError."""
    named = request.payload.data.get("response_mode", QUERY)
    if named not in RESPONSE_MODES:
        raise InvalidRequestError("response_mode is not supported.")
    if named not in (client.metadata.response_modes or RESPONSE_MODES):
        raise InvalidRequestError("response_mode is not one that this client is registered for.")


def answer(request: OAuthRequest, parameters: Mapping[str, str]) -> Response:
    """Answer an authorization request whose client and address are sure: `state` and `iss` are added, and nothing is kept by anyone.

    The browser goes on by GET, whatever brought it here (RFC 9700 section 4.12), unless the response is a form.
    """
    asked, redirect_uri = request.payload.data, request.payload.redirect_uri
    mode = Mode(_usual("")) if "response_mode" in request.repeated else mode_of(asked)
    state = {"state": asked["state"]} if "state" in asked else {}
    whole = {**parameters, **state, "iss": request.settings.public_url}
    if mode.is_signed:
        whole = {"response": _sign(request, whole)}
    if mode.carrier == FORM_POST:
        response = _form(redirect_uri, whole)
    else:
        response = _redirect(add_params_to_uri(redirect_uri, whole.items(), fragment=mode.carrier == FRAGMENT))
    response.headers.update(NO_STORE)
    return response


def _usual(response_type: str) -> str:
    return FRAGMENT if {"token", "id_token"} & set(response_type.split()) else QUERY


def _sign(request: OAuthRequest, parameters: dict[str, str]) -> str:
    client = find_client(request.payload.client_id)
    assert client is not None
    expires_at = int((request.now + LIFETIME).timestamp())
    return signed_answers.write(
        client,
        {**parameters, "exp": expires_at},
        alg=client.metadata.authorization_signed_response_alg,
        encryption_alg=client.metadata.authorization_encrypted_response_alg,
        encryption_enc=client.metadata.authorization_encrypted_response_enc,
        typ=TYP,
        settings=request.settings,
        now=request.now,
    )


def _redirect(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response


def _form(goal: str, fields: dict[str, str]) -> Response:
    page = render_template("oauth/form_post.html", goal=goal, fields=fields, portal_host=urlsplit(goal).netloc)
    response = form_may_lead_only_to(make_response(page), redirects.origin_of(goal))
    response.headers["Referrer-Policy"] = "strict-origin"  # the portal's door against forged posts reads Origin, which `no-referrer` makes "null"
    return response
