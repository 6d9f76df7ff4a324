"""Scopes that stand for authorization details: whoever asks for one asks for what it stands for (OpenID4VCI 1.0 section 5.1.2).

A family of scopes belongs to whoever knows its meaning, which declares it here beside the type of its details. A client may ask for one if it
may ask for details of that type, so that nobody registers a scope for each thing that there is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idp.oauth.clients import Client

Details = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Family:
    """The scopes of one prefix: the type of the details that they stand for, which those are, and which scopes there are now."""

    detail_type: str
    meaning: Callable[[str], Details]
    every: Callable[[], list[str]]


FAMILIES: dict[str, Family] = {}
TYPES: set[str] = set()
"""The names of all types of details, as `authorization_details` is told of them."""


def declare(prefix: str, family: Family) -> None:
    """Make a family known, beside the module that knows its meaning."""
    FAMILIES[prefix] = family


def is_one(scope: str) -> bool:
    """Whether a scope is of one of the families."""
    return _family(scope) is not None


def of_client(client: "Client", asked: Iterable[str]) -> list[str]:
    """Return those of the scopes asked for that stand for something which the client may ask for."""
    return [scope for scope in asked if _is_of(client, scope)]


def may_ask(client: "Client") -> bool:
    """Whether a client may ask for scopes of any family."""
    return any(family.detail_type in client.metadata.authorization_details_types for family in FAMILIES.values())


def meaning_of(client: "Client", asked: Iterable[str], *, named: Details = ()) -> Details:
    """Return what the scopes asked for stand for.

    Where the request names details of the same, those are followed, and not the scope (section 5.1.2).
    """
    found: list[Mapping[str, Any]] = []
    for scope in of_client(client, asked):
        meant = _meant(scope)
        if not any(one == {name: each[name] for name in one if name in each} for one in meant for each in named):
            found += [one for one in meant if one not in found]
    return tuple(found)


def every(detail_type: str | None = None) -> list[str]:
    """Return every scope of every family, or of those that stand for details of one type, as discovery names them."""
    return [scope for family in FAMILIES.values() if detail_type in (None, family.detail_type) for scope in family.every()]


def _is_of(client: "Client", scope: str) -> bool:
    family = _family(scope)
    return family is not None and family.detail_type in client.metadata.authorization_details_types and bool(family.meaning(scope))


def _meant(scope: str) -> Details:
    family = _family(scope)
    return family.meaning(scope) if family is not None else ()


def _family(scope: str) -> Family | None:
    return next((family for prefix, family in FAMILIES.items() if scope.startswith(prefix)), None)
