"""All that is kept of a person, as one JSON document, for the person themself.

It is written section by section, row by row, into a file that spills to disk, so that a long history costs no memory. `sections` holds
what each part contributes: a name, and what gives its rows, as `(session, subject id, now)`; parts that lie further out add their own.
No secret is in it: no hash, no key, no code.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import IO, Any
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import accounts, contacts, devices, history, notice_choices, notices, passkeys, proofs, second_step, sessions
from idp.subjects import directory, mandates
from idp.subjects.registries import RegistryUnavailable
from runtime import ledger
from runtime.languages import Text

FORMAT = "kabao-my-data-1"
IN_MEMORY = 1024 * 1024
MOST_NOTICES = 10_000
Rows = Iterable[dict[str, Any]]
Section = Callable[[Session, UUID, datetime], Rows]


def write(session: Session, subject_id: UUID, *, now: datetime) -> IO[bytes]:
    """Write everything into a file and return it, at its beginning; that it was asked for stands in the ledger."""
    ledger.record(session, "account.exported", actor=f"subject:{subject_id}", object_id=subject_id, subject_id=subject_id, now=now)
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - whoever sends it closes it
    for part in _document(session, subject_id, now):
        file.write(part.encode())
    file.seek(0)
    return file


def _document(session: Session, subject_id: UUID, now: datetime) -> Iterator[str]:
    yield f'{{"format": {_json(FORMAT)},\n"made_at": {_json(now)}'
    for name, rows_of in sections.items():
        yield f",\n{_json(name)}: ["
        for number, row in enumerate(rows_of(session, subject_id, now)):
            yield ("," if number else "") + "\n" + _json(row)
        yield "]"
    yield "}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return value.as_json()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _person(session: Session, subject_id: UUID, now: datetime) -> Rows:
    person = directory.get_subject(session, subject_id)
    number = directory.number_of(person)
    yield {"name": directory.name_of(person), "number": number.value, "number_kind": number.kind.value, "added_at": person.added_at}


def _account(session: Session, subject_id: UUID, now: datetime) -> Rows:
    account = session.get_one(accounts.Account, subject_id)
    level = proofs.ial_of(session, subject_id, now=now)
    yield {"opened_at": account.opened_at, "password_changed_at": account.password_changed_at, "real_name_level": level}


def _proofs(session: Session, subject_id: UUID, now: datetime) -> Rows:
    for proof in proofs.proofs_of(session, subject_id):
        times = {"proved_at": proof.proved_at, "expires_at": proof.expires_at, "withdrawn_at": proof.withdrawn_at}
        yield {"level": proof.level, "method": proof.method_name, "department": proof.department_text, **times}


def _ways(session: Session, subject_id: UUID, now: datetime) -> Rows:
    yield {"ways": ["password", *second_step.ways_of(session, subject_id)]}
    for passkey in passkeys.of(session, subject_id):
        yield {"passkey": passkey.name, "added_at": passkey.added_at, "last_used_at": passkey.last_used_at}


def _contacts(session: Session, subject_id: UUID, now: datetime) -> Rows:
    for contact in contacts.all_of(session, subject_id):
        yield {"kind": contact.kind, "address": contact.address, "added_at": contact.added_at, "verified_at": contact.verified_at}


def _browsers(session: Session, subject_id: UUID, now: datetime) -> Rows:
    for row in sessions.of(session, subject_id):
        about = sessions.about(row)
        seen = {"signed_in_at": row.began_at, "last_seen_at": row.seen_at, "by": row.amr}
        yield {"browser": about.name, "network": about.network, "place": about.place, **seen}
    for known in devices.of(session, subject_id):
        about = devices.unseal(known.about_sealed, table=devices.TABLE, row=known.id)
        yield {"browser": about.name, "network": about.network, "place": about.place, "first_at": known.first_at, "last_at": known.seen_at}


def _mandates(session: Session, subject_id: UUID, now: datetime) -> Rows:
    try:
        held = [*mandates.organisations_of(session, person_id=subject_id, now=now), *mandates.acted_for(session, person_id=subject_id, now=now)]
    except RegistryUnavailable as unavailable:
        yield {"unavailable": unavailable.title}
        return
    for mandate in {mandate.holder_id: mandate for mandate in held}.values():
        yield {"for": mandate.name, "number": mandate.number.value, "role": mandate.role_name, "until": mandate.valid_until}


def _notices(session: Session, subject_id: UUID, now: datetime) -> Rows:
    for told in notices.latest(session, subject_id, limit=MOST_NOTICES):
        yield {"at": told.at, "title": told.title, "body": told.body}


def _history(session: Session, subject_id: UUID, now: datetime) -> Rows:
    before = None
    while page := history.history_of(session, subject_id, before=before):
        yield from ({"at": entry.at, "act": entry.act, "what": entry.sentence, "by": entry.by} for entry in page)
        before = page[-1].id
        session.expunge_all()


def _choices(session: Session, subject_id: UUID, now: datetime) -> Rows:
    for name, is_wanted in notice_choices.choices_of(session, subject_id).items():
        yield {"choice": name, "about": notice_choices.CHOICES[name].text, "is_wanted": is_wanted}


sections: dict[str, Section] = {
    "person": _person,
    "account": _account,
    "real_name_proofs": _proofs,
    "ways_to_sign_in": _ways,
    "contacts": _contacts,
    "browsers": _browsers,
    "mandates": _mandates,
    "notices": _notices,
    "notice_choices": _choices,
    "history": _history,
}
