"""`kabao receipt verify`: an archive of receipts, looked at offline, whenever."""

import sys
from pathlib import Path

import click
from cryptography import x509

from wallet.verifying.archives import Found, NotAnArchive, NotVouchedFor, verify_archive

FALSE, UNUSABLE, UNVOUCHED = 1, 2, 3
SHOWN = 50
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("receipt", help="Archives of receipts.")
def receipt() -> None:
    """Look at archives of receipts."""


@receipt.command("verify")
@click.argument("archive", type=FILE)
@click.option("--root", envvar="KABAO_TRUST_ROOT", type=FILE, help="The roots that are trusted, PEM; or KABAO_TRUST_ROOT.")
@click.option("--crl", "lists", multiple=True, type=FILE, help="A newer revocation list of a root, DER; may be given several times.")
def verify(archive: Path, root: Path | None, lists: tuple[Path, ...]) -> None:
    """Verify each receipt of an ARCHIVE: signatures, certificates, proofs, digests; no network, no database.

    Exit status: 0 all is as it was signed, 1 something is not, 2 it is no usable archive or another root's, 3 it holds together, but without --root
    nobody vouches for it.
    """
    try:
        with archive.open("rb") as file:
            found = verify_archive(file, roots=_roots(root), lists=tuple(one.read_bytes() for one in lists))
    except (NotAnArchive, NotVouchedFor) as error:
        click.echo(f"不是可用的归档包 Not a usable archive: {error}", err=True)
        sys.exit(UNUSABLE)
    _show(found)
    if found.faults:
        click.echo(f"不属实 NOT AS SIGNED: {len(found.faults)}")
        sys.exit(FALSE)
    if root is None:
        click.echo("自身一致，但未给出根证书 It holds together; without --root nobody vouches for it.")
        sys.exit(UNVOUCHED)
    click.echo("全部属实 ALL GENUINE")


def _roots(path: Path | None) -> tuple[x509.Certificate, ...] | None:
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes())) if path else None
    except ValueError as error:
        raise click.UsageError(f"{path} holds no certificate in PEM.") from error


def _show(found: Found) -> None:
    click.echo(_plain(f"{found.service} · {found.department} · {found.since} – {found.until}"))
    click.echo(f"制作于 made at {found.made_at:%Y-%m-%d %H:%M} UTC · 回执 receipts: {found.receipts}")
    for fault in found.faults[:SHOWN]:
        click.echo(f"  {_plain(fault.file)}: {_plain(fault.what)}")
    if len(found.faults) > SHOWN:
        click.echo(f"  … {len(found.faults) - SHOWN} more")


def _plain(text: str) -> str:
    return text if text.isprintable() else repr(text)  # commands no terminal
