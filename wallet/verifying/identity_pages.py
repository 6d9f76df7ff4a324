"""Showing a licence from another wallet to be known at level 3: a nonce to bind to, and the presentation in return."""

import secrets
from typing import Any

from flask import Blueprint, Response, current_app, flash, g, make_response, redirect, render_template, request
from flask import session as browser
from sqlalchemy.orm import Session
from wtforms import TextAreaField
from wtforms.validators import ValidationError as FormFault

from idp.signin import notices, proofs, throttle
from idp.signin.callers import matched
from idp.signin.forms import add_refusal
from idp.signin.proofs import METHODS, Method, Witness
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing import sd_jwt
from wallet.register.catalogue import all_types
from wallet.register.departments import get_department
from wallet.verifying import identity, wording
from wallet.verifying.checks import NotVerified, verify
from wallet.verifying.identity import PAGE, ProvesNothing
from wallet.verifying.outcomes import Reason
from wallet.verifying.verification import Register

identity_pages = Blueprint("identity", __name__, template_folder="templates")
KEPT = "identity_nonce"


class ShownForm(PostedForm):
    """What the other wallet presents."""

    presented = TextAreaField(Text("另一卡包出示的内容（SD-JWT+KB）", "What the other wallet presents (SD-JWT+KB)"))

    def validate_presented(self, field: Any) -> None:
        """Ask for something, of bounded length."""
        if not (field.data or "").strip() or len(field.data) > sd_jwt.MAX_TEXT:
            raise FormFault(Text("请粘贴另一卡包出示的内容。", "Paste what the other wallet presents."))


@identity_pages.route(PAGE, methods=["GET"])
@allow(matched)
def ask() -> Response:
    """Give the nonce and say for whom to bind."""
    browser[KEPT] = secrets.token_urlsafe(24)
    return _page(ShownForm())


@identity_pages.route(PAGE, methods=["POST"])
@allow(matched)
def show() -> Response:
    """Check what was presented and lift the account; each nonce is tried once."""
    form, nonce, present = ShownForm(), browser.pop(KEPT, ""), now()
    if form.validate():
        try:
            with transaction() as session:
                throttle.count(session, throttle.Try("identity", str(g.signed_in.subject_id), request.remote_addr or ""), now=present)
            with transaction() as session:
                _prove(session, "".join(form.presented.data.split()), nonce)
            flash(str(Text("身份已核实，实名等级为三级。", "Your identity is proven; you are at level 3.")), "success")
            done: Response = redirect("/account/level", 303)  # type: ignore[assignment]
            return done
        except Refusal as refusal:
            add_refusal(form, refusal)
    browser[KEPT] = secrets.token_urlsafe(24)
    return _page(form, status=422)


def _prove(session: Session, presented: str, nonce: str) -> None:
    settings: Settings = current_app.extensions["kabao_settings"]
    present, register = now(), Register(session, settings, now())
    wanted = identity.expected(settings, all_types(), nonce=nonce or secrets.token_urlsafe(24))
    try:
        verified = verify(presented, expected=wanted, trust=register.trust, status_of=register.status_of, now=present)
    except NotVerified as failure:
        reason = next(one.reason for one in failure.outcomes if one.reason)
        raise ProvesNothing(str(reason), field="presented", shown=wording.REASONS[Reason(reason)]) from failure
    person, licence = directory.get_subject(session, g.signed_in.subject_id), register.licence
    identity.check_proves(verified, number=directory.number_of(person))
    if licence is None or licence.holder_id != person.id:
        raise ProvesNothing("the register has another holder", field="presented", shown=identity.ANOTHER)
    by = Witness(licence.issuer_code, get_department(licence.issuer_code).name, licence.type_code)
    proofs.prove(session, person.id, method=Method.LICENCE, evidence=presented, by=by, now=present)
    notices.tell(session, person.id, "identity-proven", now=present, method=METHODS[Method.LICENCE], department=by.name)


def _page(form: ShownForm, *, status: int = 200) -> Response:
    settings: Settings = current_app.extensions["kabao_settings"]
    names = [one.name for one in all_types() if one.proves_identity]
    page = render_template("verifying/identity.html", form=form, nonce=browser[KEPT], audience=identity.audience(settings), names=names)
    return make_response(page, status)
