import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.signin import accounts, notices, one_time_codes, senders, sending, sms
from idp.signin.notices import Notice
from idp.signin.one_time_codes import SECOND, OneTimeCode
from idp.signin.senders import Message, NotSent
from keys import ring
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from runtime.outbound import NoAnswer
from runtime.settings import Settings
from tests.idp.signin.gateways import Gateway, Mailbox, certificate, mail_server, sms_gateway
from tests.idp.signin.proofs_at_hand import jobs_named, reached
from tests.idp.signin.test_contacts import person_of

MAIL = Message("1", "email", "someone@example.cn", "标题", "验证码 123456，5分钟内有效。")
SMS = Message("2", "phone", "+8613800138000", "标题", "验证码 123456，5分钟内有效。")


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return certificate(tmp_path)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with sms_gateway() as running:
        yield running


def by(settings: Settings, *, smtp: str = "", sms: str = "", **more: Any) -> Settings:
    return replace(settings, smtp_url=smtp, sms_url=sms, mail_from="卡包 <kabao@example.gov.cn>", **more)


def test_mail_is_handed_to_the_server(settings: Settings, context: None, mailbox: Mailbox) -> None:
    senders.send(MAIL, settings=by(settings, smtp=mailbox.url), now=now())
    (mail,) = mailbox.mails
    assert (mail["To"], mail["Subject"], mail["Auto-Submitted"]) == ("someone@example.cn", "标题", "auto-generated")
    assert mail["From"] == "卡包 <kabao@example.gov.cn>"
    assert mail.get_content().strip() == MAIL.body
    assert "AUTH" in mailbox.said


def test_mail_goes_by_starttls_where_it_is_offered(settings: Settings, context: None, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with mail_server(pem) as box:
        senders.send(MAIL, settings=by(settings, smtp=box.url, development=False), now=now())
        assert box.said.index("STARTTLS") < box.said.index("AUTH") < box.said.index("MAIL")
        assert len(box.mails) == 1


def test_mail_goes_by_tls_from_the_start(settings: Settings, context: None, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with mail_server(pem, from_the_start=True) as box:
        senders.send(MAIL, settings=by(settings, smtp=box.url, development=False), now=now())
        assert len(box.mails) == 1


def test_nothing_is_said_to_a_server_without_tls_outside_development(settings: Settings, context: None, mailbox: Mailbox) -> None:
    with pytest.raises(NotSent):
        senders.send(MAIL, settings=by(settings, smtp=mailbox.url, development=False), now=now())
    assert not {"AUTH", "MAIL", "DATA"} & set(mailbox.said)


def test_nothing_is_said_to_a_server_whose_certificate_is_not_trusted(settings: Settings, context: None, pem: Path) -> None:
    with mail_server(pem) as box:
        with pytest.raises(NotSent):
            senders.send(MAIL, settings=by(settings, smtp=box.url), now=now())
        assert not {"AUTH", "MAIL", "DATA"} & set(box.said)


@pytest.mark.parametrize("status", ["450", "550"])
def test_what_the_server_answers_is_not_passed_on(settings: Settings, context: None, mailbox: Mailbox, status: str) -> None:
    mailbox.refuses_with = status
    with pytest.raises(NotSent) as raised:
        senders.send(MAIL, settings=by(settings, smtp=mailbox.url), now=now())
    assert "someone" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_an_sms_is_one_signed_post(app: Flask, settings: Settings, context: None, gateway: Gateway) -> None:
    from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

    senders.send(SMS, settings=by(settings, sms=gateway.url), now=now())
    ((path, headers, body),) = gateway.requests
    assert path == "/send?to=people"
    assert json.loads(body) == {"id": "2", "to": "+8613800138000", "text": SMS.body}
    assert headers["content-digest"] == f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode()}:"

    class Published(HTTPSignatureKeyResolver):
        def resolve_public_key(self, key_id: str) -> Any:
            assert key_id == ring.signer(ring.REQUESTS).kid
            return ring.signer(ring.REQUESTS).key.public_key()

    class Asked:
        method, url = "POST", gateway.url

        def __init__(self) -> None:
            self.headers = {name.title(): value for name, value in headers.items()}

    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ECDSA_P256_SHA256, key_resolver=Published())
    (verified,) = verifier.verify(Asked())
    assert '"@target-uri"' in verified.covered_components


@pytest.mark.parametrize("status", [302, 400, 429, 500, 503])
def test_a_gateway_that_does_not_take_it_is_asked_again(settings: Settings, context: None, gateway: Gateway, status: int) -> None:
    gateway.answers = status
    with pytest.raises(NotSent, match=str(status)):
        senders.send(SMS, settings=by(settings, sms=gateway.url), now=now())


@pytest.mark.parametrize("message", [MAIL, SMS], ids=["mail", "sms"])
def test_a_sender_out_of_reach_is_no_crash(settings: Settings, context: None, message: Message) -> None:
    gone = by(settings, smtp="smtp://127.0.0.1:9", sms="http://127.0.0.1:9/")
    with pytest.raises(NotSent):
        senders.send(message, settings=gone, now=now())


def test_a_gateway_that_is_silent_holds_up_no_more_jobs(settings: Settings, context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def be_silent(_: str, url: str, **__: Any) -> None:
        asked.append(url)
        raise NoAnswer("TimeoutError")

    monkeypatch.setattr(sms.outbound, "fetch", be_silent)
    for _ in range(9):
        with pytest.raises(NotSent):
            senders.send(SMS, settings=by(settings, sms=f"http://127.0.0.1:9/{id(asked)}"), now=now())
    assert len(asked) == 5


@pytest.mark.parametrize("message", [MAIL, SMS], ids=["mail", "sms"])
def test_the_console_is_for_development_alone(settings: Settings, context: None, message: Message, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        senders.send(message, settings=by(settings), now=now())
        assert "123456" in caplog.text
        caplog.clear()
        with pytest.raises(NotSent):
            senders.send(message, settings=by(settings, development=False), now=now())
        assert "123456" not in caplog.text
    assert senders.offered(by(settings)) == ["email", "phone"]
    assert senders.offered(by(settings, development=False)) == []


def test_a_message_shows_nothing_of_itself() -> None:
    assert "123456" not in repr(MAIL)
    assert "someone" not in repr(MAIL)


@pytest.fixture
def outbox(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """What the jobs would send."""
    sent: list[Message] = []
    monkeypatch.setattr(senders, "send", lambda message, **_: sent.append(message))
    return sent


def issue(session: Session, *, language: str | None = None) -> OneTimeCode:
    person = person_of(session)
    if language:
        accounts.remember_language(session, person, language)
    browser = new_id()
    one_time_codes.issue(session, reached(session, person, "13800138000"), bound_to=browser, purpose=SECOND, now=now())
    return session.scalars(select(OneTimeCode).where(OneTimeCode.bound_to == browser)).one()


@pytest.mark.parametrize(("language", "begins"), [(None, "【卡包】验证码 "), ("zh", "【卡包】验证码 "), ("en", "[Kabao] ")])
def test_a_code_is_written_at_the_last_moment_in_the_persons_language(
    context: None, outbox: list[Message], language: str | None, begins: str
) -> None:
    with transaction() as session:
        row = issue(session, language=language)
    sending.send_code(str(row.id))
    (message,) = outbox
    assert message.to == "+8613800138000"
    assert message.body.startswith(begins)
    assert one_time_codes.code_of(row.id) in message.body


@pytest.mark.parametrize("why", ["too late", "spent", "removed", "a decoy", "unknown"])
def test_a_code_that_is_worth_nothing_is_not_sent(context: None, outbox: list[Message], why: str) -> None:
    from datetime import timedelta

    from idp.signin import contacts

    with transaction() as session:
        row = issue(session)
        code = one_time_codes.code_of(row.id)
        if why == "spent":
            assert one_time_codes.redeem(session, code, bound_to=row.bound_to, purpose=SECOND, now=now())
        if why == "removed":
            assert row.subject_id is not None
            assert row.contact_id is not None
            contacts.remove(session, row.subject_id, row.contact_id, now=now())
        if why == "a decoy":
            one_time_codes.issue(session, None, bound_to=row.bound_to, purpose=SECOND, now=now())
            decoy = select(OneTimeCode).where(OneTimeCode.bound_to == row.bound_to, OneTimeCode.spent_at.is_(None))
            row = session.scalars(decoy).one()
    with shifted(timedelta(minutes=5 if why == "too late" else 0)):
        sending.send_code(str(new_id() if why == "unknown" else row.id))
    assert outbox == []


def test_a_notice_goes_to_every_address_by_a_job_each(context: None, outbox: list[Message]) -> None:
    with transaction() as session:
        person = person_of(session)
        reached(session, person, "13800138000")
        reached(session, person, "someone@example.cn")
        notices.tell(session, person, "password-changed", now=now(), link="/signin/not-me/secret")
        row = session.scalars(select(Notice).where(Notice.subject_id == person)).one()
        (job,) = jobs_named(session, "send_notice", notice_id=str(row.id))
        assert set(job) == {"subject_id", "notice_id"}
    sending.send_notice(**job)
    with transaction() as session:
        each = jobs_named(session, "send_notice_to", notice_id=str(row.id))
        assert [set(arguments) for arguments in each] == [{"subject_id", "notice_id", "contact_id"}] * 2
    for arguments in each:
        sending.send_notice_to(**arguments)
    assert sorted(message.to for message in outbox) == ["+8613800138000", "someone@example.cn"]
    assert all("http://127.0.0.1:8000/signin/not-me/secret" in message.body for message in outbox)
    assert len({message.id for message in outbox}) == 2


def test_of_many_notices_of_a_kind_some_are_sent_and_another_kind_still_is(context: None) -> None:
    with transaction() as session:
        person = person_of(session)
        reached(session, person, "+66812345678")
        for kind in ["password-changed"] * 15 + ["recovery-completed"]:
            notices.tell(session, person, kind, now=now())
        rows = session.scalars(select(Notice).where(Notice.subject_id == person)).all()
        assert len(rows) == 16
    for row in rows:
        sending.send_notice(str(person), str(row.id))
    with transaction() as session:
        sent = {arguments["notice_id"] for arguments in jobs_named(session, "send_notice_to", subject_id=str(person))}
    assert sorted(row.kind for row in rows if str(row.id) in sent) == ["password-changed"] * 10 + ["recovery-completed"]


def test_a_notice_a_day_old_is_not_sent(context: None, outbox: list[Message]) -> None:
    from datetime import timedelta

    with transaction() as session:
        person = person_of(session)
        reached(session, person, "13800138000")
        notices.tell(session, person, "password-changed", now=now())
        row = session.scalars(select(Notice).where(Notice.subject_id == person)).one()
    with shifted(timedelta(days=1)):
        sending.send_notice(str(person), str(row.id))
    with transaction() as session:
        assert jobs_named(session, "send_notice_to", notice_id=str(row.id)) == []
