"""Which place of a status list a presentation names, before any of it is believed: one of ours, of our own licence, within bounds, or none."""

from typing import Any
from unittest.mock import create_autospec

import pytest
from flask import Flask

from runtime.settings import Settings
from wallet.issuing import status_lists
from wallet.verifying import standings
from wallet.verifying.presentations import Presentation
from wallet.verifying.standings import LONGEST_NAME, unverified_entry_of

LIST = "0123456789abcdef"


def entry(settings: Settings, **claims: Any) -> Any:
    """What is to be asked ahead for a presentation that claims something else than a good one does."""
    reference = {"uri": status_lists.uri_of(settings, claims.pop("list_id", LIST)), "idx": 7}
    presentation: Any = create_autospec(Presentation, instance=True)
    presentation.payload = {"iss": "https://issuer.example", "licence_identifier": "1.2.156", "status": {"status_list": reference}, **claims}
    return unverified_entry_of(settings, presentation)


@pytest.fixture(autouse=True)
def listed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One other house is known."""
    monkeypatch.setattr(standings, "find_listed", {"https://elsewhere.example": "listed"}.get)


def test_of_a_licence_of_ours_its_place_is_asked_for(settings: Settings) -> None:
    assert entry(settings) == ("1.2.156", LIST, 7)


def test_nothing_is_asked_for_another_house_though_it_names_a_place_of_ours(settings: Settings) -> None:
    assert entry(settings, iss="https://elsewhere.example") is None


@pytest.mark.parametrize("claims", [{"licence_identifier": "1" * (LONGEST_NAME + 1)}, {"licence_identifier": "证照"}, {"list_id": "a\nb"}])
def test_nothing_is_asked_for_a_name_that_is_none(settings: Settings, claims: dict[str, Any]) -> None:
    assert entry(settings, **claims) is None


def test_the_longest_name_is_asked_for(settings: Settings) -> None:
    assert entry(settings, licence_identifier="1" * LONGEST_NAME) is not None


@pytest.mark.parametrize("claims", [{"status": None}, {"status": {"status_list": []}}, {"licence_identifier": 7}])
def test_nothing_is_asked_for_what_names_no_place(settings: Settings, claims: dict[str, Any]) -> None:
    assert entry(settings, **claims) is None
