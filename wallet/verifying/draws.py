"""Draws (调用): a department reads a licence without its being shown, on statutory authority or with the person's own token.

Either way a cause is given, a receipt is made, and the holder sees the use. What was not asked for is not given, and on authority no more than
the matter needs. Draws on authority are watched.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects.directory import find_subject, is_former
from idp.subjects.numbers import Number, NumberRefused, parse_number
from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal
from runtime.settings import Settings
from wallet.holding.uses import Way
from wallet.register import matter_fields
from wallet.register.catalogue import get_type
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, check_authority
from wallet.register.licences import Licence, LicenceNotFound, fields_of, find_current, find_newest, type_of
from wallet.verifying import draw_watch
from wallet.verifying.attesting import Asker, Finding, attest
from wallet.verifying.licence_details import fields_within
from wallet.verifying.receipts import VALID
from wallet.verifying.verification import summary_of

SALT_BYTES = 16


class LicenceNotValid(Refusal):
    """The holder has a licence of the type, but none is in force; `state` says what the newest one is."""

    code, status, title = "licence-not-valid", 409, Text("该证照当前无效。", "The licence is not in force.")


class BeyondMatter(NotAllowed):
    """Fields were asked for that the matter does not need; `allowed` says which may be given."""

    code, status = "beyond-matter", 403
    title = Text("所要项目超出该事项所需。", "The matter does not need all of these fields.")


class FieldUnknown(Refusal):
    """A field was asked for that licences of the type do not have."""

    code, status, title = "field-unknown", 422, Text("此类证照没有所需项目。", "Licences of this type have no such field.")


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """Which licence, why, and which of its fields (None: all). `number` is the holder's; None with the holder's own token.

    `limits` are the authorization details of the token that this type is within, None where it has none.
    """

    type: str
    cause: dict[str, str]
    number: str | None = field(default=None, repr=False)
    fields: list[str] | None = None
    limits: list[Mapping[str, Any]] | None = None


def draw_by_authority(session: Session, settings: Settings, request: DrawRequest, *, asker: Asker, receipt_id: UUID, now: datetime) -> dict[str, Any]:
    """Draw on the department's own authority; raises NoAuthority, NumberRefused, LicenceNotFound, LicenceNotValid, FieldUnknown, BeyondMatter.

    Whether a number is known at all is not told apart from its having no such licence; and who asks for more than the matter needs learns nothing of
    either, since that would leave no trace. Of someone who has died, and of an organisation that was
    dissolved, the register keeps what it has: the answer says so.
    """
    licence_type = get_type(request.type)
    check_authority(department=asker.department, type_code=licence_type.code, action=Action.DRAW, now=now)
    number = _number(request.number or "")
    holder = find_subject(session, number)
    try:
        if holder is None:
            raise LicenceNotFound("no such holder", field="type")  # letter by letter as for a holder without the licence
        about = {"state": holder.state, "number_changed": is_former(holder, number)}
        return _draw(session, settings, request, licence_type, holder.id, Way.DRAW, about, asker=asker, receipt_id=receipt_id, now=now)
    except (LicenceNotFound, LicenceNotValid):
        _within_matter(session, licence_type, request.fields, matter=request.cause.get("matter"), is_asked=request.fields is not None)
        raise


def _number(unverified: str) -> Number:
    try:
        return parse_number(unverified)
    except NumberRefused as error:
        raise NumberRefused(error.why, field="holder.number") from error


def draw_for_holder(
    session: Session,
    settings: Settings,
    request: DrawRequest,
    *,
    holder_id: UUID,
    acted_by: UUID | None,
    asker: Asker,
    receipt_id: UUID,
    now: datetime,
) -> dict[str, Any]:
    """Draw with the holder's consent, so that the department needs no authority of its own; raises LicenceNotFound, LicenceNotValid.

    `acted_by` is whose token it is, where that is one who acts for the holder.
    """
    made: dict[str, Any] = {"asker": asker, "receipt_id": receipt_id, "now": now, "acted_by": acted_by}
    return _draw(session, settings, request, get_type(request.type), holder_id, Way.CONSENT, None, **made)


def _draw(
    session: Session,
    settings: Settings,
    request: DrawRequest,
    licence_type: LicenceType,
    holder_id: UUID,
    way: Way,
    holder: dict[str, Any] | None,
    *,
    asker: Asker,
    receipt_id: UUID,
    now: datetime,
    acted_by: UUID | None = None,
) -> dict[str, Any]:
    licence = _current(session, licence_type, holder_id=holder_id, now=now)
    wanted = request.fields if request.limits is None else fields_within(request.limits, request.fields, identifier=licence.identifier)
    if way is Way.DRAW:
        wanted = _within_matter(session, type_of(licence), wanted, matter=request.cause.get("matter"), is_asked=request.fields is not None)
        system = asker.system or str(asker.officer_id)
        about: dict[str, Any] = {"department": asker.department, "system": system, "type_code": licence_type.code, "holder_id": holder_id}
        draw_watch.note(session, receipt_id, **about, now=now)
    fields = _chosen(licence, wanted)
    state = licence.state_at(now).value
    summary = summary_of(type_of(licence), identifier=licence.identifier, issuer_code=licence.issuer_code, state=state)
    answer = {"licence": summary, "fields": fields, "salt": secrets.token_urlsafe(SALT_BYTES), **({"holder": holder} if holder else {})}
    finding = Finding("draw", way, VALID, text_of(answer), request.cause, licence_type.code, holder_id, licence.id, answer, acted_by=acted_by)
    return attest(session, settings, finding, asker=asker, receipt_id=receipt_id, now=now)


def text_of(answer: dict[str, Any]) -> str:
    """Return what a receipt's digest is of: licence, fields and salt, as one JSON text; but for the salt, few fields would soon be guessed."""
    return json.dumps({name: answer[name] for name in ("licence", "fields", "salt")}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _current(session: Session, licence_type: LicenceType, *, holder_id: UUID, now: datetime) -> Licence:
    licence = find_current(session, holder_id=holder_id, type_code=licence_type.code, now=now)
    if licence is not None:
        return licence
    former = find_newest(session, holder_id=holder_id, type_code=licence_type.code)
    if former is None:
        raise LicenceNotFound("none of this type", field="type")
    raise LicenceNotValid("none in force", field="type", state=former.state_at(now).value)


def _within_matter(session: Session, licence_type: LicenceType, wanted: list[str] | None, *, matter: str | None, is_asked: bool) -> list[str]:
    """Return the fields that may be given on authority: what the matter needs, of what was asked for. Raises FieldUnknown, BeyondMatter.

    What was not asked for by name is left out without a word; who asks for more by name is told, so that nobody takes silence for an empty field.
    """
    allowed = matter_fields.needed(session, licence_type, matter)
    if wanted is None:
        return allowed
    if any(licence_type.find_field(name) is None for name in wanted):
        raise _unknown(licence_type)
    if is_asked and not set(wanted) <= set(allowed):
        raise BeyondMatter("more than the matter needs", field="fields", allowed=allowed)
    return [name for name in wanted if name in allowed]


def _chosen(licence: Licence, chosen: list[str] | None) -> dict[str, Any]:
    if chosen is not None and any(type_of(licence).find_field(name) is None for name in chosen):
        raise _unknown(type_of(licence))
    return {name: value for name, value in fields_of(licence).items() if chosen is None or name in chosen}


def _unknown(licence_type: LicenceType) -> FieldUnknown:
    names = ", ".join(one.name for one in licence_type.fields)
    return FieldUnknown(field="fields", shown=Text("可以调用的项目有：{}。", "There are: {}.").format(names))
