"""The jobs that write to people: a code while it is good for anything, a notice to each address within a day.

A job carries ids alone; the text is made here, in the language that the person read last. A job that fails is run again by the queue, and
finds by itself when there is nothing left to say.
"""

from uuid import UUID

import structlog
from flask import current_app
from sqlalchemy.orm import Session

from idp.signin import accounts, contacts, notices, one_time_codes, senders, throttle
from idp.signin.contacts import PHONE, Contact
from idp.signin.notices import SENT_WITHIN, Told
from idp.signin.one_time_codes import SECOND, SIGNING_IN, VERIFYING
from idp.signin.senders import Message
from idp.signin.throttle import SlowDown
from runtime.clock import now
from runtime.database import transaction
from runtime.jobs import defer, is_first_run, job, outward
from runtime.languages import ENGLISH, Text
from runtime.settings import Settings

log = structlog.get_logger(__name__)
SIGNATURE = Text("【卡包】", "[Kabao] ")
CODE_TITLE = Text("卡包验证码", "Your Kabao code")
CODES = {
    VERIFYING: Text("验证码 {}，用于添加联系方式，5分钟内有效。", "{} is the code that adds this address to your account; good for 5 minutes."),
    SECOND: Text("验证码 {}，用于登录时的身份验证，5分钟内有效。", "{} is the code that confirms that it is you; good for 5 minutes."),
    SIGNING_IN: Text("验证码 {}，用于登录，5分钟内有效。", "{} is the code to sign in with; good for 5 minutes."),
}
NEVER_TELL = Text("工作人员不会索要验证码，请勿告诉任何人。", "Nobody of ours will ask for it: tell no one.")
NOT_YOU = Text("如非本人操作，请尽快登录查看：{}", "If this was not you, sign in and look: {}")


@outward
def send_code(code_id: str) -> None:
    """Send a one-time code to where it was asked for."""
    present = now()
    with transaction() as session:
        found = one_time_codes.find_to_send(session, UUID(code_id), now=present)
        if found is None:
            return
        row, contact = found
        language = accounts.find_language(session, contact.subject_id)
    text = CODES[row.purpose].format(one_time_codes.code_of(row.id))
    body = f"{_in(language, text)} {_in(language, NEVER_TELL)}"
    _send(Message(code_id, contact.kind, contact.address, _in(language, CODE_TITLE), body), language)


@job
def send_notice(subject_id: str, notice_id: str) -> None:
    """Have a notice sent to each address at which its person could be reached when it happened."""
    with transaction() as session:
        told = _find(session, subject_id, notice_id)
        if told is None or not is_first_run(session):
            return
        for contact in contacts.reached_at(session, UUID(subject_id), moment=told.at):
            if _is_in_measure(session, contact, told):
                defer(session, "send_notice_to", subject_id=subject_id, notice_id=notice_id, contact_id=str(contact.id))


@outward
def send_notice_to(subject_id: str, notice_id: str, contact_id: str) -> None:
    """Send a notice to one address."""
    with transaction() as session:
        told = _find(session, subject_id, notice_id)
        contact = session.get(contacts.Contact, (UUID(subject_id), UUID(contact_id)))
        language = accounts.find_language(session, UUID(subject_id))
    if told is None or contact is None:
        return
    _send(Message(f"{notice_id}.{contact_id}", contact.kind, contact.address, _in(language, told.title), _body(told, language)), language)


def _is_in_measure(session: Session, contact: Contact, told: Told) -> bool:
    """Whether one more notice of a kind may go to an address: others can cause some, and each costs us a message.

    Each kind has its measure, so that many of one hold back none of another; all of them stand on the person's page.
    """
    try:
        with session.begin_nested():
            throttle.count(session, throttle.Try("notice", f"{contact.id}:{told.kind}", "", known_browser=True), now=now())
    except SlowDown:
        log.info("a notice is not sent: many of its kind went to this address", kind=told.kind)
        return False
    return True


def _find(session: Session, subject_id: str, notice_id: str) -> Told | None:
    told = notices.find(session, UUID(subject_id), UUID(notice_id))
    return told if told is not None and now() - told.at < SENT_WITHIN else None


def _body(told: Told, language: str | None) -> str:
    here = _settings().public_url
    lines = [_in(language, told.body)]
    if told.link:
        lines.append(f"{_in(language, told.link_text) if told.link_text else ''} {here}{told.link}".strip())
    else:
        lines.append(_in(language, NOT_YOU).format(here + "/account"))
    return "\n".join(lines)


def _send(message: Message, language: str | None) -> None:
    if message.kind == PHONE:
        message = Message(message.id, message.kind, message.to, message.title, _in(language, SIGNATURE) + message.body)
    senders.send(message, settings=_settings(), now=now())


def _in(language: str | None, text: Text) -> str:
    return text.en if language == ENGLISH else text.zh


def _settings() -> Settings:
    settings: Settings = current_app.extensions["kabao_settings"]
    return settings
