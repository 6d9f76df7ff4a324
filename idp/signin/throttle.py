"""The throttle: guessing is slowed by account, by address, and by both together; nobody is locked out.

Each has a bucket that a try fills and time empties (a leaky bucket, kept as the moment when it is empty again). A full
bucket refuses until one try has leaked out, whoever asks. A right password gives back what it took and empties
the account's buckets. One statement counts a try in all its buckets; keys are keyed hashes, so the table holds no number
and no address.
"""

import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Case, DateTime, Interval, case, func, literal
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from keys import sealing
from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import TooManyRequests


class SlowDown(TooManyRequests):
    """Too many tries; `Retry-After` says when the next is heard."""

    title = Text("尝试次数过多，请稍后再试。", "Too many attempts; try again a little later.")


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many tries may come at once, and how long one takes to leak out."""

    size: int
    leak: timedelta

    @property
    def room(self) -> timedelta:
        """How long a full bucket takes to empty."""
        return self.leak * self.size


ACCOUNT = Bucket(30, timedelta(seconds=20))
ADDRESS = Bucket(100, timedelta(seconds=2))
PAIR = Bucket(8, timedelta(seconds=30))


class ThrottleBucket(Base):
    """A bucket: when it will be empty, and whether its last try was refused."""

    __tablename__ = "throttle_buckets"
    key: Mapped[bytes] = mapped_column(primary_key=True)
    empty_at: Mapped[datetime] = mapped_column(index=True)
    refused: Mapped[bool]


@dataclass(frozen=True, slots=True)
class Try:
    """One try: what for, on which account, from where. The bucket of the account counts only where the browser is a stranger's."""

    purpose: str
    account: str
    address: str
    known_browser: bool = False

    def buckets(self) -> dict[bytes, Bucket]:
        """Return the buckets that the try falls into, by key."""
        place = network_of(self.address)
        named = {f"address:{place}": ADDRESS, f"pair:{self.account}:{place}:{self.known_browser}": PAIR}
        if not self.known_browser:
            named[f"account:{self.account}"] = ACCOUNT
        return {sealing.index_of(f"throttle:{self.purpose}:{name}"): bucket for name, bucket in named.items()}


def count(session: Session, attempt: Try, *, now: datetime) -> None:
    """Count a try in all its buckets before it is heard, in a transaction of its own.

    Raises SlowDown if a bucket is full; the transaction is then undone, so that a refused try takes no room.
    """
    buckets = attempt.buckets()
    leak, room, present = _by_key(buckets, "leak"), _by_key(buckets, "room"), literal(now, DateTime(timezone=True))
    begins = func.greatest(ThrottleBucket.empty_at, present)
    is_full = begins + leak > present + room
    changes = {"empty_at": case((is_full, ThrottleBucket.empty_at), else_=begins + leak), "refused": is_full}
    rows = session.execute(_write(buckets, changes, now=now).returning(ThrottleBucket.key, ThrottleBucket.empty_at, ThrottleBucket.refused)).all()
    waits = [empty_at + buckets[key].leak - now - buckets[key].room for key, empty_at, refused in rows if refused]
    if waits:
        raise SlowDown("too many tries", retry_after=math.ceil(max(waits).total_seconds()))


def give_back(session: Session, attempt: Try, *, now: datetime) -> None:
    """Empty the buckets of an account whose owner came, and take the try out of the address's."""
    buckets = attempt.buckets()
    shared = sealing.index_of(f"throttle:{attempt.purpose}:address:{network_of(attempt.address)}")
    less = ThrottleBucket.empty_at - _by_key(buckets, "leak")
    changes = {"empty_at": case((ThrottleBucket.key == shared, less), else_=literal(now, DateTime(timezone=True)))}
    session.execute(_write(buckets, changes, now=now))


def network_of(address: str) -> str:
    """Return the part of an address that one party holds: the whole of IPv4, the first 64 bits of IPv6."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(read, ipaddress.IPv4Address):
        return str(read)
    return str(read.ipv4_mapped or ipaddress.IPv6Network((int(read) >> 64 << 64, 64)))


def forget(*, now: datetime) -> None:
    """Forget the buckets that are empty."""
    prune(ThrottleBucket, ThrottleBucket.empty_at < now)


def _write(buckets: dict[bytes, Bucket], changes: dict[str, Any], *, now: datetime) -> Insert:
    """Return the one statement that makes or changes the buckets; in the order of their keys, so that two never wait for each other."""
    rows = [{"key": key, "empty_at": now + buckets[key].leak, "refused": False} for key in sorted(buckets)]
    return insert(ThrottleBucket).values(rows).on_conflict_do_update(index_elements=["key"], set_=changes)


def _by_key(buckets: dict[bytes, Bucket], name: str) -> Case[timedelta]:
    return case({key: literal(getattr(bucket, name), Interval()) for key, bucket in buckets.items()}, value=ThrottleBucket.key)
