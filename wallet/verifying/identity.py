"""A licence that proves who somebody is (level 3): shown from the holder's own wallet, bound there in person.

Pure but for the refusals. A licence in our own wallet proves nothing here: its key is ours, and opens with the very account that is to be
lifted. So the issuing department must have signed, in the open, that it bound the key before the person (`key_bound_in_person`), which no
credential made for our own wallet says. See docs/decisions/0017.
"""

import hmac
from collections.abc import Iterable
from typing import Any

from idp.subjects.numbers import Number
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.presenting.dcql_reading import SD_JWT_VC
from wallet.register.definitions import LicenceType
from wallet.verifying import wording
from wallet.verifying.checks import Verified
from wallet.verifying.outcomes import Reason

BOUND_IN_PERSON = "key_bound_in_person"
QUERY_ID = "identity"


class ProvesNothing(Refusal):
    """What was shown is no good licence, or says nothing of who holds this account."""

    code, status, title = "proves-nothing", 422, Text("出示的内容不能证明您的身份。", "What you showed does not prove who you are.")


NOT_BOUND = Text(
    "这张证照没有由发证部门当面绑定到您自己的卡包，不能用来提升等级；请到窗口办理。",
    "The issuing department did not bind this licence to your own wallet in person, so it lifts nothing; go to a counter.",
)
NO_NUMBER = Text("请一并出示证照上的持证人号码。", "Show the holder's number that stands on the licence, too.")
ANOTHER = Text("这张证照的持证人不是本账号的本人。", "The holder of this licence is not the person of this account.")
UNKNOWN_ISSUER = Text("签发这张证照的部门不在信任名单中。", "The department that issued this licence is not on the list of those that are trusted.")
NOT_IN_FORCE = Text("这张证照现在不是有效状态，不能用来证明身份。", "This licence is not in force now, so it proves nothing.")
WORDS = {
    Reason.UNTRUSTED: UNKNOWN_ISSUER,
    Reason.WRONG_ISSUER: UNKNOWN_ISSUER,
    Reason.NO_CERTIFICATE: UNKNOWN_ISSUER,
    Reason.NOT_GRANTED: UNKNOWN_ISSUER,
    Reason.EXPIRED: Text("这张证照已过有效期，请先向发证部门换领。", "This licence has expired; have its department renew it first."),
}


def query(settings: Settings, types: Iterable[LicenceType]) -> dict[str, Any]:
    """Return what is asked for, in words of DCQL: one licence of a type that proves identity, bound in person, with its holder's number."""
    vcts = [type_uri(settings, one) for one in types if one.proves_identity]
    claims = [{"path": ["licence_identifier"]}, {"path": ["holder_number"]}, {"path": [BOUND_IN_PERSON], "values": [True]}]
    return {"credentials": [{"id": QUERY_ID, "format": SD_JWT_VC, "meta": {"vct_values": vcts}, "claims": claims}]}


def words_of(reason: Reason) -> Text:
    """Return why a presentation failed the checks, in words for its holder."""
    return WORDS.get(reason) or wording.REASONS[reason]


def check_proves(verified: Verified, *, number: Number) -> None:
    """Check that a verified presentation proves who the person of a number is; raises ProvesNothing."""
    if verified.claims.get(BOUND_IN_PERSON) is not True or BOUND_IN_PERSON in verified.disclosed:
        raise ProvesNothing("not-bound-in-person", shown=NOT_BOUND)
    shown = verified.claims.get("holder_number")
    if not isinstance(shown, str):
        raise ProvesNothing("no-number", shown=NO_NUMBER)
    if not hmac.compare_digest(shown.encode(), number.value.encode()):
        raise ProvesNothing("another-holder", shown=ANOTHER)
