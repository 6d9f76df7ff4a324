"""A trust list of another province that runs out, or brings nothing: what alarms operators, and what officers read, with a network and without."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask
from flask.testing import FlaskClient

from keys import certificates
from runtime import backlog
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.verifying.test_desk_pages import new_officer
from tests.wallet.verifying.test_desk_pages import verify as verify_at_desk
from tests.wallet.verifying.test_trust_lists import Province, believed, province
from tests.world_people import sign_in
from tests.world_verifying import Counter, new_browser
from wallet.issuing import trust_list
from wallet.verifying import bundling, trust_sources, wording
from wallet.verifying.commands import verify as verify_command
from wallet.verifying.conclusions import Conclusion
from wallet.verifying.outcomes import Reason
from wallet.verifying.reading import UNDECIDED
from wallet.verifying.trust_list_commands import trust_list as command

__all__ = ("believed", "province")
OVER = trust_list.LIFETIME + timedelta(hours=1)
NEXT, MINUTES = wording.NEXT_BY_REASON[Reason.LIST_EXPIRED], wording.NEXT[Conclusion.SOURCE_UNAVAILABLE]
NAMED = re.compile(r'kabao_trust_lists\{state="(\w+)"\} ([\d.]+)')
STANDS: dict[str, tuple[dict[str, Any], timedelta]] = {
    "good": ({}, timedelta(days=3)),
    "unavailable": ({"fault": "there was no answer in time"}, timedelta(days=3)),
    "ending": ({"url": None}, timedelta(days=1)),
    "expired": ({"fault": "there was no answer in time"}, timedelta(seconds=-1)),
}


def counted(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setattr(backlog, "_kept", (0.0, b""))
    return {state: float(count) for state, count in NAMED.findall(client.get("/metrics").text)}


def stand(changes: dict[str, Any], left: timedelta) -> None:
    with transaction() as session:
        row = trust_sources.get_source(session, "elsewhere")
        for name, value in {**changes, "next_update": now() + left}.items():
            setattr(row, name, value)


@pytest.mark.parametrize("state", STANDS)
def test_how_the_lists_stand_is_counted_as_the_command_shows_it(
    client: FlaskClient, context: None, believed: Province, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    stand(*STANDS[state])
    assert counted(client, monkeypatch) == {state: 1.0}
    with transaction() as session:
        assert trust_sources.get_source(session, "elsewhere").state_at(now()) == state


def test_a_file_that_holds_for_longer_than_two_days_is_good(
    client: FlaskClient, context: None, believed: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand({"url": None}, timedelta(days=3))
    assert counted(client, monkeypatch) == {"good": 1.0}


def test_an_officer_reads_that_it_is_not_the_holder_s_fault_and_that_showing_it_again_changes_nothing(
    app: Flask, counter: Counter, believed: Province
) -> None:
    text = believed.issue()
    with shifted(OVER):
        desk = new_browser(app)
        sign_in(desk, new_officer(counter.department))
        page = verify_at_desk(desk, text)
    step = unescape(page).partition('id="next-step"')[2].partition("</p>")[0]
    assert UNDECIDED.en in page
    assert (NEXT.en in step, MINUTES.en in step) == (True, False)


def test_without_a_network_it_cannot_be_told_and_a_newer_bundle_is_asked_for(
    context: None, settings: Settings, believed: Province, tmp_path: Path
) -> None:
    text = believed.issue()
    (tmp_path / "root.pem").write_bytes(certificates.anchors().roots[0].public_bytes(Encoding.PEM))
    with shifted(OVER):
        (tmp_path / "bundle").write_bytes(bundling.make(settings, now=now()).token)
        options = ["-", "--bundle", str(tmp_path / "bundle"), "--root", str(tmp_path / "root.pem")]
        told = CliRunner().invoke(verify_command, options, input=text)
    assert told.exit_code == 3, told.output
    assert "CANNOT TELL: source_unavailable" in told.output
    assert wording.REASONS[Reason.LIST_EXPIRED].zh in told.output
    assert "newer trust bundle" in told.output


def test_a_list_that_came_as_a_file_is_renewed_by_the_next_file_and_is_never_fetched(
    app: Flask, context: None, believed: Province, tmp_path: Path
) -> None:
    stand({"url": None}, timedelta(days=1))
    run = app.test_cli_runner()
    refused = run.invoke(command, ["refresh", "elsewhere"])
    assert (refused.exit_code, "came as a file" in refused.output) == (1, True), refused.output
    with shifted(timedelta(days=4)):
        with believed.app.app_context(), transaction() as session:
            newer = trust_list.rebuild(session, believed.settings, now=now())
        assert newer is not None
        (tmp_path / "newer").write_bytes(newer.token.encode())
        done = run.invoke(command, ["refresh", "elsewhere", str(tmp_path / "newer")])
    assert (done.exit_code, f"good: list {newer.sequence}" in done.output) == (0, True), done.output
    (tmp_path / "wrong").write_text("no list")
    wrong = run.invoke(command, ["refresh", "elsewhere", str(tmp_path / "wrong")])
    assert (wrong.exit_code, f"unavailable: list {newer.sequence}" in wrong.output) == (0, True), "the last one holds"
