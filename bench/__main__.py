"""`python -m bench`: measure, and print a table. It ends with 0 whatever it finds: a benchmark is never a test."""

import click
from rich.console import Console

from bench import report, starting
from bench.bare import bare_costs
from bench.entering import ENTER, bare_acts
from bench.measuring import Measured, Path, measure
from bench.passkeys import PASSKEY
from bench.paths import PATHS, health
from bench.signing_in import SIGN_IN
from bench.stand import stand

HEALTH = Path("healthz", "a plain route of Flask, with our hooks around it", None, health)
ALL = (HEALTH, *PATHS, SIGN_IN, ENTER, PASSKEY)
NAMES = (*(path.name for path in ALL), starting.NAME)


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="How long each path is measured.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Measure this path only; may be given more than once.")
def main(seconds: float, only: tuple[str, ...]) -> None:
    """Measure the hot paths beside their budgets."""
    console, progress = Console(width=report.WIDTH), Console(stderr=True)
    chosen = only or NAMES
    found: list[Measured] = []
    with progress.status("Setting the stand up ...") as status, stand() as standing:
        for path in ALL:
            if path.name in chosen:
                status.update(f"Measuring {path.title} ...")
                found.append(measure(path, standing, seconds=seconds))
        if starting.NAME in chosen:
            status.update(f"Measuring {starting.TITLE} ...")
            found.append(starting.start(standing))
        bare = [] if only else bare_costs(standing.kabao.app.extensions["kabao_engine"], seconds=min(seconds, 1.0), more=bare_acts(standing))
    report.show(console, found, bare)


if __name__ == "__main__":
    main()
