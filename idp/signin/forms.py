"""The forms of signing in, and their messages in both languages."""

from collections.abc import Callable
from typing import Any

from wtforms import BooleanField, Field, Form, HiddenField, PasswordField, StringField, SubmitField
from wtforms.validators import StopValidation

from idp.signin import passwords
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from idp.subjects.numbers import NumberRefused, parse_number
from runtime.forms import PostedForm
from runtime.languages import Text
from runtime.problems import Refusal

LONGEST_NAME = 200
NUMBER = Text("公民身份号码或居留证件号码", "Citizen or residence number")
Check = Callable[[Form, Field], None]


def filled(message: Text, *, longest: int) -> Check:
    """Ask for a text of bounded length."""

    def check(_: Form, field: Field) -> None:
        if not field.data or not field.data.strip():
            raise StopValidation(message)
        if len(field.data) > longest:
            raise StopValidation(Text(f"不能超过{longest}个字符。", f"At most {longest} characters."))

    return check


def is_number(_: Form, field: Field) -> None:
    """Ask for a number of any kind, and say what is wrong with another."""
    try:
        parse_number(field.data)
    except NumberRefused as refused:
        raise StopValidation(refused.shown) from refused


class SigninForm(PostedForm):
    """Number and password."""

    number = StringField(NUMBER, [filled(Text("请填写号码。", "Give your number."), longest=LONGEST_NUMBER), is_number])
    password = PasswordField(Text("密码", "Password"), [filled(Text("请填写密码。", "Give your password."), longest=passwords.LONGEST * 4)])
    next = HiddenField()
    signin = SubmitField(Text("登录", "Sign in"))


class RegistrationForm(PostedForm):
    """Number, name as the registry has it, and a password of one's own."""

    number = StringField(NUMBER, [filled(Text("请填写号码。", "Give your number."), longest=LONGEST_NUMBER), is_number])
    name = StringField(Text("姓名", "Name"), [filled(Text("请填写姓名。", "Give your name."), longest=LONGEST_NAME)])
    password = PasswordField(
        Text("设置密码", "Choose a password"), [filled(Text("请设置密码。", "Choose a password."), longest=passwords.LONGEST * 4)]
    )
    stated = BooleanField(Text("先按一级开通，待人口库恢复后再核对", "Open it at level 1 now, and match it when the registry is back"))
    next = HiddenField()
    register = SubmitField(Text("开通账号", "Open account"))


class ActingForm(PostedForm):
    """The organisation to act for; empty for oneself."""

    organisation = HiddenField()
    next = HiddenField()


def add_refusal(form: Any, refusal: Refusal) -> None:
    """Show a refusal beside the field that it names, or above the form."""
    message = refusal.shown or refusal.title
    if refusal.field in form._fields:
        form[refusal.field].errors = [*form[refusal.field].errors, message]
    else:
        form.form_errors.append(message)
