"""`kabao ledger verify`: the whole ledger hashed again."""

import sys
from typing import Any

import click
import jwt
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, select

from keys import ring
from runtime import ledger as ledger_rows
from runtime.database import transaction
from wallet.verifying.ledger_jobs import CHECKPOINT

DIFFERS = 1

ledger = AppGroup("ledger", help="Prove that the ledger is as it was signed.")


@ledger.command("verify")
@with_appcontext
def verify_ledger() -> None:
    """Hash the whole ledger again and compare it with every signed checkpoint; exit status 1 if anything differs."""
    faults: list[ledger_rows.Fault] = []
    rows = 0
    with transaction() as session, Progress(console=Console(stderr=True), transient=True) as progress:
        sealed = session.scalar(select(func.count()).where(ledger_rows.LedgerEntry.position.is_not(None)))
        task = progress.add_task("ledger", total=sealed)
        for found in ledger_rows.verify(session, verify_signature=signed_claims):
            if isinstance(found, ledger_rows.Fault):
                faults.append(found)
            else:
                rows = found
                progress.update(task, completed=rows)
    for fault in faults:
        click.echo(f"FAULT at {fault.position}: {fault.what}")
    if faults:
        sys.exit(DIFFERS)
    click.echo(f"{rows} rows are as they were signed.")


def signed_claims(unverified_checkpoint: str) -> dict[str, Any]:
    """Return what a checkpoint signs; of one whose signature does not fit, a size that no tree has."""
    try:
        return ring.verify(unverified_checkpoint, use=ring.LEDGER, typ=CHECKPOINT, audience=None)
    except jwt.InvalidTokenError:
        return {"size": -1, "root": ""}
