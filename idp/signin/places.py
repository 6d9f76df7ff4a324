"""Where an address is, in words: from a table that the operator supplies, never by asking anyone outside.

Ranges of addresses, each with a place in both languages; of several that hold an address the narrowest counts. What is kept of
an address is its network alone (/24, of IPv6 /48).
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Index, delete, func, insert, literal, select
from sqlalchemy.dialects.postgresql import CIDR, INET
from sqlalchemy.orm import Mapped, Session, mapped_column

from runtime.database import Base
from runtime.languages import Text

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
KEPT_BITS = {4: 24, 6: 48}
LONGEST_NAME = 60
BATCH = 1_000
UNKNOWN = Text("未知地区", "Place unknown")
SAME_MACHINE = Text("本机", "This very machine")
INTERNAL = Text("内部网络", "An internal network")
SHARED = Text("运营商内部网络", "A carrier's internal network")
CARRIERS = (ipaddress.ip_network("100.64.0.0/10"),)
INTERNAL_NETWORKS = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")))


class PlaceRange(Base):
    """A range of addresses that are in one place."""

    __tablename__ = "place_ranges"
    network: Mapped[Network] = mapped_column(CIDR, primary_key=True)
    zh: Mapped[str]
    en: Mapped[str]
    __table_args__ = (Index("ix_place_ranges_network", "network", postgresql_using="gist", postgresql_ops={"network": "inet_ops"}),)


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of a file that cannot be taken, and why."""

    line: int
    why: str


def find_place(session: Session, unverified_address: str) -> Text:
    """Return the place of an address in words, by one query; an internal network is named as such where the operator has no name for it."""
    address = read_address(unverified_address)
    if address is None:
        return UNKNOWN
    holds = PlaceRange.network.op(">>=", is_comparison=True)(literal(address, INET))
    row = session.execute(select(PlaceRange.zh, PlaceRange.en).where(holds).order_by(func.masklen(PlaceRange.network).desc()).limit(1)).first()
    return Text(row.zh, row.en) if row is not None else _in_words(address)


def network_of(unverified_address: str) -> str:
    """Return the network of an address, which is all that is kept of it; empty where there is no address."""
    address = read_address(unverified_address)
    return "" if address is None else str(ipaddress.ip_network(f"{address}/{KEPT_BITS[address.version]}", strict=False))


def read_address(unverified: str) -> Address | None:
    """Read an address, one of IPv4 that is written as IPv6 too; None if it is none."""
    try:
        address = ipaddress.ip_address(unverified.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def replace_all(session: Session, rows: Iterable[tuple[int, list[str]]]) -> tuple[int, list[Fault]]:
    """Put the rows of a file in place of all that was known, and return how many were taken, and the faults of the others.

    A row is a range (CIDR), and the name of its place in Chinese and in English; of a range that comes twice the last name counts.
    """
    session.execute(delete(PlaceRange))
    taken: dict[Network, dict[str, object]] = {}
    faults: list[Fault] = []
    for line, row in rows:
        try:
            network, zh, en = _read(row)
        except ValueError as error:
            faults.append(Fault(line, str(error)))
        else:
            taken[network] = {"network": network, "zh": zh, "en": en}
    ready = list(taken.values())
    for start in range(0, len(ready), BATCH):
        session.execute(insert(PlaceRange), ready[start : start + BATCH])
    return len(ready), faults


def _read(row: list[str]) -> tuple[Network, str, str]:
    if len(row) < 3:
        raise ValueError("a line has three columns: range, 中文, English")
    network = ipaddress.ip_network(row[0].strip())
    zh, en = row[1].strip(), row[2].strip()
    if read_address(zh) is not None:
        raise ValueError("a range is written as one, such as 10.0.0.0/8, and not by its ends")
    if not (0 < len(zh) <= LONGEST_NAME and 0 < len(en) <= LONGEST_NAME):
        raise ValueError(f"both names must be given, of at most {LONGEST_NAME} characters")
    return network, zh, en


def _in_words(address: Address) -> Text:
    if address.is_loopback:
        return SAME_MACHINE
    for place, networks in ((SHARED, CARRIERS), (INTERNAL, INTERNAL_NETWORKS)):
        if any(address.version == network.version and address in network for network in networks):
            return place
    return UNKNOWN
