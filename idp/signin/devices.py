"""Devices: what is known of the browsers that a person signs in with, in words, and which of them are known again.

A browser keeps a random mark for each person who signed in in it, the database only its SHA-256. Of a browser are kept the words
that its family and system have, its network and its place: sealed, and never what it sent of itself.
"""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin import places
from keys import sealed_tables, sealing
from runtime.database import Base, prune
from runtime.ids import new_id
from runtime.languages import Text

TABLE, COLUMN = "known_browsers", "about"
REMEMBERED = timedelta(days=180)
MOST = 20
MARK_BYTES = 24
LONGEST_AGENT, LONGEST_WORD = 400, 40
OTHER = "Other"
IN_CHINESE = {
    "WeChat Browser": "微信",
    "QQ Browser": "QQ浏览器",
    "QQ Browser Mobile": "QQ浏览器",
    "UC Browser": "UC浏览器",
    "Mobile Safari": "Safari",
}
NO_BROWSER, NO_SYSTEM = Text("未知浏览器", "Unknown browser"), Text("未知系统", "unknown system")


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a browser: the words of its family, system and device, its network, and where that is."""

    browser: str = ""
    system: str = ""
    device: str = ""
    network: str = ""
    zh: str = places.UNKNOWN.zh
    en: str = places.UNKNOWN.en

    @property
    def place(self) -> Text:
        """Where its network is."""
        return Text(self.zh, self.en)

    @property
    def name(self) -> Text:
        """What a person would call the device."""
        browser = Text(IN_CHINESE.get(self.browser, self.browser), self.browser) if self.browser else NO_BROWSER
        device = self.device if self.device and self.device != self.system else ""
        system = Text(self.system, self.system) if self.system else NO_SYSTEM
        end = f" · {device}" if device else ""
        return Text(f"{browser.zh} · {system.zh}{end}", f"{browser.en} · {system.en}{end}")

    def seal(self, *, table: str, row: UUID) -> bytes:
        """Return it sealed for the column `about` of a row."""
        return sealing.seal(json.dumps(asdict(self), ensure_ascii=False), table=table, column=COLUMN, row=row)


class KnownBrowser(Base):
    """A browser in which a person signed in, by the hash of the mark that it keeps for them."""

    __tablename__ = TABLE
    subject_id: Mapped[UUID] = mapped_column(ForeignKey("subjects.id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    mark_hash: Mapped[bytes]
    about_sealed: Mapped[bytes]
    first_at: Mapped[datetime]
    seen_at: Mapped[datetime] = mapped_column(index=True)


sealed_tables.declare(KnownBrowser, sealed={"about_sealed": "about"})


@dataclass(frozen=True, slots=True)
class Recognised:
    """The mark of a browser for a person, and whether it was made just now."""

    mark: str
    is_new: bool

    @property
    def mark_hash(self) -> bytes:
        """What the database keeps of the mark."""
        return hash_of(self.mark)


def describe(session: Session, *, address: str, user_agent: str) -> About:
    """Return what is kept of a browser, from its address and what it says that it is."""
    from ua_parser import parse  # its table of browsers takes a tenth of a second to load, once, and only where someone signs in

    read = parse(user_agent[:LONGEST_AGENT])
    browser, system, device = read.user_agent, read.os, read.device
    place = places.find_place(session, address)
    return About(
        browser=_word(browser.family if browser else None),
        system=_word(system.family if system else None),
        device=_word(device.family if device and device.brand and not device.brand.startswith("Generic") else None),
        network=places.network_of(address),
        zh=place.zh,
        en=place.en,
    )


def unseal(sealed: bytes | None, *, table: str, row: UUID) -> About:
    """Return what was sealed about a browser; nothing known where nothing was kept."""
    return About(**json.loads(sealing.unseal(sealed, table=table, column=COLUMN, row=row))) if sealed else About()


def recognise(session: Session, subject_id: UUID, *, marks: tuple[str, ...], about: About, now: datetime) -> Recognised:
    """Return the mark by which a browser is known as this person's, making one if none of its marks is; of too many the oldest is forgotten."""
    row = _find(session, subject_id, marks)
    if row is not None:
        values = {"seen_at": now, "about_sealed": about.seal(table=TABLE, row=row.id)}
        session.execute(update(KnownBrowser).where(KnownBrowser.subject_id == subject_id, KnownBrowser.id == row.id).values(values))
        return Recognised(next(mark for mark in marks if hash_of(mark) == row.mark_hash), is_new=False)
    mark, row_id = secrets.token_urlsafe(MARK_BYTES), new_id()
    sealed = about.seal(table=TABLE, row=row_id)
    session.add(KnownBrowser(subject_id=subject_id, id=row_id, mark_hash=hash_of(mark), about_sealed=sealed, first_at=now, seen_at=now))
    newest = select(KnownBrowser.id).where(KnownBrowser.subject_id == subject_id).order_by(KnownBrowser.seen_at.desc()).limit(MOST)
    session.flush()
    session.execute(
        delete(KnownBrowser).where(KnownBrowser.subject_id == subject_id, KnownBrowser.id.not_in(newest)).execution_options(synchronize_session=False)
    )
    return Recognised(mark, is_new=True)


def is_known(session: Session, subject_id: UUID, marks: tuple[str, ...]) -> bool:
    """Whether one of a browser's marks is this person's."""
    return _find(session, subject_id, marks) is not None


def of(session: Session, subject_id: UUID) -> list[KnownBrowser]:
    """Return the browsers that are known as a person's, the one used last first."""
    return list(session.scalars(select(KnownBrowser).where(KnownBrowser.subject_id == subject_id).order_by(KnownBrowser.seen_at.desc())))


def unknow(
    session: Session, subject_id: UUID, *, mark_hash: bytes | None = None, but: bytes | None = None, since: datetime | None = None
) -> list[bytes]:
    """Know browsers of a person no longer, and return their hashes: the one of a hash, all but one, or those first seen since a moment."""
    gone = delete(KnownBrowser).where(KnownBrowser.subject_id == subject_id).returning(KnownBrowser.mark_hash)
    if mark_hash is not None:
        gone = gone.where(KnownBrowser.mark_hash == mark_hash)
    if but is not None:
        gone = gone.where(KnownBrowser.mark_hash != but)
    if since is not None:
        gone = gone.where(KnownBrowser.first_at >= since)
    return list(session.scalars(gone))


def unknow_one(session: Session, subject_id: UUID, browser_id: UUID) -> None:
    """Know one browser of a person no longer, by its id."""
    session.execute(delete(KnownBrowser).where(KnownBrowser.subject_id == subject_id, KnownBrowser.id == browser_id))


def forget(*, now: datetime) -> None:
    """Forget the browsers that nobody signed in with for half a year."""
    prune(KnownBrowser, KnownBrowser.seen_at < now - REMEMBERED)


def hash_of(mark: str) -> bytes:
    """Return what the database keeps of a mark: it is random and long, so a bare hash is enough."""
    return hashlib.sha256(mark.encode()).digest()


def _find(session: Session, subject_id: UUID, marks: tuple[str, ...]) -> KnownBrowser | None:
    if not marks:
        return None
    hashes = [hash_of(mark) for mark in marks]
    return session.scalars(select(KnownBrowser).where(KnownBrowser.subject_id == subject_id, KnownBrowser.mark_hash.in_(hashes)).limit(1)).first()


def _word(family: str | None) -> str:
    return "" if family is None or family == OTHER else family[:LONGEST_WORD]
