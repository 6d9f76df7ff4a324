"""The page on which a person downloads all that is kept of them."""

from flask import Blueprint, Response, g, make_response, render_template, request, send_file
from wtforms import SubmitField

from idp.signin import export, throttle
from idp.signin.forms import add_refusal
from idp.signin.freshness import fresh
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal

export_pages = Blueprint("export", __name__, template_folder="templates")
FILE_NAME = "kabao-my-data.json"


class ExportForm(PostedForm):
    """Nothing but the button."""

    download = SubmitField(Text("下载全部数据", "Download all my data"))


@export_pages.route("/account/download", methods=["GET", "POST"])
@allow(fresh)
def download() -> Response:
    """Say what the file holds, and give it."""
    form = ExportForm()
    if request.method != "POST":
        return make_response(render_template("signin/download.html", form=form))
    present, subject_id = now(), g.signed_in.subject_id
    try:
        with transaction() as session:
            attempt = throttle.Try("export", str(subject_id), request.remote_addr or "")
            throttle.count(session, attempt, now=present)
    except Refusal as refusal:
        add_refusal(form, refusal)
        return make_response(render_template("signin/download.html", form=form), refusal.status, refusal.headers)
    with transaction() as session:
        file = export.write(session, subject_id, now=present)
    response = send_file(file, mimetype="application/json", as_attachment=True, download_name=FILE_NAME)
    response.headers["Cache-Control"] = "no-store"
    return response
