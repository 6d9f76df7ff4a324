"""Entering a licence: its row, its first turn, and a credential for each of its holders, bound to them by a key of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from runtime.settings import Settings
from wallet.issuing import records, status_lists
from wallet.issuing.contents import Content, make_content, values_of
from wallet.issuing.credentials import sign_credential
from wallet.issuing.requests import CheckedRequest
from wallet.issuing.telling import told_of
from wallet.register.acts import TURNS, Act
from wallet.register.identifiers import LicenceIdentifier, MalformedIdentifier, make_identifier, new_serial, parse_identifier
from wallet.register.licences import Licence, LicenceHolder, LicenceState, as_read, china_date, seal_details

ISSUED = TURNS[Act.ISSUE].kind
NOTHING_BEFORE: Mapping[str, Any] = {"act": Act.ISSUE.value, "predecessor_id": None, "gathered_by": None}


@dataclass(frozen=True, slots=True)
class Entry:
    """A licence to enter: under which id and identifier, by which department, and what came `before` it (NOTHING_BEFORE)."""

    licence_id: UUID
    identifier: LicenceIdentifier
    department: str
    before: Mapping[str, Any]


def new_identifier(checked: CheckedRequest, *, department: str) -> LicenceIdentifier:
    """Return the identifier of a licence that has none before it."""
    return make_identifier(checked.licence_type.code, department, new_serial())


def next_identifier(identifier: str, *, department: str) -> LicenceIdentifier:
    """Return the identifier of a successor: the same serial in its next version, or a new serial where the old one cannot be carried on."""
    before = parse_identifier(identifier)
    try:
        return make_identifier(before.type_code, department, before.serial, int(before.version) + 1)
    except (MalformedIdentifier, ValueError):
        return make_identifier(before.type_code, department, new_serial())


def enter(session: Session, settings: Settings, checked: CheckedRequest, entry: Entry, *, now: datetime, told_by: str | None = None) -> Licence:
    """Enter a licence that was checked, and return it; for a single holder it is one statement.

    With `told_by`, the ledger and the outbox are told that this actor issued it; without, that is left to the caller.
    """
    ready = _ready(settings, checked, entry, now=now)
    told = None if told_by is None else told_of(ready.licence, ISSUED, actor=told_by, now=now)
    records.write(session, ready.row, sign=ready.sign, list_id=ready.list_id, told=told)
    for number, other in enumerate(checked.others, 2):
        link = {"holder_id": other.subject.id, "licence_id": entry.licence_id, "first_holder_id": checked.holder.id, "place": number}
        session.execute(insert(LicenceHolder).values(link))
        theirs = {**ready.content.values, "holder_name": other.name, "holder_number": other.number.value}
        own = replace(ready.content, holder_id=other.subject.id, values=theirs)
        records.write_credential(session, sign=_signer(settings, own, now=now), list_id=ready.list_id)
    return ready.licence


def enter_alone(
    settings: Settings, checked: CheckedRequest, entry: Entry, *, now: datetime, told_by: str, claimed: dict[str, Any] | None
) -> Licence | None:
    """Enter a licence of a single holder in a transaction of its own, and return it; None, and nothing is entered, if the key was claimed before."""
    ready = _ready(settings, checked, entry, now=now)
    told = told_of(ready.licence, ISSUED, actor=told_by, now=now)
    is_written = records.write_alone(ready.row, sign=ready.sign, list_id=ready.list_id, told=told, claimed=claimed)
    return ready.licence if is_written else None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A licence that only has to be written: its row, what signs its credential for a place, and the list of the place."""

    licence: Licence
    row: dict[str, Any]
    content: Content
    sign: records.Sign
    list_id: str


def _ready(settings: Settings, checked: CheckedRequest, entry: Entry, *, now: datetime) -> _Ready:
    row = _row(checked, entry, now=now)
    content = _content(settings, checked, entry, identifier=row["identifier"], now=now)
    list_id = status_lists.open_list(settings, now=now, bits=status_lists.bits_for(checked.licence_type))
    licence = as_read(row)
    licence.holder_renumbered = checked.holder_renumbered
    return _Ready(licence, row, content, _signer(settings, content, now=now), list_id)


def _signer(settings: Settings, content: Content, *, now: datetime) -> records.Sign:
    return lambda place: sign_credential(settings, content, place=place, now=now)


def _row(checked: CheckedRequest, entry: Entry, *, now: datetime) -> dict[str, Any]:
    number = checked.licence_number or entry.identifier.serial
    return {
        "holder_id": checked.holder.id,
        "id": entry.licence_id,
        "type_code": checked.licence_type.code,
        "type_version": checked.licence_type.version,
        "issuer_code": entry.department,
        "identifier": str(entry.identifier),
        **seal_details(entry.licence_id, licence_number=number, fields=checked.fields),
        "valid_from": checked.valid_from,
        "valid_until": checked.valid_until,
        "state": LicenceState.VALID.value,
        "reason_sealed": None,
        "issued_at": now,
        "changed_at": now,
        "turn": 1,
        "holders": 1 + len(checked.others),
        "successor_id": None,
        "transferred_to": None,
        "due_for": [],
        "due_since": None,
        **entry.before,
    }


def _content(settings: Settings, checked: CheckedRequest, entry: Entry, *, identifier: str, now: datetime) -> Content:
    return make_content(
        settings,
        licence_id=entry.licence_id,
        holder_id=checked.holder.id,
        licence_type=checked.licence_type,
        department=entry.department,
        identifier=identifier,
        issued_on=china_date(now),
        valid_from=checked.valid_from,
        valid_until=checked.valid_until,
        values=values_of(
            holder_name=checked.holder_name,
            holder_number=checked.holder_number,
            licence_number=checked.licence_number or entry.identifier.serial,
            fields=checked.fields,
        ),
    )
