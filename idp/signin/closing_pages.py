"""The page on which a person closes their account."""

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request
from wtforms import BooleanField, SubmitField
from wtforms.validators import InputRequired

from idp.signin import callers, closing
from idp.signin.freshness import fresh
from idp.subjects import directory
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text

closing_pages = Blueprint("closing", __name__, template_folder="templates")
CLOSED = Text("您的账号已注销，所有登录已退出。", "Your account is closed, and every browser is signed out.")


class ClosingForm(PostedForm):
    """One box to tick, so that nothing is closed by a slip."""

    understood = BooleanField(
        Text("我已了解以上内容，仍要注销账号。", "I understand this, and want to close my account."),
        [InputRequired(Text("请先勾选，表示您已了解。", "Tick this first, to say that you understand."))],
    )
    close = SubmitField(Text("注销账号", "Close the account"))


@closing_pages.route("/account/close", methods=["GET", "POST"])
@allow(fresh)
def close() -> Response:
    """Say what goes and what stays, and close the account."""
    form = ClosingForm()
    if request.method != "POST" or not form.validate():
        with transaction() as session:
            number = directory.number_of(directory.get_subject(session, g.signed_in.subject_id)).masked()
        return make_response(render_template("signin/close.html", form=form, number=number), 422 if request.method == "POST" else 200)
    with transaction() as session:
        closing.close(session, g.signed_in.subject_id, now=now())
    response: Response = redirect("/", 303)  # type: ignore[assignment]
    callers.forget_cookie(response)
    flash(str(CLOSED), "success")
    return response
