"""Credentials that this wallet holds: a licence as an SD-JWT VC, and the key of its own that binds it to its holder.

The text rests sealed: with all its disclosures it is the licence itself.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import holder_keys, sealed_tables, sealing
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import sd_jwt_vc
from wallet.issuing.contents import Content
from wallet.issuing.status_lists import Place
from wallet.register.licences import Licence, holder_ids_of

TABLE, COLUMN = "credentials", "credential_sealed"


class CredentialNotFound(Refusal):
    """The licence has no credential of this form."""

    code, status, title = "credential-not-found", 404, Text("该证照没有电子凭证。", "The licence has no credential.")


class Credential(Base):
    """A signed form of a licence, with the key that binds it to its holder and its place in a status list."""

    __tablename__ = TABLE
    holder_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    licence_id: Mapped[UUID]
    format: Mapped[str]
    credential_sealed: Mapped[bytes]
    holder_key_sealed: Mapped[bytes]
    status_list: Mapped[str]
    status_index: Mapped[int]
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_credentials_licence", "holder_id", "licence_id"),)

    @property
    def place(self) -> Place:
        """The place in the status list."""
        return Place(self.status_list, self.status_index)


sealed_tables.declare(
    Credential,
    sealed={COLUMN: COLUMN, holder_keys.COLUMN: holder_keys.COLUMN},
    left={"status_index": "a place in a status list, no index of a value"},
)


def sign_credential(settings: Settings, content: Content, *, place: Place, now: datetime) -> dict[str, Any]:
    """Return the row of a freshly signed credential; raises KeyNotReady if the department has no key."""
    credential_id = new_id()
    key = holder_keys.create(credential_id)
    text = sd_jwt_vc.make_lasting(settings, content, holder_key=key.jwk, place=place, now=now)
    return {
        "holder_id": content.holder_id,
        "id": credential_id,
        "licence_id": content.licence_id,
        "format": sd_jwt_vc.TYPE,
        "credential_sealed": sealing.seal(text, table=TABLE, column=COLUMN, row=credential_id),
        "holder_key_sealed": key.sealed,
        "status_list": place.list_id,
        "status_index": place.index,
        "issued_at": now,
        "expires_at": content.expires_at,
    }


def credential_of(session: Session, licence: Licence, *, holder_id: UUID | None = None) -> Credential:
    """Return the newest credential of a licence that one of its holders has, the first one unless said; raises CredentialNotFound."""
    rows = select(Credential).where(Credential.holder_id == (holder_id or licence.holder_id), Credential.licence_id == licence.id)
    found = session.scalars(rows.order_by(Credential.id.desc()).limit(1)).one_or_none()
    if found is None:
        raise CredentialNotFound
    return found


def newest_credentials(session: Session, licence_ids: Collection[UUID], *, holder_id: UUID) -> dict[UUID, Credential]:
    """Return the newest credential of each of some licences that a holder has, by one question; one that has none is left out."""
    rows = select(Credential).where(Credential.holder_id == holder_id, Credential.licence_id.in_(licence_ids))
    newest = rows.ext(distinct_on(Credential.licence_id)).order_by(Credential.licence_id, Credential.id.desc())
    return {one.licence_id: one for one in session.scalars(newest)} if licence_ids else {}


def credentials_of(session: Session, licence: Licence) -> list[Credential]:
    """Return every credential of a licence, whichever of its holders has it."""
    holders = holder_ids_of(session, licence)
    return list(session.scalars(select(Credential).where(Credential.holder_id.in_(holders), Credential.licence_id == licence.id)))


def text_of(credential: Credential) -> str:
    """Return the whole SD-JWT, with all its disclosures and without a key binding."""
    return sealing.unseal(credential.credential_sealed, table=TABLE, column=COLUMN, row=credential.id)
