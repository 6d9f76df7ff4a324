"""The form of a marked copy: for whom, why, and how long it shall hold."""

from datetime import datetime, timedelta
from typing import Any

from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import ValidationError

from runtime.forms import PostedForm
from runtime.languages import Text
from schemas.causes import is_readable
from wallet.holding.cards import Card
from wallet.issuing.copy_marks import LONGEST, Marking
from wallet.register.licences import beginning_of, china_date

DAYS = {"1": Text("到明天", "Until tomorrow"), "7": Text("7天", "7 days"), "30": Text("30天", "30 days"), "90": Text("90天", "90 days")}
CHOICES = [SelectChoice(*one) for one in DAYS.items()]
NEEDED = Text("请填写。", "Fill this in.")
TOO_LONG = Text("最多{}个字，不能含控制字符。", "At most {} characters, and none that cannot be read.")
ANOTHER_TIME = Text("请选择列出的期限。", "Choose one of the times that are listed.")


class MarkForm(PostedForm):
    """What a marked copy will say of itself."""

    made_for = StringField(Text("供谁使用", "Made for"))
    cause = StringField(Text("事由", "Cause"))
    days = SelectField(Text("有效期限", "How long it holds"), choices=CHOICES, default="30", validate_choice=False)

    def validate_made_for(self, field: Any) -> None:
        """Ask for a recipient that fits on the page."""
        _check_text(field)

    def validate_cause(self, field: Any) -> None:
        """Ask for a cause that does."""
        _check_text(field)

    def validate_days(self, field: Any) -> None:
        """Take only what is listed."""
        if field.data not in DAYS:
            raise ValidationError(ANOTHER_TIME)

    def marking(self, card: Card, *, made_by: str, now: datetime) -> Marking:
        """Return what was filled in; no copy holds longer than its licence."""
        last_day = china_date(now) + timedelta(days=int(self.days.data))
        if card.valid_until is not None:
            last_day = min(last_day, card.valid_until)
        return Marking(self.made_for.data.strip(), self.cause.data.strip(), now, beginning_of(last_day + timedelta(days=1)), made_by)


def _check_text(field: Any) -> None:
    text = (field.data or "").strip()
    if not text:
        raise ValidationError(NEEDED)
    if len(text) > LONGEST or not is_readable(text):
        raise ValidationError(Text(TOO_LONG.zh.format(LONGEST), TOO_LONG.en.format(LONGEST)))
