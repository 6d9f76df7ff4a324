"""What our own pages add to an authorization request while the browser goes round: a fresh sign-in was asked for, an account was chosen.

Each is a moment and a seal over it and over the request as the browser brought it, so that nobody but us can say that a step was taken: else whoever
leads a browser here could step over what the portal asked for in a request that it signed or pushed.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from runtime.settings import Settings

LOGIN_ASKED, CHOSEN, DECLINED = "login_asked", "account_chosen", "level_declined"
SEALED = (LOGIN_ASKED, CHOSEN)
OWN = frozenset({*SEALED, DECLINED, "lang"})
GOOD_FOR = timedelta(minutes=30)
LONGEST = 15


@dataclass(frozen=True, slots=True)
class Marks:
    """Since when a fresh sign-in has been asked for, and when the page of accounts was shown, in milliseconds; whether a level was turned down."""

    login_asked: int | None = None
    chosen: int | None = None
    declined: bool = False

    @property
    def since(self) -> int | None:
        """Since when a sign-in counts as fresh."""
        return min((moment for moment in (self.login_asked, self.chosen) if moment is not None), default=None)

    def sealed(self, *more: str, carried: Mapping[str, str], settings: Settings, now: datetime) -> dict[str, str]:
        """Return the marks as parameters beside what the browser carries, with more of them of this moment."""
        known = {LOGIN_ASKED: self.login_asked, CHOSEN: self.chosen}
        moments = {**dict.fromkeys(more, milliseconds(now)), **{name: moment for name, moment in known.items() if moment is not None}}
        return {name: f"{moment}.{_seal(name, moment, carried, settings)}" for name, moment in moments.items()}


NONE = Marks()


def without(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the browser brought without what our own pages added."""
    return {name: value for name, value in parameters.items() if name not in OWN}


def read(parameters: Mapping[str, str], *, carried: Mapping[str, str], settings: Settings, now: datetime) -> Marks:
    """Return the marks that are ours, are about this very request, and are not old."""
    moments = {name: _read(name, parameters.get(name, ""), carried, settings, now) for name in SEALED}
    return Marks(moments[LOGIN_ASKED], moments[CHOSEN], DECLINED in parameters)


def milliseconds(moment: datetime) -> int:
    """Return a moment as whole milliseconds since 1970."""
    return int(moment.timestamp() * 1000)


def _read(name: str, unverified: str, carried: Mapping[str, str], settings: Settings, now: datetime) -> int | None:
    written, _, seal = unverified.partition(".")
    if not (written.isascii() and written.isdigit() and len(written) <= LONGEST and seal.isascii()):
        return None
    age = milliseconds(now) - int(written)
    is_ours = hmac.compare_digest(seal, _seal(name, int(written), carried, settings))
    return int(written) if is_ours and 0 <= age <= GOOD_FOR / timedelta(milliseconds=1) else None


def _seal(name: str, moment: int, carried: Mapping[str, str], settings: Settings) -> str:
    said = json.dumps([name, moment, sorted(carried.items())]).encode()
    return hmac.digest(settings.derived_key("waymarks"), said, hashlib.sha256)[:16].hex()
