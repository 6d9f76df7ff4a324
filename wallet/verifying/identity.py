"""A licence that proves who somebody is (level 3): shown from the holder's own wallet, bound there in person.

Pure but for the refusals. A licence in our own wallet proves nothing here: its key is ours, and opens with the very account that is to be
lifted. So the issuing department must have signed, in the open, that it bound the key before the person (`key_bound_in_person`), which no
credential made for our own wallet says. See docs/decisions/0017.
"""

import hmac
from collections.abc import Iterable
from datetime import timedelta

from idp.subjects.numbers import Number
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.register.definitions import LicenceType
from wallet.verifying.checks import Expected, Verified

BOUND_IN_PERSON = "key_bound_in_person"
PAGE = "/account/level/licence"
BINDING_AGE = timedelta(minutes=5)


class ProvesNothing(Refusal):
    """What was shown is a good licence, and says nothing of who holds this account."""

    code, status, title = "proves-nothing", 422, Text("出示的内容不能证明您的身份。", "What you showed does not prove who you are.")


NOT_BOUND = Text(
    "这张证照没有由发证部门当面绑定到您自己的卡包，不能用来提升等级；请到窗口办理。",
    "The issuing department did not bind this licence to your own wallet in person, so it lifts nothing; go to a counter.",
)
NO_NUMBER = Text("请一并出示证照上的持证人号码。", "Show the holder's number that stands on the licence, too.")
ANOTHER = Text("这张证照的持证人不是本账号的本人。", "The holder of this licence is not the person of this account.")


def expected(settings: Settings, types: Iterable[LicenceType], *, nonce: str) -> Expected:
    """Return what a presentation must be: of a type that proves identity, bound for this page and for this occasion."""
    vcts = frozenset(type_uri(settings, one) for one in types if one.proves_identity)
    return Expected(binding=True, audience=audience(settings), nonce=nonce, vcts=vcts, binding_age=BINDING_AGE)


def audience(settings: Settings) -> str:
    """Return for whom the binding is made: our page."""
    return settings.public_url + PAGE


def check_proves(verified: Verified, *, number: Number) -> None:
    """Check that a verified presentation proves who the person of a number is; raises ProvesNothing."""
    if verified.claims.get(BOUND_IN_PERSON) is not True or BOUND_IN_PERSON in verified.disclosed:
        raise ProvesNothing("not bound in person", field="presented", shown=NOT_BOUND)
    shown = verified.claims.get("holder_number")
    if not isinstance(shown, str):
        raise ProvesNothing("no number disclosed", field="presented", shown=NO_NUMBER)
    if not hmac.compare_digest(shown.encode(), number.value.encode()):
        raise ProvesNothing("another holder", field="presented", shown=ANOTHER)
