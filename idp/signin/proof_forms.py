"""The forms on which someone gives one more proof, and the hearing of what they give."""

from flask import request
from sqlalchemy.orm import Session
from wtforms import BooleanField, Field, Form, HiddenField, PasswordField, StringField, SubmitField
from wtforms.validators import StopValidation

from idp.signin import accounts, callers, one_time_codes, passwords, second_step, throttle
from idp.signin.one_time_codes import CodeOver
from idp.signin.proving import Asking
from runtime.clock import now
from runtime.database import transaction
from runtime.forms import PostedForm
from runtime.languages import Text
from runtime.problems import Refusal

LONGEST_CODE = 64
MESSAGES = frozenset(second_step.OF_KIND.values())


class ProofRefused(Refusal):
    """What was given is no proof; why is not said."""

    code, status, title = "proof-refused", 422, Text("验证未通过，请核对后重试。", "That was not right; check it and try again.")


def _filled(form: Form, field: Field) -> None:
    """Ask for what the chosen way needs, and only for that."""
    needed = "password" if form.way.data == second_step.PASSWORD else "code"
    if field.name == needed and not (field.data or "").strip():
        raise StopValidation(Text("请填写密码。", "Give your password.") if needed == "password" else Text("请填写验证码。", "Give the code."))
    if len(field.data or "") > (passwords.LONGEST * 4 if needed == "password" else LONGEST_CODE):
        raise StopValidation(Text("内容过长。", "This is too long."))


class ProofForm(PostedForm):
    """A code or the password, as the chosen way wants it."""

    way = HiddenField()
    code = StringField(Text("验证码", "Code"), [_filled])
    password = PasswordField(Text("密码", "Password"), [_filled])
    trust = BooleanField(Text("30天内在这个浏览器上不再要求第二步验证", "Ask for no second step in this browser for 30 days"))
    next = HiddenField()
    confirm = SubmitField(Text("确认", "Confirm"))
    is_late = False  # a code that was sent is given when there is none any more

    def choose(self, asking: Asking) -> str | None:
        """Settle by which way the proof is given, and return it."""
        wanted = self.way.data or (second_step.PASSWORD if self.password.data else request.args.get("way"))
        self.way.data = asking.chosen(wanted)
        self.is_late = self.is_submitted() and wanted in MESSAGES and self.way.data != wanted
        way: str | None = self.way.data
        return way


class SendForm(PostedForm):
    """Where to send a code."""

    contact = HiddenField()
    next = HiddenField()


def hear(asking: Asking, form: ProofForm, *, door: str) -> list[str]:
    """Return the `amr` of what was given; raises ProofRefused, CodeOver, SlowDown. Each try is counted before it is heard.

    Codes are counted apart from the password: a right one empties its door, so that whoever knows the password would guess codes without end.
    """
    if form.is_late:
        raise CodeOver("late")
    present, door = now(), door if form.way.data == second_step.PASSWORD else "second"
    attempt = throttle.Try(door, str(asking.subject_id), request.remote_addr or "", callers.is_known_browser(asking.subject_id))
    with transaction() as session:
        throttle.count(session, attempt, now=present)
        kept = _password_of(session, asking) if form.way.data == second_step.PASSWORD else None
    if form.way.data == second_step.PASSWORD:
        proof = second_step.AMR[second_step.PASSWORD] if passwords.is_right(kept, form.password.data) else None
    else:
        with transaction() as session:
            given = {"way": form.way.data, "unverified": form.code.data, "bound_to": asking.bound_to}
            proof = second_step.prove(session, asking.subject_id, **given, now=present)
    if proof is None:
        if form.way.data in MESSAGES:
            with transaction() as session:
                one_time_codes.check_open(session, bound_to=asking.bound_to, purpose=one_time_codes.SECOND, now=present)
        raise ProofRefused("another", field="password" if form.way.data == second_step.PASSWORD else "code")
    with transaction() as session:
        throttle.give_back(session, attempt, now=present)
    return proof


def _password_of(session: Session, asking: Asking) -> str | None:
    account = session.get(accounts.Account, asking.subject_id)
    return account.usable_hash if account else None
