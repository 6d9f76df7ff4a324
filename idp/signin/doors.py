"""The doors that are throttled, and how much each lets through: every size in one table.

A door is what a try is for. Each of its buckets holds some tries at once, and loses one every so often; a door that
names no bucket of a kind is not slowed by that kind.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many tries may come at once, and how long one takes to leak out."""

    size: int
    leak: timedelta

    @property
    def room(self) -> timedelta:
        """How long a full bucket takes to empty."""
        return self.leak * self.size


@dataclass(frozen=True, slots=True)
class Door:
    """The buckets of one door: of an account, of an address, of both together, and of everyone (`everyone` is for each of `SHARES`)."""

    account: Bucket
    address: Bucket
    pair: Bucket
    everyone: Bucket


SHARES = 16  # the bucket of everyone is kept in so many rows, or every try in the land would wait for one
ACCOUNT = Bucket(30, timedelta(seconds=20))
ADDRESS = Bucket(100, timedelta(seconds=2))
PAIR = Bucket(8, timedelta(seconds=30))
EVERYONE = Bucket(1250, timedelta(milliseconds=400))  # in all 20,000 at once, then forty a second: what is right is given back
USUAL = Door(ACCOUNT, ADDRESS, PAIR, EVERYONE)
# What costs us a message, or is guessed from few possibilities, is slower.
SENDING = Door(Bucket(6, timedelta(minutes=10)), Bucket(30, timedelta(minutes=1)), Bucket(4, timedelta(minutes=5)), Bucket(250, timedelta(seconds=2)))
GUESSING = Door(Bucket(15, timedelta(minutes=2)), ADDRESS, Bucket(6, timedelta(minutes=2)), EVERYONE)
PUSHING = Bucket(6000, timedelta(milliseconds=20))

DOORS = {
    "signin": USUAL,  # a password
    "register": USUAL,  # number and name
    "passkey": Door(Bucket(60, timedelta(seconds=5)), Bucket(200, timedelta(seconds=1)), Bucket(20, timedelta(seconds=5)), EVERYONE),
    "code": SENDING,  # a one-time code is asked for
    "second": GUESSING,  # a code is given: six digits
    "step-up": USUAL,  # a further proof in a session that stands
    "recovery": Door(Bucket(10, timedelta(minutes=6)), ADDRESS, Bucket(5, timedelta(minutes=3)), EVERYONE),
    "recovery code": USUAL,  # sixty bits at least
    "export": Door(Bucket(5, timedelta(minutes=10)), Bucket(30, timedelta(minutes=1)), Bucket(5, timedelta(minutes=10)), EVERYONE),  # much work
    "public check": Door(ACCOUNT, Bucket(60, timedelta(seconds=5)), PAIR, EVERYONE),  # a stranger asks whether a licence is genuine
    "document": Door(Bucket(60, timedelta(seconds=30)), Bucket(200, timedelta(seconds=2)), Bucket(30, timedelta(seconds=30)), EVERYONE),  # a PDF
    "archive": Door(Bucket(6, timedelta(minutes=5)), Bucket(30, timedelta(minutes=1)), Bucket(6, timedelta(minutes=5)), EVERYONE),  # much work
    "transaction code": GUESSING,  # six digits beside an offer of credentials
    "identity": GUESSING,  # a licence shown as the proof of who one is
    "match": GUESSING,  # fields that the registry knows of oneself
    "appoint": Door(Bucket(60, timedelta(seconds=30)), ADDRESS, Bucket(30, timedelta(seconds=30)), EVERYONE),  # somebody's number and name
    "draw": Door(
        Bucket(60, timedelta(seconds=20)), Bucket(400, timedelta(seconds=1)), Bucket(60, timedelta(seconds=20)), EVERYONE
    ),  # an officer names whose licence they look at
    "people": Door(
        Bucket(200, timedelta(seconds=10)), Bucket(400, timedelta(seconds=1)), Bucket(200, timedelta(seconds=10)), EVERYONE
    ),  # at a counter
    "notice": Door(
        ACCOUNT, ADDRESS, Bucket(10, timedelta(minutes=30)), EVERYONE
    ),  # messages of a kind to one address; the pair's bucket alone counts
    "device": Door(ACCOUNT, Bucket(200, timedelta(seconds=3)), PAIR, EVERYONE),  # a device asks for its codes; many in one hall have one address
    "device code": Door(
        ACCOUNT, Bucket(20, timedelta(seconds=15)), PAIR, Bucket(250, timedelta(seconds=1))
    ),  # eight letters are typed: 34 bits, ten minutes
    "backchannel": Door(
        Bucket(20, timedelta(minutes=3)), Bucket(2000, timedelta(milliseconds=100)), Bucket(6, timedelta(minutes=5)), EVERYONE
    ),  # a client asks a person: all clients of one person, one client of all, one client of one person
    "inbox": Door(
        Bucket(60, timedelta(minutes=1)), Bucket(2000, timedelta(milliseconds=100)), Bucket(20, timedelta(minutes=5)), EVERYONE
    ),  # a department asks a holder to show a licence: counted as above
    "client registration": Door(ACCOUNT, Bucket(20, timedelta(minutes=1)), PAIR, Bucket(100, timedelta(seconds=10))),  # without a token
    "request object": Door(ACCOUNT, Bucket(200, timedelta(seconds=1)), PAIR, EVERYONE),  # a link makes us ask a portal for its request
    "link": USUAL,  # a link with a secret that we sent
    "scan": Door(Bucket(20, timedelta(seconds=15)), Bucket(40, timedelta(seconds=10)), Bucket(10, timedelta(seconds=15)), EVERYONE),
    "push": Door(PUSHING, PUSHING, PUSHING, PUSHING),  # a portal's system, for everyone who signs in there
}
