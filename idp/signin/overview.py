"""What an account's first page shows: who it is, how well known, how they sign in, what they were told last, and what needs their attention."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import accounts, assurance, contacts, notices, proofs, recovery, second_step, sessions
from idp.signin.notices import Told
from idp.signin.recovery import Recovery
from idp.signin.sessions import Lifetimes
from idp.subjects import directory
from idp.subjects.numbers import Number
from runtime.languages import Text

LATEST = 3
WAYS = {
    second_step.PASSKEY: Text("通行密钥", "Passkey"),
    second_step.TOTP: Text("动态验证码", "Authenticator app"),
    second_step.SMS: Text("短信验证码", "Code by text message"),
    second_step.EMAIL: Text("邮件验证码", "Code by e-mail"),
    second_step.RECOVERY: Text("恢复码", "Recovery codes"),
}


@dataclass(frozen=True, slots=True)
class Overview:
    """An account at a glance. `ial` counts 1 to 3; `pending` is a recovery that somebody asked for."""

    name: str
    number: Number
    opened_at: datetime | None
    ial: int
    ways: list[Text]
    contacts: list[str]
    browsers: int
    notices: list[Told]
    pending: Recovery | None
    must_change: bool

    @property
    def level(self) -> Text:
        """The real-name level in words."""
        return assurance.NAMES[self.ial]


def overview_of(session: Session, subject_id: UUID, *, lifetimes: Lifetimes, now: datetime) -> Overview:
    """Gather what the first page of an account shows."""
    person = directory.get_subject(session, subject_id)
    return Overview(
        name=directory.name_of(person),
        number=directory.number_of(person),
        opened_at=accounts.find_opened_at(session, subject_id),
        ial=proofs.ial_of(session, subject_id, now=now),
        ways=[WAYS[way] for way in second_step.ways_of(session, subject_id)],
        contacts=[contact.masked for contact in contacts.verified_of(session, subject_id)],
        browsers=len(sessions.standing_of(session, subject_id, lifetimes=lifetimes)),
        notices=notices.latest(session, subject_id, limit=LATEST),
        pending=recovery.pending_of(session, subject_id, now=now),
        must_change=accounts.must_change(session, subject_id),
    )
