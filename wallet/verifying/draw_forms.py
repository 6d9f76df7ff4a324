"""What an officer fills in to draw a licence: whose, why, and for which matter, which decides what is given."""

from wtforms import HiddenField, RadioField, StringField
from wtforms.fields.choices import SelectChoice

from idp.signin.forms import filled, is_number
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from runtime.forms import PostedForm
from runtime.languages import Text
from wallet.register.definitions import LicenceType, Matter
from wallet.verifying.cause_fields import cause_given

OTHER = Text("其他事项", "Another matter")
NO_NUMBER = Text("请填写持证主体的号码。", "Give the holder's number.")


class DrawForm(PostedForm):
    """Whose licence, why and for which matter. `request_id` makes a form sent twice one draw."""

    number = StringField(
        Text("公民身份号码或统一社会信用代码", "Citizen number or unified social credit code"),
        [filled(NO_NUMBER, longest=LONGEST_NUMBER), is_number],
    )
    matter = RadioField(Text("事项", "Matter"))
    cause = StringField(Text("调用事由", "Why you draw it"), [cause_given("请填写调用事由，持证人会看到。")])
    request_id = HiddenField()

    def offer(self, licence_type: LicenceType, matters: list[Matter]) -> None:
        """Set the matters, each with what a draw for it gives; the last is for any other, which gives what holders show as a rule."""
        usual = [one.name for one in licence_type.fields if not one.hidden_by_default]
        offered = [(one.code, one.name, list(one.needs or ())) for one in matters] + [("", OTHER, usual)]
        self.matter.choices = [SelectChoice(code, _with_fields(name, licence_type, fields)) for code, name, fields in offered]

    @property
    def told(self) -> list[str]:
        """What makes two of these forms the same draw."""
        return [self.number.data.strip(), self.matter.data or "", self.cause.data.strip()]


def _with_fields(name: Text, licence_type: LicenceType, fields: list[str]) -> Text:
    labels = [one.label for one in licence_type.fields if one.name in fields]
    zh = "、".join(one.zh for one in labels) or "只给证照状态"
    return Text(f"{name.zh}（{zh}）", f"{name.en} ({', '.join(one.en for one in labels) or 'only how it stands'})")
