"""What an operator may read of an event that was set aside, to judge whether to send it again or to give it up. Pure.

Members are shown by name, and only in the plain form that ours have; whoever it is about is named as its receiver names them, in part. Whatever else
an event holds is counted and not shown: a receiver's own words (the `state` of a trial event), names and numbers, should one ever have any.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from idp.signals.event_types import OURS
from idp.signals.tokens import SignalToken
from runtime.languages import Text

OPEN = (
    *("licence", "request", "type", "issuer", "turn", "status", "initiating_entity", "credential_type", "change_type", "change_direction"),
    *("namespace", "current_level", "suspended_on", "effective_on", "valid_from", "valid_until", "successor", "replaces", "due_for"),
)
PLAIN = re.compile(r"[A-Za-z0-9_.:+-]{1,64}")
HAPPENED, WHY, STATE, SHOWN_OF_A_NAME = "event_timestamp", "reason_admin", "state", 6
HIDDEN = Text("（不显示）", "(not shown)")


def members_of(row: SignalToken) -> list[tuple[str, str]]:
    """Return each member of an event and what of it is shown, whom it is about first."""
    (event,) = row.claims["events"].values()
    return [("sub_id", name) for name in _names(row.claims["sub_id"])] + [(name, _shown(name, value, row.type)) for name, value in event.items()]


def _names(sub_id: dict[str, Any]) -> Iterator[str]:
    for one in (sub_id, *(inner for inner in sub_id.values() if isinstance(inner, dict))):
        name = one.get("sub") or one.get("id")
        if isinstance(name, str):
            yield f"{name[:SHOWN_OF_A_NAME]}…"


def _shown(name: str, value: Any, event_type: str) -> str:
    if name == HAPPENED and isinstance(value, int):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if name == WHY and isinstance(value, dict) and set(value) == {"zh", "en"}:
        return str(Text(value["zh"], value["en"]))
    if name in OPEN or (name == STATE and event_type.split("/")[-2] == OURS):
        said = [str(one) for one in (value if isinstance(value, list) else [value])]
        if all(map(PLAIN.fullmatch, said)):
            return " ".join(said)
    return str(HIDDEN)
