"""A department's receipts, the newest first, a page at a time, narrowed by day, way, verdict and licence type."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from wallet.register.catalogue import get_type
from wallet.verifying.receipts import Receipt, names_type


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which receipts: each member narrows them, if it is given. `since` is included, `until` is not; `before` is the last of a page."""

    since: datetime | None = None
    until: datetime | None = None
    way: str | None = None
    verdict: str | None = None
    type: str | None = None
    before: UUID | None = None


def list_receipts(session: Session, wanted: Wanted, *, department: str, limit: int) -> tuple[list[Receipt], UUID | None]:
    """Return a page of a department's receipts and what the next is asked for by, None at the end; raises LicenceTypeNotFound."""
    rows = select(Receipt).where(Receipt.department == department)
    if wanted.type is not None:
        rows = rows.where(names_type(get_type(wanted.type).code))
    for column, value in ((Receipt.way, wanted.way), (Receipt.verdict, wanted.verdict)):
        rows = rows.where(column == value) if value is not None else rows
    if wanted.since is not None:
        rows = rows.where(Receipt.issued_at >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(Receipt.issued_at < wanted.until)
    if wanted.before is not None:
        rows = rows.where(Receipt.id < wanted.before)
    found = list(session.scalars(rows.options(defer(Receipt.answer_sealed)).order_by(Receipt.id.desc()).limit(limit + 1)))
    return found[:limit], found[limit - 1].id if len(found) > limit else None
