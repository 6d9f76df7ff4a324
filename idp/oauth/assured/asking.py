"""What a client asks of `verified_claims`, and what of it can be told (Identity Assurance 1.0 sections 5.4 to 5.7). Pure.

A request is a template: its members are what the client wants to see, `value`, `values` and `max_age` what must hold. Read once, it keeps only
members that we can fill; a condition on anything else can never hold, so such a request is dropped whole (section 5.7.4). No condition is ever
ignored, and none is an error.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from idp.oauth import scopes

VERIFICATION, CLAIMS = "verification", "claims"
MOST, MOST_TEMPLATES, LONGEST_VALUE, MOST_VALUES = 4, 5, 100, 10
LONGEST_AGE = 10**10
CONDITIONS = frozenset({"value", "values", "max_age"})
LEAF: Mapping[str, Any] = {}
SOURCE = {"name": LEAF}
CHECK = {"check_method": LEAF, "organization": LEAF, "time": LEAF}
EVIDENCE = {
    "type": LEAF,
    "check_details": [CHECK],
    "record": {"type": LEAF, "source": SOURCE},
    "document_details": {"type": LEAF, "issuer": SOURCE},
}
SHAPE = {"trust_framework": LEAF, "assurance_level": LEAF, "time": LEAF, "evidence": [EVIDENCE]}
ALWAYS = ("trust_framework", "type", "check_method")
Digested = Callable[[str, Any], dict[str, Any] | None]


class Unmet(Exception):
    """What is known does not meet what is asked."""


def read(unverified: Any, digested: Digested, *, may_ask: Collection[str]) -> Any:
    """Return what is asked as it is kept, an object or an array; None where nothing of it can ever be told. Raises InvalidRequestError."""
    if not isinstance(unverified, list):
        return _one(unverified, digested, may_ask)
    if not 0 < len(unverified) <= MOST:
        raise InvalidRequestError(f"verified_claims is an array of one to {MOST} objects.")
    kept = [one for each in unverified if (one := _one(each, digested, may_ask)) is not None]
    return kept or None


def names_in(asked: Any) -> set[str]:
    """Return the names of the claims that are asked for."""
    return {name for one in _listed(asked) for name in one[CLAIMS] or ()}


def fill(asked: Any, *, verification: Mapping[str, Any], claims: Callable[[Any], dict[str, Any]], now: datetime) -> Any:
    """Return `verified_claims` as asked, None where nothing meets it; `claims` gives those of the claims asked for that can be told."""
    told = [one for each in _listed(asked) if (one := _filled(each, verification, claims(each[CLAIMS]), now)) is not None]
    if isinstance(asked, list):
        return told or None
    return told[0] if told else None


def _filled(asked: Mapping[str, Any], verification: Mapping[str, Any], claims: dict[str, Any], now: datetime) -> dict[str, Any] | None:
    try:
        return {VERIFICATION: _object(asked[VERIFICATION], verification, now), CLAIMS: claims} if claims else None
    except Unmet:
        return None


def _listed(asked: Any) -> list[Mapping[str, Any]]:
    return asked if isinstance(asked, list) else [asked]


def _one(unverified: Any, digested: Digested, may_ask: Collection[str]) -> dict[str, Any] | None:
    if not isinstance(unverified, dict) or not isinstance(unverified.get(VERIFICATION), dict) or CLAIMS not in unverified:
        raise InvalidRequestError("verified_claims has verification and claims.")
    claims = unverified[CLAIMS]
    if claims is not None and not isinstance(claims, dict):
        raise InvalidRequestError("The claims of verified_claims are neither null nor an object.")
    named = None if claims is None else {name: digested(name, claims[name]) for name in claims if scopes.SCOPE_OF.get(name) in may_ask}
    try:
        template = _template(unverified[VERIFICATION], SHAPE)
    except Unmet:
        return None
    return None if named == {} else {VERIFICATION: template, CLAIMS: named}


def _template(unverified: Any, shape: Any) -> Any:
    """Return a template of what we can fill; raises Unmet where a condition is on what we cannot, InvalidRequestError where it is none."""
    if unverified is None:
        return None
    if isinstance(shape, list):
        return _templates(unverified, shape[0])
    if not isinstance(unverified, dict):
        raise InvalidRequestError("An element of verified_claims is neither null nor an object as specified.")
    if shape is LEAF:
        return _conditions(unverified)
    if any(_is_conditional(asked) for name, asked in unverified.items() if name not in shape):
        raise Unmet
    return {name: _template(unverified[name], shape[name]) for name in shape if name in unverified}


def _templates(unverified: Any, shape: Any) -> list[Any]:
    """Read alternatives; one that can never hold leaves the others (section 5.4)."""
    if not isinstance(unverified, list) or not 0 < len(unverified) <= MOST_TEMPLATES:
        raise InvalidRequestError(f"An element of verified_claims is no array of one to {MOST_TEMPLATES} objects.")
    kept = list(_possible(unverified, shape))
    if not kept:
        raise Unmet
    return kept


def _possible(unverified: list[Any], shape: Any) -> Iterator[Any]:
    for one in unverified:
        try:
            yield _template(one, shape)
        except Unmet:
            continue


def _conditions(unverified: Mapping[str, Any]) -> dict[str, Any] | None:
    values = unverified.get("values", [unverified["value"]] if "value" in unverified else None)
    age = unverified.get("max_age")
    if values is not None and (not isinstance(values, list) or not 0 < len(values) <= MOST_VALUES or not all(map(_is_short, values))):
        raise InvalidRequestError("The values of an element of verified_claims are not short texts.")
    if age is not None and (not isinstance(age, int) or isinstance(age, bool) or not 0 <= age <= LONGEST_AGE):
        raise InvalidRequestError("max_age is no number of seconds.")
    return {name: asked for name, asked in (("values", values), ("max_age", age)) if asked is not None} or None


def _is_short(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_VALUE and value.isprintable()  # what is not, the database may not keep


def _is_conditional(asked: Any) -> bool:
    """Whether there is a condition anywhere in what is asked of an element."""
    if isinstance(asked, list):
        return any(map(_is_conditional, asked))
    return isinstance(asked, dict) and (not CONDITIONS.isdisjoint(asked) or any(map(_is_conditional, asked.values())))


def _object(asked: Mapping[str, Any] | None, known: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the members asked for that are known, and those that the specification requires; raises Unmet."""
    if asked is None:
        return {name: _written(value) for name, value in known.items()}
    for name in asked.keys() - known.keys():
        if _is_conditional(asked[name]):
            raise Unmet
    wanted = [name for name in known if name in asked or name in ALWAYS]
    return {name: _element(asked.get(name), known[name], now) for name in wanted}


def _element(asked: Any, known: Any, now: datetime) -> Any:
    if isinstance(known, Mapping):
        return _object(asked, known, now)
    if isinstance(known, list):
        return _matching(asked, known, now)
    if asked is not None:
        _check(asked, known, now)
    return _written(known)


def _matching(asked: list[Any] | None, known: list[Any], now: datetime) -> list[Any]:
    """Return of each known one what the first template wants that it meets; raises Unmet if there is none."""
    found = [one for each in known for one in _first(asked or [None], each, now)]
    if not found:
        raise Unmet
    return found


def _first(templates: list[Any], known: Any, now: datetime) -> Iterator[Any]:
    for template in templates:
        try:
            yield _element(template, known, now)
        except Unmet:
            continue
        return


def _check(asked: Mapping[str, Any], known: Any, now: datetime) -> None:
    if "values" in asked and _written(known) not in asked["values"]:
        raise Unmet
    if "max_age" in asked and (not isinstance(known, datetime) or now - known > timedelta(seconds=asked["max_age"])):
        raise Unmet


def _written(known: Any) -> Any:
    """Return what is known as JSON has it; a moment as ISO 8601 in UTC."""
    if isinstance(known, datetime):
        return f"{known:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(known, Mapping):
        return {name: _written(value) for name, value in known.items()}
    return [_written(value) for value in known] if isinstance(known, list) else known
