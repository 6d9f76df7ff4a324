"""An operator sees what was set aside, sends it again or gives it up; nobody else does."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from idp.oauth import clients
from idp.signals import event_types, streams, tokens, webhooks
from idp.signals.commands import signals
from idp.signals.event_types import SESSION_REVOKED, VERIFICATION
from idp.signals.tokens import SignalToken
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from runtime.settings import Settings
from tests.idp.oauth.registration.test_client_pages import ONE_FACTOR, TWO_FACTORS, Desk, desk_of
from tests.world_clients import new_portal

ACTS = ("replay", "drop", "pause", "open")


@pytest.fixture
def desk(app: Flask) -> Desk:
    return desk_of(app, amr=TWO_FACTORS)


@pytest.fixture
def stream(app: Flask, settings: Settings) -> UUID:
    """A webhook of which two events were set aside."""
    wanted = streams.Wanted(streams.WEBHOOK, "https://portal.example.gov.cn/hook", webhooks.new_secret(), (SESSION_REVOKED,))
    grants = [clients.AUTHORIZATION_CODE, clients.CLIENT_CREDENTIALS]
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=("openid", "ssf.manage"), grant_types=grants)
    with app.app_context(), transaction() as session:
        row = streams.create(session, portal.client_id, wanted, settings=settings, now=now())
        session.flush()
        for _ in range(2):
            tokens.add_of_stream(session, row, VERIFICATION, {}, now=now())
        for token in tokens.waiting(session, row, limit=5):
            tokens.refuse(session, row.id, token.id, "status 500")
        return row.id


def set_aside(app: Flask, stream: UUID) -> list[UUID]:
    with app.app_context(), transaction() as session:
        return [row.id for row in tokens.dead_letters(session, stream, limit=10)]


def test_what_was_set_aside_is_seen_and_why(desk: Desk, stream: UUID) -> None:
    assert f"/admin/streams/{stream}" in desk.browser.get("/admin/streams").text
    page = desk.browser.get(f"/admin/streams/{stream}").text
    assert "status 500" in page
    assert "ssf.verification" in page
    assert "whsec_" not in page


def test_one_event_is_sent_again_and_then_all(app: Flask, desk: Desk, stream: UUID) -> None:
    first, second = set_aside(app, stream)
    page = f"/admin/streams/{stream}"
    assert desk.post(f"{page}/replay", page, event=str(first)).status_code == 303
    assert set_aside(app, stream) == [second]
    assert desk.post(f"{page}/replay", page).status_code == 303
    assert set_aside(app, stream) == []
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == str(stream), LedgerEntry.act == "stream.replayed")).all()
    assert [(row.actor, row.detail["events"]) for row in rows] == [(f"operator:{desk.subject_id}", 1)] * 2


def test_one_event_is_given_up(app: Flask, desk: Desk, stream: UUID) -> None:
    first, second = set_aside(app, stream)
    page = f"/admin/streams/{stream}"
    assert desk.post(f"{page}/drop", page, event=str(first)).status_code == 303
    assert set_aside(app, stream) == [second]
    with app.app_context(), transaction() as session:
        assert session.get(SignalToken, (stream, first)) is None


@pytest.mark.parametrize("event", ["", "x", "0" * 5000, "'; drop table signal_tokens"])
def test_what_names_no_event_sends_nothing_again(app: Flask, desk: Desk, stream: UUID, event: str) -> None:
    page = f"/admin/streams/{stream}"
    assert desk.post(f"{page}/replay", page, event=event).status_code == 404
    assert desk.post(f"{page}/drop", page, event=event).status_code == 404
    assert desk.post(f"{page}/drop", page, event=str(uuid4())).status_code == 303
    assert len(set_aside(app, stream)) == 2


def test_a_stream_waits_and_goes_on(app: Flask, desk: Desk, stream: UUID) -> None:
    page = f"/admin/streams/{stream}"
    for act, status in (("pause", "paused"), ("open", "enabled")):
        assert desk.post(f"{page}/{act}", page).status_code == 303
        with app.app_context(), transaction() as session:
            assert streams.get_stream(session, stream).status == status


def test_why_a_stream_waits_is_told_its_receiver_and_shown(app: Flask, desk: Desk, stream: UUID) -> None:
    page = f"/admin/streams/{stream}"
    assert desk.post(f"{page}/pause", page, reason="  <b>系统维护</b> ").status_code == 303
    shown = desk.browser.get(page).text
    assert "原因：&lt;b&gt;系统维护&lt;/b&gt;" in shown
    assert 'id="held"' in shown
    with app.app_context(), transaction() as session:
        row = streams.get_stream(session, stream)
        assert (row.reason, row.is_held) == ("<b>系统维护</b>", True)
        (told,) = tokens.waiting(session, row, limit=5)
        assert told.claims["events"][event_types.STREAM_UPDATED] == {"status": "paused", "reason": "<b>系统维护</b>"}
    assert desk.post(f"{page}/open", page).status_code == 303
    assert 'id="held"' not in desk.browser.get(page).text


@pytest.mark.parametrize("status", ["paused", "disabled"])
def test_a_stream_that_its_receiver_stopped_is_held_as_it_is(app: Flask, desk: Desk, stream: UUID, status: str) -> None:
    page = f"/admin/streams/{stream}"
    with app.app_context(), transaction() as session:
        row = streams.get_stream(session, stream, lock=True)
        streams.set_status(session, row, status, reason=None, actor=f"client:{row.client_id}", now=now())
    assert 'id="hold"' in desk.browser.get(page).text
    assert desk.post(f"{page}/pause", page, reason="调查中").status_code == 303
    shown = desk.browser.get(page).text
    assert ('id="held"' in shown, 'id="hold"' in shown, 'id="open"' in shown) == (True, False, True)
    with app.app_context(), transaction() as session:
        row = streams.get_stream(session, stream, lock=True)
        assert (row.status, row.is_held, row.reason) == (status, True, "调查中")
        with pytest.raises(streams.StreamHeld):
            streams.set_status(session, row, "enabled", reason=None, actor=f"client:{row.client_id}", now=now())


@pytest.mark.parametrize("reason", ["长" * 201, "a\u202eb", "x\x00y"])
def test_a_reason_that_cannot_be_read_is_refused(app: Flask, desk: Desk, stream: UUID, reason: str) -> None:
    page = f"/admin/streams/{stream}"
    assert desk.post(f"{page}/pause", page, reason=reason).status_code in (400, 422)
    with app.app_context(), transaction() as session:
        assert streams.get_stream(session, stream).status == "enabled"


def test_an_unknown_stream_is_not_found(desk: Desk) -> None:
    assert desk.browser.get(f"/admin/streams/{uuid4()}").status_code == 404


@pytest.mark.parametrize("act", ACTS)
def test_only_an_operator_with_two_factors_just_now_may(app: Flask, desk: Desk, stream: UUID, act: str) -> None:
    page = f"/admin/streams/{stream}"
    for other in (desk_of(app, amr=TWO_FACTORS, runs_it=False), desk_of(app, amr=ONE_FACTOR), desk_of(app, amr=TWO_FACTORS, ago=timedelta(hours=1))):
        answer = other.post(f"{page}/{act}", "/account")
        assert answer.status_code in (303, 403)
        assert answer.headers.get("Location", "/signin/step-up").startswith("/signin/step-up")
    assert len(set_aside(app, stream)) == 2
    assert app.test_client().get(page, headers={"Accept": "text/html"}).status_code == 303


def test_what_may_be_shown_of_an_event_is_shown_and_nothing_else(app: Flask, desk: Desk, settings: Settings, stream: UUID) -> None:
    event = {"licence": str(stream), "state": "revoked", "turn": 2, "event_timestamp": 1796000000, "holder_name": "林晓月", "type": "<b>x</b>"}
    subject = {"format": "iss_sub", "iss": "https://x", "sub": "a-pairwise-subject-of-somebody"}
    with app.app_context(), transaction() as session:
        row = streams.get_stream(session, stream)
        listening = [streams.Listening(row.id, row.client_id, row.method)]
        kind = event_types.own_type_of("licence.revoked", settings)
        tokens.add(session, listening, event_type=kind, subjects={row.id: subject}, event=event, now=now())
        tokens.add_of_stream(session, row, VERIFICATION, {"state": "a-secret-of-the-receiver"}, now=now())
        for token in tokens.waiting(session, row, limit=9):
            tokens.refuse(session, row.id, token.id, "status 400")
    page = desk.browser.get(f"/admin/streams/{stream}").text
    told = app.test_cli_runner().invoke(signals, ["dead", str(stream), "--content"], env={"COLUMNS": "240"}).output
    for seen in (page, told):
        assert all(one in seen for one in ("revoked", "turn", "2026-11-30", "a-pair…", "holder_name")), seen
        assert [one for one in ("林晓月", "a-pairwise", "a-secret", "<b>x</b>", "&lt;b&gt;") if one in seen] == []
