"""Imports every module that owns a table, so that the metadata is whole."""

from keys import ring, sealing
from runtime import events, idempotency, ledger
from runtime.database import Base

OWNERS = (ring, sealing, events, idempotency, ledger)
metadata = Base.metadata
