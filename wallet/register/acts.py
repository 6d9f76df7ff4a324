"""The life of a licence in one table: which act may follow which state, and what it leads to. Pure.

An act is allowed from the states that its row names and from no other, and never of a licence that was succeeded by another: its successor
is acted on. What the calendar does (`expire`) stands in the table like what an issuer does.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from runtime.languages import Text
from wallet.register.licences import LicenceState as State

CredentialStatus = Literal["valid", "suspended", "invalid"]


class Act(StrEnum):
    """What can be done with a licence. `annul` (撤销): it should never have been; `revoke` (吊销): a penalty; `cancel` (注销): struck off."""

    ISSUE = "issue"
    RENEW = "renew"
    CHANGE = "change"
    REPLACE = "replace"
    SUSPEND = "suspend"
    RESUME = "resume"
    ANNUL = "annul"
    REVOKE = "revoke"
    CANCEL = "cancel"
    LAPSE = "lapse"
    EXPIRE = "expire"
    TRANSFER_OUT = "transfer-out"
    TRANSFER_IN = "transfer-in"

    @property
    def text(self) -> Text:
        """The act in words."""
        return ACT_TEXTS[self]

    @property
    def permission(self) -> str:
        """The act as grants and types name it: moving a licence is one thing from both ends."""
        return "transfer" if self in (Act.TRANSFER_OUT, Act.TRANSFER_IN) else self.value


@dataclass(frozen=True, slots=True)
class Turn:
    """A row of the table: from which states, to which, how the events of it are named, and what credentials say afterwards.

    `credentials` None: they stay as they are. `succeeds`: it makes a successor, which is valid; `state` is then what becomes of the
    licence acted on. `follows`: what was gathered into the licence goes with it.
    """

    states: frozenset[State]
    state: State
    kind: str
    credentials: CredentialStatus | None
    succeeds: bool = False
    follows: bool = False

    @property
    def is_final(self) -> bool:
        """Whether no act makes the licence valid again, nor puts another in its place."""
        return self.credentials == "invalid" and not self.succeeds

    @property
    def gb_code(self) -> str:
        """The state that it leads to in the national exchange of licences."""
        return self.state.gb_code


def _from(*states: State) -> frozenset[State]:
    return frozenset(states)


VALID, WAITING, EXPIRED, SUSPENDED = State.VALID, State.NOT_YET_VALID, State.EXPIRED, State.SUSPENDED
TURNS: dict[Act, Turn] = {
    Act.ISSUE: Turn(_from(), VALID, "licence.issued", "valid"),
    Act.RENEW: Turn(_from(VALID, EXPIRED), State.LAPSED, "licence.renewed", "invalid", succeeds=True),
    Act.CHANGE: Turn(_from(VALID, WAITING), State.LAPSED, "licence.changed", "invalid", succeeds=True),
    Act.REPLACE: Turn(_from(VALID, WAITING), State.LAPSED, "licence.replaced", "invalid", succeeds=True),
    Act.SUSPEND: Turn(_from(VALID, WAITING), SUSPENDED, "licence.suspended", "suspended", follows=True),
    Act.RESUME: Turn(_from(SUSPENDED, State.TRANSFERRED), VALID, "licence.resumed", "valid", follows=True),
    Act.ANNUL: Turn(_from(VALID, WAITING, EXPIRED, SUSPENDED, State.LAPSED), State.ANNULLED, "licence.annulled", "invalid", follows=True),
    Act.REVOKE: Turn(_from(VALID, WAITING, SUSPENDED), State.REVOKED, "licence.revoked", "invalid", follows=True),
    Act.CANCEL: Turn(
        _from(VALID, WAITING, EXPIRED, SUSPENDED, State.LAPSED, State.ANNULLED, State.REVOKED),
        State.CANCELLED,
        "licence.cancelled",
        "invalid",
        follows=True,
    ),
    Act.LAPSE: Turn(_from(VALID, WAITING, SUSPENDED), State.LAPSED, "licence.lapsed", "invalid", follows=True),
    Act.EXPIRE: Turn(_from(EXPIRED), State.LAPSED, "licence.lapsed", None),
    Act.TRANSFER_OUT: Turn(_from(VALID), State.TRANSFERRED, "licence.transferred-out", "suspended"),
    Act.TRANSFER_IN: Turn(_from(State.TRANSFERRED), State.TRANSFERRED, "licence.transferred-in", "invalid", succeeds=True),
}
PLAIN_ACTS = (Act.SUSPEND, Act.RESUME, Act.ANNUL, Act.REVOKE, Act.CANCEL, Act.LAPSE)
ACT_TEXTS = {
    Act.ISSUE: Text("签发", "Issue"),
    Act.RENEW: Text("延续换发", "Renew"),
    Act.CHANGE: Text("变更", "Change"),
    Act.REPLACE: Text("补发", "Replace"),
    Act.SUSPEND: Text("暂扣", "Suspend"),
    Act.RESUME: Text("恢复", "Resume"),
    Act.ANNUL: Text("撤销", "Annul"),
    Act.REVOKE: Text("吊销", "Revoke"),
    Act.CANCEL: Text("注销", "Cancel"),
    Act.LAPSE: Text("宣告失效", "Declare lapsed"),
    Act.EXPIRE: Text("到期失效", "Expire"),
    Act.TRANSFER_OUT: Text("转出", "Transfer out"),
    Act.TRANSFER_IN: Text("转入", "Transfer in"),
}
KINDS = tuple(dict.fromkeys(turn.kind for turn in TURNS.values()))
