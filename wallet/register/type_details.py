"""What a page says of a licence type: its rules in words, its fields, who may do what with it, and what each version changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from runtime.languages import Text
from wallet.register.acts import Act
from wallet.register.catalogue import get_type
from wallet.register.definitions import FAMILIES, LicenceType
from wallet.register.departments import Action, Authority, Department
from wallet.register.fields import Field
from wallet.register.type_changes import Difference, differences_of

HOLDERS = {
    "person": Text("自然人", "People"),
    "organisation": Text("法人和其他组织", "Organisations"),
    "either": Text("自然人、法人和其他组织", "People and organisations"),
}
NUMBER_RULES = {"holder": Text("使用持证主体的号码", "The holder's own number"), "issuer": Text("由发证部门编制", "Given by the issuer")}
ACTIONS = {
    Action.ISSUE: Text("发证", "Issue"),
    Action.VERIFY: Text("核验", "Verify"),
    Action.DRAW: Text("依职权调用", "Draw"),
    Action.SUPERVISE: Text("监管", "Supervise"),
    Action.IDENTIFY: Text("凭此核实身份", "Identify people by it"),
}
FIELD_TYPES = {
    "string": Text("文本", "Text"),
    "date": Text("日期", "Date"),
    "integer": Text("整数", "Whole number"),
    "decimal": Text("小数", "Decimal"),
    "choice": Text("选项", "Choice"),
}
LEVELS = {
    "national": Text("国家级", "National"),
    "provincial": Text("省级", "Provincial"),
    "municipal": Text("地市级", "Municipal"),
    "county": Text("区县级", "County"),
    "township": Text("乡镇级", "Township"),
    "other": Text("其他", "Other"),
}
ENDS = {"month": Text("截止日为月末。", "It ends with a month."), "year": Text("截止日为年末。", "It ends with a year.")}


@dataclass(frozen=True, slots=True)
class Family:
    """The types of one part of a life."""

    slug: str
    name: Text
    types: tuple[LicenceType, ...]


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version, and where it differs from the one before it."""

    version: int
    differences: tuple[Difference, ...]


def by_family(types: Iterable[LicenceType], *, search: str = "") -> list[Family]:
    """Return types that a search finds (in names, codes and descriptions), grouped by family."""
    words = search.casefold().split()
    found = [one for one in types if all(word in _text_of(one) for word in words)]
    families = (Family(slug, name, tuple(one for one in found if one.family == slug)) for slug, name in FAMILIES.items())
    return [family for family in families if family.types]


def rules_of(licence_type: LicenceType) -> list[tuple[Text, Text]]:
    """Return the rules of a type in words: a label and what it says."""
    return list(_rules(licence_type))


def limits_of(field: Field) -> Text:
    """Return what values of a field may be."""
    if field.choices:
        return Text("；".join(f"{one.zh}" for one in field.choices.values()), "; ".join(one.en for one in field.choices.values()))
    if field.type == "string":
        form = f" · {field.pattern}" if field.pattern else ""
        return Text(f"至多{field.max_length}字{form}", f"at most {field.max_length} characters{form}")
    if field.minimum is None and field.maximum is None:
        return Text("—", "—")
    least, most = ("" if one is None else one for one in (field.minimum, field.maximum))
    return Text(f"{least}至{most}" if most != "" else f"不小于{least}", f"{least} to {most}" if most != "" else f"at least {least}")


def authorised_for(session: Session, code: str, *, now: datetime) -> list[tuple[Text, list[Text]]]:
    """Return, for each action on a type, the departments that may do it now."""
    rows = select(Authority, Department).join(Department, Department.code == Authority.department_code).where(Authority.type_code == code)
    granted = [
        (authority.action, department.name) for authority, department in session.execute(rows.order_by(Department.code)) if authority.holds_at(now)
    ]
    opened = {action: [Text("任何部门", "Every department")] for action in get_type(code).open_to}
    return [(text, [*opened.get(one.value, ()), *(name for action, name in granted if action == one.value)]) for one, text in ACTIONS.items()]


def history_of(versions: list[LicenceType]) -> list[VersionLine]:
    """Return every version with what it changed, the newest first."""
    before: list[LicenceType | None] = [None, *versions[:-1]]
    lines = [VersionLine(one.version, tuple(differences_of(was, one)) if was else ()) for was, one in zip(before, versions, strict=True)]
    return lines[::-1]


def _text_of(one: LicenceType) -> str:
    texts = (one.name, one.description, one.defining_authority_name, one.family_name)
    return " ".join([one.code, one.slug, *(form for text in texts for form in (text.zh, text.en))]).casefold()


def _rules(one: LicenceType) -> Iterator[tuple[Text, Text]]:
    many = Text(f"，至多{one.most_holders}人共有", f", at most {one.most_holders} together") if one.most_holders > 1 else Text("", "")
    holders = HOLDERS[one.holder]
    yield Text("持证主体", "Who may hold it"), Text(holders.zh + many.zh, holders.en + many.en)
    yield Text("有效期", "Validity"), _validity(one)
    rule = NUMBER_RULES[one.number_rule]
    example = Text(f"，如{one.number_example}", f", such as {one.number_example}") if one.number_example else Text("", "")
    yield Text("证照编号", "Licence number"), Text(rule.zh + example.zh, rule.en + example.en)
    if one.issuer_levels:
        yield Text("颁发机构级别", "Issued at"), _listed(LEVELS[level] for level in one.issuer_levels)
    if one.open_to:
        yield Text("各部门均可", "Open to every department"), _listed(ACTIONS[Action(action)] for action in one.open_to)
    if one.checked_acts:
        yield Text("需复核的业务", "Takes a second officer"), _listed(act_text(act) for act in one.checked_acts)
    if one.barred_acts:
        yield Text("不办理的业务", "Never done with it"), _listed(act_text(act) for act in one.barred_acts)
    if one.gathers:
        yield Text("可归集", "May gather"), Text("、".join(one.gathers), ", ".join(one.gathers))
    if one.origins:
        yield Text("关联事项", "Matters"), _listed(matter.name for matter in one.origins)
    if shown_for := [matter.name for matter in one.matters if matter.needs is not None]:
        yield Text("用于事项", "Shown for"), _listed(shown_for)
    yield Text("定义机构", "Defined by"), one.defining_authority_name


def _validity(one: LicenceType) -> Text:
    rule = one.validity
    if rule.rule == "permanent":
        return Text("长期有效。", "No end.")
    years = Text(f"至多{rule.max_years}年", f"at most {rule.max_years} years") if rule.max_years else Text("按证面截止日期", "until the day on it")
    optional = Text("，或长期", ", or without an end") if rule.rule == "optional" else Text("", "")
    parts = [Text(f"{years.zh}{optional.zh}。", f"{years.en.capitalize()}{optional.en}.")]
    if rule.ends_on in ENDS:
        parts.append(ENDS[rule.ends_on])
    if rule.renewable_days_before is not None or rule.renewable_days_after:
        before, after = rule.renewable_days_before, rule.renewable_days_after or 0
        opens = Text(f"届满前{before}日起", f"from {before} days before its end") if before is not None else Text("随时", "from its first day")
        closes = Text(f"至届满后{after}日", f" until {after} days after it") if after else Text("至届满日", " until it")
        parts.append(Text(f"可在{opens.zh}{closes.zh}申请延续。", f"It may be renewed {opens.en}{closes.en}."))
    return Text("".join(part.zh for part in parts), " ".join(part.en for part in parts))


def _listed(texts: Iterable[Text]) -> Text:
    known = list(texts)
    return Text("、".join(one.zh for one in known), ", ".join(one.en for one in known))


def act_text(act: str) -> Text:
    """Return an act, as types name it, in words."""
    return Text("迁移", "Transfer") if act == "transfer" else Act(act).text
