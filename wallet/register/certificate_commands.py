"""`kabao department csr`, `certificate` and `revoke-certificate`: the certificates that departments sign with."""

from datetime import UTC, datetime
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.table import Table

from keys import certificates, issued_certificates, outside, renewal, revocation_lists
from keys.issued_certificates import Reason
from keys.profiles import Holder
from keys.sealing import present
from runtime.commands import explained
from runtime.database import transaction
from wallet.register.departments import get_department

certificate = AppGroup("certificate", help="The certificates that a department signs with.")


@click.command("csr")
@click.argument("code")
@click.option("--hsm", is_flag=True, help="Make the key in the security module.")
@with_appcontext
def csr(code: str, *, hsm: bool) -> None:
    """Print a request (PKCS #10) for a certificate of the department CODE, for an authority outside to sign; its next key waits for it."""
    settings = current_app.extensions["kabao_settings"]
    with explained(), transaction() as session:
        holder = Holder(get_department(code).name.zh, certificates.department_uri(settings, code), code)
        pem = outside.request(session, settings, certificates.department_use(code), holder, now=present(), in_token=hsm)
    click.echo(pem.decode(), nl=False)


@certificate.command("import")
@click.argument("code")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--now", "at_once", is_flag=True, help="Let its key sign at once, rather than after the time that the schedule says.")
def import_certificate(code: str, file: Path, *, at_once: bool) -> None:
    """Take the certificate in FILE (PEM, leaf first, with what stands between it and the root) for a key of the department CODE."""
    settings, use = current_app.extensions["kabao_settings"], certificates.department_use(code)
    with explained(), transaction() as session:
        get_department(code)
        uri = certificates.department_uri(settings, code)
        row = outside.take(session, settings, use, file.read_bytes(), uri=uri, now=present())
        if at_once and row.state == "next":
            renewal.switch(session, use, now=present())
    click.echo(f"{row.kid} has its certificate; it is {row.state}.")


@certificate.command("renew")
@click.argument("code")
@click.option("--hsm/--no-hsm", default=None, help="Make the key in the security module, or not; by default where the present one is.")
@click.option("--switch", is_flag=True, help="Let the next key sign at once, rather than after the time that the schedule says.")
def renew(code: str, *, hsm: bool | None, switch: bool) -> None:
    """Make the next key of the department CODE with a certificate under our root; what was signed before stays good."""
    settings, use = current_app.extensions["kabao_settings"], certificates.department_use(code)
    with explained(), transaction() as session:
        get_department(code)
        row = renewal.switch(session, use, now=present()) if switch else renewal.renew(session, settings, use, now=present(), in_token=hsm)
    click.echo(f"{row.kid} {'signs' if switch else 'is next'} for {code}.")


@certificate.command("list")
@click.argument("code")
def list_certificates(code: str) -> None:
    """Show every certificate that the department CODE ever had, the newest first."""
    table = Table("serial (hex)", "from", "until", "issued by", "revoked")
    with explained(), transaction() as session:
        get_department(code)
        for row in issued_certificates.of_use(session, certificates.department_use(code)):
            revoked = f"{row.revoked_at:%Y-%m-%d %H:%M} {row.reason}" if row.revoked_at else ""
            serial, issuer = f"{row.certificate.serial_number:x}", "our root" if row.issuer_kid else row.certificate.issuer.rfc4514_string()
            table.add_row(serial, f"{row.begins_at:%Y-%m-%d}", f"{row.ends_at:%Y-%m-%d}", issuer, revoked)
    console = Console()
    console.width = max(console.width, 140)
    console.print(table)


@click.command("revoke-certificate")
@click.argument("code")
@click.argument("serial")
@click.option("--reason", required=True, type=click.Choice([reason.value for reason in Reason]))
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="From when on it must not be believed (UTC); now unless given.")
@with_appcontext
def revoke_certificate(code: str, serial: str, reason: str, since: datetime | None) -> None:
    """Revoke the certificate SERIAL (hex) of the department CODE; what it signed from then on is void, after a compromise all that it signed."""
    moment = present()
    at = since.replace(tzinfo=UTC) if since else moment
    if at > moment:
        raise click.BadParameter("--since is in the future.")
    try:
        number = int(serial.replace(":", ""), 16)
    except ValueError as error:
        raise click.BadParameter("SERIAL is a number in hex; see: kabao department certificate list") from error
    with explained(), transaction() as session:
        get_department(code)
        use = certificates.department_use(code)
        issued_certificates.revoke(session, use=use, serial=number, reason=Reason(reason), at=at, now=moment)
        revocation_lists.renew(session, current_app.extensions["kabao_settings"], now=moment)
    click.echo(f"{serial} is revoked since {at:%Y-%m-%d %H:%M:%S} UTC. Give the department another key: kabao department certificate renew {code}")
