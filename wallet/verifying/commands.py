"""`kabao verify FILE` without any network, and `kabao ledger verify`."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click
import jwt
from cryptography import x509
from flask.cli import AppGroup, ScriptInfo, with_appcontext
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from keys import ring
from runtime import ledger as ledger_rows
from runtime.clock import now
from runtime.database import transaction
from runtime.problems import Refusal
from runtime.settings import SettingsError
from wallet.issuing import sd_jwt
from wallet.verifying import wording
from wallet.verifying.checks import Expected, NotVerified, Outcome, Result, StatusOf, Trust
from wallet.verifying.checks import verify as run_checks
from wallet.verifying.ledger_jobs import CHECKPOINT
from wallet.verifying.status_files import MAX_FILE, BadStatusFile, read_status_file
from wallet.verifying.trusting import current_trust

NOT_VERIFIED = 1
BINDING_AGE = timedelta(minutes=5)
MARKS = {Result.PASSED: "[green]✓[/]", Result.FAILED: "[red]✕[/]", Result.NOT_ASKED: "–", Result.NOT_REACHED: "·"}

ledger = AppGroup("ledger", help="Prove that the ledger is as it was signed.")


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--root", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trusted root, PEM; the installation's own unless given.")
@click.option(
    "--status",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A status list, JWT or CWT; without it the status is not checked.",
)
@click.option("--audience", help="For whom the holder must have bound the presentation.")
@click.option("--nonce", help="For which occasion the holder must have bound it.")
def verify(file: BinaryIO, root: Path | None, status: Path | None, audience: str | None, nonce: str | None) -> None:
    """Verify an e-licence (SD-JWT) in FILE, or - for standard input, without any network.

    Exit status: 0 verified, 1 not verified, 2 the command was not understood.
    """
    if (audience is None) != (nonce is None):
        raise click.UsageError("--audience and --nonce go together.")
    trust = Trust((_read_root(root),)) if root else _own_trust()
    expected = Expected(binding=nonce is not None, audience=audience, nonce=nonce, vcts=None, binding_age=BINDING_AGE)
    text = file.read(sd_jwt.MAX_TEXT + 2).decode("utf-8", "replace").strip()
    try:
        verified = run_checks(text, expected=expected, trust=trust, status_of=_read_status(status, trust.all_roots), now=now())
    except NotVerified as failure:
        _show(failure.outcomes)
        click.echo(f"未通过核验 NOT VERIFIED: {failure.check} ({failure.reason})")
        sys.exit(NOT_VERIFIED)
    _show(verified.outcomes)
    for name in ("iss", "vct", "licence_identifier", *verified.disclosed):
        value = str(verified.claims.get(name))
        click.echo(f"  {name}: {value if value.isprintable() else repr(value)}")  # no claim may command the terminal
    click.echo("核验通过 VERIFIED" + ("" if status else " (状态未查 status not checked)"))


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
        sys.exit(NOT_VERIFIED)
    click.echo(f"{rows} rows are as they were signed.")


def signed_claims(unverified_checkpoint: str) -> dict[str, Any]:
    """Return what a checkpoint signs; of one whose signature does not fit, a size that no tree has."""
    try:
        return ring.verify(unverified_checkpoint, use=ring.LEDGER, typ=CHECKPOINT, audience=None)
    except jwt.InvalidTokenError:
        return {"size": -1, "root": ""}


def _show(outcomes: tuple[Outcome, ...]) -> None:
    console = Console(highlight=False)
    for outcome in outcomes:
        name, result = wording.CHECKS[outcome.check], wording.RESULTS[outcome.result]
        why = f": {wording.REASONS[outcome.reason].zh} {wording.REASONS[outcome.reason].en}" if outcome.reason else ""
        console.print(f"{MARKS[outcome.result]} {name.zh} {name.en}: {result.zh} {result.en}{why}", soft_wrap=True)


def _read_root(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise click.UsageError(f"{path} is not a certificate in PEM.") from error


def _own_trust() -> Trust:
    try:
        with click.get_current_context().ensure_object(ScriptInfo).load_app().app_context():
            return current_trust()
    except (SettingsError, Refusal, DBAPIError) as error:
        raise click.UsageError("This machine has no installation with a root; give one with --root FILE.") from error


def _read_status(path: Path | None, roots: tuple[x509.Certificate, ...]) -> StatusOf | None:
    try:
        return read_status_file(_read_bounded(path), roots=roots, now=now()) if path else None
    except BadStatusFile as error:
        raise click.UsageError(f"{path}: {error}.") from error


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE + 1)
