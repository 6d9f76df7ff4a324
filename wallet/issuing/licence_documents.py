"""A licence as the API gives it: to whoever issued it, with its fields, its links and its history where they are asked for."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from idp.subjects.directory import get_subject, name_of, number_of
from wallet.issuing.gathering import parts_of
from wallet.issuing.pending import ActRequestRow, refusal_of
from wallet.register.departments import get_department
from wallet.register.due import said_of
from wallet.register.licences import Licence, LicenceState, fields_of, get_licence, holder_ids_of, licence_number_of, type_of
from wallet.register.metadata import metadata_of
from wallet.register.turns import LicenceTurn, reason_of, reason_of_turn, standing, suspensions, turns_of


def document_of(licence: Licence, *, now: datetime) -> dict[str, Any]:
    """Return a licence as the API gives it."""
    named = {name: getattr(licence, name) for name in ("id", "identifier", "issued_at", "valid_from", "valid_until")}
    state = licence.state_at(now)
    links = {"predecessor": licence.predecessor_id, "successor": licence.successor_id, "gathered_by": licence.gathered_by}
    return {
        **named,
        "type": licence.type_code,
        "type_slug": type_of(licence).slug,
        "issuer": licence.issuer_code,
        "state": state.value,
        "state_code": state.gb_code,
        "licence_number": licence_number_of(licence),
        **{name: value for name, value in links.items() if value is not None},
        **({"due_for": licence.due_for} if licence.due_since else {}),
        **({"holder_number_changed": True} if licence.holder_renumbered else {}),
    }


def detail_of(session: Session, licence: Licence, *, now: datetime) -> dict[str, Any]:
    """Return a licence with its fields, its holders' standing, and what was gathered into it."""
    holder = get_subject(session, licence.holder_id)
    name, number = said_of(session, licence, holder)
    fields = fields_of(licence)
    before = get_licence(session, licence.predecessor_id) if licence.predecessor_id else None
    metadata = metadata_of(
        licence,
        licence_type=type_of(licence),
        issuer=get_department(licence.issuer_code),
        holder_name=name,
        holder_number=number,
        licence_number=licence_number_of(licence),
        fields=fields,
        replaces=before.identifier if before else None,
    )
    gathered = [part.id for part in parts_of(session, licence)] if type_of(licence).gathers else []
    others = [get_subject(session, one) for one in holder_ids_of(session, licence)[1:]]
    return {
        **document_of(licence, now=now),
        "fields": fields,
        "metadata": metadata,
        "changed_at": licence.changed_at,
        "due_since": licence.due_since,
        "holder_state": holder.state,
        "co_holders": [{"number": number_of(other).value, "name": name_of(other), "state": other.state} for other in others],
        "gathered": gathered,
        "reason": reason_of(licence),
    }


def request_document_of(row: ActRequestRow, *, now: datetime) -> dict[str, Any]:
    """Return a request that waits, or waited, for a second officer, without what it asks for."""
    named = {name: getattr(row, name) for name in ("id", "act", "type_code", "licence_id", "made_at", "expires_at", "decided_at", "result_id")}
    return {**named, "href": f"/api/v1/act-requests/{row.id}", "state": row.state_at(now).value, "refusal": refusal_of(row)}


def standing_of(session: Session, licence: Licence, *, at: datetime) -> dict[str, Any]:
    """Return how a licence stood at a moment, as it is known now and as the register told it then."""
    turns = turns_of(session, licence)
    stood = standing(licence, turns, at=at)
    return {
        "at": at,
        "state": stood.state.value if stood.state else None,
        "state_code": stood.state.gb_code if stood.state else None,
        "act": stood.act.value if stood.act else None,
        "since": stood.since,
        "recorded_state": stood.recorded.value if stood.recorded else None,
        "valid_from": licence.valid_from,
        "valid_until": licence.valid_until,
        "suspensions": [{"from": begins, "until": ends} for begins, ends in suspensions(turns) if begins <= at],
    }


def history_of(session: Session, licence: Licence) -> list[dict[str, Any]]:
    """Return the turns of a licence's life, the first one first."""
    turns = turns_of(session, licence)
    return [_turn(licence, turn, is_last=turn is turns[-1]) for turn in turns]


def _turn(licence: Licence, turn: LicenceTurn, *, is_last: bool) -> dict[str, Any]:
    """Return one turn; why a licence was revoked before turns were kept stands only with the licence."""
    why = reason_of_turn(turn) or (reason_of(licence) if is_last else None)
    named = {name: getattr(turn, name) for name in ("turn", "act", "state", "at", "effective_at", "actor")}
    return {**named, "state_code": LicenceState(turn.state).gb_code, "related": turn.related_id, **(why or {"reason": None, "legal_basis": None})}
