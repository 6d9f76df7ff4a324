"""Forms made from licence types: a control a field, by the field's own rules, and the document that is sent as if a system had written it.

A form checks nothing but what it must to make a document: whether the document is right is told by the schemas and features that every door has,
and what they say is put beside the control that it concerns.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import ValidationError
from wtforms import HiddenField, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired

from idp.oauth.registration.fault_words import in_words
from runtime.forms import PostedForm
from runtime.languages import Text
from runtime.problems import Refusal, flatten
from wallet.register.acts import Act
from wallet.register.definitions import LicenceType
from wallet.register.fields import Field

PREFIX = "f_"
LONG_TEXT = 100
LARGEST_DIGITS = 15
CHOOSE = Text("请选择", "Choose")
NEEDED = InputRequired(Text("请填写。", "Fill this in."))
CONTROLS = {"holder.number": "holder_number", "holder.name": "holder_name", "cause.text": "cause"}


class DeskForm(PostedForm):
    """What every form of the desk has: `request_id` makes a form that is sent twice one act."""

    request_id = HiddenField()

    def place(self, error: Refusal | ValidationError) -> None:
        """Put what is wrong beside the control that it concerns, or above the form."""
        for path, message in _faults(error):
            name = self.control_of(path)
            if name in self._fields:
                self[name].errors = [*self[name].errors, message]
            else:
                self.form_errors.append(message)

    def control_of(self, path: str) -> str:
        """Return the name of the control for a member of the document."""
        if path.startswith("fields."):
            return PREFIX + path.removeprefix("fields.")
        return CONTROLS.get(path, path)


class WhyForm(DeskForm):
    """An act with its reason and what it rests on."""

    reason = TextAreaField(Text("理由", "Reason"), [NEEDED])
    legal_basis = StringField(Text("法律依据", "Legal basis"), [NEEDED])


class StateForm(WhyForm):
    """An act that changes a state, from a day on."""

    effective_on = StringField(Text("生效日期", "In effect from"))


class TransferForm(StateForm):
    """A licence that another department takes over."""

    to = SelectField(Text("转往部门", "To which department"), validators=[NEEDED], validate_choice=False)


def issue_form(licence_type: LicenceType) -> type[DeskForm]:
    """Return the form by which a licence of a type is issued."""
    controls: dict[str, Any] = {
        "holder_number": StringField(Text("持证主体号码", "Holder's number"), [NEEDED]),
        "holder_name": StringField(Text("持证主体名称", "Holder's name")),
        "valid_from": StringField(Text("有效期自", "Valid from"), [NEEDED]),
    }
    if licence_type.validity.rule != "permanent":
        controls["valid_until"] = StringField(Text("有效期至", "Valid until"), [NEEDED] if licence_type.validity.rule == "dated" else [])
    if licence_type.most_holders > 1:
        controls["co_holders"] = TextAreaField(Text("共同持证人号码", "Numbers of the other holders"))
    if licence_type.number_rule == "issuer":
        controls["licence_number"] = StringField(Text("证照编号", "Licence number"))
    return _made("IssueForm", DeskForm, {**controls, **_controls(licence_type.fields)})


def successor_form(licence_type: LicenceType, act: Act, before: Mapping[str, Any]) -> type[DeskForm]:
    """Return the form by which a licence that says what was `before` is renewed, changed, replaced or taken over: by its type as that is in force.

    Where nothing is to change it asks for what the type needs by now and the licence lacks.
    """
    controls: dict[str, Any] = {}
    if act is Act.RENEW:
        controls["valid_until"] = StringField(Text("新的有效期至", "New last day"))
    if licence_type.number_rule == "issuer":
        controls["licence_number"] = StringField(Text("新的证照编号", "New licence number"))
    is_whole = act in (Act.RENEW, Act.CHANGE)
    fields = [one for one in licence_type.fields if is_whole or (one.required and one.name not in before)]
    return _made("SuccessorForm", WhyForm, {**controls, **_controls(fields)})


def issue_document(form: Any, licence_type: LicenceType) -> dict[str, Any]:
    """Return the document that a filled form stands for."""
    document: dict[str, Any] = {
        "type": licence_type.code,
        "holder": {"number": _text(form.holder_number) or "", "name": _text(form.holder_name)},
        "fields": values_in(form, licence_type.fields),
        **{name: _text(form[name]) for name in ("valid_from", "valid_until", "licence_number") if name in form},
    }
    if "co_holders" in form:
        document["co_holders"] = [{"number": number} for number in (form.co_holders.data or "").split()[:100]]
    return document


def act_document(form: Any, licence_type: LicenceType, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of an act: of the fields only those that differ from what the licence says now."""
    names = [name for name in ("reason", "legal_basis", "effective_on", "to", "valid_until", "licence_number") if name in form]
    document: dict[str, Any] = {name: _text(form[name]) for name in names}
    shown = [one for one in licence_type.fields if PREFIX + one.name in form]
    if shown:
        now = values_in(form, shown)
        document["fields"] = {one.name: now.get(one.name) for one in shown if now.get(one.name) != before.get(one.name)}
    for name in ("reason", "legal_basis"):
        document[name] = document[name] or ""
    return document


def values_in(form: Any, fields: Iterable[Field]) -> dict[str, Any]:
    """Return the values of a type's fields, each in the form that its type gives it; what is empty is left out."""
    texts = {one.name: _text(form[PREFIX + one.name]) for one in fields}
    return {one.name: _value(one, texts[one.name] or "") for one in fields if texts[one.name]}


def fill(form: Any, values: Mapping[str, Any]) -> bool:
    """Show values in the controls of a type's fields, and return whether any is shown."""
    shown = {PREFIX + name: value for name, value in values.items() if PREFIX + name in form}
    for control, value in shown.items():
        form[control].data = str(value)
    return bool(shown)


def _value(one: Field, text: str) -> Any:
    digits = text.removeprefix("-")
    if one.type == "integer" and digits.isascii() and digits.isdigit() and len(digits) <= LARGEST_DIGITS:
        return int(text)
    return text


def _text(control: Any) -> str | None:
    text = (control.data or "").strip()
    return text or None


def _controls(fields: Iterable[Field]) -> dict[str, Any]:
    return {PREFIX + one.name: _control(one) for one in fields}


def _control(one: Field) -> Any:
    needed = [NEEDED] if one.required else []
    if one.type == "choice":
        choices = [SelectChoice("", CHOOSE), *(SelectChoice(code, text) for code, text in one.choices.items())]
        return SelectField(one.label, choices=choices, validators=needed, validate_choice=False)
    if one.type == "string" and (one.max_length or 0) > LONG_TEXT:
        return TextAreaField(one.label, needed)
    return StringField(one.label, needed)


def _made(name: str, base: type[DeskForm], controls: dict[str, Any]) -> type[DeskForm]:
    return type(name, (base,), controls)


def _faults(error: Refusal | ValidationError) -> Iterable[tuple[str, Any]]:
    if isinstance(error, ValidationError):
        return [(row["field"], in_words(row["detail"])) for row in flatten(error.messages)]
    listed = error.more.get("errors")
    if listed:
        return [(row["field"], row["detail"]) for row in listed]
    return [(error.field or "", error.shown or error.title)]
