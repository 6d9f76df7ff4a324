"""`kabao verify FILE` without any network; with a bundle or a root, without web and database, too, which would take a second to load."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import click
from cryptography import x509
from rich.console import Console

from runtime.clock import now
from wallet.issuing.copy_marks import Marking
from wallet.verifying import offline, wording
from wallet.verifying.bundle_files import age_of, load
from wallet.verifying.bundles import Bundle
from wallet.verifying.checks import Expected, NotVerified, StatusOf, Trust
from wallet.verifying.checks import verify as run_checks
from wallet.verifying.compact_reading import CompactPresentation
from wallet.verifying.conclusions import CANNOT_TELL as UNDECIDED
from wallet.verifying.conclusions import Conclusion, conclude
from wallet.verifying.files import MOST_BYTES, FilesBusy
from wallet.verifying.outcomes import Outcome, Result
from wallet.verifying.presentations import Presentation
from wallet.verifying.status_files import MAX_FILE, BadStatusFile, read_status_file

NOT_VERIFIED, UNUSABLE, CANNOT_TELL = 1, 2, 3
LARGEST = MOST_BYTES + 1
BINDING_AGE = timedelta(minutes=5)
MARKS = {Result.PASSED: "[green]✓[/]", Result.FAILED: "[red]✕[/]", Result.NOT_ASKED: "–", Result.NOT_REACHED: "·"}


@click.command()
@click.argument("what", metavar="FILE|QR|-")
@click.option(
    "--bundle",
    envvar="KABAO_TRUST_BUNDLE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A trust bundle (`kabao trust-bundle fetch`), or KABAO_TRUST_BUNDLE: issuers, types and status lists; with --root.",
)
@click.option(
    "--root",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="KABAO_TRUST_ROOT",
    help="Trusted root, PEM; the installation's own unless given.",
)
@click.option(
    "--status",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A status list, JWT or CWT; without it the status is not checked.",
)
@click.option("--audience", help="For whom the holder must have bound the presentation.")
@click.option("--nonce", help="For which occasion the holder must have bound it.")
def verify(what: str, bundle: Path | None, root: Path | None, status: Path | None, audience: str | None, nonce: str | None) -> None:
    """Verify an e-licence without any network: a FILE (text, sealed PDF, picture of a code), the text of a QR, or - for standard input.

    Exit status: 0 valid, 1 not valid, 2 what was given cannot be used, the bundle that is over included, 3 the status cannot be told.
    """
    if (audience is None) != (nonce is None):
        raise click.UsageError("--audience and --nonce go together.")
    given = _read_given(what)
    if bundle is not None:
        if root is None:
            raise click.UsageError("--bundle needs the --root that it is signed under.")
        _verify_by_bundle(given, load(bundle.read_bytes(), root), audience=audience, nonce=nonce)
        return
    trust = Trust(_read_roots(root)) if root else _own_trust()
    expected = Expected(binding=nonce is not None, audience=audience, nonce=nonce, vcts=None, binding_age=BINDING_AGE)
    shown = _presentation(given)
    try:
        verified = run_checks(shown, expected=expected, trust=trust, status_of=_read_status(status, trust.all_roots), now=now())
    except NotVerified as failure:
        _show(failure.outcomes)
        _tell_marking(failure.marking)
        _end_failed(conclude(failure.outcomes), f"{failure.check} ({failure.reason})")
    _show(verified.outcomes)
    _tell_marking(verified.marking)
    _tell({name: verified.claims.get(name) for name in ("iss", "vct", "licence_identifier", *verified.disclosed)})
    _tell_verified(verified.outcomes)


def _verify_by_bundle(given: bytes, bundle: Bundle, *, audience: str | None, nonce: str | None) -> None:
    click.echo(f"信任包 trust bundle: {bundle.service}, {age_of(bundle)}")
    try:
        answer = offline.verify(given, bundle, audience=audience, nonce=nonce)
    except offline.OnlineOnly:
        _end_online_only()
    except (offline.NotBrought, offline.FileUnusable, FilesBusy) as error:
        raise click.UsageError(f"Nothing that can be verified: {error}.") from error
    _show(answer.outcomes)
    _tell_marking(answer.marking)
    names = {"issuer": answer.issuer, "type": answer.type}
    _tell({name: f"{one.get('zh')} {one.get('en')}" for name, one in names.items() if one} | dict(answer.fields))
    if answer.is_valid:
        _tell_verified(answer.outcomes)
    else:
        _end_failed(answer.conclusion, str(answer.conclusion))


def _presentation(given: bytes) -> Presentation:
    try:
        shown = offline.presentation_of(given, chains_of=lambda *_: [])
    except offline.OnlineOnly:
        _end_online_only()
    except (offline.NotBrought, offline.FileUnusable, FilesBusy) as error:
        raise click.UsageError(f"Nothing that can be verified: {error}.") from error
    if isinstance(shown, CompactPresentation):
        raise click.UsageError("A compact code brings no certificate: give --bundle and --root.")
    return shown


def _end_failed(conclusion: Conclusion, what: str) -> NoReturn:
    """Say that it is not verified, or that it cannot be told and then what helps, and end."""
    if conclusion not in UNDECIDED:
        click.echo(f"未通过核验 NOT VERIFIED: {what}")
        sys.exit(NOT_VERIFIED)
    click.echo(f"暂时无法核验 CANNOT TELL: {what}")
    if conclusion is Conclusion.SOURCE_UNAVAILABLE:
        click.echo("请换用新的信任包或状态列表再核验。 Verify again by a newer trust bundle or status list.")
    sys.exit(CANNOT_TELL)


def _end_online_only() -> NoReturn:
    click.echo("动态二维码只能联网核验 A dynamic code can be verified online only.")
    sys.exit(CANNOT_TELL)


def _read_given(what: str) -> bytes:
    """Return the bytes of a file or of standard input, bounded; any other text is what was scanned."""
    if what == "-":
        return sys.stdin.buffer.read(LARGEST)
    try:
        with Path(what).open("rb") as file:
            return file.read(LARGEST)
    except (OSError, ValueError) as error:
        if "~" in what or ":" in what or what.count(".") == 2:
            return what.encode("utf-8", "replace")
        raise click.UsageError(f"There is no file {what!r} that can be read, and it is no code.") from error


def _tell_verified(outcomes: tuple[Outcome, ...]) -> None:
    is_unasked = any(one.check == "status" and one.result is Result.NOT_ASKED for one in outcomes)
    click.echo("核验通过 VERIFIED" + (" (状态未查 status not checked)" if is_unasked else ""))


def _tell_marking(marking: Marking | None) -> None:
    """Say for whom, why and until when a marked copy was made."""
    if marking is not None:
        click.echo("加注件 Marked copy")
        _tell({"made_for": marking.made_for, "cause": marking.cause, "made_at": marking.made_at, "until": marking.last_day})


def _tell(told: Mapping[str, Any]) -> None:
    for name, one in told.items():
        value = str(one)
        click.echo(f"  {name if name.isprintable() else repr(name)}: {value if value.isprintable() else repr(value)}")  # commands no terminal


def _show(outcomes: tuple[Outcome, ...]) -> None:
    console = Console(highlight=False)
    for outcome in outcomes:
        name, result = wording.CHECKS[outcome.check], wording.RESULTS[outcome.result]
        why = f": {wording.REASONS[outcome.reason].zh} {wording.REASONS[outcome.reason].en}" if outcome.reason else ""
        console.print(f"{MARKS[outcome.result]} {name.zh} {name.en}: {result.zh} {result.en}{why}", soft_wrap=True)


def _read_roots(path: Path) -> tuple[x509.Certificate, ...]:
    """Return every root of a file: while one follows another there are two."""
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError as error:
        raise click.UsageError(f"{path} is not a certificate in PEM.") from error


def _own_trust() -> Trust:
    from flask.cli import ScriptInfo
    from sqlalchemy.exc import DBAPIError

    from runtime.problems import Refusal
    from runtime.settings import SettingsError
    from wallet.verifying.trusting import current_trust

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
