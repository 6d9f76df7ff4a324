"""A department's own licences: page by page, by type, state and end, or those of one holder, which is written down for the holder to see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from idp.subjects.directory import find_subject
from idp.subjects.numbers import NumberRefused, parse_number
from runtime import ledger
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, LicenceState, china_date, in_state, newest_held


class NotACursor(Refusal):
    """`after` is nothing that we gave as `next`."""

    code, status, title = "not-a-cursor", 422, Text("after应为上一页返回的next。", "`after` is the `next` of a page before.")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which licences: each member narrows them, if it is given; `type` is a code or a short name, `after` the cursor of a page."""

    type: str | None = None
    state: str | None = None
    expiring_before: date | None = None
    due: bool | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a holder's licences: at most so many, older than one."""

    after: UUID | None = None
    limit: int = 100


def list_own(session: Session, wanted: Filter, *, department: str, limit: int, now: datetime) -> tuple[Sequence[Licence], str | None]:
    """Return a page of what a department has issued, and the cursor of the next; raises NotACursor, LicenceTypeNotFound.

    By type and age; what is asked for by its end comes by its end. Either is the order of an index, read as far as the page goes.
    """
    rows = select(Licence).where(Licence.issuer_code == department, *_conditions(wanted, today=china_date(now)))
    by = Licence.type_code if wanted.expiring_before is None else Licence.valid_until
    if wanted.after is not None:
        rows = rows.where(tuple_(by, Licence.id) > _cursor(wanted.after, is_day=wanted.expiring_before is not None))
    found = session.scalars(rows.order_by(by, Licence.id).limit(limit + 1)).all()
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], f"{last.type_code if wanted.expiring_before is None else last.valid_until}.{last.id}" if last else None


def search_own(
    session: Session, unverified_number: str, *, department: str, client: str, matter: str | None, page: Page, now: datetime
) -> tuple[list[Licence], str | None]:
    """Return a page of what a department has issued to a holder, by the holder's number or a former one, and write the search down.

    The newest come first; with them comes the cursor of the next page. A holder who is not known is told from one who has none of its licences by
    nothing. Raises NumberRefused.
    """
    try:
        number = parse_number(unverified_number)
    except NumberRefused as error:
        raise NumberRefused(error.why, field="holder.number") from error
    holder = find_subject(session, number)
    if holder is None:
        return [], None
    own = [Licence.issuer_code == department, *([Licence.id < page.after] if page.after is not None else [])]
    several = newest_held(session, *own, holder_id=holder.id, limit=page.limit + 1)
    found = several[: page.limit]
    about: dict[str, Any] = {"client": client, "found": len(found), **({"matter": matter} if matter else {})}
    ledger.record(session, "licences.searched", actor=f"department:{department}", object_id=holder.id, subject_id=holder.id, now=now, **about)
    return found, str(found[-1].id) if len(several) > page.limit else None


def _conditions(wanted: Filter, *, today: date) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.type is not None:
        conditions.append(Licence.type_code == get_type(wanted.type).code)
    if wanted.state is not None:
        conditions += in_state(LicenceState(wanted.state), today=today)
    if wanted.expiring_before is not None:
        conditions.append(Licence.valid_until < wanted.expiring_before)
    if wanted.due is not None:
        conditions.append(Licence.due_since.is_not(None) if wanted.due else Licence.due_since.is_(None))
    return conditions


def _cursor(after: str, *, is_day: bool) -> tuple[str | date, UUID]:
    first, _, licence_id = after.partition(".")
    try:
        return date.fromisoformat(first) if is_day else first, UUID(licence_id)
    except ValueError as error:
        raise NotACursor(field="after") from error
