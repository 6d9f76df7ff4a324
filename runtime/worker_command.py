"""`kabao worker`: one of the two long-running processes."""

import click
from flask import current_app
from flask.cli import with_appcontext

from runtime import jobs, memory, starting


@click.command()
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1), help="Jobs at a time.")
@click.option("--outward", default=8, show_default=True, type=click.IntRange(1), help="Deliveries to other servers at a time, beside them.")
@with_appcontext
def worker(concurrency: int, outward: int) -> None:
    """Run background jobs until stopped: deliveries, status lists, sealing of the ledger, pruning."""
    memory.keep_to_one_pool()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    starting.look(app)
    jobs.run_worker(app, current_app.extensions["kabao_settings"], concurrency=concurrency, outward_concurrency=outward)
