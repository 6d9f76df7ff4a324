"""`kabao ledger witness`: for whoever watches a ledger that others keep. No database, no settings."""

import base64
import binascii
import os
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click
from cryptography import x509

from runtime import strict_json
from runtime.clock import now
from runtime.outbound import Allowed, NoAnswer, fetch
from wallet.verifying.ledger_commands import ledger
from wallet.verifying.witnessing import (
    Checkpoint,
    GoesNotOn,
    NotACheckpoint,
    OldCheckpoint,
    check_goes_on,
    check_not_old,
    may_be_old,
    read_checkpoint,
)

FALSE, UNUSABLE, NO_ANSWER, OLD = 1, 2, 3, 4
TIMEOUT, MOST_BYTES, OK, NOT_SO_MANY = 30.0, 64 * 1024, 200, 422
MOST_HASHES = 128


@ledger.command("witness", with_appcontext=False)
@click.argument("url")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option(
    "--root",
    required=True,
    envvar="KABAO_TRUST_ROOT",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The roots that are trusted, PEM; or KABAO_TRUST_ROOT.",
)
def witness(url: str, file: Path, root: Path) -> None:
    """Look whether the ledger of the service at URL goes on from the last checkpoint in FILE, and add the newest to it.

    Run it on a machine that is not the service's, every hour or every day. Exit status: 0 it goes on, 1 it does not (both checkpoints are then kept
    beside FILE), 2 what is in FILE or came back cannot be used, or FILE not written, 3 there was no answer, 4 it was an old one, and true.
    """
    try:
        roots = tuple(x509.load_pem_x509_certificates(root.read_bytes()))
    except ValueError as error:
        raise click.UsageError(f"{root} holds no certificate in PEM.") from error
    before = _last_of(file, roots)
    told = _ask(url, "checkpoint")
    try:
        after = read_checkpoint(str(told.get("checkpoint", "")), roots=roots)
    except NotACheckpoint as error:
        _give_up(f"What came back is no checkpoint: {error}.", UNUSABLE)
    if before is not None:
        path = _path(url, before, after) if before.size < after.size else []
        try:
            if may_be_old(before, after):
                check_not_old(before, after, path=_path(url, after, before, or_none=True))
            check_goes_on(before, after, path=path)
        except OldCheckpoint as error:
            _give_up(f"旧检查点 AN OLD CHECKPOINT: {error}. Somebody between keeps answers.", OLD)
        except GoesNotOn as error:
            _give_up(f"不相续 DOES NOT GO ON: {error}. {_keep_evidence(file, before, after)}", FALSE)
    if before is None or after.signed != before.signed:
        try:
            _append(file, after)
        except OSError as error:
            _give_up(f"{file} cannot be written: {error.strerror}.", UNUSABLE)
    minutes = int((now() - after.sealed_at).total_seconds()) // 60
    began = f"相续 goes on from {before.size}" if before else "首次见到 first seen"
    click.echo(f"{after.service}: {after.size} rows, {began}; the last was sealed {minutes} min ago.")


def _last_of(file: Path, roots: tuple[x509.Certificate, ...]) -> Checkpoint | None:
    """Return the last checkpoint of a file; None if it is not there or empty."""
    try:
        lines = file.read_text("ascii").split()
        return read_checkpoint(lines[-1], roots=roots) if lines else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _give_up(f"The last line of {file} is no checkpoint under these roots: {error}.", UNUSABLE)


def _path(url: str, first: Checkpoint, second: Checkpoint, *, or_none: bool = False) -> list[bytes]:
    """Ask for the proof that one ledger begins with the other; where the service says that it has not so many rows there may be `or_none`."""
    told = _ask(url, f"consistency?first={first.size}&second={second.size}", refused={"path": []} if or_none else None)
    return _hashes(told)


def _ask(url: str, what: str, *, refused: dict[str, object] | None = None) -> dict[str, object]:
    try:
        answer = fetch(
            "GET",
            f"{url.rstrip('/')}/api/v1/ledger/{what}",
            headers={"Accept": "application/json"},
            allowed=Allowed(frozenset({urlsplit(url).hostname or ""}), development=True),
            timeout=TIMEOUT,
            limit=MOST_BYTES,
        )
    except (NoAnswer, ValueError):  # ValueError: no address at all
        _give_up(f"{url} did not answer.", NO_ANSWER)
    if refused is not None and answer.status == NOT_SO_MANY:
        return refused
    try:
        told = strict_json.read(answer.body) if answer.status == OK else None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        _give_up(f"{url} answered {answer.status}, with nothing to be used.", NO_ANSWER if answer.status != OK else UNUSABLE)
    return told


def _hashes(told: dict[str, object]) -> list[bytes]:
    path = told.get("path")
    if not isinstance(path, list) or len(path) > MOST_HASHES:
        _give_up("What came back is no proof.", UNUSABLE)
    try:
        return [base64.b64decode(one, validate=True) for one in path]
    except (binascii.Error, ValueError, TypeError):
        _give_up("What came back is no proof.", UNUSABLE)


def _append(file: Path, *seen: Checkpoint) -> None:
    with file.open("a", encoding="ascii") as opened:
        opened.writelines(f"{one.signed}\n" for one in seen)
        opened.flush()
        os.fsync(opened.fileno())


def _keep_evidence(file: Path, before: Checkpoint, after: Checkpoint) -> str:
    """Keep both checkpoints, and return where; where no file can be written, themselves: the service may never give the second again."""
    kept = file.with_name(f"{file.name}.contradiction-{after.size}-{int(now().timestamp())}")
    try:
        _append(kept, before, after)
    except OSError as error:
        return f"{kept} cannot be written ({error.strerror}), so keep what both signed:\n{before.signed}\n{after.signed}"
    return f"Both signed checkpoints are kept in {kept}."


def _give_up(why: str, status: int) -> NoReturn:
    click.echo(why, err=True)
    sys.exit(status)
