"""How often a client may ask a person, all clients together may, and a client may ask at all: by the throttle's buckets,
a door for each kind of asking.

Whoever is asked for is counted by the hint, so that a full bucket tells nobody whether there is such a person.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from idp.signin import throttle
from idp.signin.doors import DOORS, Bucket
from idp.signin.throttle import PAIR_KIND, Try

DOOR = "backchannel"


class Asking(Try):
    """One request: `account` is whom it asks, `address` the client."""

    def buckets(self) -> dict[bytes, tuple[str, Bucket]]:
        """Return the buckets that the request falls into."""
        door = DOORS[self.purpose]
        return {
            self._key(f"pair:{self.account}:{self.address}"): (PAIR_KIND, door.pair),
            self._key(f"account:{self.account}"): ("account", door.account),
            self._key(f"client:{self.address}"): ("address", door.address),
        }


def count(session: Session, *, person: str, client_id: str, now: datetime, door: str = DOOR) -> None:
    """Count a request; raises SlowDown, and the transaction is to be undone."""
    throttle.count(session, Asking(door, person, client_id), now=now)
