"""Which sealed documents were made of a licence, for whom, and under which place of a status list: never the documents themselves.

So that whatever happens to a licence reaches every document of it. Only a licence in force has one, and making one is written down.
"""

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
from wallet.issuing.contents import content_of
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


def make_document(
    session: Session, settings: Settings, licence: Licence, *, kind: str, actor: str, now: datetime, holder_id: UUID | None = None
) -> tuple[UUID, bytes]:
    """Make a sealed document of a licence, write it down, and return its id and the PDF; raises NotInForce, KeyNotReady.

    Whatever ends the licence meanwhile either finds the document written down, or is seen here before it is.
    """
    from wallet.issuing.documents import sealed  # here, since what writes and signs documents takes half a second to load

    if licence.state_at(now) is not LicenceState.VALID:
        raise NotInForce
    content = content_of(session, settings, licence, holder_id=holder_id)
    place = status_places.take_one(session, status_lists.open_list(settings, now=now))
    document = sealed.make(settings, content, issuer=get_department(licence.issuer_code).name, place=place, kind=kind, now=now)
    if hold_licence(session, licence.id).state_at(now) is not LicenceState.VALID:
        raise NotInForce("it ended while its document was made")
    made = LicenceDocument(
        holder_id=content.holder_id,
        id=new_id(),
        licence_id=licence.id,
        kind=kind,
        made_by=actor,
        made_at=now,
        status_list=place.list_id,
        status_index=place.index,
    )
    session.add(made)
    about: dict[str, Any] = {"object_id": licence.id, "subject_id": content.holder_id, "now": now}
    ledger.record(session, "document.made", actor=actor, **about, type=licence.type_code, kind=kind, document=str(made.id))
    return made.id, document


def places_of(session: Session, licence: Licence) -> list[Place]:
    """Return the place of every document that was made of a licence."""
    return [one.place for one in session.scalars(select(LicenceDocument).where(LicenceDocument.licence_id == licence.id))]
