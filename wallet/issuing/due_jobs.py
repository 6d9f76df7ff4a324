"""The second look at what a holder has, some time after the registry told of them: see `wallet.issuing.due_notices`."""

from datetime import datetime
from uuid import UUID

from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import job
from wallet.issuing import due_notices


@job
def mark_issued_meanwhile(holder_id: str, told_at: str) -> None:
    """Mark what was issued to a holder while a registry told of them, and does not say so."""
    with transaction() as session:
        due_notices.look_again(session, UUID(holder_id), told_at=datetime.fromisoformat(told_at), now=now())
