"""A verification: what was shown is looked at, the register asked, and the answer attested, all in one transaction.

A department sees only licences of types that it has authority to verify; without it nothing is disclosed, and a QR code stays
unspent, since the refusal undoes the transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, select
from sqlalchemy.orm import Session

from idp.subjects.directory import Subject
from idp.subjects.records import ACTIVE
from keys import certificates
from runtime import straight
from runtime.settings import Settings
from runtime.straight import Straight
from wallet.holding.uses import Way
from wallet.issuing import status_lists
from wallet.issuing.contents import type_uri
from wallet.issuing.status_lists import StatusEntry
from wallet.presenting import qr_codes
from wallet.register.catalogue import LicenceTypeNotFound, get_type, get_version
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, DepartmentNotFound, check_authority, get_department
from wallet.register.licences import Licence, LicenceState, seen_by_calendar
from wallet.verifying import foreign_status, wording
from wallet.verifying.attesting import Asker, Finding, attest
from wallet.verifying.checks import HOLDER_ENDED, IN_FORCE, Expected, NotVerified, StatusUnknown, Trust, Verified, verify
from wallet.verifying.listed import Listed
from wallet.verifying.receipts import INVALID, VALID
from wallet.verifying.trusting import current_trust, find_granted, find_listed

OF_LICENCES = ("id", "holder_id", "type_code", "type_version", "issuer_code", "state", "act", "valid_from", "valid_until")
STANDING = Straight(
    "standing",
    select(*(getattr(Licence, name) for name in OF_LICENCES), StatusEntry.status, Subject.state)
    .join(Subject, Subject.id == Licence.holder_id)
    .join(StatusEntry, and_(StatusEntry.list_id == bindparam("list_id"), StatusEntry.index == bindparam("index")))
    .where(Licence.identifier == bindparam("identifier")),
)
STATES = {status_lists.INVALID: "revoked", status_lists.SUSPENDED: "suspended"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the register says of a licence now: the columns that a verification asks for, its entry in the status list, and its holder's state."""

    id: UUID
    holder_id: UUID
    type_code: str
    type_version: int
    issuer_code: str
    state: str
    act: str
    valid_from: date
    valid_until: date | None
    status: int
    holder_state: str

    @property
    def type(self) -> LicenceType:
        """The licence's type, by the version under which it was issued."""
        return get_version(self.type_code, self.type_version)

    def state_at(self, now: datetime) -> LicenceState:
        """Return the state with the calendar looked at, as `Licence.state_at` does."""
        return seen_by_calendar(LicenceState(self.state), self.act, valid_from=self.valid_from, valid_until=self.valid_until, now=now)


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """What a department sends: the content of a QR code or a presentation itself, why, and how it must be bound."""

    presented: str = field(repr=False)
    cause: dict[str, str]
    binding: bool = True
    nonce: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """The presentation to check, and whose licence it is, where a QR code told that."""

    text: str = field(repr=False)
    expected: Expected
    holder_id: UUID | None = None
    licence_id: UUID | None = None


def verify_presented(
    session: Session, settings: Settings, request: VerificationRequest, *, asker: Asker, receipt_id: UUID, now: datetime, is_last: bool = False
) -> dict[str, Any]:
    """Verify what was shown and return the answer, with its receipt; a presentation that fails is answered and attested too.

    `is_last` says that nothing else is to be done in the transaction, which then ends with this.

    Raises CodeUnknown, CodeSpent, CodeExpired for a QR code; NoAuthority.
    """
    shown = _open(session, settings, request, now=now)
    register = Register(session, settings, now)
    verified = failed = None
    try:
        verified = verify(shown.text, expected=shown.expected, trust=register.trust, status_of=register.status_of, now=now)
    except NotVerified as failure:
        failed = failure
    finding = _finding(register, shown, verified or failed, cause=request.cause)  # type: ignore[arg-type]
    if finding.type_code is not None:
        check_authority(department=asker.department, type_code=finding.type_code, action=Action.VERIFY, now=now)
    return attest(session, settings, finding, asker=asker, receipt_id=receipt_id, now=now, is_last=is_last)


class Register:
    """What the register and the keys say of a presentation; `licence` is the one that the status was asked of."""

    def __init__(self, session: Session, settings: Settings, now: datetime) -> None:
        self.session, self.settings, self.now = session, settings, now
        self.licence: Standing | None = None
        self.foreign_state: str | None = None

    def find_type(self, vct: str, *, issuer: str) -> LicenceType | None:
        """Return the licence type that a `vct` of ours names, or one of an issuer that a trust list grants it."""
        prefix, granted = f"{self.settings.public_url}/types/", find_granted(issuer, vct)
        try:
            if granted is not None:
                return get_type(granted.type_code)
            return get_type(vct.removeprefix(prefix)) if vct.startswith(prefix) else None
        except LicenceTypeNotFound:
            return None

    @property
    def trust(self) -> Trust:
        """What credentials are judged by now."""
        return current_trust()

    def status_of(self, claims: Mapping[str, Any]) -> str:
        """Return the licence's state now, from the register, in one query; of a licence of another province, from its own status list.

        Raises StatusUnknown for any other house's list.

        Nobody can show what someone held who has died, or an organisation that was dissolved, whatever the licence's own state. A status
        entry lent to a licence of another type, issuer or identifier tells nothing.
        """
        listed = find_listed(claims["iss"])
        if listed is not None:
            self.foreign_state = foreign_status.status_of(self.settings, listed, claims, now=self.now)
            return self.foreign_state
        reference = claims["status"].get("status_list")
        uri, index = (reference.get("uri"), reference.get("idx")) if isinstance(reference, dict) else (None, None)
        if not isinstance(uri, str) or type(index) is not int:
            raise StatusUnknown
        place = status_lists.place_of(self.settings, uri, index)
        identifier = claims.get("licence_identifier")
        if place is None or not isinstance(identifier, str):
            raise StatusUnknown
        rows = straight.run(self.session, STANDING, {"identifier": identifier, "list_id": place.list_id, "index": place.index})
        standing = Standing(*rows[0]) if rows else None
        if standing is None or not self._is_of(standing, claims):
            raise StatusUnknown
        self.licence = standing
        state: str = STATES.get(standing.status) or standing.state_at(self.now).value
        return HOLDER_ENDED if state == IN_FORCE and standing.holder_state != ACTIVE else state

    def _is_of(self, licence: Standing, claims: Mapping[str, Any]) -> bool:
        issuer = certificates.department_uri(self.settings, licence.issuer_code)
        return claims["iss"] == issuer and claims["vct"] == type_uri(self.settings, licence.type)


def summary_of(licence_type: LicenceType, *, identifier: str, issuer_code: str, state: str) -> dict[str, Any]:
    """Return a licence as an answer and a receipt name it."""
    try:
        name: dict[str, str] | None = get_department(issuer_code).name.as_json()
    except DepartmentNotFound:
        name = None
    return {
        "type": licence_type.code,
        "version": licence_type.version,
        "slug": licence_type.slug,
        "name": licence_type.name.as_json(),
        "identifier": identifier,
        "issuer": {"code": issuer_code, "name": name},
        "state": state,
    }


def foreign_summary_of(licence_type: LicenceType, listed: Listed, *, identifier: str, state: str) -> dict[str, Any]:
    """Return a licence of another province as an answer names it: with the issuer as the trust list names it."""
    name = {"zh": listed.name.get("zh", listed.code), "en": listed.name.get("en", listed.name.get("zh", listed.code))}
    issuer = {"code": listed.code, "name": name, "province": listed.province}
    return {**summary_of(licence_type, identifier=identifier, issuer_code=listed.code, state=state), "issuer": issuer}


def _open(session: Session, settings: Settings, request: VerificationRequest, *, now: datetime) -> Shown:
    lifetime = settings.qr_lifetime
    if qr_codes.is_code(request.presented):
        redeemed = qr_codes.redeem(session, request.presented, now=now)
        expected = Expected(binding=True, audience=qr_codes.audience(settings), nonce=redeemed.nonce, vcts=None, binding_age=lifetime)
        return Shown(redeemed.presented, expected, redeemed.holder_id, redeemed.licence_id)
    audience = request.audience or qr_codes.audience(settings)
    return Shown(request.presented, Expected(request.binding, audience, request.nonce, None, lifetime))


def _finding(register: Register, shown: Shown, outcome: Verified | NotVerified, *, cause: dict[str, str]) -> Finding:
    claims: Mapping[str, Any] = outcome.claims or {}
    licence_type = register.licence.type if register.licence else register.find_type(claims.get("vct", ""), issuer=str(claims.get("iss")))
    verdict = VALID if isinstance(outcome, Verified) else INVALID
    fields = {name: outcome.claims[name] for name in outcome.disclosed} if isinstance(outcome, Verified) else {}
    licence = None
    listed = find_listed(claims.get("iss"))
    if licence_type is not None and listed is not None:
        licence = foreign_summary_of(
            licence_type, listed, identifier=str(claims.get("licence_identifier")), state=register.foreign_state or "unknown"
        )
    elif licence_type is not None:
        state = register.licence.state_at(register.now).value if register.licence else "unknown"
        issuer_code = str(claims["iss"]).removeprefix(certificates.department_uri(register.settings, ""))
        licence = summary_of(licence_type, identifier=str(claims.get("licence_identifier")), issuer_code=issuer_code, state=state)
    return Finding(
        act="verification",
        way=Way.PRESENTATION,
        verdict=verdict,
        seen=shown.text,
        cause=cause,
        type_code=licence_type.code if licence_type else None,
        holder_id=shown.holder_id or (register.licence.holder_id if register.licence else None),
        licence_id=register.licence.id if register.licence else shown.licence_id,
        answer={"verdict": verdict, "checks": wording.as_rows(outcome.outcomes), "licence": licence, "fields": fields},
    )
