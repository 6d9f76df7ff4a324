"""Working at what officers uploaded, a bounded step a job, and forgetting, every hour, the batches that nobody used for seven days."""

import time
from uuid import UUID

from flask import current_app

from runtime import jobs
from runtime.clock import now
from runtime.database import transaction
from wallet.issuing import batches
from wallet.issuing.importing import uploads

STEP_SECONDS = 20.0


@jobs.job
def work_at_import(batch_id: str) -> None:
    """Work at an import for a while, and ask for another run if it is not over; a run that dies is run again."""
    settings, until = current_app.extensions["kabao_settings"], time.monotonic() + STEP_SECONDS
    while uploads.work_at_next(settings, UUID(batch_id), now=now()):
        if time.monotonic() > until:
            with transaction() as session:
                jobs.defer(session, uploads.JOB, batch_id=batch_id)
            return


@jobs.every("37 * * * *")
def forget_batches() -> None:
    """Forget old batches, what became of their lines, and the files that they came from."""
    batches.forget(now=now())
    uploads.forget()
