"""Mail by SMTP: TLS from the start (`smtps://`) or by STARTTLS (`smtp://`), which only a server of development may lack.

Certificates are checked. What the server answers is not passed on: it repeats addresses.
"""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

from runtime.settings import Settings

TIMEOUT = 10.0
PORTS = {"smtp": 587, "smtps": 465}


class SmtpFailed(Exception):
    """The server did not take the mail; the message says at most with which status."""


def send(settings: Settings, *, to: str, title: str, body: str, message_id: str) -> None:
    """Hand one mail to the server that the settings name; raises SmtpFailed."""
    mail = _mail(settings, to=to, title=title, body=body, message_id=message_id)
    try:
        with _connect(settings) as server:
            server.send_message(mail, from_addr=parseaddr(settings.mail_from)[1], to_addrs=[to])
    except smtplib.SMTPResponseException as error:
        raise SmtpFailed(f"{type(error).__name__} {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise SmtpFailed(type(error).__name__) from None


def _mail(settings: Settings, *, to: str, title: str, body: str, message_id: str) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = title
    mail["From"] = settings.mail_from
    mail["To"] = to
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message_id}@{urlsplit(settings.public_url).hostname}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday note is wanted
    mail.set_content(body)
    return mail


def _connect(settings: Settings) -> smtplib.SMTP:
    url = urlsplit(settings.smtp_url)
    host, port, context = url.hostname or "", url.port or PORTS[url.scheme], ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        server.ehlo()
        if url.scheme == "smtp" and (server.has_extn("starttls") or not settings.development):
            server.starttls(context=context)
            server.ehlo()
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
    except BaseException:
        server.close()
        raise
    return server
