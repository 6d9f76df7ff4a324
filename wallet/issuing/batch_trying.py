"""Working at some lines together, and at each by itself where that fails: one bad line costs itself alone, and a clash with others only a moment."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from runtime.clashes import is_away, is_clash
from runtime.languages import Text
from runtime.problems import Refusal

ATTEMPTS, PAUSE = 4, 0.05
AnyLine = TypeVar("AnyLine")
AnyDone = TypeVar("AnyDone")


class LineFailed(Refusal):
    """The line failed on our side; the log says why."""

    code, status, title = "line-failed", 500, Text("该行因系统原因未处理，请稍后重新提交。", "The line failed on our side; send it again later.")


def try_together(
    lines: Sequence[AnyLine], *, work: Callable[[Sequence[AnyLine]], list[AnyDone]], fail: Callable[[AnyLine, Exception], AnyDone]
) -> list[AnyDone]:
    """Return what became of the lines; `work` takes some in one transaction, `fail` says that one is beyond help. Raises if the database is away."""
    for attempt in range(ATTEMPTS):
        try:
            return work(lines)
        except Exception as error:
            if is_away(error):
                raise
            if len(lines) == 1 and not (is_clash(error) and attempt + 1 < ATTEMPTS):
                return [fail(lines[0], error)]
            if not is_clash(error):
                break
        time.sleep(PAUSE * (attempt + 1))
    return [done for line in lines for done in try_together([line], work=work, fail=fail)]
