"""What the script of passkeys talks to: asking for options, and giving back what the authenticator made of them.

Each request comes from a page of ours, by JSON, with the page's token against forged requests. Only what is refused is counted by
the throttle, by address: a signature is not guessed, and a right one is heard however many strangers knock at the same door. What one
refused try costs us is a query and a signature's check, less than counting it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, jsonify, request
from flask import session as form_session
from marshmallow import Schema
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from idp.signin import browser_secrets, callers, entering, passkey_proofs, passkeys, pending, recency, second_step, sessions, throttle
from idp.signin.callers import signed_in
from idp.signin.destinations import HOME, local_path
from idp.signin.passkey_challenges import REGISTER, SECOND, SIGN_IN, STEP_UP, ChallengeRefused
from idp.signin.passkey_proofs import Asked, PasskeyCopied, PasskeyNotYours, PasskeyRefused, PasskeyUnknown
from idp.signin.pending import PendingSignin
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal
from runtime.rough_input import NotReadable, read_json
from schemas.passkeys import NewPasskeySchema, PasskeyProofSchema

passkey_api = Blueprint("passkey_api", __name__)
LONGEST_BODY = 48 * 1024
LIST = "/account/passkeys"


class NothingWaits(Refusal):
    """No sign-in waits for its second step in this browser; `go` is where another begins."""

    code, status, title = "nothing-waits", 409, Text("登录已超时或已完成，请重新登录。", "This sign-in took too long or is done; sign in again.")


@passkey_api.before_request
def from_a_page_of_ours() -> None:
    """Check where each request comes from; raises NotAllowed, PasskeysUnavailable."""
    g.passkey_party = passkey_proofs.get_relying_party(current_app.extensions["kabao_settings"])
    if request.headers.get("Origin") != g.passkey_party.origin:
        raise NotAllowed("from a page that is not ours")


@passkey_api.route("/signin/passkey/options", methods=["POST"])
@allow(anyone)
def signin_options() -> Response:
    """Ask for a passkey of whoever is there; nothing is written."""
    return jsonify(passkey_proofs.assertion_options(_asked(SIGN_IN), allowed=[]))


@passkey_api.route("/signin/passkey", methods=["POST"])
@allow(anyone)
def signin() -> Response:
    """Begin a session for the passkey's owner, and say where to go on."""
    asked, document = _asked(SIGN_IN), _document(PasskeyProofSchema())
    with _counted(asked.now), transaction() as session:
        proof = passkey_proofs.prove(session, asked, document["credential"])
        entry = entering.enter(session, subject_id=proof.subject_id, amr=proof.amr, browser=callers.this_browser(), now=asked.now)
    return _go_on(callers.let_in(entry, document.get("next")))


@passkey_api.route("/signin/passkey/second/options", methods=["POST"])
@allow(anyone)
def second_options() -> Response:
    """Ask for a passkey of the person whose sign-in waits for its second step in this browser."""
    with transaction() as session:
        waiting = _waiting(session)
        return _ask_for_one_of(session, _asked(SECOND, str(waiting.id)), waiting.subject_id)


@passkey_api.route("/signin/passkey/second", methods=["POST"])
@allow(anyone)
def second() -> Response:
    """Finish the sign-in that waits, if the passkey is that person's, and say where to go on."""
    document = _document(PasskeyProofSchema())
    with transaction() as session:
        waiting = _waiting(session)
    asked, who = _asked(SECOND, str(waiting.id)), waiting.subject_id
    with _counted(asked.now), transaction() as session:
        proof = passkey_proofs.prove(session, asked, document["credential"], owner_id=who)
        if not pending.finish(session, waiting.id, now=asked.now):
            raise NothingWaits("finished before")
        amr, browser = second_step.together(waiting.amr, proof.amr), callers.this_browser()
        entry = entering.enter(session, subject_id=proof.subject_id, amr=amr, browser=browser, now=asked.now, two_steps=False)
    return _go_on(callers.let_in(entry, document.get("next")))


@passkey_api.route("/signin/passkey/step-up/options", methods=["POST"])
@allow(signed_in)
def step_up_options() -> Response:
    """Ask for a passkey of the person who is signed in."""
    with transaction() as session:
        return _ask_for_one_of(session, _asked(STEP_UP), g.signed_in.subject_id)


@passkey_api.route("/signin/passkey/step-up", methods=["POST"])
@allow(signed_in)
def step_up() -> Response:
    """Let the session stand on the passkey too, if it is this person's, and say where to go on."""
    asked, document, who = _asked(STEP_UP), _document(PasskeyProofSchema()), g.signed_in
    with _counted(asked.now), transaction() as session:
        proof = passkey_proofs.prove(session, asked, document["credential"], owner_id=who.subject_id)
        token = sessions.raise_to(session, who, amr=second_step.together(who.amr, proof.amr), now=asked.now)
    response = jsonify(next=local_path(document.get("next")))
    callers.set_cookie(response, token)
    return response


@passkey_api.route("/account/passkeys/options", methods=["POST"])
@allow(signed_in)
def registration_options() -> Response:
    """Ask an authenticator for a new passkey."""
    asked = _asked(REGISTER)
    with transaction() as session:
        recency.check_recent(session, g.signed_in, goal=LIST, now=asked.now)
        return jsonify(passkey_proofs.registration_options(session, asked, subject_id=g.signed_in.subject_id))


@passkey_api.route("/account/passkeys/new", methods=["POST"])
@allow(signed_in)
def register() -> Response:
    """Keep the new passkey of the person who is signed in, and say where to go on: where they were sent here from, if they were."""
    asked, document = _asked(REGISTER), _document(NewPasskeySchema())
    with _counted(asked.now), transaction() as session:
        sessions.hold(session, g.signed_in)
        recency.check_recent(session, g.signed_in, goal=LIST, now=asked.now)
        new = passkey_proofs.verify_registration(session, asked, document["credential"])
        passkeys.add(session, g.signed_in.subject_id, new, name=document["name"], now=asked.now)
    flash(str(Text("已添加通行密钥。", "The passkey was added.")), "success")
    goal = local_path(request.args.get("next"))
    return jsonify(next=LIST if goal == HOME else goal)


def _waiting(session: Session) -> PendingSignin:
    found = pending.find(session, browser_secrets.held(browser_secrets.WAITING), now=now())
    if found is None or found.subject_id is None or not found.amr:
        raise NothingWaits("no sign-in waits here", go="/signin")
    return found


def _ask_for_one_of(session: Session, asked: Asked, subject_id: UUID | None) -> Response:
    own = [passkey for passkey in passkeys.of(session, subject_id) if not passkey.is_stopped] if subject_id else []
    if not own:
        raise passkeys.PasskeyNotFound("there is none")
    return jsonify(passkey_proofs.assertion_options(asked, allowed=own))


def _asked(purpose: str, binding: str = "") -> Asked:
    """Return what is asked for here and now; unless said otherwise, of the session, or of the browser that has none."""
    bound_to = binding or (form_session["csrf_token"] if purpose == SIGN_IN else str(g.signed_in.session_id))
    return Asked(g.passkey_party, purpose, bound_to, now())


def _document(schema: Schema) -> dict[str, Any]:
    if not request.is_json:
        raise UnsupportedMediaType
    body = request.get_data()
    if len(body) > LONGEST_BODY:
        raise RequestEntityTooLarge
    try:
        content = read_json(body)
    except (NotReadable, RecursionError, ValueError) as error:
        raise BadRequest from error
    found: dict[str, Any] = schema.load(content)
    return found


@contextmanager
def _counted(present: datetime) -> Iterator[None]:
    """Count what is refused, and tell the owner of a passkey of which an older copy was used."""
    try:
        yield
    except PasskeyCopied as refused:
        with transaction() as session:
            passkey_proofs.report_copy(session, refused, now=present)
        _count(present)
        raise
    except (PasskeyRefused, PasskeyUnknown, PasskeyNotYours, ChallengeRefused):
        _count(present)
        raise


def _count(present: datetime) -> None:
    with transaction() as session:
        throttle.count(session, throttle.Try("passkey", "", request.remote_addr or ""), now=present)


def _go_on(response: Response) -> Response:
    """Let the script go where a form would have been redirected to; the cookies stay."""
    goal = response.headers.pop("Location")
    response.set_data(jsonify(next=goal).get_data())
    response.status_code, response.mimetype = 200, "application/json"
    return response
