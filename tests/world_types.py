"""Licence types of the tests' own, with rules that suit a test, each defined by a department of its own."""

from itertools import count
from typing import Any

from runtime.clock import now
from runtime.database import transaction
from tests.world_wallet import new_department
from wallet.register import catalogue

NUMBERS = count(1)
DATE = {
    "name": "decided_on",
    "label": {"zh": "决定日期", "en": "Decided on"},
    "tag": "KZ_JDRQ",
    "type": "date",
    "example": "2024-01-15",
}


def new_type(definer: str | None = None, **rules: Any) -> tuple[str, str]:
    """Put a licence type in force, and return its slug and the department that defined it (a new one unless said)."""
    definer = definer or new_department()
    number = next(NUMBERS)
    document = {
        "code": f"{definer}{number:03d}",
        "slug": f"test-permit-{definer[-8:].lower()}-{number}",
        "name": {"zh": f"测试许可证{number}", "en": f"Test permit {number}"},
        "description": {"zh": "仅供测试。", "en": "For tests alone."},
        "family": "enterprise",
        "colour": "slate",
        "holder": "either",
        "defining_authority": {"code": definer, "name": {"zh": "测试机关", "en": "Test authority"}},
        "number_rule": "issuer",
        "validity": {"rule": "optional"},
        "summary": "decided_on",
        "fields": [DATE],
        **rules,
    }
    with transaction() as session:
        catalogue.apply(session, [document], now=now())
    return document["slug"], definer


FIELDS = {"decided_on": DATE["example"]}
