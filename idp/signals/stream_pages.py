"""The operators' pages for streams and webhooks: how each fares, what was set aside, and sending it again."""

from uuid import UUID

from flask import Blueprint, flash, g, render_template, request, url_for
from flask import redirect as lead_to
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.oauth.clients import find_client
from idp.signals import event_types, streams, tokens
from idp.signals.letters import members_of
from idp.signals.streams import DISABLED, ENABLED, PAUSED, POLL, PUSH, WEBHOOK, SignalStream
from idp.signin.operators import fresh_operator, operator
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal

stream_pages = Blueprint("admin_streams", __name__, template_folder="templates")
PAGE, LONGEST_REASON = 50, 200
METHODS = {PUSH: Text("推送事件令牌", "Pushed event tokens"), POLL: Text("轮询事件令牌", "Polled event tokens"), WEBHOOK: Text("网络回调", "Webhook")}
STATES = {
    streams.ENABLED: Text("正常", "Active"),
    streams.PAUSED: Text("已暂停", "Paused"),
    streams.DISABLED: Text("已关闭", "Closed"),
}
DONE = {
    "pause": Text("已暂停，事件先保留。", "Paused; its events are kept."),
    "open": Text("已恢复发送。", "Resumed."),
}
HELD = Text("已由运营方锁定，接收方不能自行恢复。", "Held; its receiver cannot resume it.")


class EventNotFound(Refusal):
    """No such event was set aside."""

    code, status, title = "event-not-found", 404, Text("没有这条被搁置的事件。", "No such event was set aside.")


class ReasonRefused(Refusal):
    """What is to be told a receiver is too long, or holds characters that are not seen."""

    code, status = "reason-refused", 422
    title = Text(f"原因最多{LONGEST_REASON}字，且不含不可见字符。", f"The reason has up to {LONGEST_REASON} characters, all of them visible.")


@stream_pages.route("/admin/streams", methods=["GET"])
@allow(operator)
def listed() -> str:
    """Show every stream: those with something set aside first."""
    with transaction() as session:
        counts = tokens.counts(session)
        rows = list(session.scalars(select(SignalStream).order_by(SignalStream.client_id, SignalStream.id)))
    rows.sort(key=lambda row: -counts.get(row.id, (0, 0))[1])
    clients = {row.client_id: find_client(row.client_id) for row in rows}
    return render_template("signals/streams.html", rows=rows, counts=counts, clients=clients, methods=METHODS, states=STATES)


@stream_pages.route("/admin/streams/<uuid:stream_id>", methods=["GET"])
@allow(operator)
def shown(stream_id: UUID) -> str:
    """Show a stream, and a page of what was set aside of it."""
    with transaction() as session:
        row = streams.get_stream(session, stream_id)
        dead = tokens.dead_letters(session, row.id, after=_after(), limit=PAGE)
        waiting, set_aside = tokens.counts(session, row.id).get(row.id, (0, 0))
    return render_template(
        "signals/stream.html",
        row=row,
        client=find_client(row.client_id),
        dead=dead,
        members_of=members_of,
        waiting=waiting,
        set_aside=set_aside,
        is_full=len(dead) == PAGE,
        name_of=event_types.plain_name,
        methods=METHODS,
        states=STATES,
    )


@stream_pages.route("/admin/streams/<uuid:stream_id>/replay", methods=["POST"])
@allow(fresh_operator)
def replay(stream_id: UUID) -> Response:
    """Send what was set aside again: all of it, or the event that is named."""
    event_id = _event()
    with transaction() as session:
        row = streams.get_stream(session, stream_id, lock=True)
        again = tokens.replay(session, row, event_id)
        ledger.record(session, "stream.replayed", actor=_actor(), object_id=row.id, now=now(), events=again)
    flash(str(Text("已重新发送{}条事件。", "{} events are sent again.").format(again)), "success")
    return lead_to(url_for("admin_streams.shown", stream_id=stream_id), 303)


@stream_pages.route("/admin/streams/<uuid:stream_id>/drop", methods=["POST"])
@allow(fresh_operator)
def drop(stream_id: UUID) -> Response:
    """Give up one event that was set aside; what stands behind it goes on."""
    event_id = _event()
    with transaction() as session:
        row = streams.get_stream(session, stream_id, lock=True)
        if event_id is not None and tokens.drop(session, row, event_id):
            ledger.record(session, "stream.dropped", actor=_actor(), object_id=row.id, now=now(), event=str(event_id))
            flash(str(Text("已放弃该事件。", "The event is given up.")), "success")
    return lead_to(url_for("admin_streams.shown", stream_id=stream_id), 303)


@stream_pages.route("/admin/streams/<uuid:stream_id>/<any(pause, open):act>", methods=["POST"])
@allow(fresh_operator)
def switch(stream_id: UUID, act: str) -> Response:
    """Let a stream wait, or go on; its receiver is told over the stream. One that waits or is closed already is held as it is."""
    moment, done = now(), DONE[act]
    reason = _reason() if act == "pause" else None
    with transaction() as session:
        row = streams.get_stream(session, stream_id, lock=True)
        status = ENABLED if act == "open" else PAUSED if row.status != DISABLED else DISABLED
        if act == "pause" and row.status != ENABLED:
            done = HELD
        streams.set_status(session, row, status, reason=reason, actor=_actor(), now=moment)
        event = {"status": status, **({"reason": reason} if reason else {})}
        tokens.add_of_stream(session, row, event_types.STREAM_UPDATED, event, now=moment)
    flash(str(done), "success")
    return lead_to(url_for("admin_streams.shown", stream_id=stream_id), 303)


def _reason() -> str | None:
    """Return why, as the receiver is to read it, None where nothing is said; raises ReasonRefused."""
    said = request.form.get("reason", "").strip()
    if len(said) > LONGEST_REASON or not said.isprintable():
        raise ReasonRefused(field="reason")
    return said or None


def _after() -> UUID | None:
    return _uuid(request.args.get("after", ""))


def _event() -> UUID | None:
    """Return the event that the form names, None where it names none; raises EventNotFound for what is no id."""
    named = request.form.get("event")
    if named is not None and _uuid(named) is None:
        raise EventNotFound(field="event")
    return _uuid(named or "")


def _uuid(unverified: str) -> UUID | None:
    try:
        return UUID(unverified)
    except ValueError:
        return None


def _actor() -> str:
    return f"operator:{g.signed_in.subject_id}"
