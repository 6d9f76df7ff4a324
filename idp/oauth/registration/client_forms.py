"""The forms of the operators' pages: from a registration to what is shown, and from what is posted back to a document.

What may be chosen is told by the schema and the rules for all clients, not a second time here."""

import json
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, HiddenField, SelectField, SelectMultipleField, StringField, SubmitField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import CheckboxInput, ListWidget

from idp.oauth import client_kinds, scopes
from idp.oauth.registration.fault_words import in_words
from idp.oauth.registration.members import BOXES, CHOICE, FLAG, JSON, LINES, MEMBERS, TEXT, WHOLE, Member
from runtime.forms import PostedForm
from runtime.languages import Text
from runtime.rough_input import read_json

NONE = SelectChoice("", Text("（默认）", "(default)"))
JOINED = ("scope",)
GRANTS = {
    client_kinds.AUTHORIZATION_CODE: Text("用户在浏览器中登录", "people sign in in a browser"),
    client_kinds.REFRESH_TOKEN: Text("刷新令牌", "fresh tokens later on"),
    client_kinds.CLIENT_CREDENTIALS: Text("系统以自身名义调用", "a system in its own name"),
    client_kinds.DEVICE_CODE: Text("终端、电视等设备登录", "terminals and televisions"),
    client_kinds.CIBA: Text("在用户自己的手机上确认", "approved on the person's own phone"),
    client_kinds.PRE_AUTHORIZED_CODE: Text("凭预先授权领取凭证", "a credential that was agreed on before"),
    client_kinds.TOKEN_EXCHANGE: Text("换取其他系统的令牌", "passing tokens on"),
    client_kinds.JWT_BEARER: Text("凭签名声明换取令牌", "a signed statement for a token"),
}
WORDS = {**scopes.ALL, **GRANTS}
NAMES = ("client_name#zh", "client_name#en")


class Boxes(SelectMultipleField):
    """Several of a list, a box each."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class NewClientForm(PostedForm):
    """A client's id, beside all that a registration says."""

    client_id = StringField(Text("客户端标识", "Client id"))
    save = SubmitField(Text("登记", "Register"))


class EditClientForm(PostedForm):
    """All that a registration says, with the mark of what it said when the form was shown."""

    mark = HiddenField()
    save = SubmitField(Text("保存", "Save"))


class TokenForm(PostedForm):
    """An initial access token to make."""

    policy = SelectField(Text("登记策略", "Policy"), choices=[], validate_choice=False)
    uses = StringField(Text("可登记的客户端数", "How many clients"), default="1")
    days = StringField(Text("有效天数", "Good for how many days"), default="7")
    make = SubmitField(Text("生成令牌", "Make a token"))


class PolicyForm(PostedForm):
    """A policy as its document."""

    document = TextAreaField(Text("策略内容", "The policy"))
    apply = SubmitField(Text("保存策略", "Apply"))


def field_id(name: str) -> str:
    """Return the name of a member's field, which is its id on the page as well."""
    return name.replace("#", "_")


def _plain(value: str) -> SelectChoice:
    """A choice by its name in the specifications, and what it is where people are told so."""
    words = WORDS.get(value)
    return SelectChoice(value, Text(f"{value}：{words.zh}", f"{value}: {words.en}") if words else value)


def _field_of(member: Member) -> Any:
    kinds: dict[str, Any] = {
        TEXT: StringField,
        WHOLE: StringField,
        LINES: TextAreaField,
        JSON: TextAreaField,
        FLAG: BooleanField,
    }
    if member.kind == CHOICE:
        return SelectField(member.label, choices=[NONE, *map(_plain, member.choices)], validate_choice=False)
    if member.kind == BOXES:
        return Boxes(member.label, choices=list(map(_plain, member.choices)), validate_choice=False)
    return kinds[member.kind](member.label)


for _member in MEMBERS:
    for _form in (NewClientForm, EditClientForm):
        setattr(_form, field_id(_member.name), _field_of(_member))


def show(form: FlaskForm, document: dict[str, Any]) -> None:
    """Fill a form with a registration."""
    for name in NAMES:
        document = {name: document.get("client_name", ""), **document}
    for member in MEMBERS:
        form[field_id(member.name)].data = _shown(member, document.get(member.name))


def read(form: FlaskForm) -> dict[str, Any]:
    """Return what a form says as a document; what cannot be read is left as it stands, for the schema to refuse."""
    said = {member.name: _said(member, form[field_id(member.name)]) for member in MEMBERS}
    return {name: value for name, value in said.items() if value not in (None, "")}


def differing(form: FlaskForm, document: dict[str, Any]) -> list[Member]:
    """Return the members of which a form says something else than a registration does."""
    kept = EditClientForm(formdata=None)
    show(kept, document)
    return [member for member in MEMBERS if _said(member, form[field_id(member.name)]) != _said(member, kept[field_id(member.name)])]


def blame(form: FlaskForm, field: str | None, said: str) -> None:
    """Put a refusal beside the field that it is about, or above the form."""
    said = str(Text("填写有误：{}", "Not acceptable: {}").format(in_words(said)))
    wanted = field_id({"auth_method": "token_endpoint_auth_method", "scopes": "scope", "client_name": "client_name#zh"}.get(field or "", field or ""))
    found: Field | None = form._fields.get(wanted)
    if found is None:
        form.form_errors.append(said)
    else:
        found.errors = [said]


def _shown(member: Member, value: Any) -> Any:
    if member.kind == FLAG:
        return bool(value)
    if member.kind == BOXES:
        return value.split() if isinstance(value, str) else value or []
    if value is None:
        return ""
    if member.kind == LINES:
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False, indent=2) if member.kind == JSON else str(value)


def _said(member: Member, field: Field) -> Any:
    data = field.data
    if member.kind == FLAG:
        return True if data else None
    if member.kind == BOXES:
        return " ".join(data or []) if member.name in JOINED else data or None
    text = (data or "").strip()
    if member.kind == LINES:
        return [line.strip() for line in text.splitlines() if line.strip()] or None
    if member.kind == WHOLE and text.isascii() and text.isdigit() and len(text) <= 10:
        return int(text)
    if member.kind == JSON and text:
        return _json(text)
    return text


def _json(text: str) -> Any:
    try:
        return read_json(text.encode())
    except ValueError:
        return text
