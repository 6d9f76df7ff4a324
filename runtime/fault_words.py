"""What is wrong with a member of a request, in both languages: schemas say it in English, once; whoever reads the answer chose a language. Pure."""

import re
from collections.abc import Iterable, Mapping

from runtime.languages import Text

CHINESE = re.compile("[\u4e00-\u9fff]")
WHOLE = {
    "Missing data for required field.": "请填写此项。",
    "Field may not be null.": "请填写此项。",
    "Unknown field.": "没有这个项目。",
    "Invalid input type.": "应为 JSON 对象。",
    "Invalid type.": "类型不对。",
    "Invalid value.": "内容不符合要求。",
    "Not a valid string.": "应为文字。",
    "Not a valid list.": "应为列表。",
    "Not a valid integer.": "应为整数。",
    "Not a valid number.": "应为数字。",
    "Not a valid boolean.": "应为 true 或 false。",
    "Not a valid UUID.": "应为 UUID。",
    "Not a valid date.": "应为日期，例如 2026-03-01。",
    "Not a valid time.": "应为时间。",
    "Not a valid datetime.": "应为日期和时间，例如 2026-03-01T09:30:00+08:00（网址中的加号写作 %2B）。",
    "Not a valid aware datetime.": "应为带时区的日期和时间，例如 2026-03-01T09:30:00+08:00。",
    "Not a valid URL.": "应为网址。",
    "Not a valid mapping type.": "应为 JSON 对象，请检查括号和引号是否成对。",
    "String does not match expected pattern.": "含有不允许的字符，或格式不对。",
    "Each may be given once.": "不能重复填写。",
    "It is blank.": "不能为空白。",
    "It holds control characters.": "含有控制字符。",
    "It is no day or moment.": "没有这一天或这一时刻。",
    "Give it in base64url without padding.": "请用base64url编码，末尾不加等号。",
    "It is needed where binding is required.": "要求持证人本人出示时须填写。",
    "Only one of presented, file and licence.": "presented、file、licence 只能有一个。",
    "Send `receipt`, or `id` and `digest`.": "请给出 receipt，或 id 和 digest。",
    "It must be a date, or a date and time with an offset.": "应为日期，或带时区的日期和时间。",
    "It may have no fragment.": "不能含 # 及其后的部分。",
    "It goes with represents.": "只用于 represents。",
    "It goes with holds, which needs it.": "只用于 holds，且为必填。",
    "Either dcql_query is needed, or credentials or statements or both.": "须有 dcql_query，或 credentials、statements 至少一个。",
    "Give a day (2026-03-01) or a moment with its offset (2026-03-01T09:30:00+08:00).": (
        "应为日期（2026-03-01），或带时区的时刻（2026-03-01T09:30:00+08:00）。"
    ),
    "It is an object with the member text; in a form: cause.text, cause.matter, each by itself.": (
        "应为含 text 的对象；在表单中分开写作 cause.text、cause.matter。"
    ),
}
IN_PART = (
    (re.compile(r"Length must be between (\d+) and (\d+)\."), "应为{}至{}个字符。"),
    (re.compile(r"Length must be (\d+)\."), "应为{}个字符。"),
    (re.compile(r"Longer than maximum length (\d+)\."), "最多{}个。"),
    (re.compile(r"Shorter than minimum length (\d+)\."), "至少{}个。"),
    (re.compile(r"Must be greater than or equal to (\d+) and less than or equal to (\d+)\."), "应为{}至{}。"),
    (re.compile(r"Must be greater than or equal to (\d+)\."), "不能小于{}。"),
    (re.compile(r"Must be less than or equal to (\d+)\."), "不能大于{}。"),
    (re.compile(r"(?:Must be one of:|one of|some of) (.+?)\.?"), "可填：{}。"),
)


def find_words(said: str, *, whole: Mapping[str, str] = WHOLE, in_part: Iterable[tuple[re.Pattern[str], str]] = IN_PART) -> Text | None:
    """Return in both languages what a schema says, or a rule whose sentences are given; None where only the English is known.

    So it is, too, where it was said in the reader's own language.
    """
    if said in whole:
        return Text(whole[said], said)
    for pattern, zh in in_part:
        if found := pattern.fullmatch(said):
            return Text(zh.format(*found.groups()), said)
    return None
