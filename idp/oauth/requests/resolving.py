"""From what the browser carries to the authorization request itself."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Resolved:
    """An authorization request: its parameters, each once, the names of those that came twice, and what it was pushed as."""

    parameters: dict[str, str]
    repeated: frozenset[str]
    reference: str | None = None


def resolve(session: Session, parameters: dict[str, str], repeated: frozenset[str], *, settings: Settings, now: datetime) -> Resolved:
    """Return the authorization request that the browser's parameters stand for."""
    return Resolved(parameters, repeated)


def spend(session: Session, reference: str | None, *, now: datetime) -> None:
    """Use a pushed request up, in the transaction in which it is answered."""
