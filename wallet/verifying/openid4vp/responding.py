"""A wallet's answer: read, spent, verified, attested, in one transaction. OpenID4VP 1.0 section 8.6.

In this order: whether it can be read and is for this request; then it is spent, in one statement; then each presentation by the checks of
`wallet.verifying.checks`, the query among them; then the whole: what was asked for must be there, and one presentation that was bound for somebody
else, or to another occasion, spoils all. Each presentation has a receipt and a row in the ledger, whatever its verdict.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects.directory import former_numbers_of, get_subject, number_of
from idp.subjects.numbers import written_plainly
from runtime import ledger
from runtime.ids import new_id
from runtime.settings import Settings
from wallet.holding.cards import HOLDER_NUMBER
from wallet.holding.uses import Way
from wallet.presenting import statements
from wallet.presenting.answering.asked import find_person
from wallet.presenting.answering.request_objects import digest_of
from wallet.presenting.dcql import CredentialQuery, choose, read_query
from wallet.register.departments import get_department
from wallet.verifying.attesting import Asker, Finding, attest
from wallet.verifying.openid4vp import acts, answers, identity_answers, presented, references
from wallet.verifying.openid4vp.answers import Posted
from wallet.verifying.openid4vp.asking import find_addressee
from wallet.verifying.openid4vp.errors import RequestOver
from wallet.verifying.openid4vp.queries import IDENTIFIER, is_answer
from wallet.verifying.openid4vp.request_signals import tell
from wallet.verifying.openid4vp.requests import CODE_BYTES, SERVICE, PresentationRequest, RequestNotFound, State, Terms, conclude, get_request, spend
from wallet.verifying.presentations import Presentation
from wallet.verifying.receipts import INVALID, VALID
from wallet.verifying.verification import Register, Shown, VerificationRequest, check_may_see, look

NOBODY = ""  # a subject that no issuer names: who shows another's licence than theirs who were asked fails by it
SPOILING = frozenset({"holder_binding", "audience", "nonce", "transaction"})


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that was read, before the checks."""

    row: PresentationRequest
    terms: Terms
    transcript: bytes
    session: Session
    settings: Settings
    now: datetime

    @property
    def is_addressed(self) -> bool:
        """Whether somebody in particular was asked, known here or not."""
        return self.row.holder_id is not None or self.terms.number is not None

    @property
    def whom(self) -> UUID | None:
        """Who was asked: by the number that was given, where nobody had it then; None if nobody has it now, either."""
        return self.row.holder_id or find_addressee(self.session, self.terms.number)

    def is_of_whom(self, unverified_number: Any) -> bool:
        """Whether a number is theirs who were asked: the one that was given, or one that they have or had here."""
        holder = get_subject(self.session, self.whom) if self.whom is not None else None
        known = [number_of(holder), *former_numbers_of(self.session, holder)] if holder is not None else []
        numbers = [*(one.value for one in known), *([self.terms.number] if self.terms.number is not None else [])]
        return isinstance(unverified_number, str) and written_plainly(unverified_number) in map(written_plainly, numbers)


def respond(session: Session, settings: Settings, unverified_reference: str, form: list[tuple[str, str]], *, now: datetime) -> dict[str, Any]:
    """Take an answer and return what the wallet is told; raises RequestNotFound, RequestOver, InvalidRequest, NoAuthority."""
    row, terms = _open(session, settings, unverified_reference, now=now)
    posted = answers.read(form, row, read_query(terms.query))
    transcript = presented.transcript_of(settings, row)
    if not spend(session, row.id, now=now):
        raise RequestOver()
    if row.department == SERVICE:
        return _conclude(session, row, terms, *identity_answers.judge(session, settings, row, posted, now=now))
    if posted.error is not None:
        return _decline(session, settings, row, terms, posted.error, now=now)
    answer = _Answer(row, terms, transcript, session, settings, now)
    result = _verify(answer, posted)
    tell(session, settings, row.id, client_id=row.client_id, state=State.ANSWERED, now=now)
    return _conclude(session, row, terms, result["verdict"], result)


def hash_of(code: str) -> bytes:
    """Return what is kept of a response code."""
    return hashlib.sha256(code.encode()).digest()


def _open(session: Session, settings: Settings, unverified_reference: str, *, now: datetime) -> tuple[PresentationRequest, Terms]:
    request_id = references.find_id(settings, unverified_reference)
    if request_id is None:
        raise RequestNotFound
    row = get_request(session, request_id)
    if row.state_at(now) is not State.FETCHED:
        raise RequestOver()
    return row, row.terms


def _verify(answer: _Answer, posted: Posted) -> dict[str, Any]:
    """Verify and attest each presentation, then the whole."""
    query = read_query(answer.terms.query)
    seen = [(one, text) for one in query.credentials for text in posted.presentations.get(one.id, ())]
    found = [_verify_one(answer, wanted, text) for wanted, text in seen]
    good = {one["query"] for one in found if one["verdict"] == VALID}
    is_spoilt = any(check["check"] in SPOILING and check["outcome"] == "failed" for one in found for check in one["checks"])
    is_complete = choose(query, good) is not None and not is_spoilt and bool(good)
    verdict = VALID if is_complete else INVALID
    confirmed = [acts.text_of(one) for one in answer.terms.transaction] if is_complete else []
    return {"verdict": verdict, "presentations": found, "confirmed": confirmed[0] if confirmed else None}


def _verify_one(answer: _Answer, wanted: CredentialQuery, text: str) -> dict[str, Any]:
    row, now = answer.row, answer.now
    register, request = Register(answer.session, answer.settings, now), VerificationRequest(text, answer.terms.cause)
    shown = presented.read(text, wanted.format, transcript=answer.transcript)
    expected = presented.expected_of(row, wanted, shown, answer.terms.transaction, now=now)
    whom = answer.whom if answer.is_addressed else None
    if answer.is_addressed and is_answer(wanted):  # it names nobody: that it is the one who was asked, only this says
        expected = replace(expected, subject=statements.subject_of(answer.settings, whom, row.nonce) if whom else NOBODY)
    finding = look(register, Shown(text, shown, expected), request)
    is_theirs = whom is not None and finding.licence_id is not None and finding.holder_id == whom
    if answer.is_addressed and not is_theirs and _may_be_another_s(answer, finding, wanted, shown):
        finding = look(register, Shown(text, shown, replace(expected, subject=NOBODY)), request)
    asker = Asker(row.department, get_department(row.department).name, row.officer_id)
    if not (row.by_consent and is_theirs):
        check_may_see(finding, asker=asker, now=now)
    finding = replace(_as_asked(answer, wanted, finding, shown, expected.confirming), acted_by=_who_answered(answer, finding))
    attested = attest(answer.session, answer.settings, finding, asker=asker, receipt_id=new_id(), now=now)
    return {"query": wanted.id, **attested}


def _may_be_another_s(answer: _Answer, finding: Finding, wanted: CredentialQuery, shown: Presentation) -> bool:
    """Whether a licence that is not known to be theirs who were asked may be somebody else's: of another house's, only the number in it tells."""
    if finding.licence_id is not None or is_answer(wanted):
        return finding.licence_id is not None
    return finding.verdict == VALID and not answer.is_of_whom(shown.claims.get(HOLDER_NUMBER))


def _who_answered(answer: _Answer, finding: Finding) -> UUID | None:
    """Return the person who answered from the wallet here, for themselves or for another; None of a wallet elsewhere."""
    if finding.holder_id is None:
        return None
    digest = digest_of(answer.row.verifier, answer.row.nonce, references.response_uri(answer.settings, answer.row.id))
    return find_person(answer.session, finding.holder_id, digest)


def _as_asked(answer: _Answer, wanted: CredentialQuery, finding: Finding, shown: Any, confirming: tuple[str, ...]) -> Finding:
    """Return a finding that tells of what was asked for and nothing else, and of the act that was confirmed with it."""
    is_valid = finding.verdict == VALID
    fields = presented.fields_of(shown, wanted, left_out=frozenset({IDENTIFIER})) if is_valid else {}
    more: dict[str, Any] = {"request": str(answer.row.id), "asked_on": answer.terms.basis, "format": wanted.format}
    if is_valid and confirming:
        more["confirmed"] = [{"text": acts.text_of(one), "sha-256": presented.digest_of(one)} for one in confirming]
    return replace(finding, way=Way.ANSWER, answer={**finding.answer, "fields": fields}, more=more)


def _decline(session: Session, settings: Settings, row: PresentationRequest, terms: Terms, error: str, *, now: datetime) -> dict[str, Any]:
    """Keep that a wallet did not show anything; which words it had for it stays out of the ledger."""
    actor = f"department:{row.department}"
    ledger.record(session, "presentation.declined", actor=actor, object_id=row.id, subject_id=row.holder_id, now=now)
    tell(session, settings, row.id, client_id=row.client_id, state=State.DECLINED, now=now)
    return _conclude(session, row, terms, State.DECLINED, {"error": error})


def _conclude(session: Session, row: PresentationRequest, terms: Terms, outcome: str, result: dict[str, Any]) -> dict[str, Any]:
    """Keep what came of a request, and return what the wallet is told: at most where its holder goes on, with a fresh code."""
    code = secrets.token_urlsafe(CODE_BYTES) if terms.return_to else None
    conclude(session, row.id, outcome=outcome, result=result, code_hash=hash_of(code) if code else None)
    return {"redirect_uri": _return_to(terms.return_to, code)} if terms.return_to and code else {}


def _return_to(address: str, code: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'response_code': code})}"
