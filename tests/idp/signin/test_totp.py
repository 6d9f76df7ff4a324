import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from sqlalchemy.orm import Session

from idp.signin import totp
from idp.signin.totp import TooManyAuthenticators, TotpAuthenticator
from keys import sealing
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.test_contacts import person_of

MOMENT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def enrolled(session: Session, person: UUID, *, at: datetime = MOMENT - timedelta(hours=1)) -> TotpAuthenticator:
    authenticator = totp.begin(session, person, name="手机", now=at)
    assert totp.confirm(session, authenticator, pyotp.TOTP(authenticator.secret).at(at), now=at)
    return authenticator


def shown(authenticator: TotpAuthenticator, moment: datetime) -> str:
    return pyotp.TOTP(authenticator.secret).at(moment)


# RFC 6238 appendix B, SHA-1; the last six of its eight digits
@pytest.mark.parametrize(("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")])
def test_the_codes_are_those_of_the_standard(session: Session, seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    authenticator = totp.begin(session, person_of(session), name="x", now=moment)
    secret = base64.b32encode(b"12345678901234567890").decode()
    authenticator.secret_sealed = sealing.seal(secret, table="totp_authenticators", column="secret", row=authenticator.id)
    session.flush()
    assert totp.confirm(session, authenticator, code, now=moment)


def test_a_code_is_accepted_once_and_none_before_it_after(session: Session) -> None:
    person = person_of(session)
    authenticator = enrolled(session, person)
    code = shown(authenticator, MOMENT)
    assert totp.accept(session, person, code, now=MOMENT)
    assert not totp.accept(session, person, code, now=MOMENT)
    assert not totp.accept(session, person, shown(authenticator, MOMENT - timedelta(seconds=30)), now=MOMENT)
    assert totp.accept(session, person, shown(authenticator, MOMENT + timedelta(seconds=30)), now=MOMENT)


def test_the_code_that_enrolled_it_proves_nothing_again(session: Session) -> None:
    person = person_of(session)
    authenticator = enrolled(session, person, at=MOMENT)
    assert not totp.accept(session, person, shown(authenticator, MOMENT), now=MOMENT)


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_off(session: Session, steps: int, accepted: bool) -> None:
    person = person_of(session)
    authenticator = enrolled(session, person)
    assert totp.accept(session, person, shown(authenticator, MOMENT + timedelta(seconds=30 * steps)), now=MOMENT) is accepted


@pytest.mark.parametrize("code", ["", "000", "abcdef", "1" * 10_000, "１２３４５６７"])
def test_anything_else_is_no_code(session: Session, code: str) -> None:
    person = person_of(session)
    enrolled(session, person)
    assert not totp.accept(session, person, code, now=MOMENT)


def test_a_code_is_taken_as_people_type_it(session: Session) -> None:
    person = person_of(session)
    code = shown(enrolled(session, person), MOMENT)
    full_width = code.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    assert totp.accept(session, person, f" {full_width[:3]} {full_width[3:]} ", now=MOMENT)


def test_of_twenty_at_once_one_is_accepted(app: Flask, context: None) -> None:
    with transaction() as session:
        person = person_of(session)
        code = shown(enrolled(session, person), MOMENT)

    def try_it(_: int) -> bool:
        with app.app_context(), transaction() as session:
            return totp.accept(session, person, code, now=MOMENT)

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(try_it, range(20))) == 1


def test_an_authenticator_that_nobody_confirmed_proves_nothing(context: None) -> None:
    with transaction() as session:
        person = person_of(session)
        begun = totp.begin(session, person, name="手机", now=MOMENT)
        assert totp.of(session, person) == []
        assert not totp.accept(session, person, shown(begun, MOMENT), now=MOMENT)
        assert not totp.confirm(session, begun, "000000", now=MOMENT)
        assert totp.find_begun(session, person, begun.id, now=MOMENT + timedelta(minutes=14)) is not None
        assert totp.find_begun(session, person, begun.id, now=MOMENT + timedelta(minutes=16)) is None
    totp.forget(now=MOMENT + timedelta(minutes=16))
    with transaction() as session:
        assert session.get(TotpAuthenticator, (person, begun.id)) is None


def test_each_of_several_proves_and_a_removed_one_no_longer(session: Session) -> None:
    person = person_of(session)
    first, second = enrolled(session, person), enrolled(session, person)
    assert totp.accept(session, person, shown(second, MOMENT), now=MOMENT)
    assert totp.remove(session, person, first.id, now=MOMENT) is not None
    session.flush()
    assert totp.remove(session, person, first.id, now=MOMENT) is None
    assert not totp.accept(session, person, shown(first, MOMENT), now=MOMENT)
    assert [each.id for each in totp.of(session, person)] == [second.id]


def test_a_person_has_five_at_most(session: Session) -> None:
    person = person_of(session)
    for _ in range(5):
        enrolled(session, person)
    with pytest.raises(TooManyAuthenticators):
        totp.begin(session, person, name="6", now=now())


def test_secret_and_name_rest_sealed(session: Session) -> None:
    authenticator = enrolled(session, person_of(session))
    assert authenticator.secret.encode() not in authenticator.secret_sealed
    assert "手机".encode() not in authenticator.name_sealed
    assert authenticator.uri("379***0001").startswith("otpauth://totp/Kabao:379")
