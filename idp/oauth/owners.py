"""Who answers for a client, a resource server or a policy of registration: a department or an organisation, by a credit code that is sound.

A code whose check characters are wrong is a slip of the pen, and refused. One that nobody here has yet may be right, for a department can come
after its systems: then whoever registers is warned. `known_by` holds who knows codes besides the directory of subjects.
"""

from collections.abc import Callable

from sqlalchemy.orm import Session

from idp.oauth.clients import ClientRefused
from idp.subjects import credit_codes, directory
from idp.subjects.numbers import parse_number
from runtime.languages import Text

known_by: list[Callable[[Session, str], bool]] = []
UNKNOWN = Text(
    "责任单位代码在本系统中没有对应的部门或单位，请核对；如确无误，请先登记该部门。",
    "No department or organisation here has the code of the owner. Check it; if it is right, add the department before this is used.",
)
UNSOUND = Text("不是有效的统一社会信用代码，请核对每一位。", "It is not a valid unified social credit code: check each character.")


def is_sound(owner: str) -> bool:
    """Whether a code has the shape of a credit code and fits its check characters."""
    return credit_codes.fault(owner) is None


def check_code(owner: str) -> None:
    """Raise ClientRefused unless an owner's code is sound."""
    if not is_sound(owner):
        raise ClientRefused(f"owner: {UNSOUND.en}", field="owner", shown=UNSOUND)


def is_known(session: Session, owner: str) -> bool:
    """Whether a department or an organisation here has a code that is sound."""
    return directory.find_subject(session, parse_number(owner)) is not None or any(knows(session, owner) for knows in known_by)
