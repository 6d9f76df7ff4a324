"""The throttle: guessing is slowed by account, by address, by both together and in all; nobody is locked out.

Each has a bucket that a try fills and time empties (a leaky bucket, kept as the moment when it is empty again). A full
bucket refuses until one try has leaked out, whoever asks. A right password gives back what it took and empties
the account's buckets. One statement counts a try in all its buckets, so it holds over many processes; keys are keyed
hashes, so the table holds no number and no address. With `KABAO_THROTTLE=track` a try that would be refused is counted
and logged, and heard.
"""

import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import current_app
from prometheus_client import Counter
from sqlalchemy import Case, DateTime, Interval, case, func, literal
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin.doors import DOORS, SHARES, USUAL, Bucket
from keys import sealing
from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import TooManyRequests
from runtime.settings import Settings

log = structlog.get_logger(__name__)
SLOWED = Counter("kabao_throttle_total", "Tries that the throttle refused, or would have refused", ["door", "bucket", "outcome"])
SKEW = timedelta(seconds=30)  # by which clocks may differ; a bucket that is fuller than full by more was filled by a clock that was wrong
ONE_MINUTE = Text("尝试过于频繁，请在1分钟后再试。", "That was too often; try again in one minute.")
MINUTES = Text("尝试过于频繁，请在{}分钟后再试。", "That was too often; try again in {} minutes.")
PAIR_KIND, SHARED_KINDS = "pair", ("address", "everyone")


class SlowDown(TooManyRequests):
    """Too many tries; `Retry-After` says when the next is heard, and a sentence says it in minutes."""

    title = Text("尝试次数过多。", "Too many attempts.")

    def __init__(self, reason: str = "", *, retry_after: int) -> None:
        super().__init__(reason, retry_after=retry_after)
        minutes = math.ceil(int(self.headers["Retry-After"]) / 60)
        self.shown = ONE_MINUTE if minutes == 1 else MINUTES.format(minutes)


class ThrottleBucket(Base):
    """A bucket: when it will be empty, and whether its last try was refused."""

    __tablename__ = "throttle_buckets"
    key: Mapped[bytes] = mapped_column(primary_key=True)
    empty_at: Mapped[datetime] = mapped_column(index=True)
    refused: Mapped[bool]


@dataclass(frozen=True, slots=True)
class Try:
    """One try: at which door (`doors.DOORS`), on which account (empty where it is on none), from where.

    In a browser in which the owner of the account signed in before, one bucket of such browsers alone counts: however many strangers
    guess, and from wherever, the owner is not slowed; and whoever stole such a browser gains nothing by changing networks.
    """

    purpose: str
    account: str
    address: str
    known_browser: bool = False

    def buckets(self) -> dict[bytes, tuple[str, Bucket]]:
        """Return the buckets that the try falls into, by key, each with its kind."""
        door, place = DOORS.get(self.purpose, USUAL), network_of(self.address)
        if self.known_browser:
            return {self._key(f"known:{self.account}"): (PAIR_KIND, door.pair)}
        pair = self._key(f"pair:{self.account}:{place}")
        share = int.from_bytes(pair[-2:], "big") % SHARES
        found = {self.address_key(): ("address", door.address), self._key(f"everyone:{share}"): ("everyone", door.everyone)}
        if self.account:
            found |= {pair: (PAIR_KIND, door.pair), self._key(f"account:{self.account}"): ("account", door.account)}
        return found

    def address_key(self) -> bytes:
        """Return the key of the address's bucket, by which it can be penalised later without the address."""
        return self._key(f"address:{network_of(self.address)}")

    def _key(self, name: str) -> bytes:
        return sealing.index_of(f"throttle:{self.purpose}:{name}")


def count(session: Session, attempt: Try, *, now: datetime) -> None:
    """Count a try in all its buckets before it is heard, in a transaction of its own.

    Raises SlowDown if a bucket is full; the transaction is then undone, so that a refused try takes no room.
    """
    kinds = attempt.buckets()
    buckets = {key: bucket for key, (_, bucket) in kinds.items()}
    leak, room, present = _by_key(buckets, "leak"), _by_key(buckets, "room"), literal(now, DateTime(timezone=True))
    from_a_wrong_clock = ThrottleBucket.empty_at > present + room + SKEW
    begins = case((from_a_wrong_clock, present), else_=func.greatest(ThrottleBucket.empty_at, present))
    is_full = begins + leak > present + room
    changes = {"empty_at": case((is_full, ThrottleBucket.empty_at), else_=begins + leak), "refused": is_full}
    rows = session.execute(_write(buckets, changes, now=now).returning(ThrottleBucket.key, ThrottleBucket.empty_at, ThrottleBucket.refused)).all()
    waits = {kinds[key][0]: empty_at + buckets[key].leak - now - buckets[key].room for key, empty_at, refused in rows if refused}
    if not waits:
        return
    settings: Settings = current_app.extensions["kabao_settings"]
    mode = "refused" if settings.throttle_enforced else "tracked"
    for kind in waits:
        SLOWED.labels(attempt.purpose, kind, mode).inc()
    if settings.throttle_enforced:
        raise SlowDown(f"too many tries: {', '.join(sorted(waits))}", retry_after=math.ceil(max(waits.values()).total_seconds()))
    log.warning("the throttle would have refused", door=attempt.purpose, buckets=sorted(waits))


def give_back(session: Session, attempt: Try, *, now: datetime) -> None:
    """Empty the buckets of an account whose owner came, and take the try out of those that are shared with others."""
    kinds = attempt.buckets()
    buckets = {key: bucket for key, (_, bucket) in kinds.items()}
    shared = [key for key, (kind, _) in kinds.items() if kind in SHARED_KINDS]
    less = ThrottleBucket.empty_at - _by_key(buckets, "leak")
    changes = {"empty_at": case((ThrottleBucket.key.in_(shared), less), else_=literal(now, DateTime(timezone=True)))}
    session.execute(_write(buckets, changes, now=now))


def penalise(session: Session, address_key: bytes, *, door: str, tries: int, now: datetime) -> None:
    """Count so many tries against an address that did ill, up to a full bucket."""
    bucket = DOORS[door].address
    full, present = now + bucket.room, literal(now, DateTime(timezone=True))
    more = func.least(func.greatest(ThrottleBucket.empty_at, present) + bucket.leak * tries, full)
    row = insert(ThrottleBucket).values(key=address_key, empty_at=min(now + bucket.leak * tries, full), refused=False)
    session.execute(row.on_conflict_do_update(index_elements=["key"], set_={"empty_at": more}))


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
