"""Why an officer looks, draws or asks, as a field of a form: words that the holder can read."""

from collections.abc import Callable
from typing import Any

from wtforms.validators import ValidationError as FormFault

from runtime.languages import Text
from schemas.causes import LONGEST, is_readable

TOO_LONG = Text("事由最多200字，不能含控制字符。", "At most 200 characters, and none that cannot be read.")


def cause_given(missing_zh: str) -> Callable[[Any, Any], None]:
    """Return a check that asks for a cause; `missing_zh` is said where there is none, in Chinese."""
    missing = Text(missing_zh, "Say why; the holder will read it.")

    def check(_: Any, field: Any) -> None:
        text = (field.data or "").strip()
        if not text:
            raise FormFault(missing)
        if len(text) > LONGEST or not is_readable(field.data):
            raise FormFault(TOO_LONG)

    return check
