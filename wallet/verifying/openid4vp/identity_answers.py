"""What a wallet showed to prove who holds an account: judged by the same checks as ever, and then by what proves identity (decision 0017).

Nothing is lifted here: a wallet's answer comes from wherever the wallet is, and only the browser that asked may go on with it
(`identity_requests`).
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.subjects import directory
from runtime import ledger
from runtime.settings import Settings
from wallet.issuing import sd_jwt
from wallet.presenting.dcql import read_query
from wallet.verifying import identity
from wallet.verifying.checks import NotVerified, verify
from wallet.verifying.identity import ProvesNothing
from wallet.verifying.openid4vp import identity_requests, presented
from wallet.verifying.openid4vp.answers import Posted
from wallet.verifying.openid4vp.requests import PresentationRequest, State
from wallet.verifying.receipts import INVALID, VALID
from wallet.verifying.sd_jwt_reading import SdJwtPresentation
from wallet.verifying.standings import entry_of
from wallet.verifying.verification import Register


def judge(session: Session, settings: Settings, row: PresentationRequest, posted: Posted, *, now: datetime) -> tuple[str, dict[str, Any]]:
    """Return what came of a request that was just spent, and what is kept of it: nothing of what was shown but its digest."""
    if posted.error is not None:
        return State.DECLINED, {"error": posted.error}
    subject_id = identity_requests.subject_of(session, row.id)
    try:
        return VALID, _proof(session, settings, row, posted.presentations[identity.QUERY_ID][0], subject_id, now=now)
    except ProvesNothing as refused:
        actor = f"subject:{subject_id}"
        ledger.record(session, "identity.refused", actor=actor, object_id=row.id, subject_id=subject_id, now=now, why=refused.reason)
        return INVALID, {"why": (refused.shown or refused.title).as_json()}


def _proof(session: Session, settings: Settings, row: PresentationRequest, text: str, subject_id: UUID, *, now: datetime) -> dict[str, Any]:
    """Return what is to be kept of a licence that proves who a person is; raises ProvesNothing.

    What it must show is not left to the query's own check, which has one reason for all that is missing.
    """
    (wanted,) = read_query(row.terms.query).credentials
    shown, register = SdJwtPresentation(text), Register(session, settings, now)
    expected = replace(presented.expected_of(row, wanted, shown, [], now=now), query=None)
    try:
        verified = verify(shown, expected=expected, trust=register.trust, status_of=register.status_of, now=now)
    except NotVerified as failure:
        raise ProvesNothing(failure.reason.value, shown=identity.words_of(failure.reason)) from failure
    person, licence = directory.get_subject(session, subject_id), register.licence
    identity.check_proves(verified, number=directory.number_of(person))
    if licence is None or licence.holder_id != person.id:
        raise ProvesNothing("another-holder", shown=identity.ANOTHER)
    return {"entry": entry_of(settings, verified.claims), "evidence": sd_jwt.sd_hash(text)}
