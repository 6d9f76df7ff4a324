"""The query by which a verifier says what it wants to see (DCQL), and what of a wallet satisfies it.

Used from both sides: the wallet asks what it could show, the verifier whether what came is what was asked. Pure: a query is read once, within
bounds, and then decides over claims that whoever calls has read; nothing is fetched, and nothing here is believed. OpenID4VP 1.0 sections 6 and 7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wallet.presenting import dcql_reading
from wallet.presenting.dcql_reading import ClaimQuery, CredentialQuery, MalformedQuery, Path, Query, SetQuery
from wallet.presenting.dcql_reading import read_query as read_query

__all__ = ("Answer", "Candidate", "ClaimQuery", "CredentialQuery", "MalformedQuery", "Match", "Query", "SetQuery", "answer", "match", "read_query")
Authority = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A credential before a query. `id` is whatever its keeper knows it by.

    `types` are all that it is: its `vct` and those that it extends; its document name; its W3C types. `claims` is JSON, of a mobile document
    by name space and element. `authorities` are pairs such as `("aki", ...)`. A credential without a holder's key is not bindable.
    """

    id: Any
    format: str
    types: frozenset[str]
    claims: Mapping[str, Any] = field(repr=False)
    authorities: frozenset[Authority] = frozenset()
    bindable: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A credential that satisfies a credential query, and the paths of the claims to show of it: no others may be shown."""

    candidate: Candidate
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What satisfies a query: for each credential query all that match, in the order given.

    `chosen` is what to show at least, by credential query: the first option of each set that must be satisfied. It is None if the whole
    cannot be, and then nothing may be shown. `also` are the credential queries that may be answered besides.
    """

    matches: Mapping[str, tuple[Match, ...]]
    chosen: tuple[str, ...] | None
    also: tuple[str, ...]

    @property
    def is_satisfied(self) -> bool:
        """Whether the whole can be shown."""
        return self.chosen is not None


def answer(query: Query, candidates: Sequence[Candidate]) -> Answer:
    """Return what of a wallet satisfies a query. Section 6.4."""
    found = {one.id: tuple(hit for hit in (match(one, each) for each in candidates) if hit is not None) for one in query.credentials}
    matches = {name: hits for name, hits in found.items() if hits}
    chosen = choose(query, matches)
    also = tuple(name for name in _optional(query, matches) if name not in chosen) if chosen is not None else ()
    return Answer(matches, chosen, also)


def match(query: CredentialQuery, candidate: Candidate) -> Match | None:
    """Return the claims to show of a credential, None if it does not satisfy a credential query. Sections 6.1 and 6.4.1."""
    if candidate.format != query.format or (query.binding and not candidate.bindable) or not query.takes_type(candidate.types):
        return None
    if query.authorities and not query.authorities & candidate.authorities:
        return None
    for wanted in query.alternatives:
        if all(has_claim(one, candidate) for one in wanted):
            return Match(candidate, tuple(dict.fromkeys(one.path for one in wanted)))
    return None


def has_claim(query: ClaimQuery, candidate: Candidate) -> bool:
    """Whether a credential has a claim, with a value that is wanted; a value of another kind is another value."""
    found = select(candidate.claims, query.path, is_mdoc=candidate.format == dcql_reading.MDOC)
    return bool(found) and (query.values is None or any(_is_one(value, query.values) for value in found))


def select(claims: Mapping[str, Any], path: Path, *, is_mdoc: bool = False) -> list[Any]:
    """Return what a claims path points at, nothing if it points at nothing or does not fit. Section 7."""
    if is_mdoc and (len(path) != 2 or not all(isinstance(step, str) for step in path)):
        return []
    selected: list[Any] = [claims]
    for step in path:
        kind = Mapping if isinstance(step, str) else list
        if not all(isinstance(one, kind) for one in selected):
            return []
        selected = [found for one in selected for found in _step(one, step)]
    return selected


def choose(query: Query, answered: Iterable[str]) -> tuple[str, ...] | None:
    """Return the credential queries that satisfy the whole, out of those that have an answer; None if they do not. Section 6.4.2."""
    there = set(answered)
    if not query.sets:
        names = tuple(one.id for one in query.credentials)
        return names if there.issuperset(names) else None
    chosen: dict[str, None] = {}
    for wanted in query.sets:
        option = _first(wanted, there)
        if wanted.required:
            if option is None:
                return None
            chosen |= dict.fromkeys(option)
    return tuple(chosen)


def _optional(query: Query, answered: Iterable[str]) -> tuple[str, ...]:
    there = set(answered)
    options = [_first(wanted, there) for wanted in query.sets if not wanted.required]
    return tuple(dict.fromkeys(name for option in options if option for name in option))


def _first(wanted: SetQuery, there: set[str]) -> tuple[str, ...] | None:
    return next((option for option in wanted.options if there.issuperset(option)), None)


def _step(within: Any, step: str | int | None) -> list[Any]:
    if step is None:
        return list(within)
    if isinstance(step, str):
        return [within[step]] if step in within else []
    return [within[step]] if step < len(within) else []


def _is_one(value: Any, wanted: tuple[str | int | bool, ...]) -> bool:
    return any(type(value) is type(one) and value == one for one in wanted)
