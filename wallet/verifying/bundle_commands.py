"""`kabao trust-bundle`: what `kabao verify` needs to judge by without a network."""

from pathlib import Path
from urllib.parse import urlsplit

import click

from runtime.outbound import Allowed, NoAnswer, fetch
from wallet.verifying.bundle_files import age_of, load
from wallet.verifying.bundles import MEDIA_TYPE, MOST_BYTES, Bundle

TIMEOUT, OK = 60.0, 200
ROOT = click.option(
    "--root",
    required=True,
    envvar="KABAO_TRUST_ROOT",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The root that is trusted, PEM; or KABAO_TRUST_ROOT.",
)


@click.group("trust-bundle", help="Issuers, status lists and trust lists, to verify by without a network.")
def trust_bundle() -> None:
    """Fetch and look at trust bundles."""


@trust_bundle.command("fetch")
@click.argument("url")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@ROOT
def fetch_bundle(url: str, file: Path, root: Path) -> None:
    """Fetch the bundle of the service at URL, check it, and keep it in FILE; one that is not good leaves the file as it is."""
    address = url if url.rstrip("/").endswith("/trust-bundle") else f"{url.rstrip('/')}/trust-bundle"
    host = urlsplit(address).hostname or ""
    try:
        answer = fetch(
            "GET", address, headers={"Accept": MEDIA_TYPE}, allowed=Allowed(frozenset({host}), development=True), timeout=TIMEOUT, limit=MOST_BYTES
        )
    except NoAnswer as error:
        raise click.ClickException("There was no answer.") from error
    if answer.status != OK:
        raise click.ClickException(f"The answer was {answer.status}.")
    bundle = load(answer.body, root)
    new = file.with_name(f"{file.name}.new")
    new.write_bytes(answer.body)
    new.replace(file)
    _show(bundle)


@trust_bundle.command("show")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@ROOT
def show_bundle(file: Path, root: Path) -> None:
    """Say whose FILE is, how old it is, until when it is good, and what it holds."""
    _show(load(file.read_bytes(), root))


def _show(bundle: Bundle) -> None:
    click.echo(f"{bundle.service}: made {bundle.made_at:%Y-%m-%d %H:%M} UTC ({age_of(bundle)} ago), good until {bundle.ends_at:%Y-%m-%d %H:%M} UTC")
    listed = len({one.uri for one in bundle.trust.listed.values()})
    click.echo(f"{len(bundle.certificates)} departments, {len(bundle.status_lists)} status lists, {listed} issuers of other provinces")
