"""Sealing the ledger, every two seconds."""

import structlog

from keys import ring
from keys.sealing import present
from runtime import jobs, ledger
from runtime.database import transaction

log = structlog.get_logger(__name__)
CHECKPOINT = "checkpoint+jwt"
ROUNDS = 20


def seal_now() -> int:
    """Seal whatever is not sealed yet, a batch a transaction, and return how many rows that were."""
    sealed = 0
    for _ in range(ROUNDS):
        with transaction() as session:
            count = ledger.seal(session, sign=lambda claims: ring.signer(ring.LEDGER).sign(claims, typ=CHECKPOINT), now=present())
        sealed += count
        if count < ledger.BATCH:
            break
    return sealed


@jobs.every("* * * * * */2", if_any=ledger.has_unsealed)
def seal_ledger() -> None:
    """Seal the ledger."""
    sealed = seal_now()
    if sealed:
        log.info("ledger sealed", rows=sealed)
