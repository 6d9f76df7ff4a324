"""The life of a licence, each turn of it one transaction: register, credential, status, ledger and event together or not at all."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from runtime import events, ledger
from runtime.ids import new_id
from runtime.settings import Settings
from wallet.issuing import records, status_lists
from wallet.issuing.contents import make_content, values_of
from wallet.issuing.credentials import credentials_of, sign_credential
from wallet.issuing.requests import CheckedRequest, LicenceRequest, check_request
from wallet.register.identifiers import make_identifier, new_serial
from wallet.register.licences import Licence, LicenceState, china_date, seal_details
from wallet.register.revocation import revoke


def issue_licence(
    session: Session, settings: Settings, request: LicenceRequest, *, department: str, now: datetime, licence_id: UUID | None = None
) -> Licence:
    """Issue what a department asks for, and return the licence.

    Raises a Refusal that names the member at fault, NoAuthority included, before anything is written but the holder's subject.
    """
    checked = check_request(session, request, department=department, now=now)
    serial = new_serial()
    identifier = str(make_identifier(checked.licence_type.code, department, serial))
    licence = _row(checked, licence_id or new_id(), department=department, identifier=identifier, serial=serial, now=now)
    content = make_content(
        settings,
        licence_id=licence["id"],
        holder_id=checked.holder.id,
        licence_type=checked.licence_type,
        department=department,
        identifier=identifier,
        issued_on=china_date(now),
        valid_from=checked.valid_from,
        valid_until=checked.valid_until,
        values=values_of(
            holder_name=checked.holder_name,
            holder_number=checked.holder_number,
            licence_number=checked.licence_number or serial,
            fields=checked.fields,
        ),
    )
    records.write(
        session,
        licence,
        sign=lambda place: sign_credential(settings, content, place=place, now=now),
        list_id=status_lists.open_list(settings, now=now),
    )
    _tell(session, licence, now=now)
    issued = Licence(**licence)
    issued.holder_renumbered = checked.holder_renumbered
    return issued


def revoke_licence(session: Session, licence: Licence, *, reason: str, legal_basis: str, department: str, now: datetime) -> Licence:
    """Revoke a licence and every credential made from it; raises NotRevocable."""
    revoked = revoke(session, licence, reason=reason, legal_basis=legal_basis, now=now, actor=f"department:{department}")
    for credential in credentials_of(session, revoked):
        status_lists.set_status(session, credential.place, status_lists.INVALID)
    return revoked


def _row(checked: CheckedRequest, licence_id: UUID, *, department: str, identifier: str, serial: str, now: datetime) -> dict[str, Any]:
    return {
        "holder_id": checked.holder.id,
        "id": licence_id,
        "type_code": checked.licence_type.code,
        "type_version": checked.licence_type.version,
        "issuer_code": department,
        "identifier": identifier,
        **seal_details(licence_id, licence_number=checked.licence_number or serial, fields=checked.fields),
        "valid_from": checked.valid_from,
        "valid_until": checked.valid_until,
        "state": LicenceState.VALID.value,
        "reason_sealed": None,
        "issued_at": now,
        "changed_at": now,
    }


def _tell(session: Session, licence: dict[str, Any], *, now: datetime) -> None:
    kind, actor = "licence.issued", f"department:{licence['issuer_code']}"
    ledger.record(session, kind, actor=actor, object_id=licence["id"], subject_id=licence["holder_id"], now=now, type=licence["type_code"])
    events.emit(
        session,
        kind,
        topic=licence["type_code"],
        object_id=licence["id"],
        now=now,
        issuer=licence["issuer_code"],
        identifier=licence["identifier"],
        state=licence["state"],
        valid_from=licence["valid_from"].isoformat(),
        valid_until=licence["valid_until"].isoformat() if licence["valid_until"] else None,
    )
