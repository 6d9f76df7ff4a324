"""Every rule about registrations is told in Chinese, too."""

import inspect
import re

import pytest
from flask import Flask

from idp.oauth import sectors
from idp.oauth.client_checks import CHECKS
from idp.oauth.registration.fault_words import in_words
from idp.oauth.registration.policies import PolicyRefused, apply
from runtime.clock import now
from runtime.database import transaction

OF_SCHEMAS = (
    "Length must be between 1 and 100.",
    "Longer than maximum length 20.",
    "Missing data for required field.",
    "Must be one of: web, native.",
    "Not a valid mapping type.",
    "uses must be from 1 to 100000",
)
NEVER_SHOWN = ("a new one, kept to be the key of an HMAC", "just where the proof is a secret", "only members that are known")
OF_SECTORS = re.findall(r'NotOfTheSector\("([^"]+)"\)', inspect.getsource(sectors))
SAID = [*sorted({rule.wanted for rule in CHECKS} - set(NEVER_SHOWN)), *OF_SCHEMAS, *OF_SECTORS]


@pytest.mark.parametrize("said", SAID)
def test_a_rule_is_told_in_chinese(said: str) -> None:
    words = in_words(said)
    assert words.en == said
    assert re.search("[\u4e00-\u9fff]", words.zh)
    assert said not in words.zh


def test_every_refusal_of_a_sector_was_found() -> None:
    assert len(OF_SECTORS) == 5


def test_what_nobody_translated_is_quoted() -> None:
    assert "something new" in in_words("something new").zh


def test_a_fault_of_a_policy_names_its_member(app: Flask) -> None:
    with app.app_context(), transaction() as session, pytest.raises(PolicyRefused) as refused:
        apply(session, {"name": "nothing-else"}, now=now())
    assert in_words(refused.value.reason).zh == "owner：请填写此项。"
    assert in_words(refused.value.reason).en == "owner: Missing data for required field."
