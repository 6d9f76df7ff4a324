"""Telling people a month before that their real-name level ends."""

from datetime import datetime, timedelta

from sqlalchemy import select, tuple_, update

from idp.signin import notices, proofs
from idp.signin.proofs import IdentityProof
from runtime.clock import now as clock_now
from runtime.database import transaction
from runtime.jobs import every

AHEAD = timedelta(days=30)
BATCH, ROUNDS = 500, 200


@every("41 3 * * *")
def tell_of_ending_proofs() -> None:
    """Tell everyone whose level ends within a month, once a proof; a batch a transaction."""
    for _ in range(ROUNDS):
        if tell_some(now=clock_now()) < BATCH:
            return


def tell_some(*, now: datetime) -> int:
    """Tell some people, and return how many proofs were looked at; nobody is told of a proof that a better or longer one outlasts."""
    key = (IdentityProof.subject_id, IdentityProof.id)
    ending = (IdentityProof.expires_at > now, IdentityProof.expires_at <= now + AHEAD)
    due = select(*key).where(*ending, IdentityProof.told_at.is_(None), IdentityProof.withdrawn_at.is_(None)).limit(BATCH)
    marked = update(IdentityProof).where(tuple_(*key).in_(due.with_for_update(skip_locked=True))).values(told_at=now).returning(*key)
    with transaction() as session:
        looked = session.execute(marked).all()
        for subject_id, proof_id in looked:
            best = proofs.best_of(proofs.proofs_of(session, subject_id), now=now)
            if best is not None and best.id == proof_id:
                notices.tell(session, subject_id, "level-ends", now=now, until=best.expires_at)
    return len(looked)
