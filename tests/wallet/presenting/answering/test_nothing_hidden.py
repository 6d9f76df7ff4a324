"""Whatever a holder keeps back is in nothing that a verifier gets, nor in a log, the ledger, or any row that is left behind."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from psycopg import sql

from runtime.settings import Settings
from tests.flows.test_logs import forms_of
from tests.wallet.holding.test_wallet_pages import SLUG, signed_in, someone, writing
from tests.wallet.presenting.answering.steps import approve, names_in, opened
from tests.world_asking import Asking, of_department, sd_jwt_query, shown_in
from tests.world_people import post_form
from tests.world_wallet import new_department, new_licence
from wallet.issuing.contents import type_uri
from wallet.presenting import qr_codes
from wallet.register.catalogue import get_type

SECRET = {"address": "垦利区黄河口镇听涛里十七号", "file_number": "379912345678", "first_issued": "1987-03-09", "birth_date": "1961-02-17"}
NAMES = ("holder_name", "holder_number", *SECRET)
LEFT_BEHIND = ("asked_requests", "uses", "ledger_entries", "presentations", "events", "notices")


@contextmanager
def listening_to_logs() -> Iterator[list[str]]:
    """Gather every log line of every logger."""
    lines: list[str] = []

    class Gathering(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.msg} {record.getMessage()}")

    handler = Gathering(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    yield lines
    logging.getLogger().removeHandler(handler)


def opened_up(presented: str) -> str:
    """Return all that a presentation says, each part decoded, beside its own letters."""
    parts = [part for piece in presented.split("~") for part in piece.split(".") if part]
    decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode(errors="replace") for part in parts]
    return "\n".join([presented, *decoded, *(json.dumps(one, ensure_ascii=False) for one in decoded)])


def left_behind(database_url: str) -> str:
    """Return every row of the tables that an answer or a code writes to, bytes in hexadecimal."""
    with psycopg.connect(database_url) as connection:
        return "\n".join(
            row[0] for name in LEFT_BEHIND for row in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
        )


def test_whatever_is_kept_back_appears_nowhere(app: Flask, settings: Settings, verifier: Asking, capfd: pytest.CaptureFixture[str]) -> None:
    person = someone(app)
    with app.app_context():
        issuer = new_department(issue=[SLUG])
    with writing(app) as session:
        licence = new_licence(session, type=SLUG, department=issuer, number=person.number, fields=SECRET)
    with app.app_context():
        signing, vct = of_department(issuer), type_uri(settings, get_type(SLUG))
    client = signed_in(app, person)
    values = {**SECRET, "holder_name": person.name, "holder_number": person.number}

    @hypothesis.settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(asked=st.permutations(NAMES), needed=st.integers(0, 3), extra=st.integers(0, 3), ticked=st.sets(st.sampled_from(NAMES)))
    def shown_is_just_what_was_chosen(asked: list[str], needed: int, extra: int, ticked: set[str]) -> None:
        must, may = tuple(asked[:needed]), tuple(asked[needed : needed + extra])
        sets = [[*must, *(name for place, name in enumerate(may) if keep >> place & 1)] for keep in reversed(range(2 ** len(may)))]
        query = sd_jwt_query(vct, *must, *may)
        if may and all(sets):
            query["credentials"][0]["claim_sets"] = sets
        verifier.received.clear()
        at = opened(client, verifier.link(signing, query))
        approve(client, at, licence, *ticked)
        code = post_form(client, f"/wallet/cards/{licence.id}/show", {"preset": "own", "chosen": [*ticked]} if ticked else {"preset": "validity"})
        assert code.status_code == 303
        with writing(app) as session:
            rows = session.query(qr_codes.Presentation).filter_by(licence_id=licence.id).order_by(qr_codes.Presentation.id.desc())
            assert set(rows.first().fields) == ticked  # type: ignore[union-attr]
        if not verifier.received:
            return
        presented = shown_in(verifier.received[0])
        shown, text = names_in(presented), opened_up(presented)
        assert shown <= {*must, *may}
        assert shown <= {*must, *ticked} or "claim_sets" not in query["credentials"][0]
        leaks = [name for name, value in values.items() if name not in shown and any(form in text for form in forms_of(value))]
        assert leaks == []

    with listening_to_logs() as lines:
        shown_is_just_what_was_chosen()
    written = "\n".join([*lines, *capfd.readouterr(), left_behind(settings.database_url)])
    assert [name for name, value in values.items() if any(form in written for form in forms_of(value))] == []
