"""The forms of recovery."""

from wtforms import PasswordField, StringField, SubmitField

from idp.signin import passwords, recovery
from idp.signin.forms import LONGEST_NAME, NUMBER, filled, is_number
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from runtime.forms import PostedForm
from runtime.languages import Text

LONGEST_ADDRESS = 200
NUMBER_MISSING = Text("请填写号码。", "Give your number.")
NEW_PASSWORD = Text("新密码", "New password")
PASSWORD_MISSING = Text("请设置新密码。", "Choose a new password.")


class CodeForm(PostedForm):
    """Number, the code that one holds, and a new password."""

    number = StringField(NUMBER, [filled(NUMBER_MISSING, longest=LONGEST_NUMBER), is_number])
    code = StringField(
        Text("恢复代码", "Recovery code"), [filled(Text("请填写恢复代码。", "Give the recovery code."), longest=recovery.LONGEST_CODE)]
    )
    password = PasswordField(NEW_PASSWORD, [filled(PASSWORD_MISSING, longest=passwords.LONGEST * 4)])
    recover = SubmitField(Text("设置新密码", "Set the new password"))


class RegistryForm(PostedForm):
    """Number, name and registered address."""

    number = StringField(NUMBER, [filled(NUMBER_MISSING, longest=LONGEST_NUMBER), is_number])
    name = StringField(Text("姓名", "Name"), [filled(Text("请填写姓名。", "Give your name."), longest=LONGEST_NAME)])
    address = StringField(
        Text("证件上的住址", "Address on your identity document"), [filled(Text("请填写住址。", "Give the address."), longest=LONGEST_ADDRESS)]
    )
    ask = SubmitField(Text("提交申请", "Ask for recovery"))


class NewPasswordForm(PostedForm):
    """A new password, for who is signed in by a passkey."""

    password = PasswordField(NEW_PASSWORD, [filled(PASSWORD_MISSING, longest=passwords.LONGEST * 4)])
    change = SubmitField(Text("设置新密码", "Set the new password"))
