"""Mandates (授权): a person's right to act for an organisation, or as a guardian for a child.

A mandate is a row, given under another one (`granted_by`) or by the registry's word (the legal representative, the
guardian), so that each stands at the end of a chain. It counts while every mandate of its chain stands and is in time, and
reaches no further than all of them together; that is read afresh at each use. A representative who never claimed the organisation
here still is its representative: the registry's word counts without a row.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, CompoundSelect, DateTime, ForeignKey, Index, Select, bindparam, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from idp.subjects import directory, registries
from idp.subjects.directory import Subject
from idp.subjects.numbers import Number
from idp.subjects.records import ACTIVE, OF_AGE, turns
from idp.subjects.registries import Record, RegistryUnavailable
from idp.subjects.rights import Right, within
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal

LEGAL_REPRESENTATIVE, LICENCE_MANAGER, HANDLER, GUARDIAN = "legal_representative", "licence_manager", "handler", "guardian"
ROLES = {
    LEGAL_REPRESENTATIVE: Text("法定代表人", "Legal representative"),
    LICENCE_MANAGER: Text("证照管理员", "Licence manager"),
    HANDLER: Text("办事人员", "Handler"),
    GUARDIAN: Text("监护人", "Guardian"),
}
DEEPEST = 8  # a chain is never longer; see appointments


class NoMandate(Refusal):
    """The person may not act for this organisation or child."""

    code, status, title = "no-mandate", 403, Text("您没有代表该单位或个人办事的授权。", "You have no mandate to act for them.")


class NotWithinMandate(Refusal):
    """The mandate does not reach this licence type or this portal."""

    code, status = "not-within-mandate", 403
    title = Text("您的授权不包括这类证照或这个门户。", "Your mandate does not cover this kind of licence, or this portal.")


class GivenMandate(Base):
    """A mandate as it was given. `holder_id` is the organisation or the child; `types` and `portals` None for all; `ended_why` a word of ENDS."""

    __tablename__ = "mandates"
    holder_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"))
    role: Mapped[str]
    types: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    portals: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    may_delegate: Mapped[bool]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    granted_by: Mapped[UUID | None]
    given_by: Mapped[UUID]
    given_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None]
    ended_why: Mapped[str | None]
    __table_args__ = (
        Index("uq_mandates_representative", "holder_id", unique=True, postgresql_where=text("role = 'legal_representative' AND ended_at IS NULL")),
        Index("uq_mandates_standing", "holder_id", "person_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_mandates_person", "person_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_mandates_granted_by", "holder_id", "granted_by"),
    )

    @property
    def right(self) -> Right:
        """How far it reaches by itself, whatever it was given under."""
        return Right(_set_of(self.types), _set_of(self.portals), self.valid_from, self.valid_until)

    @property
    def mark(self) -> str:
        """What its reach is told by from what it was and will be, for a form to bring back."""
        times = [moment and moment.timestamp() for moment in (self.valid_from, self.valid_until)]
        return sha256(json.dumps([self.types, self.portals, times, self.may_delegate]).encode()).hexdigest()


# What must happen in the transaction in which something that was issued under a mandate ends: the mandate itself, or a wider right that it had.
on_mandate_end: list[Callable[[Session, GivenMandate, datetime], None]] = []


@dataclass(frozen=True, slots=True)
class Mandate:
    """For whom a person may act, as what, and how far. `id` is None where the registry alone says so and nobody claimed it.

    `depth` counts the mandates above it.
    """

    holder_id: UUID
    number: Number
    name: str
    role: str
    right: Right
    id: UUID | None = None
    may_delegate: bool = False
    depth: int = 0

    @property
    def organisation_id(self) -> UUID:
        """The organisation, or the child, that is acted for."""
        return self.holder_id

    @property
    def role_name(self) -> Text:
        """The role in words."""
        return ROLES[self.role]

    @property
    def is_for_child(self) -> bool:
        """Whether a guardian acts for a person, rather than somebody for an organisation."""
        return self.role == GUARDIAN

    @property
    def valid_until(self) -> datetime | None:
        """The moment at which it ends by itself."""
        return self.right.valid_until

    def allows_type(self, code: str) -> bool:
        """Whether licences of a type are within it."""
        return self.right.allows_type(code)

    def allows_portal(self, client_id: str) -> bool:
        """Whether a portal is within it."""
        return self.right.allows_portal(client_id)


def find_standing(session: Session, *, person_id: UUID, holder_id: UUID, now: datetime) -> Mandate | None:
    """Return the mandate of a person as the rows have it, by one query, or None; the registry is not asked."""
    chain = [*session.execute(_chains(person_id, holder_id))]
    return next(iter(_standing(chain, now)), None)


def holders_of(person_id: UUID) -> CompoundSelect[UUID]:
    """Return the query of whose wallets a person may be in: their own, and those of whom they have a mandate of that has not ended."""
    given = select(GivenMandate.holder_id).where(GivenMandate.person_id == person_id, GivenMandate.ended_at.is_(None))
    return select(literal(person_id)).union_all(given)


class Reach(list[Mandate]):
    """For whom a person may act. Where it is not `is_whole` the registry could not be asked, and may name more: none found is not none."""

    def __init__(self, found: Iterable[Mandate] = (), *, is_whole: bool = True) -> None:
        super().__init__(found)
        self.is_whole = is_whole


def organisations_of(session: Session, *, person_id: UUID, now: datetime) -> Reach:
    """Return the organisations among `all_of`."""
    found = all_of(session, person_id=person_id, now=now)
    return Reach((one for one in found if not one.is_for_child), is_whole=found.is_whole)


def all_of(session: Session, *, person_id: UUID, now: datetime) -> Reach:
    """Return for whom a person may act, organisations first, those included that only the registry names; raises SubjectNotFound.

    While the registry is away, what was claimed here stands, and what was not is left out.
    """
    person = directory.get_subject(session, person_id)
    if person.kind != directory.PERSON:
        return Reach()
    standing = {one.holder_id: one for one in acted_for(session, person_id=person_id, now=now)}
    try:
        named = _named_by_registry(session, person, now=now)
    except RegistryUnavailable:
        return Reach(standing.values(), is_whole=False)
    stale = [one.holder_id for one in standing.values() if one.role == LEGAL_REPRESENTATIVE and one.holder_id not in named]
    found = [one for one in {**named, **standing}.values() if one.holder_id not in stale]
    return Reach(sorted(found, key=lambda one: (one.is_for_child, one.number.value)))


def acted_for(session: Session, *, person_id: UUID, now: datetime) -> list[Mandate]:
    """Return every mandate of a person that the rows have and that stands, by one query."""
    return _standing([*session.execute(_chains(person_id, None))], now)


def check_mandate(session: Session, *, person_id: UUID, organisation_id: UUID, now: datetime) -> Mandate:
    """Return the mandate of a person, its whole chain read afresh and its head compared with the registry; raises NoMandate.

    A registry that is away says nothing of anyone: what stands here stands.
    """
    chain = [*session.execute(_chains(person_id, organisation_id))]
    found = next(iter(_standing(chain, now)), None)
    if found is not None and found.is_for_child:
        return _check_guardian(session, found, person_id, now=now)
    head = chain[-1][0].person_id if found is not None else person_id
    try:
        named = _named_by_registry(session, directory.get_subject(session, head), now=now)
    except RegistryUnavailable:
        named = {organisation_id: found} if found is not None else {}
    if organisation_id not in named:
        raise NoMandate("no mandate stands" if found is None else "the registry names another representative")
    return found or named[organisation_id]


def is_representative(session: Session, *, person_id: UUID, organisation_id: UUID, now: datetime) -> bool:
    """Whether the registry names a person as the legal representative of an organisation; raises RegistryUnavailable."""
    person = directory.get_subject(session, person_id)
    return person.kind == directory.PERSON and organisation_id in _named_by_registry(session, person, now=now)


def names_guardian(session: Session, record: Record, person_id: UUID) -> bool:
    """Whether a registry's record names a person as guardian, by a present or a former number."""
    found = [directory.find_subject(session, number) for number in record.guardians]
    return person_id in [one.id for one in found if one is not None]


def _check_guardian(session: Session, found: Mandate, person_id: UUID, *, now: datetime) -> Mandate:
    """Check that the registry names a guardian still, and a minor: it may have corrected the date of birth since the child was entered."""
    try:
        record = registries.open_registry(session).find(found.number)
    except RegistryUnavailable:
        return found
    if record is None or not names_guardian(session, record, person_id):
        raise NoMandate("the registry names another guardian")
    if record.born is not None and now >= turns(record.born, OF_AGE):
        raise NoMandate("of age")
    return found


def _named_by_registry(session: Session, person: Subject, *, now: datetime) -> dict[UUID, Mandate]:
    """Return the organisations that the registry says a person represents, but for those that were dissolved.

    None for someone who only said what their number is.
    """
    found: dict[UUID, Mandate] = {}
    if directory.is_stated(person):
        return found
    for record in registries.open_registry(session).represented_by(directory.number_of(person)):
        organisation = directory.find_subject(session, record.number) or directory.add_subject(session, record, now=now)
        if record.state != ACTIVE or not organisation.is_active:
            continue
        right = Right(None, None, organisation.added_at, None)
        found[organisation.id] = Mandate(organisation.id, record.number, record.name, LEGAL_REPRESENTATIVE, right)
    return found


def _chains(person_id: UUID, holder_id: UUID | None) -> Any:
    """Return the statement that reads a person's mandates, each followed upwards to the head of its chain, with the holders' subjects."""
    chain = _chain(GivenMandate.person_id == person_id, *([GivenMandate.holder_id == holder_id] if holder_id is not None else []))
    whole = select(GivenMandate, Subject, chain.c.end_id)
    whole = whole.join(chain, (GivenMandate.holder_id == chain.c.holder_id) & (GivenMandate.id == chain.c.id))
    whole = whole.join(Subject, Subject.id == GivenMandate.holder_id)
    return whole.order_by(chain.c.end_id, chain.c.depth).execution_options(populate_existing=True)


def _chain(*whose: ColumnElement[bool]) -> CTE:
    """Return the mandates of a person that have not ended, each followed upwards."""
    begins = select(GivenMandate.holder_id, GivenMandate.id, GivenMandate.granted_by, GivenMandate.id.label("end_id"), literal(0).label("depth"))
    chain = begins.where(*whose, GivenMandate.ended_at.is_(None)).cte("chain", recursive=True)
    above = aliased(GivenMandate)
    step = select(above.holder_id, above.id, above.granted_by, chain.c.end_id, chain.c.depth + 1)
    step = step.where(above.holder_id == chain.c.holder_id, above.id == chain.c.granted_by, chain.c.depth < DEEPEST)
    return chain.union_all(step)


def outlived(now: datetime) -> CTE:
    """Return the query of the mandates (`holder_id`, `id`) that nothing ended but their time, or that of one above them."""
    over = select(GivenMandate.holder_id, GivenMandate.id).where(GivenMandate.ended_at.is_(None), GivenMandate.valid_until <= now)
    found, below = over.cte("outlived", recursive=True), aliased(GivenMandate)
    under = select(below.holder_id, below.id).where(below.holder_id == found.c.holder_id, below.granted_by == found.c.id)
    return found.union(under.where(below.ended_at.is_(None)))


def reach(person_id: ColumnElement[UUID]) -> Select[*tuple[Any, ...]]:
    """Return a select of whom a person may act for at `now`, a bound value, with the portals and the types of each mandate of the chain; for use in a
    statement."""
    chain, now = _chain(GivenMandate.person_id == person_id), bindparam("now", type_=DateTime(timezone=True))
    is_in_time = (GivenMandate.valid_from <= now) & or_(GivenMandate.valid_until.is_(None), GivenMandate.valid_until > now)
    stands = func.bool_and(GivenMandate.ended_at.is_(None) & is_in_time) & func.bool_or(GivenMandate.granted_by.is_(None))
    limits = (func.jsonb_agg(getattr(GivenMandate, name)).label(name) for name in ("portals", "types"))
    each = select(chain.c.holder_id, *limits)
    each = each.join(chain, (GivenMandate.holder_id == chain.c.holder_id) & (GivenMandate.id == chain.c.id))
    return each.group_by(chain.c.holder_id, chain.c.end_id).having(stands)


def _standing(rows: Sequence[Any], now: datetime) -> list[Mandate]:
    chains: dict[UUID, list[GivenMandate]] = {}
    holders: dict[UUID, Subject] = {}
    for given, holder, end_id in rows:
        chains.setdefault(end_id, []).append(given)
        holders[end_id] = holder
    found = []
    for end_id, chain in chains.items():
        right = within(one.right for one in chain)
        if chain[-1].granted_by is None and right.is_in_time(now) and all(one.ended_at is None for one in chain):
            found.append(_mandate(chain[0], holders[end_id], right, depth=len(chain) - 1))
    return sorted(found, key=lambda one: (one.is_for_child, one.number.value))


def _mandate(given: GivenMandate, holder: Subject, right: Right, *, depth: int) -> Mandate:
    number, name = directory.number_of(holder), directory.name_of(holder)
    return Mandate(holder.id, number, name, given.role, right, given.id, given.may_delegate, depth)


def _set_of(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)
