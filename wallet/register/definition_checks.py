"""What a definition must fulfil beyond its form: that its members fit each other, and can be used as they stand. Pure."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from idp.subjects import credit_codes
from runtime.languages import Text
from wallet.register.faces import CLAIMS_OF_EVERY_LICENCE, ON_EVERY_FACE, SHOWN_OF_EVERY_LICENCE, names_in
from wallet.register.fields import Field, fault_of
from wallet.register.identifiers import MalformedIdentifier, check_type_code
from wallet.register.patterns import pattern_fault

if TYPE_CHECKING:
    from wallet.register.definitions import LicenceType

NAMES_OF_CREDENTIALS = ("iss", "sub", "iat", "nbf", "exp", "cnf", "vct", "status", "licence_valid_from", "licence_valid_until")
LISTS_OF_NAMES = ("checked_acts", "barred_acts", "gathers", "open_to", "issuer_levels")
FORM = {
    "Missing data for required field.": Text("必填。", "It is required."),
    "Unknown field.": Text("没有此项。", "There is no such member."),
    "Field may not be null.": Text("不能为空值。", "It may not be null."),
    "Not a valid string.": Text("应为文本。", "It must be text."),
    "Not a valid integer.": Text("应为整数。", "It must be a whole number."),
    "Not a valid boolean.": Text("应为true或false。", "It must be true or false."),
    "Not a valid list.": Text("应为列表。", "It must be a list."),
    "Not a valid mapping type.": Text("应为键值结构。", "It must be a mapping."),
    "Invalid input type.": Text("应为键值结构。", "It must be a mapping."),
    "It must be in snake_case.": Text("应为小写字母、数字和下划线。", "It must be in snake_case."),
    "It must be in kebab-case.": Text("应为小写字母、数字和连字符。", "It must be in kebab-case."),
    "It must be capital letters, digits and underscores.": Text(
        "应为大写字母、数字和下划线。", "It must be capital letters, digits and underscores."
    ),
}


class FaultyDefinition(ValueError):
    """A definition that cannot be used: the member at fault, by its path, and why."""

    def __init__(self, member: str, why: Text) -> None:
        super().__init__(f"{member}: {why.en}")
        self.member, self.why = member, why


def first_fault(messages: Any) -> FaultyDefinition:
    """Return the first of the faults that a schema found."""
    path = []
    while not isinstance(messages, str):
        if isinstance(messages, dict):
            name, messages = next(iter(messages.items()))
            path.append(re.sub(r"[^\w.-]", "?", str(name))[:60])
        else:
            messages = messages[0]
    return FaultyDefinition(".".join(path), FORM.get(messages, Text(f"不符合要求：{messages}", messages)))


def check_definition(licence_type: "LicenceType") -> None:
    """Raise FaultyDefinition, that names the member, unless a type can be used."""
    _check_codes(licence_type)
    _check_fields(licence_type)
    _check_rules(licence_type)
    _check_number(licence_type)
    _check_matters(licence_type)
    _check_face(licence_type)


def _check_codes(licence_type: "LicenceType") -> None:
    try:
        check_type_code(licence_type.code)
    except MalformedIdentifier as error:
        raise FaultyDefinition("code", Text("应为定义机构的统一社会信用代码加三位数字。", f"It is malformed: {error}.")) from error
    if credit_codes.fault(licence_type.defining_authority) is not None:
        raise FaultyDefinition("defining_authority.code", Text("不是有效的统一社会信用代码。", "It is not a credit code."))
    if not licence_type.code.startswith(licence_type.defining_authority):
        raise FaultyDefinition("code", Text("应以定义机构的统一社会信用代码开头。", "It does not begin with the defining authority's credit code."))


def _check_fields(licence_type: "LicenceType") -> None:
    names = [one.name for one in licence_type.fields]
    for values in (names, [one.tag for one in licence_type.fields]):
        if (twice := _twice(values)) is not None:
            raise FaultyDefinition("fields", Text(f"{twice}出现了两次。", f"{twice} stands twice."))
    if reserved := sorted({*names} & {*ON_EVERY_FACE, *NAMES_OF_CREDENTIALS}):
        raise FaultyDefinition("fields", Text(f"{reserved[0]}是各类证照共有的名称。", f"{reserved[0]} is a name that every licence has."))
    if licence_type.summary not in (*names, *CLAIMS_OF_EVERY_LICENCE):
        raise FaultyDefinition("summary", _no_field(licence_type.summary))
    for one in licence_type.fields:
        _check_field(one)


def _check_field(one: Field) -> None:
    for member, is_faulty, why in _faults_of(one):
        if is_faulty:
            raise FaultyDefinition(f"fields.{one.name}.{member}", why)
    if one.pattern is not None and (fault := pattern_fault(one.pattern, longest=one.max_length or 1)) is not None:
        raise FaultyDefinition(f"fields.{one.name}.pattern", fault)
    if (fault := fault_of(one, one.example)) is not None:
        raise FaultyDefinition(f"fields.{one.name}.example", fault)


def _faults_of(one: Field) -> Iterator[tuple[str, bool, Text]]:
    is_text, is_number = one.type == "string", one.type in ("integer", "decimal")
    why = Text("不可隐藏的字段不能默认隐藏。", "What cannot be hidden is not hidden by default.")
    yield "hidden_by_default", one.hidden_by_default and not one.hideable, why
    why = Text("选项类型须有选项，其他类型不能有。", "A choice has them, and nothing else does.")
    yield "choices", (one.type == "choice") != bool(one.choices), why
    yield "pattern", not is_text and one.pattern is not None, Text("仅文本可以有格式。", "Only a string has a pattern.")
    why = Text("文本须有最大长度，其他类型不能有。", "A string has one, and nothing else does.")
    yield "max_length", is_text != (one.max_length is not None), why
    why = Text("仅数值可以有上下限。", "Only a number has a minimum or a maximum.")
    yield "minimum", not is_number and (one.minimum, one.maximum) != (None, None), why


def _check_rules(licence_type: "LicenceType") -> None:
    validity = licence_type.validity
    ends = (validity.ends_on, validity.max_years, validity.renewable_days_before, validity.renewable_days_after)
    if validity.rule == "permanent" and ends != ("day", None, None, None):
        raise FaultyDefinition(
            "validity", Text("长期有效的证照没有截止日期可言。", "What is permanent has no end that could be limited, moved or renewed.")
        )
    for member in LISTS_OF_NAMES:
        if (twice := _twice(getattr(licence_type, member))) is not None:
            raise FaultyDefinition(member, Text(f"{twice}出现了两次。", f"{twice} stands twice."))
    if licence_type.slug in licence_type.gathers:
        raise FaultyDefinition("gathers", Text("不能归集自身。", "A type cannot gather itself."))


def _check_number(licence_type: "LicenceType") -> None:
    pattern, example = licence_type.number_pattern, licence_type.number_example
    if pattern is None:
        return
    if licence_type.number_rule != "issuer" or example is None:
        why = Text("仅用于发证部门编制的编号，并须给出示例。", "It is for numbers that the issuer gives, and needs a number_example.")
        raise FaultyDefinition("number_pattern", why)
    if (fault := pattern_fault(pattern, longest=60)) is not None:
        raise FaultyDefinition("number_pattern", fault)
    if not re.compile(pattern, re.ASCII).fullmatch(example):
        raise FaultyDefinition("number_example", Text("不符合编号格式。", "It does not fit number_pattern."))


def _check_matters(licence_type: "LicenceType") -> None:
    if (twice := _twice(one.code for one in licence_type.matters)) is not None:
        raise FaultyDefinition("matters", Text(f"{twice}出现了两次。", f"{twice} stands twice."))
    known = {*SHOWN_OF_EVERY_LICENCE, *(one.name for one in licence_type.fields)}
    for one in licence_type.matters:
        needs = one.needs or ()
        if unknown := [name for name in needs if name not in known]:
            raise FaultyDefinition(f"matters.{one.code}.needs", _no_field(unknown[0]))
        if (twice := _twice(needs)) is not None:
            raise FaultyDefinition(f"matters.{one.code}.needs", Text(f"{twice}出现了两次。", f"{twice} stands twice."))


def _check_face(licence_type: "LicenceType") -> None:
    face, known = licence_type.face, {*ON_EVERY_FACE, *(one.name for one in licence_type.fields)}
    for member, names in (("front", face.front), ("back", face.back), ("labels", tuple(face.labels))):
        if unknown := [name for name in names if name not in known]:
            raise FaultyDefinition(f"face.{member}", _no_field(unknown[0]))
    if (twice := _twice((*face.front, *face.back))) is not None:
        raise FaultyDefinition("face.front", Text(f"{twice}出现了两次。", f"{twice} stands twice."))
    if face.statement is None:
        return
    try:
        unknown = sorted(names_in(face.statement) - known)
    except ValueError as error:
        raise FaultyDefinition("face.statement", Text("花括号内只能是字段名称。", "Only names of fields stand in braces, in pairs.")) from error
    if unknown:
        raise FaultyDefinition("face.statement", _no_field(unknown[0]))


def _no_field(name: str) -> Text:
    shown = re.sub(r"[^\w-]", "?", name)[:60]
    return Text(f"没有名为{shown}的字段。", f"There is no field {shown}.")


def _twice(values: Iterable[str]) -> str | None:
    seen: set[str] = set()
    return next((one for one in values if one in seen or seen.add(one)), None)  # type: ignore[func-returns-value]
