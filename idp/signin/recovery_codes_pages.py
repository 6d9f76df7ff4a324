"""The pages on which a person makes recovery codes, sees them once, and takes them along as a file."""

from flask import Blueprint, Response, g, make_response, render_template, request

from idp.signin import notices, recovery_codes, sessions
from idp.signin.freshness import fresh
from idp.signin.second_pages import see
from idp.subjects.numbers import CHINA
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text

recovery_codes_pages = Blueprint("recovery_codes", __name__, template_folder="templates")
WAYS = "/account/ways"
FILE = "kabao-recovery-codes.txt"
FILE_HEAD = Text(
    "卡包恢复码（{} 生成）。每个只能用一次，请打印或存放在安全的地方，不要与手机放在一起。",
    "Kabao recovery codes, made on {}. Each works once. Print them or keep them in a safe place, apart from your phone.",
)


class PressedForm(PostedForm):
    """A button, and the token against forged requests."""


@recovery_codes_pages.route("/account/ways/recovery-codes", methods=["GET", "POST"])
@allow(fresh)
def codes() -> Response:
    """Say what they are for; on the button, make them and show them, this once."""
    form, present = PressedForm(), now()
    made: list[str] = []
    with transaction() as session:
        if request.method == "POST" and form.validate():
            sessions.hold(session, g.signed_in)
            made = recovery_codes.make(session, g.signed_in.subject_id, now=present)
            notices.tell(session, g.signed_in.subject_id, "recovery-codes-made", now=present)
        left = recovery_codes.left(session, g.signed_in.subject_id)
    return make_response(render_template("signin/recovery_codes.html", form=form, made=made, left=left))


@recovery_codes_pages.route("/account/ways/recovery-codes/file", methods=["POST"])
@allow(fresh)
def file() -> Response:
    """Give back as a file the codes that the page has just shown; nothing else makes a file."""
    unverified = request.form.getlist("code")[: recovery_codes.HOW_MANY]
    with transaction() as session:
        if not recovery_codes.are_all_of(session, g.signed_in.subject_id, unverified):
            return see(WAYS)
    lines = [str(FILE_HEAD.format(f"{now().astimezone(CHINA):%Y-%m-%d}")), "", *unverified, ""]
    response = make_response("\r\n".join(lines))
    response.headers["Content-Type"] = "text/plain; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE}"'
    return response
