"""Senders: how a message leaves for a person, chosen by settings. Mail by SMTP, SMS by HTTP; in development, the console.

A message holds a code or a link, so it is made at the last moment, in the worker, and is in no log: but the console's,
which stands in for a sender that is not set, in development alone.
"""

from dataclasses import dataclass, field
from datetime import datetime

import structlog
from flask import Flask

from idp.signin import sms, smtp
from idp.signin.contacts import EMAIL, KINDS, PHONE
from runtime.settings import Settings

log = structlog.get_logger(__name__)


class NotSent(Exception):
    """Nobody took the message; it may be tried again. The message of the error holds no address."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is said to one address; `id` is the same for each try to send it."""

    id: str
    kind: str
    to: str = field(repr=False)
    title: str = field(repr=False)
    body: str = field(repr=False)


def offered(settings: Settings) -> list[str]:
    """Return the kinds of address that can be written to here."""
    is_set = {EMAIL: bool(settings.smtp_url), PHONE: bool(settings.sms_url)}
    return [kind for kind in KINDS if is_set[kind] or settings.development]


def init_app(app: Flask) -> None:
    """Let pages say where to look for a message which, in development, ends in the log instead of with a person."""
    settings: Settings = app.extensions["kabao_settings"]
    app.jinja_env.globals["shows_messages"] = settings.development and not (settings.smtp_url and settings.sms_url)


def send(message: Message, *, settings: Settings, now: datetime) -> None:
    """Send a message; raises NotSent."""
    if message.kind not in offered(settings):
        raise NotSent(f"no sender for {message.kind} is set")
    try:
        if message.kind == EMAIL and settings.smtp_url:
            smtp.send(settings, to=message.to, title=message.title, body=message.body, message_id=message.id)
        elif message.kind == PHONE and settings.sms_url:
            sms.send(settings, to=message.to, text=message.body, message_id=message.id, now=now)
        else:
            log.info("a message, shown here because no sender is set", to=message.to, title=message.title, body=message.body)
    except (smtp.SmtpFailed, sms.SmsFailed) as failed:
        raise NotSent(str(failed)) from None
