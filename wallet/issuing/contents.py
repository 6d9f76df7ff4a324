"""What a credential says of a licence, whatever its form: each format is made from one `Content` and nothing else.

A content holds personal data in the open: it lives as long as a credential is being made, and no repr of it shows a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects.directory import get_subject
from keys import certificates
from runtime.settings import Settings
from wallet.register.definitions import LicenceType
from wallet.register.due import said_of
from wallet.register.licences import Licence, beginning_of, china_date, fields_of, licence_number_of, type_of

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Content:
    """A licence as credentials tell of it.

    `issuer` is the URI of the department, `vct` the address of the type's metadata. `values` are the holder's name and number, the
    licence's own number, and the fields of its type, in that order.
    """

    licence_id: UUID
    holder_id: UUID
    licence_type: LicenceType
    department: str
    issuer: str
    vct: str
    identifier: str
    issued_on: date
    valid_from: date
    valid_until: date | None
    values: Mapping[str, Any] = field(repr=False)

    @property
    def begins_at(self) -> datetime:
        """The moment at which the licence's first day begins in China."""
        return beginning_of(self.valid_from)

    @property
    def expires_at(self) -> datetime | None:
        """The moment after the licence's last day in China."""
        return beginning_of(self.valid_until + ONE_DAY) if self.valid_until else None

    @property
    def dates(self) -> dict[str, str]:
        """The licence's own first and last day, under the names that credentials give them."""
        ends = {"licence_valid_until": self.valid_until.isoformat()} if self.valid_until else {}
        return {"licence_valid_from": self.valid_from.isoformat(), **ends}

    @property
    def hideable(self) -> dict[str, Any]:
        """The values that the holder may keep to themselves; the others stand in the open."""
        shown = {one.name for one in self.licence_type.fields if not one.hideable}
        return {name: value for name, value in self.values.items() if name not in shown}


def content_of(session: Session, settings: Settings, licence: Licence, *, holder_id: UUID | None = None) -> Content:
    """Return what credentials say of a licence, read by the version of its type under which it was issued.

    They name the holder as when it was issued. Of several holders they name the one that is given, the first unless said.
    """
    holder = get_subject(session, holder_id or licence.holder_id)
    name, number = said_of(session, licence, holder)
    return make_content(
        settings,
        licence_id=licence.id,
        holder_id=holder.id,
        licence_type=type_of(licence),
        department=licence.issuer_code,
        identifier=licence.identifier,
        issued_on=china_date(licence.issued_at),
        valid_from=licence.valid_from,
        valid_until=licence.valid_until,
        values=values_of(
            holder_name=name,
            holder_number=number.value,
            licence_number=licence_number_of(licence),
            fields=fields_of(licence),
        ),
    )


def values_of(*, holder_name: str, holder_number: str, licence_number: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a content in their order."""
    return {"holder_name": holder_name, "holder_number": holder_number, "licence_number": licence_number, **fields}


def make_content(settings: Settings, *, licence_type: LicenceType, department: str, **told: Any) -> Content:
    """Return a content with the addresses that this service gives its department and its type."""
    issuer, vct = certificates.department_uri(settings, department), type_uri(settings, licence_type)
    return Content(licence_type=licence_type, department=department, issuer=issuer, vct=vct, **told)


def type_uri(settings: Settings, licence_type: LicenceType) -> str:
    """Return the `vct` of a licence type, which is the address of its metadata."""
    return f"{settings.public_url}/types/{licence_type.slug}"
