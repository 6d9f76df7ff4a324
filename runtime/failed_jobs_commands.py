"""`kabao jobs`: an operator sees the jobs that failed for good, has them tried again, or gives them up."""

from datetime import datetime

import click
from flask.cli import AppGroup
from rich.table import Column, Table
from sqlalchemy.orm import Session

from runtime import failed_jobs, ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.failed_jobs import FailedJob, FailedKind
from runtime.shown_tables import print_table

jobs = AppGroup("jobs", help="See to the jobs that failed for good.")
NUMBER = click.IntRange(1, 2**63 - 1)
NONE = "No such failed job. What repeats is not tried again: it comes back by itself."


@jobs.command("list")
@click.argument("kind", required=False)
@click.option("--after", default=0, type=click.IntRange(0, 2**63 - 1), help="Those after this number.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
def list_jobs(kind: str | None, after: int, limit: int) -> None:
    """Show which kinds of jobs failed for good; of a KIND, each job, the oldest first."""
    with transaction() as session:
        rows = failed_jobs.listed(session, kind=kind, after=after, limit=limit) if kind else []
        table = _table_of_jobs(rows) if kind else _table_of_kinds(failed_jobs.kinds(session))
    print_table(table)


@jobs.command()
@click.argument("kind")
@click.argument("number", type=NUMBER, required=False)
def retry(kind: str, number: int | None) -> None:
    """Have all failed jobs of a KIND tried again, or the one of this NUMBER."""
    with transaction() as session:
        again = failed_jobs.retry(session, kind=kind, job_id=number)
        _record("job.retried", session, kind, number, again)
    click.echo(f"{again} will be tried again.")


@jobs.command()
@click.argument("kind")
@click.argument("number", type=NUMBER, required=False)
def drop(kind: str, number: int | None) -> None:
    """Give up all failed jobs of a KIND, or the one of this NUMBER; it does not come back."""
    with transaction() as session:
        gone = failed_jobs.drop(session, kind=kind, job_id=number)
        _record("job.dropped", session, kind, number, gone)
    click.echo(f"{gone} given up.")


def _record(act: str, session: Session, kind: str, number: int | None, done: int) -> None:
    if not done:
        raise click.ClickException(NONE)
    ledger.record(session, act, actor="operator", object_id=str(number or kind), now=now(), kind=kind, jobs=done)


def _table_of_kinds(kinds: list[FailedKind]) -> Table:
    table = Table(Column("kind", no_wrap=True), "failed", "since", "last", "what comes", "error of the last")
    for one in kinds:
        table.add_row(one.kind, str(one.number), _moment(one.since), _moment(one.latest), "runs again by itself" if one.repeats else "", one.error)
    return table


def _table_of_jobs(rows: list[FailedJob]) -> Table:
    table = Table(Column("number", no_wrap=True), "tries", "asked for", "failed", "error")
    for one in rows:
        table.add_row(str(one.id), str(one.tries), _moment(one.asked_at), _moment(one.failed_at), one.error)
    return table


def _moment(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
