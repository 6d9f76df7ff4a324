"""What a request that waits for a second officer asks for, line by line in words.

What it says of a person is covered until somebody says why they look.
"""

from dataclasses import dataclass, field
from typing import Any

from idp.subjects.numbers import NumberRefused, parse_number
from runtime.languages import Text
from wallet.issuing.orders import Order
from wallet.register.definitions import LicenceType

COVER = "••••"
HOLDER, HOLDER_NAME = Text("持证主体号码", "Holder's number"), Text("持证主体名称", "Holder's name")
LICENCE_NUMBER, TAKEN_AWAY = Text("证照编号", "Licence number"), Text("（删除）", "(taken away)")
PLAIN = {
    "valid_from": Text("有效期自", "Valid from"),
    "valid_until": Text("有效期至", "Valid until"),
    "effective_on": Text("生效日期", "In effect from"),
    "to": Text("转往部门", "To which department"),
    "reason": Text("理由", "Reason"),
    "legal_basis": Text("法律依据", "Legal basis"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One line; `is_covered` if it shows less than was asked."""

    label: Text
    value: str = field(repr=False)
    is_covered: bool = False


def facts_of(order: Order, licence_type: LicenceType, *, revealed: bool) -> list[Fact]:
    """Return all that is asked for: whoever approves it answers for the whole."""
    facts = [fact for one in _holders(order.document) for fact in _holder(one, revealed=revealed)]
    number = order.document.get("licence_number")
    facts += [_covered(LICENCE_NUMBER, number, revealed=revealed)] if number else []
    facts += [Fact(label, str(order.document[name])) for name, label in PLAIN.items() if order.document.get(name)]
    return facts + [_field(licence_type, name, value, revealed=revealed) for name, value in order.document.get("fields", {}).items()]


def _holders(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [*([said["holder"]] if "holder" in said else []), *(said.get("co_holders") or [])]


def _holder(said: dict[str, Any], *, revealed: bool) -> list[Fact]:
    number = Fact(HOLDER, said["number"]) if revealed else Fact(HOLDER, _masked(said["number"]), is_covered=True)
    return [number, *([_covered(HOLDER_NAME, said["name"], revealed=revealed)] if said["name"] else [])]


def _field(licence_type: LicenceType, name: str, value: Any, *, revealed: bool) -> Fact:
    known = licence_type.find_field(name)
    label = known.label if known else Text(name, name)
    if value is None:
        return Fact(label, str(TAKEN_AWAY))
    return _covered(label, str(known.shown(value) if known else value), revealed=revealed)


def _covered(label: Text, value: str, *, revealed: bool) -> Fact:
    return Fact(label, value) if revealed else Fact(label, COVER, is_covered=True)


def _masked(number: str) -> str:
    try:
        return parse_number(number).masked()
    except NumberRefused:
        return COVER
