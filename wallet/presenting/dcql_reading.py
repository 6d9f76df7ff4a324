"""Reading a DCQL query that someone sent: strictly where the specification says what must be, leniently towards what it does not know.

A query that was read is within bounds, and every name in it refers to something. Pure. OpenID4VP 1.0 section 6, appendix B.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

SD_JWT_VC, MDOC, VC_JWT = "dc+sd-jwt", "mso_mdoc", "jwt_vc_json"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_CREDENTIALS, MOST_CLAIMS, MOST_SETS, MOST_OPTIONS, MOST_VALUES, LONGEST_PATH, LONGEST_TEXT = 16, 64, 16, 64, 32, 8, 512
MOST_EACH = 8  # presentations for one credential query that takes several
Path = tuple[str | int | None, ...]
Item = TypeVar("Item")


class MalformedQuery(ValueError):
    """It is no DCQL query. `at` is where, of names that the specification has and places, never what was sent."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(f"{at}: {why}")
        self.at, self.why = at, why


@dataclass(frozen=True, slots=True)
class ClaimQuery:
    """One claim that is wanted; `values` are those that will do, None for any."""

    id: str | None
    path: Path
    values: tuple[str | int | bool, ...] | None = None
    retained: bool | None = None


@dataclass(frozen=True, slots=True)
class CredentialQuery:
    """One credential that is wanted. `types` are alternatives, each of types that it must have together; none for any type."""

    id: str
    format: str
    types: tuple[frozenset[str], ...] = ()
    multiple: bool = False
    binding: bool = True
    authorities: frozenset[tuple[str, str]] = frozenset()
    claims: tuple[ClaimQuery, ...] = ()
    claim_sets: tuple[tuple[str, ...], ...] = ()

    @property
    def alternatives(self) -> tuple[tuple[ClaimQuery, ...], ...]:
        """The combinations of claims of which the first that a credential has is wanted; with no claims, the empty one."""
        if not self.claim_sets:
            return (self.claims,)
        by_id = {one.id: one for one in self.claims}
        return tuple(tuple(by_id[name] for name in names) for names in self.claim_sets)

    def takes_type(self, types: frozenset[str]) -> bool:
        """Whether a credential of these types will do."""
        return not self.types or any(wanted <= types for wanted in self.types)


@dataclass(frozen=True, slots=True)
class SetQuery:
    """Combinations of credential queries, of which one satisfies a purpose, the first being the one preferred."""

    options: tuple[tuple[str, ...], ...]
    required: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """What a verifier wants to see. Without sets, all of it."""

    credentials: tuple[CredentialQuery, ...]
    sets: tuple[SetQuery, ...] = ()

    def find(self, name: str) -> CredentialQuery | None:
        """Return the credential query of a name."""
        return next((one for one in self.credentials if one.id == name), None)


def read_query(unverified: Any) -> Query:
    """Return a query from its JSON; raises MalformedQuery. Members that are not known are left out."""
    content = _object(unverified, "dcql_query")
    credentials = _many(content, "credentials", _credential, at="dcql_query", most=MOST_CREDENTIALS)
    names = {one.id for one in credentials}
    if len(names) != len(credentials):
        _refuse("credentials", "an id stands twice")
    sets = _many(content, "credential_sets", lambda one, at: _set(one, at, names), at="dcql_query", most=MOST_SETS, needed=False)
    return Query(credentials, sets)


def _credential(unverified: Any, at: str) -> CredentialQuery:
    content = _object(unverified, at)
    form = _text(content.get("format"), f"{at}.format")
    claims = _many(content, "claims", _claim, at=at, most=MOST_CLAIMS, needed=False)
    known = {one.id for one in claims if one.id is not None}
    if len(known) != sum(one.id is not None for one in claims):
        _refuse(f"{at}.claims", "an id stands twice")
    if "claim_sets" in content and len(known) != len(claims):
        _refuse(f"{at}.claims", "a claim has no id, and there are claim_sets")
    authorities = _many(content, "trusted_authorities", _authority, at=at, most=MOST_OPTIONS, needed=False)
    return CredentialQuery(
        id=_name(content.get("id"), f"{at}.id"),
        format=form,
        types=_types(form, _object(content.get("meta"), f"{at}.meta"), f"{at}.meta"),
        multiple=_flag(content, "multiple", at, default=False),
        binding=_flag(content, "require_cryptographic_holder_binding", at, default=True),
        authorities=frozenset(pair for pairs in authorities for pair in pairs),
        claims=claims,
        claim_sets=_many(content, "claim_sets", lambda one, at: _names(one, at, known), at=at, most=MOST_OPTIONS, needed=False),
    )


def _types(form: str, meta: Mapping[str, Any], at: str) -> tuple[frozenset[str], ...]:
    """Return which types will do. Appendices B.1.1, B.2.3 and B.3.5; a format that is not known is never matched."""
    if form == SD_JWT_VC:
        return tuple(frozenset({one}) for one in _many(meta, "vct_values", _text, at=at, most=MOST_OPTIONS, needed=bool(meta)))
    if form == MDOC:
        return (frozenset({_text(meta.get("doctype_value"), f"{at}.doctype_value")}),) if meta else ()
    if form == VC_JWT:
        return tuple(frozenset(one) for one in _many(meta, "type_values", _texts, at=at, most=MOST_OPTIONS, needed=bool(meta)))
    return ()


def _claim(unverified: Any, at: str) -> ClaimQuery:
    content = _object(unverified, at)
    values = _many(content, "values", _value, at=at, most=MOST_VALUES, needed=False)
    name, retained = content.get("id"), content.get("intent_to_retain")
    if retained is not None and not isinstance(retained, bool):
        _refuse(f"{at}.intent_to_retain", "it is not true or false")
    return ClaimQuery(
        id=None if name is None else _name(name, f"{at}.id"),
        path=_many(content, "path", _step, at=at, most=LONGEST_PATH),
        values=values or None,
        retained=retained,
    )


def _set(unverified: Any, at: str, known: set[str]) -> SetQuery:
    content = _object(unverified, at)
    options = _many(content, "options", lambda one, at: _names(one, at, known), at=at, most=MOST_OPTIONS)
    return SetQuery(options, _flag(content, "required", at, default=True))


def _authority(unverified: Any, at: str) -> tuple[tuple[str, str], ...]:
    content = _object(unverified, at)
    kind = _text(content.get("type"), f"{at}.type")
    return tuple((kind, value) for value in _many(content, "values", _text, at=at, most=MOST_OPTIONS))


def _step(unverified: Any, at: str) -> str | int | None:
    is_index = isinstance(unverified, int) and not isinstance(unverified, bool) and unverified >= 0
    if unverified is None or is_index:
        return unverified
    return _text(unverified, at)


def _value(unverified: Any, at: str) -> str | int | bool:
    return unverified if isinstance(unverified, bool | int) else _text(unverified, at)


def _names(unverified: Any, at: str, known: set[str]) -> tuple[str, ...]:
    names = _each(unverified, _name, at, most=MOST_CLAIMS)
    if not known.issuperset(names):
        _refuse(at, "it names what is not there")
    return names


def _texts(unverified: Any, at: str) -> tuple[str, ...]:
    return _each(unverified, _text, at, most=MOST_OPTIONS)


def _many(content: Mapping[str, Any], name: str, read: Callable[[Any, str], Item], *, at: str, most: int, needed: bool = True) -> tuple[Item, ...]:
    """Read each element of a list, which is never empty; it may be absent unless it is needed."""
    if name not in content and not needed:
        return ()
    return _each(content.get(name), read, f"{at}.{name}", most=most)


def _each(unverified: Any, read: Callable[[Any, str], Item], at: str, *, most: int) -> tuple[Item, ...]:
    if not isinstance(unverified, list) or not 1 <= len(unverified) <= most:
        _refuse(at, f"it is not a list of 1 to {most}")
    return tuple(read(one, f"{at}.{place}") for place, one in enumerate(unverified))


def _object(unverified: Any, at: str) -> Mapping[str, Any]:
    return unverified if isinstance(unverified, dict) else _refuse(at, "it is not an object")


def _text(unverified: Any, at: str) -> str:
    if not isinstance(unverified, str) or not 1 <= len(unverified) <= LONGEST_TEXT:
        _refuse(at, f"it is not a text of 1 to {LONGEST_TEXT}")
    return unverified


def _name(unverified: Any, at: str) -> str:
    if not isinstance(unverified, str) or not NAME.fullmatch(unverified):
        _refuse(at, "it is not a name of letters, digits, _ and -")
    return unverified


def _flag(content: Mapping[str, Any], name: str, at: str, *, default: bool) -> bool:
    value = content.get(name, default)
    return value if isinstance(value, bool) else _refuse(f"{at}.{name}", "it is not true or false")


def _refuse(at: str, why: str) -> NoReturn:
    raise MalformedQuery(at, why)
