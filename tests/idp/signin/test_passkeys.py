from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from idp.signin import notices, passkey_challenges, passkeys, second_step
from idp.signin.passkey_challenges import SpentPasskeyChallenge
from idp.signin.sessions import SigninSession
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.authenticator import BE, BS, EDDSA, ES256, RS256, UP, UV, Authenticator, encoded
from tests.idp.signin.conftest import fresh_address
from tests.world_passkeys import OPTIONS, ORIGIN, REGISTER, SECOND, SIGN_IN, STEP_UP, add_passkey, options, post, sign_in_by_passkey, step_up
from tests.world_people import BROWSER, Person, new_person, open_account, sign_in


def elsewhere(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    return client


def rows(session: Session, person: Person) -> list[passkeys.Passkey]:
    subject = directory.find_subject(session, parse_number(person.number))
    assert subject is not None
    return passkeys.of(session, subject.id)


def row(app: Flask, person: Person) -> passkeys.Passkey:
    with app.app_context(), transaction() as session:
        (found,) = rows(session, person)
        return found


def amr_of(app: Flask, person: Person) -> list[str]:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        newest = select(SigninSession).where(SigninSession.subject_id == subject.id).order_by(SigninSession.auth_time.desc()).limit(1)
        return session.scalars(newest).one().amr


def acts_of(app: Flask, person: Person) -> list[str]:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return list(session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == subject.id).order_by(LedgerEntry.id)))


def spent(app: Flask) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).select_from(SpentPasskeyChallenge)) or 0


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@pytest.mark.parametrize(("flags", "way"), [(UP | UV | BE | BS, "swk"), (UP | UV, "hwk")], ids=["synchronised", "on one device"])
def test_a_person_adds_a_passkey_and_signs_in_with_it_without_a_number(
    named_app: Flask, browser: FlaskClient, person: Person, algorithm: int, flags: int, way: str
) -> None:
    device = Authenticator(ORIGIN, flags=flags, algorithm=algorithm)
    sign_in(browser, person)
    added = add_passkey(browser, device, name="  妈妈的手机 ")
    assert (added.status_code, added.get_json()) == (200, {"next": "/account/passkeys"})
    kept = row(named_app, person)
    assert (kept.backup_eligible, kept.backed_up, kept.transports, kept.last_used_at) == (
        bool(flags & BE),
        bool(flags & BS),
        ["internal", "hybrid"],
        None,
    )
    other = elsewhere(named_app)
    answer = sign_in_by_passkey(other, device, goal="/account/passkeys")
    assert (answer.status_code, answer.get_json()) == (200, {"next": "/account/passkeys"})
    assert amr_of(named_app, person) == [way, "user", "mfa"]
    page = other.get("/account/passkeys", headers=BROWSER)
    assert page.status_code == 200
    assert "妈妈的手机" in page.text
    assert row(named_app, person).last_used_at is not None
    assert acts_of(named_app, person)[-2:] == ["passkey.added", "session.begun"]


def test_the_options_ask_for_what_a_passkey_is_and_say_little_of_the_person(browser: FlaskClient, owner: Person, device: Authenticator) -> None:
    sign_in_by_passkey(browser, device)
    asked = options(browser, REGISTER)
    assert asked["authenticatorSelection"] == {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    assert [one["alg"] for one in asked["pubKeyCredParams"]] == [ES256, EDDSA, RS256]
    assert (asked["attestation"], asked["rp"]["id"], asked["timeout"]) == ("none", "localhost", 300_000)
    assert len(asked["excludeCredentials"]) == 1
    assert owner.number not in str(asked)
    assert asked["user"]["name"] == parse_number(owner.number).masked()
    assert options(browser, REGISTER)["user"]["id"] == asked["user"]["id"]
    anyone = options(browser, SIGN_IN)
    assert (anyone["allowCredentials"], anyone["userVerification"], anyone["rpId"]) == ([], "required", "localhost")


def test_asking_writes_nothing_however_often_a_stranger_does(named_app: Flask, browser: FlaskClient) -> None:
    before = spent(named_app)
    assert len({options(browser, SIGN_IN)["challenge"] for _ in range(20)}) == 20
    assert spent(named_app) == before


Wrong = Callable[[Authenticator, dict[str, Any]], dict[str, Any]]


def without(flag: int) -> Wrong:
    def use(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
        device.flags &= ~flag
        return device.use(asked)

    return use


def for_another_rp(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    device.credentials[-1].rp_id = "evil.example"
    return device.use(asked)


def by_another_key(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    device.credentials[-1].key = type(device.credentials[-1].key)(ES256)
    return device.use(asked)


def of_another(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    device.credentials[-1].user_handle = bytes(32)
    return device.use(asked)


def unknown(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    device.credentials[-1].id = bytes(32)
    return device.use(asked)


def damaged(member: str) -> Wrong:
    def use(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
        made = device.use(asked)
        made["response"][member] = encoded(b"\x00" * 40)
        return made

    return use


WRONG_ASSERTIONS: dict[str, tuple[Wrong, str]] = {
    "no user verification": (without(UV), "passkey-refused"),
    "nobody there": (without(UP), "passkey-refused"),
    "it may be copied no more": (without(BE | BS), "passkey-refused"),
    "backed up but not eligible": (without(BE), "passkey-refused"),
    "another origin": (lambda device, asked: device.use(asked, origin="https://evil.example"), "passkey-refused"),
    "another port": (lambda device, asked: device.use(asked, origin="http://localhost:8001"), "passkey-refused"),
    "in a frame": (lambda device, asked: device.use(asked, crossOrigin=True), "passkey-refused"),
    "beneath another page": (lambda device, asked: device.use(asked, topOrigin="https://evil.example"), "passkey-refused"),
    "another party's": (for_another_rp, "passkey-refused"),
    "made, not used": (lambda device, asked: device.use(asked, type="webauthn.create"), "passkey-refused"),
    "a challenge of one's own": (lambda device, asked: device.use(asked, challenge=encoded(bytes(56))), "passkey-expired"),
    "no challenge": (lambda device, asked: device.use(asked, challenge=""), "passkey-expired"),
    "no text for a challenge": (lambda device, asked: device.use(asked, challenge=[1]), "passkey-refused"),
    "another key": (by_another_key, "passkey-refused"),
    "another's handle": (of_another, "passkey-refused"),
    "no handle": (lambda device, asked: device.use(asked, with_handle=False), "passkey-refused"),
    "unknown": (unknown, "passkey-unknown"),
    "a damaged signature": (damaged("signature"), "passkey-refused"),
    "damaged data": (damaged("authenticatorData"), "passkey-refused"),
    "damaged client data": (damaged("clientDataJSON"), "passkey-refused"),
}


@pytest.mark.parametrize(("wrong", "code"), WRONG_ASSERTIONS.values(), ids=WRONG_ASSERTIONS)
def test_a_wrong_assertion_signs_nobody_in(named_app: Flask, owner: Person, device: Authenticator, wrong: Wrong, code: str) -> None:
    other = elsewhere(named_app)
    before = spent(named_app)
    answer = post(other, SIGN_IN, {"credential": wrong(device, options(other, SIGN_IN)), "next": "/wallet"})
    assert (answer.status_code, answer.get_json()["code"]) == (422, code)
    assert other.get("/account", headers=BROWSER).status_code == 303
    assert spent(named_app) == before


def test_an_assertion_is_good_once(named_app: Flask, owner: Person, device: Authenticator) -> None:
    other = elsewhere(named_app)
    proof = {"credential": device.use(options(other, SIGN_IN))}
    token = post(other, SIGN_IN, proof)
    assert token.status_code == 200
    again = post(other, SIGN_IN, proof)
    assert (again.status_code, again.get_json()["code"]) == (422, "passkey-expired")


def test_an_assertion_is_good_once_in_one_browser_too(
    named_app: Flask, owner: Person, device: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkey_challenges, "check_challenge", lambda *_, **__: None)
    other = elsewhere(named_app)
    proof = {"credential": device.use(options(other, SIGN_IN))}
    assert [post(other, SIGN_IN, proof).status_code for _ in range(3)] == [200, 422, 422]


def test_a_challenge_is_for_its_browser_its_purpose_and_five_minutes(
    named_app: Flask, browser: FlaskClient, owner: Person, device: Authenticator
) -> None:
    other, third = elsewhere(named_app), elsewhere(named_app)
    foreign = {"credential": device.use(options(other, SIGN_IN))}
    assert post(third, SIGN_IN, foreign).get_json()["code"] == "passkey-expired"
    other_purpose = {"credential": device.use(options(browser, STEP_UP))}
    assert post(browser, SIGN_IN, other_purpose).get_json()["code"] == "passkey-expired"
    anyones = {"credential": device.use(options(browser, SIGN_IN))}
    assert post(browser, STEP_UP, anyones).get_json()["code"] == "passkey-expired"
    late = {"credential": device.use(options(other, SIGN_IN))}
    with shifted(timedelta(minutes=5)):
        assert post(other, SIGN_IN, late).get_json()["code"] == "passkey-expired"
    with shifted(timedelta(minutes=4)):
        assert post(other, SIGN_IN, late).status_code == 200


def test_spent_challenges_are_forgotten_once_they_are_over(named_app: Flask, owner: Person, device: Authenticator) -> None:
    sign_in_by_passkey(elsewhere(named_app), device)
    assert spent(named_app) > 0
    with named_app.app_context():
        passkey_challenges.forget(now=now() + timedelta(minutes=30))
    assert spent(named_app) == 0


def test_a_copy_with_an_old_counter_is_refused_and_its_owner_told_once_a_proof(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    device = Authenticator(ORIGIN, flags=UP | UV, counts=True)
    sign_in(browser, person)
    add_passkey(browser, device, name="钥匙")
    assert sign_in_by_passkey(elsewhere(named_app), device).status_code == 200
    copy = elsewhere(named_app)
    stale = {"credential": device.answer(device.credentials[0], options(copy, SIGN_IN))}
    answers = [post(copy, SIGN_IN, stale).get_json()["code"] for _ in range(2)]
    assert answers == ["passkey-copied", "passkey-expired"]
    assert acts_of(named_app, person).count("passkey.copy-refused") == 1
    with named_app.app_context(), transaction() as session:
        told = notices.latest(session, row(named_app, person).subject_id)
        assert [one.title.en for one in told].count("A passkey may have been copied") == 1
        assert "钥匙" in told[0].body.zh
    assert row(named_app, person).is_stopped
    for _ in range(3):  # until the counter of the copy would have caught up
        assert sign_in_by_passkey(elsewhere(named_app), device).get_json()["code"] == "passkey-copied"
    assert acts_of(named_app, person).count("passkey.copy-refused") == 1
    assert sign_in(browser, person).location == "/wallet"  # and no second step by what opens nothing
    assert "可能被复制过，已停用" in browser.get("/account/passkeys", headers=BROWSER).text


def test_a_stranger_cannot_make_a_passkey_look_copied(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    device = Authenticator(ORIGIN, counts=True)
    sign_in(browser, person)
    add_passkey(browser, device)
    other = elsewhere(named_app)
    device.credentials[0].count = 0
    forged = by_another_key(Authenticator(ORIGIN, credentials=[*device.credentials]), options(other, SIGN_IN))
    assert post(other, SIGN_IN, {"credential": forged}).get_json()["code"] == "passkey-refused"
    assert "passkey.copy-refused" not in acts_of(named_app, person)


def test_a_step_up_raises_the_present_session(named_app: Flask, browser: FlaskClient, owner: Person, device: Authenticator) -> None:
    before = browser.get_cookie("kabao_session")
    answer = step_up(browser, device, goal="/account?x=1")
    assert (answer.status_code, answer.get_json()) == (200, {"next": "/account?x=1"})
    assert amr_of(named_app, owner) == ["pwd", "swk", "user", "mfa"]
    assert browser.get_cookie("kabao_session") != before
    assert browser.get("/account", headers=BROWSER).status_code == 200


def test_a_sign_in_by_password_is_finished_by_ones_own_passkey_once(named_app: Flask, owner: Person, device: Authenticator) -> None:
    other = elsewhere(named_app)
    assert post(other, OPTIONS[SECOND], {}).get_json()["code"] == "nothing-waits"
    waits = sign_in(other, owner, next="/account?x=1")
    assert waits.location.startswith("/signin/second?next=")
    page = other.get(waits.location, headers=BROWSER).text
    assert 'data-passkey="second"' in page
    assert 'data-next="/account?x=1"' in page
    with named_app.app_context(), transaction() as session:
        someone = new_person(session)
        open_account(session, someone)
    thief, theirs = elsewhere(named_app), Authenticator(ORIGIN)
    sign_in(thief, someone)
    add_passkey(thief, theirs)
    proof = {"credential": theirs.answer(theirs.credentials[0], options(other, SECOND))}
    assert post(other, SECOND, proof).get_json()["code"] == "passkey-not-yours"
    answer = post(other, SECOND, {"credential": device.use(options(other, SECOND)), "next": "/account?x=1"})
    assert (answer.status_code, answer.get_json()) == (200, {"next": "/account?x=1"})
    assert amr_of(named_app, owner) == ["pwd", "swk", "user", "mfa"]
    assert post(other, OPTIONS[SECOND], {}).get_json()["go"] == "/signin"


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example", "/signin"])
def test_neither_sign_in_nor_step_up_leads_elsewhere(named_app: Flask, browser: FlaskClient, owner: Person, device: Authenticator, goal: str) -> None:
    assert step_up(browser, device, goal=goal).get_json() == {"next": "/wallet"}
    assert sign_in_by_passkey(elsewhere(named_app), device, goal=goal).get_json() == {"next": "/wallet"}


def test_another_persons_passkey_steps_nobody_up(named_app: Flask, browser: FlaskClient, owner: Person, device: Authenticator) -> None:
    with named_app.app_context(), transaction() as session:
        someone = new_person(session)
        open_account(session, someone)
    other, theirs = elsewhere(named_app), Authenticator(ORIGIN)
    sign_in(other, someone)
    add_passkey(other, theirs)
    proof = {"credential": theirs.answer(theirs.credentials[0], options(browser, STEP_UP))}
    assert post(browser, STEP_UP, proof).get_json()["code"] == "passkey-not-yours"
    assert amr_of(named_app, owner) == ["pwd"]


def test_helpers_for_other_parts(named_app: Flask, owner: Person, device: Authenticator) -> None:
    with named_app.app_context(), transaction() as session:
        (one,) = rows(session, owner)
        assert passkeys.has(session, one.subject_id)
        assert second_step.PASSKEY in second_step.ways_of(session, one.subject_id)
        assert passkeys.remove_all(session, one.subject_id, now=now()) == 1
        assert not passkeys.has(session, one.subject_id)
    assert post(elsewhere(named_app), SIGN_IN, {"credential": {}}).status_code == 422
    assert sign_in_by_passkey(elsewhere(named_app), device).get_json()["code"] == "passkey-unknown"
