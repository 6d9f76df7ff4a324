"""How licences stand in the register now, as a verification asks: the licence, its entry in the status list, and its holder, in one statement for
one licence, or in one for many. Whose the entry is of several who hold a licence together, a second one tells.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Integer, Text, Uuid, and_, bindparam, column, func, or_, select
from sqlalchemy.orm import Session

from idp.subjects.directory import Subject
from idp.subjects.records import ACTIVE
from idp.subjects.registries import name_key
from keys import sealing
from runtime import straight
from runtime.settings import Settings
from runtime.straight import Alone, Straight
from wallet.issuing import status_lists
from wallet.issuing.credentials import Credential
from wallet.issuing.documents.kept import LicenceDocument
from wallet.issuing.oid4vci.elsewhere import CredentialElsewhere
from wallet.issuing.status_lists import StatusEntry
from wallet.register.catalogue import get_version
from wallet.register.definitions import LicenceType
from wallet.register.licences import Licence, LicenceHolder, LicenceState, seen_by_calendar
from wallet.verifying.checks import Trust
from wallet.verifying.presentations import Presentation
from wallet.verifying.trusting import find_listed

Entry = tuple[str, str, int]
LONGEST_NAME = 128
OF_LICENCES = ("id", "holder_id", "type_code", "type_version", "issuer_code", "state", "act", "valid_from", "valid_until", "holders")
STANDS = (*(getattr(Licence, name) for name in OF_LICENCES), StatusEntry.status, Subject.state, Subject.id, Subject.name_sealed)
STANDING = Straight(
    "standing",
    select(*STANDS)
    .join(Subject, Subject.id == Licence.holder_id)
    .join(StatusEntry, and_(StatusEntry.list_id == bindparam("list_id"), StatusEntry.index == bindparam("index")))
    .where(Licence.identifier == bindparam("identifier")),
)
_ASKED = func.unnest(*(bindparam(name, type_=ARRAY(kind)) for name, kind in (("identifiers", Text), ("lists", Text), ("indexes", Integer))))
ASKED = _ASKED.table_valued(column("identifier", Text), column("list_id", Text), column("index", Integer), name="asked").render_derived()
STANDINGS = Straight(
    "standings",
    select(ASKED.c.identifier, ASKED.c.list_id, ASKED.c.index, *STANDS)
    .select_from(ASKED)
    .join(Licence, Licence.identifier == ASKED.c.identifier)
    .join(Subject, Subject.id == Licence.holder_id)
    .join(StatusEntry, and_(StatusEntry.list_id == ASKED.c.list_id, StatusEntry.index == ASKED.c.index)),
)


def _is_theirs(table: Any) -> ColumnElement[bool]:
    """Return the condition that what a further holder of a licence has in a table stands at the place that is asked about."""
    place = (table.status_list == bindparam("list_id"), table.status_index == bindparam("index"))
    return select(1).where(table.holder_id == LicenceHolder.holder_id, table.licence_id == LicenceHolder.licence_id, *place).exists()


WITH_PLACES = (Credential, CredentialElsewhere, LicenceDocument)
FURTHER_HOLDER = Straight(
    "further_holder",
    select(LicenceHolder.holder_id, Subject.state, Subject.name_sealed)
    .join(Subject, Subject.id == LicenceHolder.holder_id)
    .where(LicenceHolder.licence_id == bindparam("licence_id", type_=Uuid), or_(*map(_is_theirs, WITH_PLACES))),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the register says of a licence now: the columns that a verification asks for, its entry in the status list, and its holder's state.

    Of several who hold it together, `holder_id` is the one whose credential or document the entry is: the first of them unless found to be another.
    """

    id: UUID
    holder_id: UUID
    type_code: str
    type_version: int
    issuer_code: str
    state: str
    act: str
    valid_from: date
    valid_until: date | None
    holders: int
    status: int
    holder_state: str
    known_as: UUID  # whose state and name these are
    name_sealed: bytes = field(repr=False)

    @property
    def type(self) -> LicenceType:
        """The licence's type, by the version under which it was issued."""
        return get_version(self.type_code, self.type_version)

    def state_at(self, now: datetime) -> LicenceState:
        """Return the state with the calendar looked at, as `Licence.state_at` does."""
        return seen_by_calendar(LicenceState(self.state), self.act, valid_from=self.valid_from, valid_until=self.valid_until, now=now)

    def of_holder(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to know of whoever the entry is of, as the answer says it: that the register has another name for them now than was shown."""
        if "holder_name" not in shown:
            return {}
        name, told = sealing.unseal(self.name_sealed, table="subjects", column="name", row=self.known_as), shown["holder_name"]
        is_same = name == told or name_key(name) == name_key(str(told))  # the letters are the same, mostly
        return {} if is_same else {"holder": {"name_changed": True}}

    def is_in_force(self, now: datetime) -> bool:
        """Whether the licence is in force, the credential whose entry was asked about with it, and whoever holds it lives, or exists."""
        return self.state_at(now) is LicenceState.VALID and self.status == status_lists.VALID and self.holder_state == ACTIVE


def find_standing(session: Session | Alone, entry: Entry) -> Standing | None:
    """Return how a licence stands that is named together with its status entry."""
    rows = _run(session, STANDING, _named(entry))
    return _whose(session, Standing(*rows[0]), entry) if rows else None


def find_standings(entries: Sequence[Entry]) -> list[Standing | None]:
    """Return how some licences stand that are named together with their status entries."""
    with Alone() as alone:
        if len(entries) == 1:
            return [find_standing(alone, entries[0])]
        standings = _standings(alone, set(entries))
    return [standings[one] for one in entries]


def _whose(session: Session | Alone, standing: Standing, entry: Entry) -> Standing:
    """Return how a licence stands for the one of its holders whose entry is asked about."""
    if standing.holders == 1:
        return standing
    found = _run(session, FURTHER_HOLDER, {"licence_id": standing.id, "list_id": entry[1], "index": entry[2]})
    if not found:
        return standing
    holder_id, state, name_sealed = found[0]
    return replace(standing, holder_id=holder_id, holder_state=state, known_as=holder_id, name_sealed=name_sealed)


def _run(session: Session | Alone, statement: Straight, values: dict[str, Any]) -> list[Any]:
    return list(session.run(statement, values) if isinstance(session, Alone) else straight.run(session, statement, values))


def _named(entry: Entry) -> dict[str, Any]:
    return dict(zip(("identifier", "list_id", "index"), entry, strict=True))


@dataclass(frozen=True, slots=True)
class Known:
    """What was asked ahead: what is trusted, and how the licences stand that some claims name; None where there is no such licence."""

    trust: Trust
    standings: Mapping[Entry, Standing | None]


def know(session: Session, entries: Collection[Entry], *, trust: Trust) -> Known:
    """Ask ahead, in one statement, how licences stand that are named together with their status entries."""
    return Known(trust, _standings(session, entries))


def _standings(session: Session | Alone, entries: Collection[Entry]) -> dict[Entry, Standing | None]:
    standings: dict[Entry, Standing | None] = dict.fromkeys(entries)
    if entries:
        identifiers, lists, indexes = zip(*entries, strict=True)
        for identifier, list_id, index, *row in _run(session, STANDINGS, {"identifiers": identifiers, "lists": lists, "indexes": indexes}):
            entry = (identifier, list_id, index)
            standings[entry] = _whose(session, Standing(*row), entry)
    return standings


def unverified_entry_of(settings: Settings, unverified: Presentation | str) -> Entry | None:
    """Return the licence and the status entry that a presentation names, before any of it is believed: to ask the register for them ahead.

    None as well for what says that it is another house's: of that the register knows nothing, and whoever does may be slow to answer.
    """
    if not isinstance(unverified, Presentation):
        return None
    try:
        claims = unverified.payload
        entry = entry_of(settings, claims) if find_listed(claims.get("iss")) is None else None
    except ValueError:
        return None
    return entry if entry and all(len(text) <= LONGEST_NAME and text.isascii() and text.isprintable() for text in entry[:2]) else None


def entry_of(settings: Settings, claims: Mapping[str, Any]) -> Entry | None:
    """Return the licence identifier that claims name, with the place in a status list of ours; None if they name no such place."""
    status, identifier = claims.get("status"), claims.get("licence_identifier")
    reference = status.get("status_list") if isinstance(status, dict) else None
    uri, index = (reference.get("uri"), reference.get("idx")) if isinstance(reference, dict) else (None, None)
    if not isinstance(uri, str) or type(index) is not int or not isinstance(identifier, str):
        return None
    place = status_lists.place_of(settings, uri, index)
    return (identifier, place.list_id, place.index) if place is not None else None
