"""Regular expressions that others write: only such as are answered quickly, whatever the text. Pure.

An officer writes a pattern once, and anyone's text is held against it for years: one that backtracks without end would stop a
process. So a pattern is made of letters, classes, choices and counted parts; what repeats holds nothing that varies.
"""

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from runtime.languages import Text

MOST_WAYS = 100_000
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT)
PLAIN = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.RANGE)
UNREADABLE = Text("不是有效的正则表达式。", "It is not a regular expression.")
TOO_CLEVER = Text(
    "格式过于复杂：仅可使用字符、字符类、选择和固定的重复，重复之中不能再有可变的重复。",
    "It is too clever: use letters, classes, choices and repeats, with nothing that varies inside a repeat.",
)


def pattern_fault(pattern: str, *, longest: int) -> Text | None:
    """Return what is wrong with a pattern for texts of at most `longest` characters, or None if it may be used."""
    try:
        tree = parser.parse(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError):
        return UNREADABLE
    try:
        ways = _ways(tree, longest)
    except ValueError:
        return TOO_CLEVER
    return None if ways <= MOST_WAYS else TOO_CLEVER


def _ways(tree: Any, longest: int) -> int:
    """Return in how many ways a part may be tried; raises ValueError for what is not allowed."""
    ways = 1
    for code, value in tree:
        if code in PLAIN:
            continue
        if code in REPEATS:
            least, most, inner = value
            if most > 1 and _ways(inner, longest) > 1:
                raise ValueError("something varies inside a repeat")
            ways *= _ways(inner, longest) * (min(int(most), longest) - min(int(least), longest) + 1)
        elif code is codes.SUBPATTERN:
            ways *= _ways(value[3], longest)
        elif code is codes.BRANCH:
            ways *= sum(_ways(one, longest) for one in value[1])
        else:
            raise ValueError("not among what patterns are made of")
    return ways
