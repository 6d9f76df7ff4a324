"""A person answers a request of another device: the same demands, mandates and consents as at the authorization endpoint.

Approving is always asked for, whatever was consented to before: who asked may be somebody else than the person thinks.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import current_app
from sqlalchemy.orm import Session

from idp.oauth import consents, demands, portal_sessions, prompts, resources, scopes
from idp.oauth.apart import pinging, waiting
from idp.oauth.apart.waiting import Answer, ApartRequest, RequestOver
from idp.oauth.clients import Client, find_client
from idp.oauth.grantees import Grantee
from idp.oauth.prompts import Step
from idp.oauth.requests import authorization_details
from idp.oauth.requests.authorization_details import Words
from idp.oauth.waymarks import Marks, milliseconds
from idp.signin import proofs
from idp.signin.assurance import Level, aal_of
from idp.signin.sessions import SignedIn
from runtime import ledger
from runtime.ids import new_id
from runtime.languages import Text


@dataclass(frozen=True, slots=True)
class Question:
    """A request before the person who may answer it."""

    row: ApartRequest
    client: Client
    grantee: Grantee
    signed_in: SignedIn

    @property
    def wanted(self) -> list[tuple[str, Text]]:
        """The scopes in words."""
        return [(scope, scopes.OF_PEOPLE[scope]) for scope in self.row.scopes if scope in scopes.OF_PEOPLE]

    @property
    def details(self) -> list[Words]:
        """The authorization details in words."""
        return authorization_details.words_of(self.row.terms.authorization_details)

    @property
    def goals(self) -> list[Text]:
        """The names of the resource servers that the tokens are for."""
        return resources.names_of(self.row.terms.resources, current_app.extensions["kabao_settings"])


def question(row: ApartRequest | None, grantee: Grantee | None, signed_in: SignedIn) -> Question:
    """Put a request before a person; raises RequestOver where there is none, or its client is gone."""
    client = find_client(row.client_id) if row is not None else None
    if row is None or client is None or grantee is None:
        raise RequestOver
    return Question(row, client, grantee, signed_in)


def way_to_raise(session: Session, asked: Question, *, goal: str, now: datetime) -> str | None:
    """Return the path on which the person signs in anew, is known better, or signs in more strongly, and gets to `goal`; None if all is well."""
    wanted = _wanted(asked)
    demand, reached = demands.demanded(asked.client.levels, asked.row.scopes), reached_by(session, asked.signed_in, now=now)
    step = prompts.next_step(wanted, auth_time=asked.signed_in.auth_time, consented=False, now=now, reached=reached, demand=demand)
    if step is Step.SIGN_IN:
        return "/signin?" + urlencode({"next": goal, "again": "1"})
    level = demands.missing(reached, demand=demand, alternatives=wanted.levels) or demand
    if step is Step.PROVE:
        return "/account/level?" + urlencode({"ial": level.ial, "next": goal})
    if step is Step.STEP_UP:
        return "/signin/step-up?" + urlencode({"aal": level.aal, "next": goal})
    return None


def _wanted(asked: Question) -> prompts.Asked:
    """Return what the client asks about the sign-in, its own defaults where it named nothing; a sign-in is fresh if made since it asked."""
    named = {"acr_values": asked.row.acr_values} if asked.row.acr_values else {}
    return prompts.read(named, marks=Marks(login_asked=milliseconds(asked.row.at)), metadata=asked.client.metadata)


def reached_by(session: Session, signed_in: SignedIn, *, now: datetime) -> Level:
    """Return how well a person is known, and how strongly they signed in."""
    return Level(proofs.ial_of(session, signed_in.subject_id, now=now), aal_of(signed_in.amr))


def approve(session: Session, asked: Question, *, now: datetime) -> None:
    """Let the client have what it asks for, once, as long as this session lasts; raises RequestOver."""
    client_id, grantee, who = asked.client.client_id, asked.grantee, asked.signed_in
    if not portal_sessions.remember(session, session_id=who.session_id, client_id=client_id, holder_id=grantee.holder_id, now=now):
        raise RequestOver("the session has ended")
    known: dict[str, Any] = {"auth_time": who.auth_time, "amr": who.amr, "ial": reached_by(session, who, now=now).ial}
    row = waiting.answer(session, asked.row.id, Answer.APPROVED, now=now, **_by(asked), **known, family_id=new_id())
    if not consents.is_given(session, grantee, asked.client, row.scopes, now=now, terms=row.terms):
        consents.give(session, grantee, asked.client, row.scopes, now=now, terms=row.terms)
    actor = f"subject:{grantee.person_id}"
    detail: dict[str, Any] = {"scopes": row.scopes, "via": row.kind}
    ledger.record(session, "portal.signed_in", actor=actor, object_id=client_id, subject_id=grantee.holder_id, now=now, **detail)
    pinging.ask_for_ping(session, row)


def refuse(session: Session, asked: Question, *, is_report: bool, now: datetime) -> ApartRequest:
    """Refuse the client; raises RequestOver."""
    row = waiting.answer(session, asked.row.id, Answer.REPORTED if is_report else Answer.REFUSED, now=now, **_by(asked))
    actor, act = f"subject:{asked.grantee.person_id}", "asking.reported" if is_report else "asking.refused"
    ledger.record(session, act, actor=actor, object_id=row.client_id, subject_id=asked.grantee.holder_id, now=now, via=row.kind)
    if is_report:
        waiting.APART.labels(row.kind, Answer.REFUSED.value).inc()
    pinging.ask_for_ping(session, row)
    return row


def answered_before(session: Session, request_id: UUID, said: Answer, signed_in: SignedIn) -> Client | None:
    """Return the client of a request to which the person gave just this answer in this very session, or None: they pressed twice."""
    row = waiting.find_answered(session, request_id, said, person_id=signed_in.subject_id, session_id=signed_in.session_id)
    return find_client(row.client_id) if row is not None else None


def _by(asked: Question) -> dict[str, Any]:
    grantee = asked.grantee
    return {"holder_id": grantee.holder_id, "person_id": grantee.person_id, "session_id": asked.signed_in.session_id}
