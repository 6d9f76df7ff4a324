"""What verifying gives to a person's download of all their data: the receipts of every look at their licences."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.signin import export
from wallet.holding.uses import uses_of
from wallet.verifying.receipts import Receipt


def receipts(session: Session, subject_id: UUID, now: datetime) -> Iterator[dict[str, Any]]:
    """Give each receipt as it was signed, so that it can be checked."""
    before = None
    while page := uses_of(session, holder_id=subject_id, before=before):
        for receipt in session.scalars(select(Receipt).where(Receipt.id.in_([use.receipt_id for use in page])).order_by(Receipt.id.desc())):
            yield {"id": receipt.id, "issued_at": receipt.issued_at, "receipt": receipt.jws}
        before = page[-1].id
        session.expunge_all()


export.sections["receipts"] = receipts
