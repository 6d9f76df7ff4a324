"""The `claims` parameter: single claims asked for by name (OpenID Connect Core section 5.5).

What is kept of it are the claims that we know: those of people, told by the userinfo endpoint alone, and what can be demanded of an ID token
(`sub`, `acr`). Everything else is ignored, as section 5.5.1 wants. Each claim of people belongs to a scope: a client may ask for it if it is
registered for that scope, and it is demanded, consented to and remembered like the scope. A value that a claim is to have is kept as a keyed
digest: nothing of a person rests in a code's terms or in an access token.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import scopes
from idp.oauth.assured import asking
from idp.oauth.clients import Client
from idp.oauth.terms import Terms
from idp.signin.assurance import read_acr
from runtime import base64url, strict_json
from runtime.languages import Text
from runtime.settings import Settings

if TYPE_CHECKING:
    from idp.oauth.server import OAuthRequest

PARAMETER = "claims"
ID_TOKEN, USERINFO, VERIFIED = "id_token", "userinfo", "verified_claims"
LONGEST, WIDEST, DEEPEST = 6000, 1600, 20
MOST_VALUES, LONGEST_VALUE = 10, 300
DIGEST_BYTES = 16
Asked = Mapping[str, Any]


def check(request: "OAuthRequest", client: Client) -> None:
    """Read the parameter into the request's terms; raises InvalidRequestError.

    An essential `acr` with values becomes the request's `acr_values`, which are a demand here (section 5.5.1.1).
    """
    parameters = request.payload.data
    if PARAMETER not in parameters or scopes.OPENID not in scopes.scopes_of(parameters.get("scope")):
        return
    asked = read(parameters[PARAMETER], client=client, settings=request.settings)
    request.terms = replace(request.terms, claims=asked or None)
    acr = asked.get(ID_TOKEN, {}).get("acr")
    if acr:
        parameters["acr_values"] = " ".join(acr["values"])


def read(unverified: str, *, client: Client, settings: Settings) -> dict[str, Any]:
    """Return what a client asks of what we know, within what it may ask for; raises InvalidRequestError."""
    document = _parse(unverified)
    found = {ID_TOKEN: _of_id_token(_member(document, ID_TOKEN)), USERINFO: _of_userinfo(_member(document, USERINFO), client, settings)}
    kept = {name: asked for name, asked in found.items() if asked}
    if len(json.dumps(kept)) > WIDEST:
        raise InvalidRequestError("The claims parameter asks for too much at once.")
    return kept


def implied(terms: Terms) -> list[str]:
    """Return the scopes that the claims asked for belong to, in their usual order."""
    asked = _userinfo_of(terms)
    named = {name for name in asked if name in scopes.SCOPE_OF}
    verified = asked.get(VERIFIED)
    if verified is not None:
        named.update(asking.names_in(verified))
    wanted = {scopes.SCOPE_OF[name] for name in named} | ({scopes.ASSURANCE} if verified is not None else set())
    return [scope for scope in scopes.OF_PEOPLE if scope in wanted]


def with_implied(asked: Iterable[str], terms: Terms) -> list[str]:
    """Return the scopes asked for and those of the claims asked for besides: what is to be demanded and consented to."""
    return list(dict.fromkeys([*asked, *implied(terms)]))


def wanted_scopes(request: "OAuthRequest") -> list[str]:
    """Return what an authorization request, once checked, is to be demanded and consented to for."""
    return with_implied(scopes.scopes_of(request.scope), request.terms)


def words(terms: Terms, asked: Iterable[str] = ()) -> list[tuple[str, Text]]:
    """Return what the claims ask for beyond the scopes asked for, as a person reads it: each with the scope that it belongs to."""
    return [(scope, scopes.OF_PEOPLE[scope]) for scope in implied(terms) if scope not in set(asked)]


def select(terms: Terms, known: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return those of the claims asked for that are known and have a value that was asked for."""
    asked = _userinfo_of(terms)
    return {name: known[name] for name in asked if name in known and is_wanted(asked[name], name, known[name], settings)}


def is_wanted(asked: Any, name: str, value: Any, settings: Settings) -> bool:
    """Whether a claim has one of the values that were asked for, if any were."""
    digests = asked.get("digests") if isinstance(asked, Mapping) else None
    return digests is None or any(hmac.compare_digest(digest_of(name, value, settings), one) for one in digests)


def verified_of(terms: Terms) -> Any:
    """Return what is asked of `verified_claims`, None for nothing."""
    return _userinfo_of(terms).get(VERIFIED)


def acr_to_tell(terms: Terms, reached: str) -> str:
    """Return the `acr` of an ID token: where one was demanded, the first of those named that is covered; it must be one of them (5.5.1.1)."""
    named = ((terms.claims or {}).get(ID_TOKEN) or {}).get("acr", {}).get("values", ())
    level = read_acr(reached)
    if level is None or reached in named:
        return reached
    return next((one for one in named if (wanted := read_acr(one)) is not None and level.covers(wanted)), reached)


def digest_of(name: str, value: Any, settings: Settings) -> str:
    """Return what is kept of a value that a claim is to have."""
    text = f"{name}:{json.dumps(value, sort_keys=True)}".encode()
    digest = hmac.digest(settings.derived_key("values of claims"), text, hashlib.sha256)[:DIGEST_BYTES]
    return base64url.write(digest)


def _userinfo_of(terms: Terms) -> Asked:
    found: Asked = (terms.claims or {}).get(USERINFO) or {}
    return found


def _parse(unverified: str) -> dict[str, Any]:
    if len(unverified) > LONGEST:
        raise InvalidRequestError("The claims parameter is too long.")
    try:
        document = strict_json.read(unverified.encode())
    except ValueError as error:
        raise InvalidRequestError("The claims parameter is not JSON.") from error
    if not isinstance(document, dict):
        raise InvalidRequestError("The claims parameter is not a JSON object.")
    _check_depth(document)
    return document


def _check_depth(document: Any) -> None:
    """Check that nothing is nested more deeply than whoever reads on can follow; raises InvalidRequestError."""
    within = [document]
    for _ in range(DEEPEST):
        within = [each for one in within if isinstance(one, dict | list) for each in (one.values() if isinstance(one, dict) else one)]
        if not within:
            return
    raise InvalidRequestError("The claims parameter is nested too deeply.")


def _member(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    member = document.get(name)
    if member is not None and not isinstance(member, dict):
        raise InvalidRequestError(f"The member {name} of the claims parameter is not an object.")
    return member or {}


def _of_id_token(member: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what an ID token can be made to say; the rest of what we know is in each anyway, and what is of people never is."""
    found: dict[str, Any] = {}
    if values := _values(member.get("sub"), "sub"):
        found["sub"] = {"values": _texts(values, "sub")}
    acr = member.get("acr")
    values = _texts(_values(acr, "acr"), "acr")
    if values and acr is not None and acr.get("essential") is True:
        found["acr"] = {"essential": True, "values": values}
    return found


def _of_userinfo(member: Mapping[str, Any], client: Client, settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if values := _values(member.get("sub"), "sub"):
        found["sub"] = {"values": _texts(values, "sub")}
    for name in (name for name in member if scopes.SCOPE_OF.get(name) in client.scopes):
        found[name] = _digested(name, member[name], settings)
    if VERIFIED in member and scopes.ASSURANCE in client.scopes:
        found[VERIFIED] = asking.read(member[VERIFIED], lambda name, asked: _digested(name, asked, settings), may_ask=client.scopes)
    return {name: asked for name, asked in found.items() if name != VERIFIED or asked is not None}


def _digested(name: str, asked: Any, settings: Settings) -> dict[str, Any] | None:
    values = _values(asked, name)
    return {"digests": [digest_of(name, value, settings) for value in values]} if values else None


def _values(asked: Any, name: str) -> list[Any]:
    """Return the values that a claim may have, empty for any (section 5.5.1); raises InvalidRequestError."""
    if asked is None:
        return []
    if not isinstance(asked, dict) or not isinstance(asked.get("essential", False), bool):
        raise InvalidRequestError(f"What the claims parameter says of {name} is neither null nor an object as specified.")
    values = asked.get("values", [asked["value"]] if "value" in asked else [])
    if not isinstance(values, list) or len(values) > MOST_VALUES or len(json.dumps(values)) > LONGEST_VALUE * MOST_VALUES:
        raise InvalidRequestError(f"The values for {name} in the claims parameter are too many, or no array.")
    return values


def _texts(values: list[Any], name: str) -> list[str]:
    if not all(
        isinstance(value, str) and 0 < len(value) <= LONGEST_VALUE and value.isascii() and value.isprintable() and " " not in value
        for value in values
    ):
        raise InvalidRequestError(f"A value for {name} in the claims parameter is no text that it can have.")
    return values
