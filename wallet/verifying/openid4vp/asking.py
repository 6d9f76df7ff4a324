"""Asking: a department, or a portal with the person's own token, makes a request for a wallet, shown as a code or left in the holder's inbox.

A department asks only for types that it has authority to verify; with a person's own token their consent counts instead, and the request is
for their wallet. Whether a number is known here is not told: a request for nobody simply waits until it is over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import segno
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idp.oauth.apart import flood
from idp.subjects.directory import find_subject
from idp.subjects.numbers import NumberRefused, parse_number, written_plainly
from runtime import ledger
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.presenting.dcql import Query
from wallet.presenting.dcql_reading import SD_JWT_VC
from wallet.register.departments import Action, check_authority, get_department
from wallet.verifying.openid4vp import acts, references, verifiers
from wallet.verifying.openid4vp.queries import Asked, is_answer
from wallet.verifying.openid4vp.requests import PresentationRequest, Terms, fresh

CONSENT, CONTRACT, DUTY = "consent", "contract", "duty"
BASES = {
    CONSENT: Text("经本人同意", "With the holder's consent"),
    CONTRACT: Text("为订立或履行合同所必需", "Needed for a contract with the holder"),
    DUTY: Text("为履行法定职责或义务所必需", "Needed for a statutory duty"),
}
SCHEME = "openid4vp://"
WALLET_PAGE = "/wallet/requests"
SHORTEST, USUAL, LONGEST = timedelta(minutes=1), timedelta(minutes=5), timedelta(days=7)
DOOR, MOST_LISTED, MOST_OF_ONE = "inbox", 50, 10


class NotConfirmable(Refusal):
    """No credential that must be shown can confirm an act."""

    code, status = "not-confirmable", 422
    title = Text("确认事项须同时请求一项必须出示的SD-JWT证照。", "To confirm an act, ask for a licence as SD-JWT VC that must be shown.")


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked for, why, on what basis, and how. `number` is the holder's in whose inbox it waits, `act` the words of what they confirm."""

    asked: Asked
    cause: dict[str, str]
    response_mode: str
    prefix: str
    basis: str = CONSENT
    lifetime: timedelta = USUAL
    act: str | None = field(default=None, repr=False)
    number: str | None = field(default=None, repr=False)
    return_to: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class By:
    """Who asks: a department through a client or an officer. `holder_id` is the person whose own token asks."""

    department: str
    client_id: str | None = None
    officer_id: UUID | None = None
    holder_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits in a holder's inbox: who asks and why, with the link by which a wallet opens it."""

    id: UUID
    department: Text
    cause: str = field(repr=False)
    asked_at: datetime
    expires_at: datetime
    link: str


def ask(session: Session, settings: Settings, asking: Asking, *, by: By, request_id: UUID, now: datetime) -> PresentationRequest:
    """Make a request; raises NoAuthority, NotConfirmable, NoDnsName, NumberRefused, KeyNotReady, SlowDown."""
    if by.holder_id is None:
        for code in asking.asked.types:
            check_authority(department=by.department, type_code=code, action=Action.VERIFY, now=now)
    holder_id = by.holder_id or find_addressee(session, asking.number)
    _count(session, asking, by, now=now)
    transaction = [acts.encode(asking.act, credential_id=_confirming(asking.asked.query))] if asking.act else []
    terms = Terms(asking.asked.document, asking.asked.types, asking.cause, asking.basis, transaction, asking.return_to, asking.number)
    row = PresentationRequest(
        id=request_id,
        department=by.department,
        client_id=by.client_id,
        officer_id=by.officer_id,
        holder_id=holder_id,
        by_consent=by.holder_id is not None,
        verifier=verifiers.identifier_of(settings, by.department, asking.prefix),
        types=asking.asked.types,
        asked_at=now,
        expires_at=now + asking.lifetime,
        **fresh(request_id, terms, response_mode=asking.response_mode),
    )
    session.add(row)
    actor = f"department:{by.department}"
    ledger.record(session, "presentation.asked", actor=actor, object_id=request_id, subject_id=holder_id, now=now, types=asking.asked.types)
    session.flush()
    return row


def waiting_for(session: Session, settings: Settings, holder_id: UUID, *, types: Collection[str] | None = None, now: datetime) -> list[Waiting]:
    """Return the requests that are addressed to a holder and that no wallet has fetched yet, the oldest first; of one department a few, so that
    whoever asks much hides nobody. With `types` those that ask for these alone (`awaiting.may_be_asked`)."""
    mine = [PresentationRequest.holder_id == holder_id, PresentationRequest.fetched_at.is_(None), PresentationRequest.expires_at > now]
    if types is not None:
        mine += [func.jsonb_array_length(PresentationRequest.types) > 0, PresentationRequest.types.contained_by(sorted(types))]
    place = func.row_number().over(partition_by=PresentationRequest.department, order_by=PresentationRequest.id).label("place")
    each = select(PresentationRequest.id, place).where(*mine).subquery("each_one")
    few = select(each.c.id).where(each.c.place <= MOST_OF_ONE)
    rows = session.scalars(select(PresentationRequest).where(PresentationRequest.id.in_(few)).order_by(PresentationRequest.id).limit(MOST_LISTED))
    return [_waiting(row, settings) for row in rows]


def _waiting(row: PresentationRequest, settings: Settings) -> Waiting:
    return Waiting(row.id, get_department(row.department).name, row.terms.cause["text"], row.asked_at, row.expires_at, link_of(settings, row))


def find_addressee(session: Session, unverified_number: str | None) -> UUID | None:
    """Return who has a number, None if nobody is known by it here; raises NumberRefused."""
    if unverified_number is None:
        return None
    try:
        found = find_subject(session, parse_number(unverified_number))
    except NumberRefused as error:
        raise NumberRefused(error.why, field="holder.number") from error
    return found.id if found is not None else None


def link_of(settings: Settings, row: PresentationRequest, scheme: str = SCHEME) -> str:
    """Return the link that opens a request in a wallet."""
    told = {"client_id": row.verifier, "request_uri": references.request_uri(settings, row.id), "request_uri_method": "post"}
    return f"{scheme}?{urlencode(told, quote_via=quote)}"


def page_link_of(settings: Settings, row: PresentationRequest) -> str:
    """Return the https link that opens a request in the wallet here."""
    return link_of(settings, row, f"{settings.public_url}{WALLET_PAGE}")


def picture_of(link: str) -> str:
    """Return the QR code of a link as SVG."""
    return str(segno.make_qr(link, error="l").svg_inline(scale=4, border=4, dark="#000", light="#fff", omitsize=True))


def picture_data(link: str) -> str:
    """Return the QR code of a link as a data address, for a page."""
    return str(segno.make_qr(link, error="l").svg_data_uri(scale=4, border=4, dark="#000", light="#fff"))


def _count(session: Session, asking: Asking, by: By, *, now: datetime) -> None:
    """Count what goes into somebody's inbox, by the number whether or not anybody has it; raises SlowDown."""
    whom = str(by.holder_id) if by.holder_id is not None else asking.number and written_plainly(asking.number)
    if whom:
        flood.count(session, person=whom, client_id=by.client_id or str(by.officer_id), now=now, door=DOOR)


def _confirming(query: Query) -> str:
    """Return the credential query whose presentation confirms: one that can, and without which nothing is satisfied; a statement names nobody."""
    needed = _needed(query)
    able = [one for one in query.credentials if one.format == SD_JWT_VC and one.binding and not one.multiple and not is_answer(one)]
    found = next((one.id for one in able if one.id in needed), None)
    if found is None:
        raise NotConfirmable(field="confirm")
    return found


def _needed(query: Query) -> set[str]:
    if not query.sets:
        return {one.id for one in query.credentials}
    return {name for one in query.sets if one.required for name in _in_all(one.options)}


def _in_all(options: Sequence[Sequence[str]]) -> set[Any]:
    return set(options[0]).intersection(*options[1:])
