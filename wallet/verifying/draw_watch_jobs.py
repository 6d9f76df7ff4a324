"""Looking at the draws each minute, and forgetting each day those that were watched long enough."""

from flask import current_app

from runtime import jobs
from runtime.clock import now
from runtime.database import prune, transaction
from wallet.verifying import draw_watch
from wallet.verifying.draw_watch import KEPT, Drawn


@jobs.every("* * * * *")
def watch_draws() -> None:
    """Flag what looks odd."""
    with transaction() as session:
        draw_watch.watch(session, current_app.extensions["kabao_settings"], now=now())


@jobs.every("35 3 * * *")
def forget_watched_draws() -> None:
    """Forget draws a month old; what was flagged stays."""
    prune(Drawn, Drawn.at < now() - KEPT)
