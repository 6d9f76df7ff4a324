"""The answer to a request: each chosen licence with just the chosen fields, bound by its holder's key to this verifier and this request.

What the holder keeps back is in no part of what is made here, nor in the ledger, which has the names of what was shown: of a W3C credential, all.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin.sessions import SignedIn
from keys import holder_keys
from runtime import ledger
from runtime.settings import Settings
from wallet.holding.uses import Way, record_use
from wallet.issuing import credentials, sd_jwt
from wallet.presenting import statements
from wallet.presenting.answering import asked as kept
from wallet.presenting.answering import mdocs, transactions, w3c
from wallet.presenting.answering.asked import Asked, Outcome
from wallet.presenting.answering.offering import ChoiceRefused, Chosen, Names, What
from wallet.presenting.answering.refusals import DENIED, Whom
from wallet.presenting.answering.request_objects import RequestObject
from wallet.presenting.answering.transactions import Transaction
from wallet.presenting.dcql_reading import MDOC, SD_JWT_VC, VC_JWT
from wallet.presenting.statements import Statement
from wallet.register.licences import Licence, find_held

OUTSIDE = "outside"


def approve(session: Session, settings: Settings, asked: Asked, chosen: Chosen, *, viewer: SignedIn, why: str, now: datetime) -> dict[str, str]:
    """Make the answer, mark the request answered, and write the uses into the holder's history; return what is to be sent.

    What our own departments verify they write into the history themselves, with their receipt; a statement tells them of nobody, so it is written
    here, under the request's id. Raises RequestOver, ChoiceRefused.
    """
    kept.spend(session, asked.row, Outcome.SENDING, now=now)
    confirmed = _confirmed_by(asked.request, chosen)
    token: dict[str, list[str]] = {}
    is_ours = asked.request.response_uri.startswith(f"{settings.public_url}/")
    for name, several in chosen.items():
        acts, holder_id = confirmed.get(name, []), viewer.holder_id
        token[name] = [_show(session, settings, *one, asked.request, name=name, acts=acts, holder_id=holder_id, now=now) for one in several]
        for what, fields in several:
            if not is_ours or isinstance(what, Statement):
                _record_use(session, asked, what, fields, viewer=viewer, why=why, now=now)
    all_shown = [one for several in chosen.values() for one in several]
    shown = sorted({field for _, fields in all_shown for field in fields})
    _record(session, "request.answered", asked, viewer=viewer, now=now, licences=len(all_shown), fields=shown)
    return parameters_of(asked.request, token)


def refuse(session: Session, asked: Asked, *, viewer: SignedIn, now: datetime) -> dict[str, str]:
    """Refuse a request, once; return what is to be sent. Raises RequestOver."""
    kept.spend(session, asked.row, Outcome.REFUSED, now=now)
    _record(session, "request.refused", asked, viewer=viewer, now=now)
    return {"error": DENIED, "error_description": "The holder refused."}


def parameters_of(request: RequestObject, token: Mapping[str, Any]) -> dict[str, str]:
    """Return an answer as its response mode sends it; an encrypted one carries the state within."""
    if request.recipient is None:
        return {"vp_token": json.dumps(token)}
    state = {"state": request.state} if request.state is not None else {}
    return {"response": request.recipient.encrypt({"vp_token": token, **state})}


def whom_of(request: RequestObject) -> Whom:
    """Return where the answer to a request goes."""
    return Whom(request.response_uri, request.state)


def _format_of(request: RequestObject, name: str) -> str:
    query = request.query.find(name)
    return query.format if query is not None else ""


def _confirmed_by(request: RequestObject, chosen: Chosen) -> dict[str, list[Transaction]]:
    """Return which chosen licence confirms which acts; each is confirmed by one, which is an SD-JWT VC and no statement.

    Raises ChoiceRefused if one is by none.
    """
    found: dict[str, list[Transaction]] = {}
    able = [name for name, several in chosen.items() if _format_of(request, name) == SD_JWT_VC and not isinstance(several[0][0], Statement)]
    for act in request.transactions:
        by = next((name for name in act.credential_ids if name in able), None)
        if by is None:
            raise ChoiceRefused("nothing confirms an act", field="licence")
        found.setdefault(by, []).append(act)
    return found


def _show(
    session: Session,
    settings: Settings,
    what: What,
    fields: Names,
    request: RequestObject,
    *,
    name: str,
    acts: list[Transaction],
    holder_id: UUID,
    now: datetime,
) -> str:
    """Return what answers a credential query, in the form in which it asks."""
    if isinstance(what, Statement):
        return _state(settings, what, fields, request, holder_id=holder_id, now=now)
    licence = find_held(session, what, holder_id=holder_id)
    assert licence is not None
    wanted = request.query.find(name)
    if wanted is not None and wanted.format == MDOC:
        return mdocs.present(session, settings, licence, fields, request, holder_id=holder_id, now=now)
    if wanted is not None and wanted.format == VC_JWT:
        return w3c.present(session, settings, licence, request, is_bound=wanted.binding, holder_id=holder_id, now=now)
    return _present(session, licence, fields, request, acts, holder_id=holder_id, now=now)


def _present(
    session: Session, licence: Licence, fields: Names, request: RequestObject, acts: list[Transaction], *, holder_id: UUID, now: datetime
) -> str:
    credential = credentials.credential_of(session, licence, holder_id=holder_id)
    parts = sd_jwt.parse(credentials.text_of(credential))
    text = sd_jwt.combine(parts.jwt, [one for one in parts.disclosures if one.name in fields])
    binding = {"iat": int(now.timestamp()), "aud": request.client_id, "nonce": request.nonce, "sd_hash": sd_jwt.sd_hash(text)}
    binding |= transactions.claims_of(acts)
    return text + holder_keys.sign(credential.holder_key_sealed, binding, credential_id=credential.id, typ="kb+jwt")


def _state(settings: Settings, statement: Statement, fields: Names, request: RequestObject, *, holder_id: UUID, now: datetime) -> str:
    bound = {"audience": request.client_id, "nonce": request.nonce}
    return statements.make(settings, statement, holder_id=holder_id, shown=fields, **bound, now=now, lifetime=settings.qr_lifetime)


def _record_use(session: Session, asked: Asked, what: What, fields: Names, *, viewer: SignedIn, why: str, now: datetime) -> None:
    """Write what was shown into the holder's history; a statement stands there under the request."""
    about: dict[str, Any] = {"department": asked.verifier.department or asked.request.host, "cause": why, "fields": list(fields)}
    held = {"holder_id": viewer.holder_id, "licence_id": asked.row.id if isinstance(what, Statement) else what}
    record_use(session, **held, **about, way=Way.ANSWER, verdict="valid", receipt_id=None, now=now, acted_by=viewer.subject_id)


def _record(session: Session, act: str, asked: Asked, *, viewer: SignedIn, now: datetime, **detail: Any) -> None:
    by = {"verifier": asked.verifier.department or OUTSIDE, **detail}
    ledger.record(session, act, actor=f"subject:{viewer.subject_id}", object_id=asked.row.id, subject_id=viewer.holder_id, now=now, **by)
