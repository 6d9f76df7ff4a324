"""What a registry tells of its own accord, one change at a time: a name, a number, a death, a dissolution, a representative.

A change takes effect on the imported table, if the number has a row there, on the subject, if there is one, and on what was kept of
answers. The registry's own id of a change is kept with its outcome, so that what is sent again has its first answer.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.subjects import changes, directory, registry_answers
from idp.subjects.history import Told
from idp.subjects.numbers import Number, NumberRefused, parse_number
from idp.subjects.records import ACTIVE, DECEASED, DISSOLVED
from idp.subjects.registry_import import Entry, Loading
from idp.subjects.registry_rows import ORGANISATIONS, PEOPLE
from runtime import ledger
from runtime.database import Base, prune
from runtime.languages import Text
from runtime.problems import Refusal

APPLIED, UNCHANGED, UNKNOWN = "applied", "unchanged", "unknown"
REMEMBERED = timedelta(days=90)
STATES = {"death": DECEASED, "dissolution": DISSOLVED, "restored": ACTIVE}


class UpdateIdReused(Refusal):
    """The id was sent before, with another content."""

    code, status, title = "update-id-reused", 409, Text("该变更编号已用于另一变更。", "This id was used for another change.")


class WrongNumberKind(Refusal):
    """People do not dissolve, organisations do not die, and only people represent."""

    code, status, title = "wrong-number-kind", 422, Text("号码种类与变更事项不符。", "A change of this kind is not for this kind of number.")


class RegistryUpdate(Base):
    """A change that a registry's system told of, with what became of it.

    `id_hash` and `digest` are keyed hashes of the system's own id and of the whole line: neither repeats anything.
    """

    __tablename__ = "registry_updates"
    client_id: Mapped[str] = mapped_column(primary_key=True)
    id_hash: Mapped[bytes] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    outcome: Mapped[str]
    told_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose line it is: the system, its department, and the keyed hashes of the line's id and content."""

    client_id: str
    department: str
    id_hash: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """One change, its numbers checked. `happened_on` is the registry's day."""

    change: str
    number: Number
    former: Number | None = None
    representative: Number | None = None
    name: str | None = field(default=None, repr=False)
    happened_on: date | None = None


def read(document: dict[str, Any]) -> Update:
    """Read a change whose shape was checked; raises NumberRefused, WrongNumberKind, naming the member at fault."""
    number = _number(document, "number")
    former = _number(document, "former_number") if document["change"] == "number" else None
    representative = _number(document, "representative") if document["change"] == "representative" else None
    change = document["change"]
    if (change == "death" and not number.is_person) or (change in ("dissolution", "representative") and number.is_person):
        raise WrongNumberKind(change, field="number")
    if former is not None and (former.is_person != number.is_person or former == number):
        raise WrongNumberKind("another kind, or the same number", field="former_number")
    if representative is not None and not representative.is_person:
        raise WrongNumberKind("an organisation", field="representative")
    name = document["name"].strip() if change == "name" else None
    return Update(change, number, former, representative, name, document.get("on"))


def tell(session: Session, update: Update, *, sender: Sender, now: datetime) -> tuple[str, bool]:
    """Let a change take effect once: returns its outcome, and whether it is that of before.

    A second request with the same id waits for the first. Raises UpdateIdReused, TwoSubjects.
    """
    values = {"client_id": sender.client_id, "id_hash": sender.id_hash, "digest": sender.digest, "outcome": UNCHANGED, "told_at": now}
    if session.execute(insert(RegistryUpdate).values(values).on_conflict_do_nothing().returning(RegistryUpdate.id_hash)).first() is None:
        before = session.get_one(RegistryUpdate, (sender.client_id, sender.id_hash))
        if not hmac.compare_digest(before.digest, sender.digest):
            raise UpdateIdReused(field="id")
        return before.outcome, True
    outcome = apply(session, update, told=Told(f"department:{sender.department}", now, update.happened_on))
    session.get_one(RegistryUpdate, (sender.client_id, sender.id_hash)).outcome = outcome
    actor = f"department:{sender.department}"
    about: dict[str, Any] = {"change": update.change, "outcome": outcome, "client": sender.client_id}
    ledger.record(session, "registry.told", actor=actor, object_id=sender.id_hash.hex(), now=now, **about)
    return outcome, False


def apply(session: Session, update: Update, *, told: Told) -> str:
    """Let a change take effect, and return `applied`, `unchanged` or `unknown`; raises TwoSubjects."""
    registry_answers.drop(session, *(each for each in (update.number, update.former, update.representative) if each is not None))
    in_table = _change_table(session, update, told)
    on_subject = _change_subject(session, update, told, is_followed=in_table is not None)
    if in_table is None and on_subject is None:
        return UNKNOWN
    return APPLIED if in_table or on_subject else UNCHANGED


def forget(*, now: datetime) -> None:
    """Forget the ids of changes that were told long ago."""
    prune(RegistryUpdate, RegistryUpdate.told_at < now - REMEMBERED)


def _change_table(session: Session, update: Update, told: Told) -> bool | None:
    """Change the row of the imported table, and with it the subject; None where there is no row, as in an installation that asks over HTTP."""
    loading = Loading(PEOPLE if update.number.is_person else ORGANISATIONS, told.by, told.at)
    found = loading.find(session, update.number if update.former is None else update.former) or loading.find(session, update.number)
    if found is None:
        return None
    members = {**found, "number": update.number.value, **_changed(update, found)}
    if members == found:
        return False
    if not loading.put(session, [Entry(0, update.number, update.former, members)]):
        raise directory.TwoSubjects(field="former_number")
    return True


def _changed(update: Update, found: Mapping[str, str]) -> dict[str, str]:
    """Return the members of a row that a change changes, beside its number."""
    if update.change in STATES:
        if found.get("state", ACTIVE) == STATES[update.change]:
            return {}
        return {"state": STATES[update.change], "ended_on": update.happened_on.isoformat() if update.happened_on else ""}
    if update.name is not None:
        return {"name": update.name}
    return {"representative": update.representative.value} if update.representative else {}


def _change_subject(session: Session, update: Update, told: Told, *, is_followed: bool) -> bool | None:
    """Change the subject where no table did; returns whether there was anything to change, None where there is no subject."""
    if update.former is not None:
        before = directory.find_subject(session, update.former)
        index = before.number_index if before else None
        after = directory.renumber(session, update.former, update.number, told=told)
        return None if after is None else after.number_index != index
    subject = directory.find_subject(session, update.number)
    if subject is None or (is_followed and directory.is_former(subject, update.number)):
        return None  # somebody else has a number now that this one had: the registry has them by it
    if update.change in STATES:
        return changes.set_state(session, subject, STATES[update.change], told=told)
    if update.name is not None:
        return changes.rename(session, subject, update.name, told=told)
    if update.representative is not None and not is_followed:
        changes.change_representative(session, subject, before=None, after=update.representative.value, told=told)
        return True
    return False


def _number(document: dict[str, Any], name: str) -> Number:
    try:
        return parse_number(document[name])
    except NumberRefused as refused:
        raise NumberRefused(refused.why, field=name) from refused
