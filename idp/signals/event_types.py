"""The types of events that a stream can carry, and what the ledger's acts mean in them. Pure.

OpenID CAEP 1.0 section 3, RISC 1.0 section 2, Shared Signals Framework 1.0 sections 8.1.4 and 8.1.5; those of licences
and of requests to wallets are our own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from runtime.languages import Text
from runtime.settings import Settings

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
SESSION_REVOKED, CREDENTIAL_CHANGE, ASSURANCE_LEVEL_CHANGE = CAEP + "session-revoked", CAEP + "credential-change", CAEP + "assurance-level-change"
ACCOUNT_DISABLED, ACCOUNT_PURGED = RISC + "account-disabled", RISC + "account-purged"
VERIFICATION, STREAM_UPDATED = SSF + "verification", SSF + "stream-updated"
OF_PEOPLE = (SESSION_REVOKED, CREDENTIAL_CHANGE, ASSURANCE_LEVEL_CHANGE, ACCOUNT_DISABLED, ACCOUNT_PURGED)
LICENCE_TURNS = ("renewed", "changed", "replaced", "suspended", "resumed", "annulled", "cancelled", "lapsed", "transferred-out", "transferred-in")
LICENCE_KINDS = (
    "licence.issued",
    "licence.revoked",
    *(f"licence.{turn}" for turn in LICENCE_TURNS),
    "licence.gathered",
    "licence.released",
    "licence.due",
)
REQUEST_KINDS = ("presentation.answered", "presentation.declined", "presentation.expired")
OURS = "secevent"
REAL_NAME = "urn:kabao:real-name-level"
SIGN_IN = "urn:kabao:sign-in-level"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an act of the ledger is in an event: its type, its members, and why, in words for an administrator."""

    type: str
    why: Text
    members: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

    def event(self, detail: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of the event, some of them from what the ledger's row says."""
        return {**self.members, **(self.read(detail) if self.read else {})}


def _credential(kind: str, change: str, why: Text) -> Meaning:
    return Meaning(CREDENTIAL_CHANGE, why, {"credential_type": kind, "change_type": change})


def _reachable(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"credential_type": "phone-sms" if detail.get("kind") == "phone" else "email"}  # CAEP knows no e-mail; it lets types be agreed on


def _proven(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"current_level": str(detail["level"])}


def _raised(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {"current_level": "2" if len(detail.get("amr", ())) > 1 else "1"}


MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        "password.changed": _credential("password", "update", Text("密码已修改", "The password was changed")),
        "password.voided": _credential("password", "revoke", Text("密码已作废", "The password was made void")),
        "recovery.completed": _credential("password", "update", Text("账号已恢复并设置新密码", "The account was recovered with a new password")),
        "passkey.added": _credential("fido2-platform", "create", Text("新增通行密钥", "A passkey was added")),
        "passkey.removed": _credential("fido2-platform", "delete", Text("移除通行密钥", "A passkey was removed")),
        "passkey.copy-refused": _credential("fido2-platform", "revoke", Text("通行密钥疑似被复制", "A passkey seems to have been copied")),
        "totp.added": _credential("app", "create", Text("新增动态验证码验证器", "An authenticator was added")),
        "totp.removed": _credential("app", "delete", Text("移除动态验证码验证器", "An authenticator was removed")),
        "contact.added": Meaning(CREDENTIAL_CHANGE, Text("新增联系方式", "An address for codes was added"), {"change_type": "create"}, _reachable),
        "contact.removed": Meaning(
            CREDENTIAL_CHANGE, Text("移除联系方式", "An address for codes was removed"), {"change_type": "delete"}, _reachable
        ),
        "identity.proven": Meaning(
            ASSURANCE_LEVEL_CHANGE, Text("实名等级得到证明", "The real-name level was proven"), {"namespace": REAL_NAME}, _proven
        ),
        "identity.withdrawn": Meaning(
            ASSURANCE_LEVEL_CHANGE,
            Text("一项实名证明被撤回", "A proof of the real-name level was withdrawn"),
            {"namespace": REAL_NAME, "change_direction": "decrease", "current_level": "unknown"},
        ),
        "session.raised": Meaning(
            ASSURANCE_LEVEL_CHANGE,
            Text("再次验证身份", "The person signed in more strongly"),
            {"namespace": SIGN_IN, "change_direction": "increase"},
            _raised,
        ),
        "account.closed": Meaning(ACCOUNT_PURGED, Text("账号已注销", "The account was closed")),
        "subject.ended": Meaning(ACCOUNT_DISABLED, Text("登记库登记终止", "Ended in the registry")),
    }
)


def own_type_of(kind: str, settings: Settings) -> str:
    """Return the event type of something of our own (`licence.issued`, `presentation.answered`); it is named by our own issuer."""
    return f"{settings.public_url}/{OURS}/{kind.replace('.', '-')}"


def plain_name(event_type: str) -> str:
    """Return the name of an event type with full stops, as webhooks have it (`licence.issued`, `ssf.verification`)."""
    *_, family, between, last = event_type.split("/")
    return last.replace("-", ".", 1) if between == OURS else f"{family}.{last}"


def licence_types(settings: Settings) -> tuple[str, ...]:
    """Return the event types of licences."""
    return tuple(own_type_of(kind, settings) for kind in LICENCE_KINDS)


def request_types(settings: Settings) -> tuple[str, ...]:
    """Return the event types of requests to wallets."""
    return tuple(own_type_of(kind, settings) for kind in REQUEST_KINDS)
