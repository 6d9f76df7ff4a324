"""The page on which an officer takes the department's receipts of some days for its electronic archive."""

from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, g, make_response, render_template
from wtforms import DateField
from wtforms.validators import ValidationError as FormFault

from runtime.clock import now
from runtime.forms import PostedForm
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.callers import officer
from wallet.register.departments import get_department
from wallet.register.licences import CHINA, china_date
from wallet.verifying.archive_api import give
from wallet.verifying.archiving import Period

archive_pages = Blueprint("archive_pages", __name__, template_folder="templates")
DAY = timedelta(days=1)


class ArchiveForm(PostedForm):
    """From which day to which, both included."""

    first = DateField(Text("起始日", "From"))
    last = DateField(Text("截止日（含）", "To, that day included"))

    def validate_first(self, field: Any) -> None:
        """Ask for a day, in our own words."""
        field.errors = []
        if not isinstance(field.data, date):
            raise FormFault(Text("请填写日期，如2026-05-01。", "Give a day, such as 2026-05-01."))

    def validate_last(self, field: Any) -> None:
        """Ask for a day that is not before the first, nor the last that there is."""
        self.validate_first(field)
        if isinstance(self.first.data, date) and field.data < self.first.data:
            raise FormFault(Text("截止日早于起始日。", "The last day is before the first."))
        if field.data >= date.max:
            raise FormFault(Text("日期过远。", "The day is too far away."))


@archive_pages.route("/desk/receipts/archive", methods=["GET", "POST"])
@allow(officer)
def archive() -> Response:
    """Ask for the days, and give the archive."""
    form = ArchiveForm()
    if not form.is_submitted():
        today = china_date(now())
        form.first.data, form.last.data = today.replace(day=1), today
        return _page(form)
    if not form.validate():
        return _page(form, status=422)
    period = Period(g.officer_of, _begin(form.first.data), _begin(form.last.data + DAY))
    try:
        return give(period, actor=f"officer:{g.signed_in.subject_id}", account=str(g.signed_in.subject_id))
    except Refusal as refusal:
        form.last.errors = [refusal.shown or refusal.title]
        return _page(form, status=refusal.status)


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), CHINA)


def _page(form: ArchiveForm, *, status: int = 200) -> Response:
    page = render_template("verifying/archive.html", form=form, department=get_department(g.officer_of).name)
    return make_response(page, status)
