"""The cards of a wallet: licences as their holder sees them, names and numbers covered until asked for.

A card holds no uncovered personal data; `facts_of` alone uncovers, and only when it is told to.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from idp.subjects import directory
from idp.subjects.directory import Subject
from idp.subjects.history import Change
from idp.subjects.mandates import NotWithinMandate
from runtime.languages import Text
from wallet.holding.masking import COVER, mask_name, mask_number
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES, LicenceType
from wallet.register.departments import DepartmentNotFound, get_department
from wallet.register.drawn_faces import Drawn, dates_on_face, draw, written
from wallet.register.due import DUE, changes_for, said_of, said_with
from wallet.register.licences import (
    Licence,
    LicenceNotFound,
    LicenceState,
    china_date,
    fields_of,
    find_all_held,
    find_held,
    licence_number_of,
    type_of,
)

HOLDER_NAME, HOLDER_NUMBER, LICENCE_NUMBER = "holder_name", "holder_number", "licence_number"
LABELS_OF_EVERY_LICENCE = {
    HOLDER_NAME: Text("持证人", "Holder"),
    HOLDER_NUMBER: Text("持证人号码", "Holder's number"),
    LICENCE_NUMBER: Text("证照编号", "Licence number"),
    "licence_identifier": Text("证照标识", "Licence identifier"),
    "licence_valid_from": Text("有效期起", "Valid from"),
    "licence_valid_until": Text("有效期至", "Valid until"),
    "over_18": Text("是否已满18周岁", "Whether over 18"),
    "over_60": Text("是否已满60周岁", "Whether over 60"),
    "holds": Text("是否持有有效的此类证照", "Whether they hold a valid licence of this kind"),
    "represents": Text("是否有权代表该单位", "Whether they may act for this organisation"),
    "organisation_name": Text("单位名称", "Organisation"),
    "organisation_code": Text("统一社会信用代码", "Credit code"),
}
ANSWERS = frozenset({"over_18", "over_60", "holds", "represents"})
A_YES_OR_NO = Text("是否答复（不含证照内容）", "A yes or no, without the licence")
NOT_ISSUED_YET = Text("申请中的证照", "A licence applied for")
LEFT_WALLET = Text(
    "此证照已{0}，不能再出示。如有疑问，请联系{1}。", "This licence is no longer in force ({0}) and cannot be shown. Ask {1} if in doubt."
)
WHY_NOT = {
    LicenceState.SUSPENDED: Text(
        "此证照已被暂扣，恢复前不能出示。请联系{1}。", "This licence is suspended and cannot be shown until it is resumed. Ask {1}."
    ),
    LicenceState.NOT_YET_VALID: Text("此证照尚未生效，生效后即可出示。", "This licence is not valid yet; it can be shown once it is."),
    LicenceState.TRANSFERRED: Text(
        "此证照正在转往其他部门，转入后会出现新的证照。", "It is on its way to another department; the new one will appear here."
    ),
    LicenceState.EXPIRED: Text("此证照已过有效期，请向{1}申请换发。", "This licence has expired; ask {1} for a renewal."),
}
SUCCEEDED = Text("此证照已换发新证，请出示新证。", "A new licence has taken the place of this one; show that.")
ENDING_DAYS = 90
STANDS = (LicenceState.VALID, LicenceState.NOT_YET_VALID, LicenceState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Card:
    """One licence, ready to be looked at. `holder` and `number` are covered; `days_left` counts to the last day of validity.

    `holder_id` is the holder in whose wallet it lies; others may hold it, too.
    """

    licence: Licence
    holder_id: UUID
    type: LicenceType
    issuer: Text
    holder: str
    number: str
    state: LicenceState
    days_left: int | None

    @property
    def id(self) -> UUID:
        """The licence's id."""
        return self.licence.id

    @property
    def name(self) -> Text:
        """What kind of licence it is."""
        return self.type.name

    @property
    def description(self) -> Text:
        """What it attests."""
        return self.type.description

    @property
    def colour(self) -> str:
        """The colour of its face."""
        return self.type.colour

    @property
    def identifier(self) -> str:
        """The licence identifier (证照标识)."""
        return self.licence.identifier

    @property
    def valid_from(self) -> date:
        """The first day of validity."""
        return self.licence.valid_from

    @property
    def valid_until(self) -> date | None:
        """The last day of validity, or None if it has no end."""
        return self.licence.valid_until

    @property
    def issued_at(self) -> datetime:
        """When it was issued."""
        return self.licence.issued_at

    @property
    def is_valid(self) -> bool:
        """Whether it may be shown now."""
        return self.state is LicenceState.VALID

    @property
    def is_ending(self) -> bool:
        """Whether it is valid, and its last day is in sight."""
        return self.is_valid and self.days_left is not None and self.days_left <= ENDING_DAYS

    @property
    def state_name(self) -> Text:
        """The state in words."""
        return self.state.text

    @property
    def successor_id(self) -> UUID | None:
        """The licence that took its place."""
        return self.licence.successor_id

    @property
    def gathered_by(self) -> UUID | None:
        """The licence that it was gathered into."""
        return self.licence.gathered_by

    @property
    def due(self) -> list[Text]:
        """What of its holder is no longer as it says, in words; nothing of a licence that is over."""
        return [DUE[one] for one in self.licence.due_for] if self.licence.due_since and self.state in STANDS else []

    @property
    def others(self) -> int:
        """How many more hold it."""
        return self.licence.holders - 1

    @property
    def why_not(self) -> Text:
        """Why it cannot be shown now, and whom to ask."""
        told, issuer = SUCCEEDED if self.licence.is_succeeded else WHY_NOT.get(self.state, LEFT_WALLET), self.issuer
        return Text(told.zh.format(self.state_name.zh, issuer.zh), told.en.format(self.state_name.en.lower(), issuer.en))


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a card's page: covered unless `revealed`."""

    name: str
    label: Text
    value: str
    revealed: bool


@dataclass(frozen=True, slots=True)
class Family:
    """The cards of one part of a life."""

    name: Text
    cards: tuple[Card, ...]


def cards_from(session: Session, licences: Sequence[Licence], viewer: SignedIn, *, now: datetime) -> list[Card]:
    """Return licences of a wallet as cards, in their order."""
    holder = directory.get_subject(session, viewer.holder_id)
    changes = changes_for(session, licences, holder)
    return [_card(changes, licence, holder, now) for licence in licences]


def holder_of(session: Session, viewer: SignedIn) -> str:
    """Return whose wallet it is, for showing."""
    return shown_name(directory.get_subject(session, viewer.holder_id))


def by_family(cards: Iterable[Card]) -> list[Family]:
    """Return cards that are in the order of their families, grouped; the family is that of the type as it is now."""
    return [Family(FAMILIES[name], tuple(group)) for name, group in groupby(cards, key=lambda card: get_type(card.type.code).family)]


def get_card(session: Session, licence_id: UUID, viewer: SignedIn, *, now: datetime) -> Card:
    """Return one card of a wallet; raises LicenceNotFound, for another's card too, and NotWithinMandate."""
    licence = find_held(session, licence_id, holder_id=viewer.holder_id)
    if licence is None:
        raise LicenceNotFound
    if not viewer.allows_type(licence.type_code):
        raise NotWithinMandate("another type")
    return cards_from(session, [licence], viewer, now=now)[0]


def get_cards(session: Session, licence_ids: Collection[UUID], viewer: SignedIn, *, now: datetime) -> list[Card]:
    """Return some cards of a wallet at once, without those that are not in it or not the viewer's to see."""
    found = find_all_held(session, licence_ids, holder_id=viewer.holder_id) if licence_ids else []
    return cards_from(session, [one for one in found if viewer.allows_type(one.type_code)], viewer, now=now)


def facts_of(session: Session, card: Card, *, revealed: bool) -> list[Fact]:
    """Return all that a card says, covered or not: its holder first, then the fields of its type."""
    holder = directory.get_subject(session, card.holder_id)
    (name, number), licence_number = said_of(session, card.licence, holder), licence_number_of(card.licence)
    of_every_licence = {
        HOLDER_NAME: name if revealed else card.holder,
        HOLDER_NUMBER: number.value if revealed else number.masked(),
    }
    if licence_number != number.value:
        of_every_licence[LICENCE_NUMBER] = licence_number if revealed else card.number
    facts = [Fact(name, LABELS_OF_EVERY_LICENCE[name], value, revealed) for name, value in of_every_licence.items()]
    return facts + [Fact(name, label_of(card.type, name), value, revealed) for name, value in _shown_fields(card, revealed=revealed).items()]


def face_of(card: Card, facts: list[Fact]) -> Drawn:
    """Return a card's face: its lines as its facts have them, covered or not."""
    said = {fact.name: fact.value for fact in facts}
    said.setdefault(LICENCE_NUMBER, said[HOLDER_NUMBER])
    stored = fields_of(card.licence)
    open_now = {fact.name for fact in facts if fact.revealed}
    values = {
        **{name: Text(value, value) for name, value in said.items()},
        **{one.name: written(one, stored[one.name]) for one in card.type.fields if one.name in stored and one.name in open_now},
        "licence_identifier": Text(card.identifier, card.identifier),
        "issuer": card.issuer,
        **dates_on_face(issued_on=china_date(card.issued_at), valid_from=card.valid_from, valid_until=card.valid_until),
    }
    return draw(card.type, values, covered={name for name in said if name not in open_now})


def label_of(licence_type: LicenceType | None, name: str) -> Text:
    """Return the label of a field of a type, or of what every licence and every yes or no has; the bare name if none knows it."""
    field = licence_type.find_field(name) if licence_type is not None else None
    return field.label if field is not None else LABELS_OF_EVERY_LICENCE.get(name, Text(name, name))


def in_order(licence_type: LicenceType | None, names: Iterable[str]) -> list[str]:
    """Return names of fields in the order in which a card shows them; those that it does not know come last."""
    known = [*LABELS_OF_EVERY_LICENCE, *(field.name for field in (licence_type.fields if licence_type is not None else ()))]
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))


def issuer_name(code: str) -> Text:
    """Return the name of a department, or its code where it is not known here."""
    try:
        return get_department(code).name
    except DepartmentNotFound:
        return Text(code, code)


def shown_name(subject: Subject) -> str:
    """Return the name of a subject for showing: a person's covered, an organisation's, which is public, in full."""
    return _covered(directory.name_of(subject), subject)


def _covered(name: str, subject: Subject) -> str:
    return mask_name(name) if subject.kind == directory.PERSON else name


def _card(changes: Sequence[Change], licence: Licence, holder: Subject, now: datetime) -> Card:
    return Card(
        licence=licence,
        holder_id=holder.id,
        type=type_of(licence),
        issuer=issuer_name(licence.issuer_code),
        holder=_covered(said_with(changes, licence, holder)[0], holder),
        number=mask_number(licence_number_of(licence)),
        state=licence.state_at(now),
        days_left=(licence.valid_until - china_date(now)).days if licence.valid_until else None,
    )


def _shown_fields(card: Card, *, revealed: bool) -> dict[str, str]:
    shown = {}
    for name, value in fields_of(card.licence).items():
        field = card.type.find_field(name)
        shown[name] = COVER if not revealed else field.shown(value) if field is not None else str(value)
    return shown
