"""Credentials: a licence in a signed form that its holder can show, SD-JWT VC (RFC 9901, draft-ietf-oauth-sd-jwt-vc).

The issuing department's own key signs, its certificate goes along (`x5c`), and a key of the credential's own binds it to the
holder. Every field is hidden until the holder opens it; in the open stand only the issuer, the type, the validity, the status
and the licence identifier. The text rests sealed: with all its disclosures it is the licence itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import certificates, holder_keys, ring, sealed_tables, sealing
from runtime.database import Base
from runtime.ids import new_id
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import sd_jwt, status_lists
from wallet.issuing.status_lists import Place
from wallet.register.definitions import LicenceType
from wallet.register.licences import Licence, beginning_of

FORMAT = TYPE = "dc+sd-jwt"
TABLE, COLUMN = "credentials", "credential_sealed"
ONE_DAY = timedelta(days=1)


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


@dataclass(frozen=True, slots=True)
class Content:
    """What a credential says of a licence."""

    licence_id: UUID
    holder_id: UUID
    licence_type: LicenceType
    department: str
    identifier: str
    valid_from: date
    valid_until: date | None
    hidden: Mapping[str, Any] = field(repr=False)

    @property
    def expires_at(self) -> datetime | None:
        """The moment after the licence's last day in China."""
        return beginning_of(self.valid_until + ONE_DAY) if self.valid_until else None


def type_uri(settings: Settings, licence_type: LicenceType) -> str:
    """Return the `vct` of a licence type, which is the address of its metadata."""
    return f"{settings.public_url}/types/{licence_type.slug}"


def sign_credential(settings: Settings, content: Content, *, place: Place, now: datetime) -> dict[str, Any]:
    """Return the row of a freshly signed credential; raises KeyNotReady if the department has no key."""
    credential_id = new_id()
    key = holder_keys.create(credential_id)
    claims = {**_open_claims(settings, content, place=place, now=now), "cnf": {"jwk": key.jwk}, **content.hidden}
    payload, disclosures = sd_jwt.conceal(claims, hidden=content.hidden)
    signed = ring.signer(certificates.department_use(content.department)).sign(payload, typ=TYPE)
    return {
        "holder_id": content.holder_id,
        "id": credential_id,
        "licence_id": content.licence_id,
        "format": FORMAT,
        "credential_sealed": sealing.seal(sd_jwt.combine(signed, disclosures), table=TABLE, column=COLUMN, row=credential_id),
        "holder_key_sealed": key.sealed,
        "status_list": place.list_id,
        "status_index": place.index,
        "issued_at": now,
        "expires_at": content.expires_at,
    }


def credential_of(session: Session, licence: Licence) -> Credential:
    """Return the newest credential of a licence; raises CredentialNotFound."""
    rows = select(Credential).where(Credential.holder_id == licence.holder_id, Credential.licence_id == licence.id)
    found = session.scalars(rows.order_by(Credential.id.desc()).limit(1)).one_or_none()
    if found is None:
        raise CredentialNotFound
    return found


def credentials_of(session: Session, licence: Licence) -> list[Credential]:
    """Return every credential of a licence."""
    return list(session.scalars(select(Credential).where(Credential.holder_id == licence.holder_id, Credential.licence_id == licence.id)))


def text_of(credential: Credential) -> str:
    """Return the whole SD-JWT, with all its disclosures and without a key binding."""
    return sealing.unseal(credential.credential_sealed, table=TABLE, column=COLUMN, row=credential.id)


def _open_claims(settings: Settings, content: Content, *, place: Place, now: datetime) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": certificates.department_uri(settings, content.department),
        "vct": type_uri(settings, content.licence_type),
        "iat": int(now.timestamp()),
        "nbf": max(0, int(beginning_of(content.valid_from).timestamp())),
        "status": {"status_list": {"idx": place.index, "uri": status_lists.uri_of(settings, place.list_id)}},
        "licence_identifier": content.identifier,
    }
    if content.expires_at is not None:
        claims["exp"] = int(content.expires_at.timestamp())
    return claims
