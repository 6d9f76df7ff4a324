"""The page of one's own passkeys: what there is, adding (its script talks to `passkey_api`), renaming, removing."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, flash, g, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from wtforms import StringField

from idp.signin import passkey_proofs, passkeys, recency, second_step
from idp.signin.callers import signed_in
from idp.signin.destinations import HOME, local_path
from idp.signin.forms import filled
from idp.signin.passkey_proofs import RelyingParty
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import InvalidBody
from schemas.causes import is_readable
from schemas.passkeys import LONGEST_NAME

passkey_pages = Blueprint("passkeys", __name__, template_folder="templates")
LIST = "/account/passkeys"
NAME_RULE = Text(f"名称为1至{LONGEST_NAME}个字符。", f"A name has 1 to {LONGEST_NAME} characters.")


class NameForm(PostedForm):
    """What a passkey is called."""

    name = StringField(Text("名称", "Name"), [filled(Text("请填写名称。", "Give a name."), longest=LONGEST_NAME)])


@passkey_pages.app_template_global("passkey_site")
def passkey_site() -> RelyingParty | None:
    """Return what authenticators know of us, or None where passkeys cannot work."""
    return passkey_proofs.find_relying_party(current_app.extensions["kabao_settings"])


@passkey_pages.route("/account/passkeys")
@allow(signed_in)
def own() -> str:
    """Show the passkeys, and how to add one; who was sent here for want of one goes on from here."""
    present, who = now(), g.signed_in
    goal = local_path(request.args.get("next"))
    onward: dict[str, Any] = {} if goal == HOME else {"next": goal}
    with transaction() as session:
        found = passkeys.of(session, who.subject_id)
        go = recency.way_to_prove(session, who, goal=url_for("passkeys.own", **onward), now=present)
    return render_template("signin/passkeys.html", passkeys=found, most=passkeys.MOST, longest=LONGEST_NAME, go=go, onward=onward)


@passkey_pages.route("/account/passkeys/<uuid:passkey_id>/name", methods=["POST"])
@allow(signed_in)
def rename(passkey_id: UUID) -> Response:
    """Call a passkey something else."""
    form = NameForm()
    if not form.validate() or not is_readable(form.name.data):
        raise InvalidBody("no name to keep", field="name", shown=NAME_RULE)
    with transaction() as session:
        passkeys.rename(session, g.signed_in.subject_id, passkey_id, name=form.name.data, now=now())
    flash(str(Text("已改名。", "Renamed.")), "success")
    return _see(LIST)


@passkey_pages.route("/account/passkeys/<uuid:passkey_id>/remove", methods=["GET", "POST"])
@allow(signed_in)
def remove(passkey_id: UUID) -> Response | str:
    """Ask once more, and say what is left to sign in with; then remove a passkey."""
    form, present, who = PostedForm(), now(), g.signed_in
    with transaction() as session:
        passkey = passkeys.get(session, who.subject_id, passkey_id)
        go = recency.way_to_prove(session, who, goal=f"{LIST}/{passkey_id}/remove", now=present)
        if go is not None:
            return _see(go)
        if not form.validate_on_submit():
            return render_template("signin/passkey_remove.html", passkey=passkey, form=form, is_last=_is_last(session, who.subject_id))
        passkeys.remove(session, who.subject_id, passkey_id, now=present)
    flash(str(Text("已移除。请同时在设备上删除这个通行密钥。", "Removed. Delete the passkey on your device as well.")), "success")
    return _see(LIST)


def _is_last(session: Session, subject_id: UUID) -> bool:
    """Whether a person who removes a passkey has nothing left but the password."""
    usable = [passkey for passkey in passkeys.of(session, subject_id) if not passkey.is_stopped]
    return second_step.ways_of(session, subject_id) == [second_step.PASSKEY] and len(usable) == 1


def _see(goal: str) -> Response:
    response: Response = redirect(goal, 303)  # type: ignore[assignment]
    return response
