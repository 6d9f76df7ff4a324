"""Who may act for an organisation, as its pages show it: each appointment with how far it reaches, in words, and what one may do with it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import clients
from idp.oauth.clients import AUTHORIZATION_CODE
from idp.signin.sessions import SignedIn
from idp.subjects import appointments, directory, mandate_queries
from idp.subjects.appointments import APPOINTS
from idp.subjects.mandate_queries import MandateQuery
from idp.subjects.mandates import HANDLER, LEGAL_REPRESENTATIVE, LICENCE_MANAGER, ROLES, GivenMandate, Mandate
from idp.subjects.numbers import CHINA, Number
from idp.subjects.rights import Right
from runtime.languages import Text, text_of
from wallet.holding.cards import issuer_name, shown_name
from wallet.holding.piles import sums_of
from wallet.register.catalogue import all_types
from wallet.register.definitions import LicenceType

HISTORY = 50
CAN_DO = {
    LEGAL_REPRESENTATIVE: Text("办理全部事项；任免证照管理员和办事人员。", "Handles everything; appoints and removes licence managers and handlers."),
    LICENCE_MANAGER: Text("办理全部事项；任免办事人员。", "Handles everything; appoints and removes handlers."),
    HANDLER: Text("在授权范围内办事。", "Handles what the mandate covers."),
}
HELD = Text("本单位持有的证照", "What the organisation holds")
ALL_MATTERS, ALL_PORTALS = Text("全部证照类型", "All kinds of licences"), Text("全部门户", "All portals")


@dataclass(frozen=True, slots=True)
class TypeGroup:
    """Licence types to choose from under one heading, by code."""

    name: Text
    types: dict[str, Text]
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Appointee:
    """One appointment: who, as what, how far, by whom, and whether the viewer may end it or change it."""

    id: UUID
    name: str
    number: Number
    role: str
    types: tuple[Text, ...]
    portals: tuple[Text, ...]
    first_day: datetime
    last_moment: datetime | None
    can_do: Text
    may_delegate: bool
    given_by: str
    given_at: datetime
    ended_at: datetime | None
    why: Text | None
    is_own: bool
    is_managed: bool
    is_in_time: bool
    may_return: bool

    @property
    def role_name(self) -> Text:
        """The role in words."""
        return ROLES[self.role]


def standing_of(session: Session, own: Mandate, *, viewer_id: UUID, now: datetime) -> list[Appointee]:
    """Return who may act for the organisation, as far as the viewer may know: a handler sees their own and who is beneath them."""
    rows = _rows(session, own.holder_id, ended=False)
    managed = {row.id for row in rows if appointments.manages(session, own, row)}
    visible = [row for row in rows if own.role != HANDLER or row.id == own.id or row.id in managed]
    order = list(ROLES)
    shown = [_appointee(session, row, viewer_id, managed=row.id in managed, may_return=False, now=now) for row in visible]
    return sorted(shown, key=lambda one: order.index(one.role))


def ended_of(session: Session, own: Mandate, *, viewer_id: UUID, now: datetime) -> list[Appointee]:
    """Return the latest appointments that ended, and which may be given again; nothing for a handler."""
    if own.role == HANDLER:
        return []
    standing = {row.person_id for row in _rows(session, own.holder_id, ended=False)}
    rows = _rows(session, own.holder_id, ended=True)
    latest: set[UUID] = set()
    shown = []
    for row in rows:
        may = row.role in APPOINTS.get(own.role, ()) and row.person_id not in standing | latest and _would_stand(row, now)
        may = may and directory.get_subject(session, row.person_id).is_active
        latest.add(row.person_id)
        shown.append(_appointee(session, row, viewer_id, managed=False, may_return=may, now=now))
    return shown


@dataclass(frozen=True, slots=True)
class Question:
    """Who asked whether somebody may act, why, and what was answered; `person` is covered."""

    at: datetime
    department: Text
    cause: str
    person: Text
    answer: bool


def questions_of(session: Session, own: Mandate) -> list[Question]:
    """Return who asked about the organisation's mandates; nothing for a handler."""
    if own.role == HANDLER:
        return []
    return [_question(session, row) for row in mandate_queries.queries_of(session, own.holder_id)]


def _question(session: Session, row: MandateQuery) -> Question:
    person = directory.get_subject(session, row.person_id) if row.person_id else None
    name = shown_name(person) if person is not None else None
    who = Text(name, name) if name is not None else Text("未知人员", "Somebody unknown")
    return Question(row.at, issuer_name(row.department), row.cause, who, row.answer)


def types_within(session: Session, viewer: SignedIn, own: Mandate, *, now: datetime) -> list[TypeGroup]:
    """Return the licence types that somebody may give, of those that an organisation can hold: first what this one holds, then the rest by family."""
    held = {pile.type_code for pile in sums_of(session, replace(viewer, acting_for=own.holder_id, mandate=own), now=now).piles}
    offered = [one for one in all_types() if one.holder != "person" and own.allows_type(one.code)]
    rest = groupby((one for one in offered if one.code not in held), key=lambda one: one.family_name)
    groups = [TypeGroup(HELD, _named(one for one in offered if one.code in held), is_held=True)]
    return [group for group in (*groups, *(TypeGroup(family, _named(types)) for family, types in rest)) if group.types]


def _named(types: Iterable[LicenceType]) -> dict[str, Text]:
    return {one.code: one.name for one in types}


def portals_within(session: Session, own: Mandate) -> list[tuple[str, Text]]:
    """Return the portals that somebody may give."""
    return [(client_id, name) for client_id, name in _portals(session).items() if own.allows_portal(client_id)]


def words_of(names: Iterable[str] | None, known: dict[str, Text], everything: Text) -> tuple[Text, ...]:
    """Return a reach in words."""
    return (everything,) if names is None else tuple(known.get(name, Text(name, name)) for name in sorted(names))


def types_in_words(right: Right) -> tuple[Text, ...]:
    """Return the types of a right in words."""
    return words_of(right.types, {one.code: one.name for one in all_types()}, ALL_MATTERS)


def portals_in_words(session: Session, right: Right) -> tuple[Text, ...]:
    """Return the portals of a right in words."""
    return words_of(right.portals, _portals(session) if right.portals is not None else {}, ALL_PORTALS)


def _rows(session: Session, organisation_id: UUID, *, ended: bool) -> list[GivenMandate]:
    query = select(GivenMandate).where(GivenMandate.holder_id == organisation_id)
    query = query.where(GivenMandate.ended_at.is_not(None) if ended else GivenMandate.ended_at.is_(None))
    return list(session.scalars(query.order_by(GivenMandate.ended_at.desc(), GivenMandate.id.desc()).limit(HISTORY if ended else None)))


def _would_stand(row: GivenMandate, now: datetime) -> bool:
    return row.valid_until is None or row.valid_until > now


def _appointee(session: Session, row: GivenMandate, viewer_id: UUID, *, managed: bool, may_return: bool, now: datetime) -> Appointee:
    person = directory.get_subject(session, row.person_id)
    return Appointee(
        id=row.id,
        name=directory.name_of(person),
        number=directory.number_of(person),
        role=row.role,
        types=types_in_words(row.right),
        portals=portals_in_words(session, row.right),
        first_day=row.valid_from.astimezone(CHINA),
        last_moment=row.valid_until,
        can_do=CAN_DO[row.role],
        may_delegate=row.role == HANDLER and row.may_delegate,
        given_by=directory.name_of(directory.get_subject(session, row.given_by)),
        given_at=row.given_at,
        ended_at=row.ended_at,
        why=appointments.ENDS.get(row.ended_why or ""),
        is_own=row.person_id == viewer_id,
        is_managed=managed,
        is_in_time=row.right.is_in_time(now),
        may_return=may_return,
    )


def _portals(session: Session) -> dict[str, Text]:
    rows = clients.listed(session)
    return {row.client_id: text_of(row.name) for row in rows if AUTHORIZATION_CODE in row.grant_types and row.disabled_at is None}
