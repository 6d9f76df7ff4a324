"""`kabao signals`: an operator sees the streams, lets them go on or wait, and offers again what was refused."""

from uuid import UUID

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import func, select

from idp.signals import event_types, streams, tokens
from idp.signals.streams import SignalStream
from idp.signals.tokens import SignalToken
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal

signals = AppGroup("signals", help="Watch over the streams of shared signals.")


@signals.command("list")
def list_streams() -> None:
    """Show every stream, what waits in it and what its receiver refused."""
    table = Table(Column("stream", no_wrap=True), "receiver", "method", "status", "waits", "refused", "failures")
    counts = select(SignalToken.stream_id, func.count().filter(SignalToken.refused.is_(None)), func.count(SignalToken.refused))
    with transaction() as session:
        numbers = {stream_id: (waits, refused) for stream_id, waits, refused in session.execute(counts.group_by(SignalToken.stream_id))}
        for row in session.scalars(select(SignalStream).order_by(SignalStream.client_id, SignalStream.id)):
            waits, refused = numbers.get(row.id, (0, 0))
            method = "push" if row.method == streams.PUSH else "poll"
            table.add_row(str(row.id), row.client_id, method, row.status, str(waits), str(refused), str(row.failures))
    Console().print(table)


@signals.command()
@click.argument("stream_id", type=click.UUID)
@click.argument("status", type=click.Choice(streams.STATUSES))
@click.option("--reason", help="Why, for the receiver to read.")
def status(stream_id: UUID, status: str, reason: str | None) -> None:
    """Let a stream go on, wait or stop; its receiver is told so over the stream."""
    moment = now()
    with transaction() as session:
        row = _get(session, stream_id)
        streams.set_status(session, row, status, reason=reason, actor="operator", now=moment)
        event = {"status": status, **({"reason": reason} if reason else {})}
        tokens.add_of_stream(session, row, event_types.STREAM_UPDATED, event, now=moment)
    click.echo(f"{stream_id} is {status}.")


@signals.command()
@click.argument("stream_id", type=click.UUID)
def replay(stream_id: UUID) -> None:
    """Offer a receiver once more what it refused."""
    with transaction() as session:
        again = tokens.replay(session, _get(session, stream_id))
    click.echo(f"{again} offered again.")


def _get(session: object, stream_id: UUID) -> SignalStream:
    try:
        return streams.get_stream(session, stream_id, lock=True)  # type: ignore[arg-type]
    except Refusal as refusal:
        raise click.ClickException(refusal.title.en) from refusal
