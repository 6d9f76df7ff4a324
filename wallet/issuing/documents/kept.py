"""Which sealed documents were made of a licence, for whom, and under which place of a status list: never the documents themselves.

So that whatever happens to a licence reaches every document of it. Only a licence in force has one, and making one is written down.

A document takes three steps: what it says is read (`draft`), it is made and sealed while no connection and no row is held (`Draft.seal`), and
it is written down (`keep`). One that is made and not written down costs its place in the list, and nobody gets it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealed_tables
from runtime import ledger
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import status_lists, status_places
from wallet.issuing.contents import Content, content_of
from wallet.issuing.copy_marks import Marking
from wallet.issuing.status_lists import Place
from wallet.register.departments import get_department
from wallet.register.licences import Licence, LicenceState, hold_licence

MEDIA_TYPE = "application/pdf"


class NotInForce(Refusal):
    """The licence is not in force now, so no document says that it is."""

    code, status, title = (
        "licence-not-in-force",
        409,
        Text("此证照当前无效，不能制作文件。", "The licence is not in force now; no document is made of it."),
    )


class LicenceDocument(Base):
    """A document that was made: a sheet or a card, by whom (an actor of the ledger)."""

    __tablename__ = "licence_documents"
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    kind: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    status_list: Mapped[str]
    status_index: Mapped[int]
    __table_args__ = (Index("ix_licence_documents_licence", "licence_id"),)

    @property
    def place(self) -> Place:
        """The place in the status list."""
        return Place(self.status_list, self.status_index)


sealed_tables.declare(LicenceDocument, left={"status_index": "a place in a status list, no index of a value"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What a document is to say, of which licence, as a sheet or a card, and its place."""

    licence_id: UUID
    content: Content = field(repr=False)
    issuer: Text
    place: Place
    kind: str
    at: datetime

    def seal(self, settings: Settings, marking: Marking | None = None) -> bytes:
        """Return the document, or a marked copy, under the department's signature; call it outside any transaction.

        Raises KeyNotReady, TimeStampUnavailable.
        """
        from wallet.issuing.documents import sealed  # here, since what writes and signs documents takes half a second to load

        return sealed.make(settings, self.content, issuer=self.issuer, place=self.place, kind=self.kind, now=self.at, marking=marking)


def draft(session: Session, settings: Settings, licence: Licence, *, kind: str, now: datetime, holder_id: UUID | None = None) -> Draft:
    """Return what a document of a licence is to say; raises NotInForce."""
    if licence.state_at(now) is not LicenceState.VALID:
        raise NotInForce
    content = content_of(session, settings, licence, holder_id=holder_id)
    place = status_places.take_one(session, status_lists.open_list(settings, now=now))
    return Draft(licence.id, content, get_department(licence.issuer_code).name, place, kind, now)


def keep(session: Session, draft: Draft, *, actor: str, now: datetime, act: str = "document.made") -> UUID:
    """Write down that a document was made, `act` being the ledger's word for it, and return its id; raises NotInForce.

    Whatever ended the licence meanwhile either finds the document written down, or is seen here before it is.
    """
    licence = hold_licence(session, draft.licence_id)
    if licence.state_at(now) is not LicenceState.VALID:
        raise NotInForce("it ended while its document was made")
    made = LicenceDocument(
        holder_id=draft.content.holder_id,
        id=new_id(),
        licence_id=licence.id,
        kind=draft.kind,
        made_by=actor,
        made_at=draft.at,
        status_list=draft.place.list_id,
        status_index=draft.place.index,
    )
    session.add(made)
    about: dict[str, Any] = {"object_id": licence.id, "subject_id": draft.content.holder_id, "now": now}
    ledger.record(session, act, actor=actor, **about, type=licence.type_code, kind=draft.kind, document=str(made.id))
    return made.id


def places_of(session: Session, licence: Licence) -> list[Place]:
    """Return the place of every document that was made of a licence."""
    return [one.place for one in session.scalars(select(LicenceDocument).where(LicenceDocument.licence_id == licence.id))]
