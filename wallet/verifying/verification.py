"""A verification: what was shown is looked at, the register asked, and the answer attested, all in one transaction.

A department sees only licences of types that it has authority to verify; without it nothing is disclosed, and a QR code stays
unspent, since the refusal undoes the transaction.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects.records import ACTIVE
from keys import certificates
from runtime import compact_json
from runtime.compact_json import Fragment
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from runtime.straight import Alone
from runtime.together import Steps, Trip
from wallet.holding.uses import Way
from wallet.issuing import status_lists
from wallet.issuing.contents import type_uri
from wallet.presenting import qr_codes, statements
from wallet.presenting.qr_codes import Redeemed
from wallet.register.catalogue import LicenceTypeNotFound, all_types, get_type
from wallet.register.definitions import LicenceType
from wallet.register.departments import Action, DepartmentNotFound, check_authority, get_department
from wallet.register.licences import Licence, get_licence
from wallet.register.turns import moment_of, state_on
from wallet.verifying import attesting, brought, foreign_status, named, wording
from wallet.verifying.attesting import Asker, Attested, Finding, attest, attested
from wallet.verifying.checks import HOLDER_ENDED, IN_FORCE, Expected, IdentifierKept, NotVerified, StatusUnknown, Trust, Verified, verify
from wallet.verifying.conclusions import conclude
from wallet.verifying.files import Seal, SealedPresentation
from wallet.verifying.listed import Listed
from wallet.verifying.named import Named, NamedLicence
from wallet.verifying.occasions import check_occasion
from wallet.verifying.presentations import Presentation
from wallet.verifying.receipts import INVALID, VALID
from wallet.verifying.standings import Entry, Known, Standing, entry_of, find_standing, find_standings, unverified_entry_of
from wallet.verifying.trusting import chains_of, current_trust, find_granted, find_listed
from wallet.verifying.waiting import find_all_waiting

OF_ALL = "verdict_of_all"
STATES = {status_lists.INVALID: "revoked", status_lists.SUSPENDED: "suspended"}


class NotReadable(Refusal):
    """What was brought is of no form that a licence has."""

    code, status, title = "not-readable", 422, Text("内容不是可识别的电子证照或二维码。", "It is no e-licence and no code that can be read.")


@dataclass(frozen=True, slots=True)
class VerificationRequest:
    """What a department sends: the content of a QR code, a presentation itself, or what a licence is known by; why, and how it must be bound.

    `transcript` is the session of a mobile document, `seal` that of the document in which a credential came; `at` a day or moment of the past.
    """

    presented: str = field(repr=False)
    cause: dict[str, str]
    binding: bool = True
    nonce: str | None = None
    audience: str | None = None
    transcript: bytes | None = field(default=None, repr=False)
    seal: Seal | None = None
    named: Named | None = None
    at: date | datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """The presentation to check, the text that stands for it in a receipt, and whose licence it is, where a QR code told that.

    `further` are those of other licences for which the same code stands, `acted_by` is who made it.
    """

    text: str = field(repr=False)
    presentation: str | Presentation = field(repr=False)
    expected: Expected
    holder_id: UUID | None = None
    licence_id: UUID | None = None
    further: "tuple[Shown, ...]" = ()
    acted_by: UUID | None = None


def verify_presented(
    session: Session, settings: Settings, request: VerificationRequest, *, asker: Asker, receipt_id: UUID, now: datetime, is_last: bool = False
) -> dict[str, Any]:
    """Verify what was shown and return the answer, with its receipt; a presentation that fails is answered and attested too.

    `is_last` says that nothing else is to be done in the transaction, which then ends with this.

    Raises CodeUnknown, CodeSpent, CodeExpired for a QR code; NoAuthority.
    """
    check_may_name(session, request, asker=asker, now=now)
    finding = find(session, settings, request, now=now)
    check_may_see(finding, asker=asker, now=now)
    return attest(session, settings, finding, asker=asker, receipt_id=receipt_id, now=now, is_last=is_last)


def verify_shown(settings: Settings, request: VerificationRequest, *, asker: Asker, receipt_id: UUID, now: datetime) -> Steps[Fragment]:
    """Verify what a request only shows (`is_looked_at_only`), just as `verify_presented` does, by two statements on trips that others may share.

    Nothing is spent, so nothing must be undone, and what is written is written by the last. Raises NotReadable, NoAuthority.
    """
    shown = read_shown(settings, request)
    entry = unverified_entry_of(settings, shown.presentation)
    known = Known(current_trust(), {entry: (yield Trip(find_standings, entry))}) if entry is not None else None
    made = _attested(settings, shown, request, known, asker=asker, receipt_id=receipt_id, now=now)
    yield Trip(attesting.keep_all, made.look)
    return compact_json.written(made.answer)


def verify_waiting(settings: Settings, request: VerificationRequest, *, asker: Asker, receipt_id: UUID, now: datetime) -> Steps[Fragment | None]:
    """Verify what a dynamic code stands for (`is_code_alone`), as `verify_presented` does, by two statements on trips that others may share.

    The second spends the code and writes what remains, or neither: of two who race only one can win, and a code that is refused stays unspent.
    None, and nothing is spent, if nothing waits under the code, or several licences do, or another transaction holds it: then nobody waits for that
    here. Raises CodeUnknown for what is no code; NoAuthority.
    """
    waiting = yield Trip(find_all_waiting, (qr_codes.hash_of(request.presented), now))
    if waiting is None or waiting.redeemed.also:
        return None
    shown = _shown_by(settings, waiting.redeemed)
    made = _attested(settings, shown, request, waiting.known, asker=asker, receipt_id=receipt_id, now=now)
    is_kept = yield Trip(attesting.keep_spending, (waiting.code_hash, made.look))
    return compact_json.written(made.answer) if is_kept else None


def _attested(
    settings: Settings, shown: Shown, request: VerificationRequest, known: Known | None, *, asker: Asker, receipt_id: UUID, now: datetime
) -> Attested:
    """Look at what was shown, with what the register said of it, and attest what is found; nothing is kept yet. Raises NoAuthority."""
    with Alone() as alone:  # for what was not asked before
        finding = look(Register(alone, settings, now, known), shown, request)
    check_may_see(finding, asker=asker, now=now)
    return attested(settings, finding, asker=asker, receipt_id=receipt_id, now=now)


def find(session: Session, settings: Settings, request: VerificationRequest, *, now: datetime) -> Finding:
    """Look at what was shown; nothing is attested yet. Raises CodeUnknown, CodeSpent, CodeExpired, NotReadable, MomentRefused."""
    shown = open_shown(session, settings, request, now=now)
    finding = look(Register(session, settings, now), shown, request)
    if not shown.further:
        return finding
    further = tuple(look(Register(session, settings, now), one, request) for one in shown.further)
    whole = replace(finding, further=further)
    answers = [{name: said for name, said in one.answer.items() if name != OF_ALL} for one in further]
    return replace(whole, answer={**finding.answer, OF_ALL: whole.verdict_of_all, "further": answers})


def check_may_name(session: Session, request: VerificationRequest, *, asker: Asker, now: datetime) -> None:
    """Check that a department has authority over the type of a licence that it names, be the number right or not; raises NoAuthority.

    Else one without it would know the holder's number by being refused for that one alone, and leave no trace.
    """
    for code in named.types_of(session, request.named) if request.named is not None else ():
        check_authority(department=asker.department, type_code=code, action=Action.VERIFY, now=now)


def check_may_see(finding: Finding, *, asker: Asker, now: datetime) -> None:
    """Check that a department has authority over the type of each licence that was recognised; raises NoAuthority."""
    for one in (finding, *finding.further):
        if one.type_code is not None:
            check_authority(department=asker.department, type_code=one.type_code, action=Action.VERIFY, now=now)


def look(register: "Register", shown: Shown, request: VerificationRequest) -> Finding:
    """Put what was shown before the checks, and say what they found."""
    verified = failed = None
    try:
        status_of = shown.presentation.status_of if isinstance(shown.presentation, NamedLicence) else register.status_of
        verified = verify(shown.presentation, expected=shown.expected, trust=register.trust, status_of=status_of, now=register.now)
    except NotVerified as failure:
        failed = failure
        register.look_up_in_spite_of(failure)
    return _finding(register, shown, verified or failed, request)  # type: ignore[arg-type]


class Register:
    """What the register and the keys say of a presentation; `licence` is the one that the status was asked of.

    `known` is what was asked ahead for many presentations together. Without a session nothing is asked but how a licence stands.
    """

    def __init__(self, session: Session | Alone, settings: Settings, now: datetime, known: Known | None = None) -> None:
        self.session, self.settings, self.now, self.known = session, settings, now, known
        self.licence: Standing | None = None
        self.foreign_state: str | None = None

    def find_type(self, vct: str, *, issuer: str) -> LicenceType | None:
        """Return the licence type that a `vct` of ours names, or one of an issuer that a trust list grants it."""
        prefix, granted = f"{self.settings.public_url}/types/", find_granted(issuer, vct)
        try:
            if granted is not None:
                return get_type(granted.type_code)
            if vct.startswith(prefix):
                return get_type(vct.removeprefix(prefix))
            return next((one for one in all_types() if one.doctype == vct), None)
        except LicenceTypeNotFound:
            return None

    @property
    def trust(self) -> Trust:
        """What credentials are judged by now."""
        return self.known.trust if self.known else current_trust()

    def status_of(self, claims: Mapping[str, Any]) -> str:
        """Return the licence's state now, from the register, in one query; of a licence of another province, from its own status list.

        Raises StatusUnknown for any other house's list, IdentifierKept for a licence whose identifier the holder did not show.

        Nobody can show what someone held who has died, or an organisation that was dissolved, whatever the licence's own state. A status
        entry lent to a licence of another type, issuer or identifier tells nothing.
        """
        if claims["iss"] == statements.issuer(self.settings):
            return IN_FORCE  # it says how things stood when it was made, and is over with its code
        listed = find_listed(claims["iss"])
        if listed is not None:
            self.foreign_state = foreign_status.status_of(self.settings, listed, claims, now=self.now)
            return self.foreign_state
        if "licence_identifier" not in claims:
            raise IdentifierKept
        entry = entry_of(self.settings, claims)
        standing = self._standing(entry) if entry is not None else None
        if standing is None or not self._is_of(standing, claims):
            raise StatusUnknown
        self.licence = standing
        state: str = standing.state_at(self.now).value
        if state == IN_FORCE and standing.holder_state != ACTIVE:
            return HOLDER_ENDED
        return state if state != IN_FORCE else STATES.get(standing.status) or state  # an entry knows no more than that a licence is over

    def look_up_in_spite_of(self, failure: NotVerified) -> None:
        """Find the licence of one whose period is over or to come: how it stands now is asked for all the same."""
        if failure.check in ("marked_copy", "validity") and failure.claims and isinstance(failure.claims.get("status"), dict):
            with suppress(StatusUnknown):
                self.status_of(failure.claims)

    def _standing(self, entry: Entry) -> Standing | None:
        if self.known is not None and entry in self.known.standings:
            return self.known.standings[entry]
        return find_standing(self.session, entry)

    def _is_of(self, licence: Standing, claims: Mapping[str, Any]) -> bool:
        issuer, licence_type = certificates.department_uri(self.settings, licence.issuer_code), licence.type
        return claims["iss"] == issuer and claims["vct"] in (type_uri(self.settings, licence_type), licence_type.doctype)


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


def open_shown(session: Session, settings: Settings, request: VerificationRequest, *, now: datetime) -> Shown:
    """Return the presentation that a request means; a dynamic code is spent by it.

    Raises CodeUnknown, CodeSpent, CodeExpired, NotReadable.
    """
    lifetime = settings.qr_lifetime
    if request.named is not None:
        found = NamedLicence(session, settings, request.named, now=now)
        expected = Expected(binding=False, audience=None, nonce=None, vcts=None, binding_age=lifetime)
        return Shown(request.named.identifier, found, expected, found.holder.id if found.holder is not None else None)
    if is_code(request):
        return _shown_by(settings, qr_codes.redeem(session, request.presented, now=now))
    return read_shown(settings, request)


def _shown_by(settings: Settings, redeemed: Redeemed) -> Shown:
    """Return the presentation that a dynamic code stood for, with those of other licences under the same code."""
    expected = Expected(binding=True, audience=qr_codes.audience(settings), nonce=redeemed.nonce, vcts=None, binding_age=settings.qr_lifetime)
    further = tuple(Shown(text, text, expected, redeemed.holder_id, licence_id, (), redeemed.person_id) for licence_id, text in redeemed.also)
    return Shown(redeemed.presented, redeemed.presented, expected, redeemed.holder_id, redeemed.licence_id, further, redeemed.person_id)


def is_looked_at_only(request: VerificationRequest) -> bool:
    """Whether a request shows all that is to be looked at, so that nothing is spent, and nothing asked of the register but how a licence stands."""
    return request.named is None and request.at is None and not is_code(request)


def is_code(request: VerificationRequest) -> bool:
    """Whether a request shows a dynamic code, which is spent by it."""
    return request.named is None and request.seal is None and brought.is_dynamic(request.presented)


def is_code_alone(request: VerificationRequest) -> bool:
    """Whether a request shows a dynamic code, and nothing is asked of the register but how a licence stands."""
    return request.at is None and is_code(request)


def read_shown(settings: Settings, request: VerificationRequest) -> Shown:
    """Return the presentation that a request shows itself; raises NotReadable, OccasionMissing."""
    expected = Expected(request.binding, request.audience or qr_codes.audience(settings), request.nonce, None, settings.qr_lifetime)
    presentation = read_presented(request.presented, seal=request.seal, transcript=request.transcript)
    if request.binding:
        check_occasion(presentation, nonce=request.nonce, session_transcript=request.transcript)
    return Shown(request.presented, presentation, expected)


def read_presented(unverified: str, *, seal: Seal | None = None, transcript: bytes | None = None) -> Presentation:
    """Return a presentation of whichever form but a dynamic code; raises NotReadable."""
    if seal is not None:
        return SealedPresentation(unverified, seal)
    try:
        return brought.read_text(unverified, chains_of=chains_of, transcript=transcript)
    except brought.NotBrought as error:
        raise NotReadable("of no form", field="presented") from error


def _finding(register: Register, shown: Shown, outcome: Verified | NotVerified, request: VerificationRequest) -> Finding:
    claims: Mapping[str, Any] = outcome.claims or {}
    licence_type = register.licence.type if register.licence else register.find_type(claims.get("vct") or "", issuer=str(claims.get("iss")))
    verdict = VALID if isinstance(outcome, Verified) else INVALID
    fields = {name: outcome.claims[name] for name in outcome.disclosed} if isinstance(outcome, Verified) else {}
    known = register.licence or (shown.presentation.licence if isinstance(shown.presentation, NamedLicence) else None)
    answer = {
        "verdict": verdict,
        OF_ALL: verdict,
        "checks": wording.as_rows(outcome.outcomes),
        "licence": _summary(register, licence_type, claims, known),
        "fields": fields,
        **(register.licence.of_holder(fields) if register.licence else {}),
    }
    answer["conclusion"] = conclude(outcome.outcomes).value
    if outcome.marking is not None:
        answer["marked_copy"] = outcome.marking.as_json()
    if request.at is not None:
        answer["state_at"] = _state_at(register, known, request.at)
    return Finding(
        act="verification",
        way=Way.PRESENTATION if shown.expected.binding else Way.BROUGHT,
        verdict=verdict,
        seen=shown.text,
        cause=request.cause,
        type_code=licence_type.code if licence_type else None,
        holder_id=shown.holder_id or (known.holder_id if known else None),
        licence_id=known.id if known else shown.licence_id,
        answer=answer,
        acted_by=shown.acted_by,
    )


def _summary(
    register: Register, licence_type: LicenceType | None, claims: Mapping[str, Any], known: Standing | Licence | None
) -> dict[str, Any] | None:
    """Return the licence as the answer names it, None if not even its issuer is believed; of a yes or no, that it is one."""
    if claims.get("iss") == statements.issuer(register.settings):
        return _statement_summary(str(claims.get("vct")))
    if licence_type is None:
        return None
    identifier, listed = str(claims.get("licence_identifier") or ""), find_listed(claims.get("iss"))
    if listed is not None:
        return foreign_summary_of(licence_type, listed, identifier=identifier, state=register.foreign_state or "unknown")
    state = known.state_at(register.now).value if known else "unknown"
    issuer_code = str(claims["iss"]).removeprefix(certificates.department_uri(register.settings, ""))
    return summary_of(licence_type, identifier=identifier, issuer_code=issuer_code, state=state)


def _statement_summary(vct: str) -> dict[str, Any]:
    question = statements.find_question(vct)
    name = question.name if question is not None else statements.NAME
    issuer = {"code": "", "name": {"zh": "卡包", "en": "Kabao"}}
    slug = vct.removeprefix(statements.TYPE_PREFIX)
    return {"type": vct, "version": 1, "slug": slug, "name": name.as_json(), "identifier": "", "issuer": issuer, "state": IN_FORCE}


def _state_at(register: Register, known: Standing | Licence | None, at: date | datetime) -> dict[str, Any]:
    """Return how the licence stood on a past day or at a past moment; raises MomentRefused for one ahead."""
    moment, found = moment_of(at, now=register.now), None
    if known is not None:
        assert isinstance(register.session, Session)
        found = state_on(register.session, get_licence(register.session, known.id), at=moment)
    return {"at": at.isoformat(), "state": found.state.value if found and found.state else None}
