"""`kabao signals`: an operator sees the streams, lets them go on or wait, and offers again what was refused."""

from uuid import UUID

import click
from flask.cli import AppGroup
from rich.table import Column, Table
from sqlalchemy import select

from idp.signals import event_types, streams, tokens
from idp.signals.letters import members_of
from idp.signals.streams import SignalStream
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.shown_tables import print_table

METHODS = {streams.PUSH: "push", streams.POLL: "poll", streams.WEBHOOK: "webhook"}
signals = AppGroup("signals", help="Watch over the streams of shared signals.")


@signals.command("list")
def list_streams() -> None:
    """Show every stream, what waits in it and what was set aside."""
    table = Table(Column("stream", no_wrap=True), "receiver", "method", "status", "waits", "set aside", "failures")
    with transaction() as session:
        numbers = tokens.counts(session)
        for row in session.scalars(select(SignalStream).order_by(SignalStream.client_id, SignalStream.id)):
            waits, refused = numbers.get(row.id, (0, 0))
            method = METHODS[row.method]
            table.add_row(str(row.id), row.client_id, method, row.status, str(waits), str(refused), str(row.failures))
    print_table(table)


@signals.command()
@click.argument("stream_id", type=click.UUID)
@click.argument("status", type=click.Choice(streams.STATUSES))
@click.option("--reason", help="Why, for the receiver to read.")
def status(stream_id: UUID, status: str, reason: str | None) -> None:
    """Let a stream go on, wait or stop; its receiver is told so over the stream, and cannot undo it."""
    moment = now()
    with transaction() as session:
        row = _get(session, stream_id)
        streams.set_status(session, row, status, reason=reason, actor=streams.OPERATOR, now=moment)
        tokens.let_go(session, row)
        event = {"status": status, **({"reason": reason} if reason else {})}
        tokens.add_of_stream(session, row, event_types.STREAM_UPDATED, event, now=moment)
    click.echo(f"{stream_id} is {status}.")


@signals.command()
@click.argument("stream_id", type=click.UUID)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@click.option("--content", is_flag=True, help="With what of each may be shown.")
def dead(stream_id: UUID, limit: int, *, content: bool) -> None:
    """Show what was set aside of a stream, the oldest first, and why."""
    table = Table(Column("event", no_wrap=True), "made", "type", "about", "why")
    with transaction() as session:
        for row in tokens.dead_letters(session, _get(session, stream_id).id, limit=limit):
            table.add_row(str(row.id), f"{row.made_at:%Y-%m-%d %H:%M}", row.type.rpartition("/")[2], row.about or "", row.refused)
            for name, value in members_of(row) if content else ():
                table.add_row("", "", f"  {name}", value, "")
    print_table(table)


@signals.command()
@click.argument("stream_id", type=click.UUID)
@click.argument("event_id", type=click.UUID, required=False)
def replay(stream_id: UUID, event_id: UUID | None) -> None:
    """Offer a receiver once more what was set aside, or one event of it."""
    with transaction() as session:
        again = tokens.replay(session, _get(session, stream_id), event_id)
    click.echo(f"{again} offered again.")


@signals.command()
@click.argument("stream_id", type=click.UUID)
@click.argument("event_id", type=click.UUID)
def drop(stream_id: UUID, event_id: UUID) -> None:
    """Give up one event that was set aside, so that what stands behind it goes on."""
    with transaction() as session:
        if not tokens.drop(session, _get(session, stream_id), event_id):
            raise click.ClickException("No such event was set aside.")
    click.echo("Given up.")


def _get(session: object, stream_id: UUID) -> SignalStream:
    try:
        return streams.get_stream(session, stream_id, lock=True)  # type: ignore[arg-type]
    except Refusal as refusal:
        raise click.ClickException(refusal.title.en) from refusal
