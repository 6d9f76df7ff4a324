"""`kabao licence recount`: whether the numbers on the desk's pages are what the register says, counted anew."""

import click

from runtime.database import transaction
from wallet.issuing.importing.commands import licence
from wallet.register import counts

SHOWN = 50
DIFFERENT = 1


@licence.command("recount")
@click.option("--mend", is_flag=True, help="Let the numbers be what was counted.")
def recount(*, mend: bool) -> None:
    """Count every licence and every act anew, and say which numbers differ.

    It reads the register whole: a minute for some millions of licences. Whatever is issued meanwhile is counted as always. Ends with status 0
    if every number is right, or was mended; 1 if some are not.
    """
    with transaction() as session:
        found = list(counts.recount(session, mend=mend))
    for one in found[:SHOWN]:
        which = " ".join(str(part) for part in (one.department, one.type_code, one.kind, one.what, one.day) if part)
        click.echo(f"{which}: {one.counted} is told, {one.is_so} is so")
    if len(found) > SHOWN:
        click.echo(f"and {len(found) - SHOWN} more")
    click.echo(_summary(len(found), mend=mend))
    if found and not mend:
        raise click.exceptions.Exit(DIFFERENT)


def _summary(count: int, *, mend: bool) -> str:
    if not count:
        return "Every number is right."
    return f"{count} numbers were wrong, and are mended." if mend else f"{count} numbers are wrong."
