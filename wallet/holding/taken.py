"""What was taken of a licence, as its card's page sums it up: the sealed documents, and the wallets elsewhere that have it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet.issuing.documents.kept import LicenceDocument
from wallet.issuing.oid4vci import elsewhere


@dataclass(frozen=True, slots=True)
class Taken:
    """How many documents were made for its holder, the last of them when, and how many wallets have it now."""

    documents: int
    last_document_at: datetime | None
    wallets: int


def taken_of(session: Session, *, holder_id: UUID, licence_id: UUID, now: datetime) -> Taken:
    """Sum up what was taken of a licence."""
    mine = (LicenceDocument.licence_id == licence_id, LicenceDocument.holder_id == holder_id, LicenceDocument.made_by.startswith("subject:"))
    documents, last = session.execute(select(func.count(), func.max(LicenceDocument.made_at)).where(*mine)).one()
    return Taken(documents, last, len(elsewhere.keepings_of(session, holder_id=holder_id, licence_id=licence_id, now=now)))
