"""What can be stated of a holder now: read afresh from the register and the mandates each time, and only for whom that is.

Of somebody who only said what their number is, nothing is stated. That someone may act for an organisation is stated only of its legal
representative, or under a mandate that is not limited to some licences or portals: a bare yes would say more than a limited one gives.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects import directory, mandates
from idp.subjects.mandates import Mandate, NoMandate
from wallet.presenting.statements import AGES, HOLDS, Question, Statement, is_of_age
from wallet.register.licences import china_date, find_current


def statements_of(session: Session, question: Question, *, holder_id: UUID, person_id: UUID, now: datetime) -> tuple[Statement, ...]:
    """Return the answers to a question that can be given of a holder, through the person who is there; none if nothing can be said.

    Of whom one may act for there may be several, of which the holder chooses.
    """
    holder = directory.get_subject(session, holder_id)
    if directory.is_stated(holder):
        return ()
    if question.kind in AGES:
        born = directory.number_of(holder).born
        return (Statement(question, is_of_age(question.kind, born=born, today=china_date(now))),) if born is not None else ()
    if question.kind == HOLDS:
        assert question.type_code is not None
        return (Statement(question, find_current(session, holder_id=holder_id, type_code=question.type_code, now=now) is not None),)
    found = _represented(session, holder_id=holder_id, person_id=person_id, now=now)
    return tuple(Statement(question, says=True, organisation=(one.name, one.number.value)) for one in found)


def _represented(session: Session, *, holder_id: UUID, person_id: UUID, now: datetime) -> list[Mandate]:
    if person_id == holder_id:
        return [one for one in mandates.organisations_of(session, person_id=person_id, now=now) if _is_whole(one)]
    try:
        found = mandates.check_mandate(session, person_id=person_id, organisation_id=holder_id, now=now)
    except NoMandate:
        return []
    return [found] if _is_whole(found) and not found.is_for_child else []


def _is_whole(mandate: Mandate) -> bool:
    return mandate.right.types is None and mandate.right.portals is None
