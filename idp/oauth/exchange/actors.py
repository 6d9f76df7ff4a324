"""Who acts: the `act` of a token, from the one who uses it now inwards (RFC 8693 section 4.1), and `may_act` (section 4.4). Pure.

Innermost stands the person, where they act for another; around them each system that the token was passed on to. A system is told by
`sub_type`, and its `sub` is its client id, the same for everyone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLIENT = "client"
DEEPEST = 4  # systems that a token may pass through


@dataclass(frozen=True, slots=True)
class Chain:
    """The systems that a token was passed on to, the present one first, and the `sub` of the person who acts for the holder, if one does."""

    systems: tuple[str, ...] = ()
    person: str | None = None

    def passed_on(self, client_id: str) -> "Chain":
        """Return the chain once a system has the token; it is named once, however often it comes back with its own."""
        return self if self.systems[:1] == (client_id,) else Chain((client_id, *self.systems), self.person)

    def claims(self) -> dict[str, Any]:
        """Return the `act` of a token, or nothing."""
        act: dict[str, Any] = {"sub": self.person} if self.person is not None else {}
        for system in reversed(self.systems):
            act = {"sub": system, "sub_type": CLIENT, **({"act": act} if act else {})}
        return {"act": act} if act else {}


def read(claims: Mapping[str, Any]) -> Chain:
    """Return the chain of a token of ours."""
    systems = []
    act = claims.get("act")
    while act is not None and act.get("sub_type") == CLIENT:
        systems.append(act["sub"])
        act = act.get("act")
    return Chain(tuple(systems), act["sub"] if act is not None else None)


def is_named(claims: Mapping[str, Any], client_id: str) -> bool | None:
    """Whether a token's `may_act` names a system; None where it has none."""
    may_act = claims.get("may_act")
    if may_act is None:
        return None
    named = (may_act.get("client_id"), may_act.get("sub")) if isinstance(may_act, Mapping) else ()
    return client_id in named
