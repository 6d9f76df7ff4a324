"""What a row of a registry's file says, read and checked. Pure.

Columns go by English or Chinese names. Every value is kept as a text in its one written form: dates as ISO 8601, numbers
without spaces, several of them apart by a space.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from idp.subjects.numbers import CHINA, EARLIEST_BIRTH, REASONS, Number, NumberRefused, parse_number
from idp.subjects.records import ACTIVE, DECEASED, DISSOLVED
from runtime.clock import now
from runtime.languages import Text

PERSON, ORGANISATION = "person", "organisation"
LONGEST_VALUE = 200
MOST_GUARDIANS = 4
SEXES = {"男": "male", "女": "female", "m": "male", "f": "female", "male": "male", "female": "female", "1": "male", "2": "female"}
STATES = {
    **dict.fromkeys(("active", "正常", "有效", "存续", "在业", "开业", "在营"), ACTIVE),
    **dict.fromkeys(("deceased", "死亡", "已死亡", "已故", "死亡注销"), DECEASED),
    **dict.fromkeys(("dissolved", "注销", "已注销"), DISSOLVED),
}
SURPLUS = "surplus"  # what stands in a row beyond the last column
NOBODY = {"无", "none", "-"}
APART = re.compile(r"[\s;；,，、|]+")


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of file: the columns that it must and may have, each with the names that it goes by."""

    kind: str
    required: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]]

    def unused(self, header: Iterable[str]) -> list[str]:
        """Return the columns of a file that go by none of our names, or say what another says already."""
        return [name if name.isprintable() else "?" for name in header if name.strip() and name not in self.column_names(header)]

    def column_names(self, header: Iterable[str]) -> dict[str, str]:
        """Return our name of each column that is known; raises KeyError with the first required one that is missing."""
        written = {name.strip(): name for name in header}
        found = {ours: written[alias] for ours, aliases in {**self.required, **self.optional}.items() for alias in aliases if alias in written}
        for name in self.required:
            if name not in found:
                raise KeyError(name)
        return {theirs: ours for ours, theirs in found.items()}


PEOPLE = Source(
    PERSON,
    {"number": ("number", "公民身份号码", "身份证号码", "证件号码"), "name": ("name", "姓名")},
    {
        "born": ("born", "出生日期"),
        "sex": ("sex", "性别"),
        "ethnicity": ("ethnicity", "民族"),
        "address": ("address", "住址"),
        "phone": ("phone", "手机号码", "联系电话"),
        "state": ("state", "状态", "人员状态"),
        "ended_on": ("ended_on", "死亡日期"),
        "former_number": ("former_number", "原号码", "曾用号码"),
        "guardians": ("guardians", "guardian", "监护人号码", "监护人"),
    },
)
ORGANISATIONS = Source(
    ORGANISATION,
    {
        "number": ("number", "统一社会信用代码"),
        "name": ("name", "名称"),
        "representative": ("representative", "法定代表人证件号码"),
    },
    {
        "address": ("address", "住所"),
        "phone": ("phone", "联系电话"),
        "state": ("state", "状态", "登记状态", "经营状态"),
        "ended_on": ("ended_on", "注销日期"),
        "former_number": ("former_number", "原号码", "原统一社会信用代码"),
    },
)
SOURCES = {"people": PEOPLE, "organisations": ORGANISATIONS}


class RowError(Exception):
    """A row that cannot be taken, and why."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


def read_row(source: Source, row: Mapping[str, str]) -> tuple[Number, dict[str, str]]:
    """Return the number of a row and its members, the number among them; raises RowError."""
    if SURPLUS in row:
        raise RowError(Text("单元格比列多，可能有逗号未加引号", "more cells than there are columns; a comma may lack its quotes"))
    members = {name: checked_value(name, value) for name, value in row.items() if value and value.strip()}
    number = checked_number(members.get("number", ""), "number", is_person=source.kind == PERSON)
    if "name" not in members:
        raise RowError(Text("缺少姓名或名称", "the name is missing"))
    members["number"] = number.value
    if source.kind == ORGANISATION:
        members["representative"] = checked_number(members.get("representative", ""), "representative", is_person=True).value
    if "former_number" in members:
        members["former_number"] = _former(members["former_number"], number)
    if "guardians" in members:
        members["guardians"] = checked_guardians(members["guardians"], of=number)
    if members.get("state") == (DISSOLVED if source.kind == PERSON else DECEASED):
        raise RowError(Text("state：人与组织的状态不可混用", "state: a person does not dissolve, and an organisation does not die"))
    return number, members


def checked_number(unverified: str, name: str, *, is_person: bool) -> Number:
    """Return the number in a cell, of a person or of an organisation; raises RowError."""
    try:
        number = parse_number(unverified)
    except NumberRefused as refused:
        reason = REASONS[refused.why]
        raise RowError(Text(f"{name}：{reason.zh}", f"{name}: {reason.en}")) from refused
    if number.is_person != is_person:
        raise RowError(Text(f"{name}：号码种类不对（人与组织不可混放）", f"{name}: a number of the wrong kind (people and organisations apart)"))
    return number


def checked_guardians(text: str, *, of: Number) -> str:
    """Return the guardians' numbers in a cell, apart by a space; empty where the cell says that there are none. Raises RowError."""
    if text.lower() in NOBODY:
        return ""
    numbers = list(dict.fromkeys(checked_number(each, "guardians", is_person=True).value for each in APART.split(text) if each))
    if len(numbers) > MOST_GUARDIANS or of.value in numbers:
        raise RowError(Text("guardians：监护人最多4名，且不能是本人", "guardians: at most four, and never the person"))
    return " ".join(numbers)


def _former(text: str, number: Number) -> str:
    former = checked_number(text, "former_number", is_person=number.is_person)
    if former == number:
        raise RowError(Text("former_number：原号码与现号码相同", "former_number: the same as the number"))
    return former.value


def checked_value(name: str, value: str) -> str:
    """Return a cell as it is kept; raises RowError."""
    value = value.strip()
    if "\ufffd" in value:
        raise RowError(Text(f"{name}：有无法按文件编码读出的字符", f"{name}: characters that the file's encoding does not explain"))
    if len(value) > LONGEST_VALUE or not value.isprintable():
        raise RowError(
            Text(f"{name}：超过{LONGEST_VALUE}字或含控制字符", f"{name}: longer than {LONGEST_VALUE} characters, or with control characters")
        )
    if name == "sex":
        return _word(SEXES, value, Text("sex：应为男或女", "sex: male or female"))
    if name == "state":
        return _word(STATES, value, Text("state：应为正常、死亡或注销", "state: active, deceased or dissolved"))
    return checked_date(name, value) if name in ("born", "ended_on") else value


def checked_date(name: str, value: str) -> str:
    """Return a date as ISO 8601 writes it, from that form, 2001/2/3 or 20010203; raises RowError, and for a birth that is to come."""
    for written in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"):
        if written == "%Y%m%d" and len(value) != len("20010203"):
            break  # 2001111 would be read as the 1 November
        with suppress(ValueError):
            found = datetime.strptime(value, written).replace(tzinfo=UTC).date()
            if name != "born" or EARLIEST_BIRTH <= found <= now().astimezone(CHINA).date():
                return found.isoformat()
    raise RowError(Text(f"{name}：不是日期，应写作2001-02-03", f"{name}: not a date such as 2001-02-03"))


def _word(words: Mapping[str, str], value: str, why: Text) -> str:
    try:
        return words[value.lower()]
    except KeyError:
        raise RowError(why) from None
