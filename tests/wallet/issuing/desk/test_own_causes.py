"""Causes that are ours to word are read in the reader's language."""

import pytest
from flask import Flask

from wallet.issuing.desk.own_causes import DECIDING, OWN_WORK, shown


@pytest.mark.parametrize("cause", [OWN_WORK, DECIDING], ids=["own work", "deciding"])
@pytest.mark.parametrize("reader", ["zh", "en"])
def test_whatever_language_it_was_written_down_in_it_is_shown_in_the_readers(app: Flask, cause: object, reader: str) -> None:
    with app.test_request_context(headers={"Accept-Language": reader}):
        for written in (cause.zh, cause.en):  # type: ignore[attr-defined]
            assert shown(written) == getattr(cause, reader)


def test_what_an_officer_wrote_is_shown_as_it_was_written(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert shown("办理贷款") == "办理贷款"
