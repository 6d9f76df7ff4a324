"""Adding a way to sign in, and coming in by one, raced with whoever takes them all away: nothing survives, whichever was first."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from idp.signin import (
    accounts,
    alarms,
    closing,
    devices,
    entering,
    passkeys,
    passwords,
    pending,
    recovery,
    regaining,
    scans,
    second_step,
    sessions,
    totp,
)
from idp.signin.alarms import SigninAlarm
from idp.signin.devices import About
from idp.signin.entering import Browser
from idp.signin.passkeys import NewPasskey
from idp.signin.sessions import SignedIn
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.authenticator import Authenticator
from tests.idp.signin.proofs_at_hand import code_that_reached, press, subject_of
from tests.locks import wait_until_somebody_waits
from tests.world_passkeys import REGISTER, options, post, sign_in_by_passkey
from tests.world_people import BROWSER, PASSWORD, Person, sign_in

HASH = passwords.hash_password("一个够长的新密码")
NEW = "另一个够长的新密码 staple"
HERE = Browser("192.0.2.7", "Mozilla/5.0")
Act = Callable[[Session, UUID, datetime], Any]


def in_turn(app: Flask, subject_id: UUID, first: Act, second: Callable[[], Any]) -> Any:
    """Do the second thing while the transaction of the first is open, so that it waits for its end; return what came of it."""
    with app.app_context(), ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            first(session, subject_id, now())
            doing: Future[Any] = pool.submit(second)
            wait_until_somebody_waits(session)
        return doing.result(20)


def recover(session: Session, subject_id: UUID, present: datetime) -> None:
    regaining.set_password(session, subject_id, way=recovery.COUNTER, password_hash=HASH, now=present)


def close(session: Session, subject_id: UUID, present: datetime) -> None:
    closing.close(session, subject_id, now=present)


def disown(session: Session, subject_id: UUID, present: datetime) -> None:
    """Say of the sign-in that was told last that it was somebody else's."""
    secret = str(new_id())
    row = session.scalars(select(SigninAlarm).where(SigninAlarm.subject_id == subject_id)).first()
    if row is None:
        session_id = sessions.of(session, subject_id)[0].id
        alarms.tell(session, subject_id, session_id=session_id, about=About(), now=present - timedelta(minutes=1))
        row = session.scalars(select(SigninAlarm).where(SigninAlarm.subject_id == subject_id)).one()
    row.secret_hash = alarms._hash(secret)
    session.flush()
    alarms.undo(session, secret, now=present)


TAKERS = {"a recovery at a counter": recover, "closing": close, "this was not me": disown}


def a_session(session: Session, subject_id: UUID, present: datetime) -> SignedIn:
    row = sessions.of(session, subject_id)[0]
    return sessions.as_signed_in(row)


def add_passkey(session: Session, subject_id: UUID, present: datetime) -> None:
    sessions.hold(session, a_session(session, subject_id, present))
    keep_passkey(session, subject_id, present)


def keep_passkey(session: Session, subject_id: UUID, present: datetime) -> None:
    passkeys.handle_of(session, subject_id)
    new = NewPasskey(new_id().bytes, b"key", 0, [], backup_eligible=False, backed_up=False)
    passkeys.add(session, subject_id, new, name="", now=present)


def taking(app: Flask, subject_id: UUID, take: Act) -> Callable[[], None]:
    def run() -> None:
        with app.app_context(), transaction() as session:
            take(session, subject_id, now())

    return run


@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS)
def test_a_way_that_is_just_being_added_is_taken_away_too(app: Flask, client: FlaskClient, person: Person, take: Act) -> None:
    sign_in(client, person)
    subject_id = subject_of(app, person)
    in_turn(app, subject_id, add_passkey, taking(app, subject_id, take))
    with app.app_context(), transaction() as session:
        assert passkeys.of(session, subject_id) == []
        assert sessions.of(session, subject_id) == []


def test_of_two_passkeys_at_once_no_more_are_kept_than_may_be(app: Flask, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    subject_id = subject_of(app, person)
    with app.app_context(), transaction() as session:
        passkeys.handle_of(session, subject_id)
    with pytest.raises(passkeys.TooManyPasskeys):
        in_turn(app, subject_id, keep_passkey, taking(app, subject_id, keep_passkey))
    with app.app_context(), transaction() as session:
        assert len(passkeys.of(session, subject_id)) == 1


def begin_totp(app: Flask, client: FlaskClient, person: Person) -> Callable[[], TestResponse]:
    at = press(client, "/account/ways/totp/new", form_at="/account/ways/totp/new", name="手机").location
    with app.app_context(), transaction() as session:
        begun = session.scalars(select(totp.TotpAuthenticator).where(totp.TotpAuthenticator.subject_id == subject_of(app, person))).one()
        code = pyotp.TOTP(begun.secret).at(now())
    return lambda: press(client, at, form_at=at, code=code)


def begin_contact(app: Flask, client: FlaskClient, person: Person) -> Callable[[], TestResponse]:
    at = press(client, "/account/ways/contacts/new", form_at="/account/ways/contacts/new", address="thief@example.com").location
    contact_id = UUID(at.partition("?")[0].rsplit("/", 1)[1])
    code = code_that_reached(app, contact_id)
    return lambda: press(client, at, form_at=at, code=code)


def begin_codes(app: Flask, client: FlaskClient, person: Person) -> Callable[[], TestResponse]:
    at = "/account/ways/recovery-codes"
    return lambda: press(client, at, form_at=at)


def begin_password(app: Flask, client: FlaskClient, person: Person) -> Callable[[], TestResponse]:
    at = "/account/ways/password"
    return lambda: press(client, at, form_at=at, present=PASSWORD, password=NEW)


ADDERS = {"an authenticator": begin_totp, "an address": begin_contact, "recovery codes": begin_codes, "a password": begin_password}


@pytest.mark.parametrize("begin", ADDERS.values(), ids=ADDERS)
def test_nothing_is_added_in_a_session_that_ended_meanwhile(
    app: Flask, client: FlaskClient, person: Person, begin: Callable[[Flask, FlaskClient, Person], Callable[[], TestResponse]]
) -> None:
    sign_in(client, person)
    subject_id = subject_of(app, person)
    answer = in_turn(app, subject_id, recover, begin(app, client, person))
    assert answer.status_code == 401
    with app.app_context(), transaction() as session:
        assert second_step.ways_of(session, subject_id) == []
        account = session.get_one(accounts.Account, subject_id)
        assert account.password_hash == HASH


def test_no_passkey_is_added_in_a_session_that_ended_meanwhile(named_app: Flask, browser: FlaskClient, person: Person, device: Authenticator) -> None:
    sign_in(browser, person)
    subject_id = subject_of(named_app, person)
    document = {"credential": device.make(options(browser, REGISTER)), "name": ""}
    answer = in_turn(named_app, subject_id, recover, lambda: post(browser, REGISTER, document))
    assert answer.status_code == 401
    with named_app.app_context(), transaction() as session:
        assert passkeys.of(session, subject_id) == []


def test_no_password_is_set_by_a_passkey_in_a_session_that_ended_meanwhile(
    named_app: Flask, browser: FlaskClient, owner: Person, device: Authenticator
) -> None:
    assert sign_in_by_passkey(browser, device).status_code == 200
    subject_id = subject_of(named_app, owner)
    answer = in_turn(named_app, subject_id, recover, lambda: press(browser, "/recover/password", form_at="/recover/password", password=NEW))
    assert answer.status_code == 401
    with named_app.app_context(), transaction() as session:
        assert session.get_one(accounts.Account, subject_id).password_hash == HASH


def come_in_by_the_second_step(session: Session, subject_id: UUID, present: datetime) -> None:
    waiting = session.scalars(select(pending.PendingSignin).where(pending.PendingSignin.subject_id == subject_id)).one()
    assert pending.finish(session, waiting.id, now=present)
    entering.enter(session, subject_id=subject_id, amr=["pwd", "otp", "mfa"], browser=HERE, now=present, two_steps=False)


def come_in_by_scanning(session: Session, subject_id: UUID, present: datetime) -> None:
    row = session.scalars(select(scans.SigninScan).where(scans.SigninScan.subject_id == subject_id)).one()
    row.desk_hash = scans._hash("desk")
    session.flush()
    assert scans.fetch(session, row.id, "desk", now=present)
    entering.enter(session, subject_id=subject_id, amr=["scan"], browser=HERE, now=present)


def change(session: Session, subject_id: UUID, present: datetime) -> None:
    regaining.set_password(session, subject_id, way=recovery.REGISTRY, password_hash=HASH, now=present)


ENDERS = {**TAKERS, "another password": change}
WAYS_IN = {"the second step": come_in_by_the_second_step, "a scan": come_in_by_scanning}


@pytest.mark.parametrize("take", ENDERS.values(), ids=ENDERS)
@pytest.mark.parametrize("come_in", WAYS_IN.values(), ids=WAYS_IN)
def test_a_session_that_is_just_beginning_ends_with_what_it_began_by(
    app: Flask, client: FlaskClient, person: Person, come_in: Act, take: Act
) -> None:
    sign_in(client, person)
    subject_id = subject_of(app, person)
    with app.app_context(), transaction() as session:
        pending.begin(session, subject_id, amr=["pwd"], now=now())
        shown = scans.make(session, address="192.0.2.7", about=devices.About(), asker=None, now=now())
        session.flush()
        phone = a_session(session, subject_id, now())
        assert scans.confirm(session, shown.qr, unverified_number=str(shown.number), phone=phone, now=now())
    in_turn(app, subject_id, come_in, taking(app, subject_id, take))
    with app.app_context(), transaction() as session:
        assert sessions.of(session, subject_id) == []
    assert client.get("/account", headers=BROWSER).status_code == 303
