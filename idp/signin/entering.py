"""From a proof of who someone is to a session: the one way in, whatever the proof was.

A page that has seen a proof calls `enter` in its transaction, and answers with `callers.let_in`. Where the account asks for two
steps and one was taken, what it led to is a sign-in that waits for the second (`pending`). Where the browser is a new one the person
is told, and can undo it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from idp.signin import accounts, alarms, devices, pending, registration, second_step, sessions, trusted_browsers
from idp.signin.sessions import SignedIn
from idp.subjects import directory, guardians


@dataclass(frozen=True, slots=True)
class Browser:
    """What is known of the browser that someone signs in with.

    Its address, what it says that it is, who was signed in in it, and the marks that it keeps of people who were. `trusted` is the secret by
    which someone trusts it, if anyone does; `language` is the one that is read in it.
    """

    address: str
    user_agent: str
    before: SignedIn | None = None
    marks: tuple[str, ...] = ()
    trusted: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a proof led to: the token of a session for this person, and the mark by which their browser is known again.

    Or the secret of a sign-in that waits for a second step, and nothing else.
    """

    subject_id: UUID
    token: str = ""
    mark: str = ""
    waiting: str = ""


def enter(
    session: Session,
    *,
    subject_id: UUID,
    amr: list[str],
    browser: Browser,
    now: datetime,
    auth_time: datetime | None = None,
    two_steps: bool = True,
    password_hash: str | None = None,
) -> Entry:
    """Let a person in who has proven who they are in the ways that `amr` names (RFC 8176), at `auth_time` if that was before now.

    Where a second step is missing it is asked for first. `two_steps=False` is for who has just taken it, and for whom its loss was
    dealt with otherwise. `password_hash` is what a password was compared with. Someone at level 1 is matched with the registry behind the
    scenes. Raises NoSuchAccount where the account, or that password, has ended since the proof; SubjectEnded, TooYoung.
    """
    accounts.check_stands(session, subject_id, password_hash=password_hash)
    is_trusted = two_steps and trusted_browsers.is_trusted(session, subject_id, browser.trusted, now=now)
    if two_steps and not is_trusted and second_step.is_missing(session, subject_id, amr):
        return Entry(subject_id, waiting=pending.begin(session, subject_id, amr=amr, now=now)[1])
    about = devices.describe(session, address=browser.address, user_agent=browser.user_agent)
    known = devices.recognise(session, subject_id, marks=browser.marks, about=about, now=now)
    session_id, token = sessions.begin(
        session, subject_id=subject_id, amr=amr, now=now, before=browser.before, auth_time=auth_time, about=about, mark_hash=known.mark_hash
    )
    person = directory.get_subject(session, subject_id)
    guardians.check_may_sign_in(directory.number_of(person).born, now=now)  # the registry may have corrected it since the account was opened
    directory.check_active(person)  # after the session's row: a death that comes now waits, and ends it
    if known.is_new and _had_account_before(session, subject_id, now=now):
        alarms.tell(session, subject_id, session_id=session_id, about=about, now=now)
    registration.match_soon(session, subject_id)
    if browser.language:
        accounts.remember_language(session, subject_id, browser.language)
    return Entry(subject_id, token, known.mark)


def _had_account_before(session: Session, subject_id: UUID, *, now: datetime) -> bool:
    opened_at = accounts.find_opened_at(session, subject_id)
    return opened_at is not None and opened_at < now
