import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cbor2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import notices, passkeys
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from tests.authenticator import ES256, UP, Authenticator, decoded, encoded
from tests.idp.signin.conftest import fresh_address
from tests.world_passkeys import ORIGIN, REGISTER, SIGN_IN, add_passkey, options, post, sign_in_by_passkey
from tests.world_people import BROWSER, Person, new_person, open_account, post_form, sign_in

LIST = "/account/passkeys"


@pytest.fixture
def browser(named_app: Flask, person: Person) -> FlaskClient:
    """A browser in which the person has just signed in by password."""
    client = elsewhere(named_app)
    sign_in(client, person)
    return client


def elsewhere(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    return client


def own(app: Flask, person: Person) -> list[passkeys.Passkey]:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return passkeys.of(session, subject.id)


def told(app: Flask, person: Person) -> list[str]:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return [one.title.en for one in notices.latest(session, subject.id)]


def test_the_page_shows_what_there_is_and_how_to_add_one(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    page = browser.get(LIST, headers=BROWSER).text
    assert 'id="no-passkeys"' in page
    assert 'data-passkey="register"' in page
    assert "<noscript>" in page
    device = Authenticator(ORIGIN)
    assert add_passkey(browser, device, name="<我的手机>").status_code == 200
    assert told(named_app, person)[0] == "A passkey was added"
    page = browser.get(LIST, headers=BROWSER).text
    assert "&lt;我的手机&gt;" in page
    assert "尚未使用" in page
    assert "已同步到您的其他设备" in page
    sign_in_by_passkey(elsewhere(named_app), device)
    english = browser.get(LIST + "?lang=en", headers=BROWSER).text
    assert "Not yet" not in english
    assert "Synchronised to your other devices" in english


def test_a_passkey_without_a_name_gets_a_number(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    add_passkey(browser, Authenticator(ORIGIN), name="   ")
    with named_app.app_context():
        assert [one.name for one in own(named_app, person)] == ["通行密钥1"]


def test_a_passkey_is_renamed_and_no_name_is_refused(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    add_passkey(browser, Authenticator(ORIGIN), name="旧名")
    (passkey,) = own(named_app, person)
    url = f"{LIST}/{passkey.id}/name"
    for name in ("", "   ", "长" * 51, "a\x1bb"):
        assert post_form(browser, url, {"name": name}, form_at=LIST).status_code == 422
    assert post_form(browser, url, {"name": " 新名 "}, form_at=LIST).location == LIST
    with named_app.app_context():
        assert [one.name for one in own(named_app, person)] == ["新名"]
    assert b"\xe6\x96\xb0" not in passkey.name_sealed


def test_removing_asks_first_warns_of_the_last_way_and_tells_the_owner(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    device = Authenticator(ORIGIN)
    add_passkey(browser, device)
    sign_in_by_passkey(browser, device)
    add_passkey(browser, Authenticator(ORIGIN, credentials=[]), name="第二个")
    first, second = own(named_app, person)
    url = f"{LIST}/{first.id}/remove"
    assert 'id="last-way"' not in browser.get(url, headers=BROWSER).text
    assert len(own(named_app, person)) == 2
    assert post_form(browser, url, {}).location == LIST
    assert told(named_app, person)[0] == "A passkey was removed"
    assert sign_in_by_passkey(elsewhere(named_app), device).get_json()["code"] == "passkey-unknown"
    url = f"{LIST}/{second.id}/remove"
    assert 'id="last-way"' in browser.get(url, headers=BROWSER).text
    assert post_form(browser, url, {}).location == LIST
    assert own(named_app, person) == []
    assert browser.post(url, headers=BROWSER).status_code == 400
    assert browser.get(url, headers=BROWSER).status_code == 404


def test_nobody_touches_another_persons_passkey(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    add_passkey(browser, Authenticator(ORIGIN), name="蓝色钥匙")
    (passkey,) = own(named_app, person)
    with named_app.app_context(), transaction() as session:
        stranger = new_person(session)
        open_account(session, stranger)
    other = elsewhere(named_app)
    sign_in(other, stranger)
    for passkey_id in (passkey.id, new_id()):
        assert other.get(f"{LIST}/{passkey_id}/remove", headers=BROWSER).status_code == 404
        assert post_form(other, f"{LIST}/{passkey_id}/remove", {}, form_at=LIST).status_code == 404
        assert post_form(other, f"{LIST}/{passkey_id}/name", {"name": "x"}, form_at=LIST).status_code == 404
    assert "蓝色钥匙" not in other.get(LIST, headers=BROWSER).text
    assert len(own(named_app, person)) == 1


def test_what_changes_the_ways_in_needs_a_recent_proof_as_strong_as_can_be(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    device = Authenticator(ORIGIN)
    with shifted(timedelta(minutes=11)):
        page = browser.get(LIST, headers=BROWSER).text
        assert "passkey-form" not in page
        go = re.search(r'id="prove-again" href="([^"]*)"', page)
        assert go is not None
        assert parse_qs(urlsplit(go[1].replace("&amp;", "&")).query) == {"aal": ["1"], "next": [LIST]}
        refused = post(browser, "/account/passkeys/options", {})
        assert (refused.status_code, refused.get_json()["code"]) == (403, "prove-again")
        assert refused.get_json()["go"].startswith("/signin/step-up?aal=1")
    made = {"credential": device.make(options(browser, REGISTER))}
    with shifted(timedelta(minutes=4)):
        assert post(browser, REGISTER, made).status_code == 200
        assert post(browser, REGISTER, made).get_json()["go"].startswith("/signin/step-up?aal=2")
        (passkey,) = own(named_app, person)
        url = f"{LIST}/{passkey.id}/remove"
        assert browser.get(url, headers=BROWSER).location == f"/signin/step-up?aal=2&next={url.replace('/', '%2F')}"
        assert post_form(browser, url, {}, form_at=LIST).location.startswith("/signin/step-up?aal=2")
    assert len(own(named_app, person)) == 1


Made = Callable[[Authenticator, dict[str, Any]], dict[str, Any]]


def unverified(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    device.flags = UP
    return device.make(asked)


def with_key(cose: dict[int, Any]) -> Made:
    return lambda device, asked: device.make(asked, cose=cose)


def cut(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    made = device.make(asked)
    made["response"]["attestationObject"] = made["response"]["attestationObject"][:100]
    return made


def another_id(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    return {**device.make(asked), "id": encoded(bytes(32)), "rawId": encoded(bytes(32))}


def for_another_rp(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    return device.make({**asked, "rp": {"id": "evil.example"}})


def falsely_attested(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    made = device.make(asked, fmt="packed")
    content = cbor2.loads(decoded(made["response"]["attestationObject"]))
    content["attStmt"]["sig"] = bytes(64)
    made["response"]["attestationObject"] = encoded(cbor2.dumps(content))
    return made


def with_certificate(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    made = device.make(asked, fmt="packed")
    content = cbor2.loads(decoded(made["response"]["attestationObject"]))
    content["attStmt"]["x5c"] = [bytes(64)]
    made["response"]["attestationObject"] = encoded(cbor2.dumps(content))
    return made


WRONG: dict[str, tuple[Made, str]] = {
    "no user verification": (unverified, "passkey-refused"),
    "another origin": (lambda device, asked: device.make(asked, origin="https://evil.example"), "passkey-refused"),
    "in a frame": (lambda device, asked: device.make(asked, crossOrigin=True), "passkey-refused"),
    "another party's": (for_another_rp, "passkey-refused"),
    "used, not made": (lambda device, asked: device.make(asked, type="webauthn.get"), "passkey-refused"),
    "a challenge of one's own": (lambda device, asked: device.make(asked, challenge=encoded(bytes(56))), "passkey-expired"),
    "attested by a maker": (lambda device, asked: device.make(asked, fmt="tpm"), "passkey-refused"),
    "attested by a certificate": (with_certificate, "passkey-refused"),
    "falsely attested": (falsely_attested, "passkey-refused"),
    "an algorithm that was not asked for": (with_key({1: 2, 3: -36, -1: 3, -2: bytes(66), -3: bytes(66)}), "passkey-refused"),
    "a point that is on no curve": (with_key({1: 2, 3: ES256, -1: 1, -2: b"\1" * 32, -3: b"\1" * 32}), "passkey-refused"),
    "another curve": (with_key({1: 2, 3: ES256, -1: 2, -2: b"\1" * 48, -3: b"\1" * 48}), "passkey-refused"),
    "a key of another kind": (with_key({1: 1, 3: ES256, -1: 6, -2: b"\1" * 32}), "passkey-refused"),
    "a short RSA key": (with_key({1: 3, 3: -257, -1: (2**1023 + 1).to_bytes(128, "big"), -2: b"\1\0\1"}), "passkey-refused"),
    "half a key": (with_key({1: 2, 3: ES256}), "passkey-refused"),
    "no key": (with_key({0: 0}), "passkey-refused"),
    "cut off": (cut, "passkey-refused"),
    "another id": (another_id, "passkey-refused"),
}


@pytest.mark.parametrize(("wrong", "code"), WRONG.values(), ids=WRONG)
def test_a_wrong_registration_is_kept_nowhere(named_app: Flask, browser: FlaskClient, person: Person, wrong: Made, code: str) -> None:
    answer = post(browser, REGISTER, {"credential": wrong(Authenticator(ORIGIN), options(browser, REGISTER))})
    assert (answer.status_code, answer.get_json()["code"]) == (422, code)
    assert own(named_app, person) == []


def test_a_key_that_attests_itself_is_taken(browser: FlaskClient) -> None:
    made = Authenticator(ORIGIN).make(options(browser, REGISTER), fmt="packed")
    assert post(browser, REGISTER, {"credential": made}).status_code == 200


def test_whatever_becomes_of_the_bytes_of_a_registration_it_is_an_answer(browser: FlaskClient) -> None:
    asked = options(browser, REGISTER)
    made = Authenticator(ORIGIN).make(asked)
    right = decoded(made["response"]["attestationObject"])
    for place in range(0, len(right), 3):
        changed = bytearray(right)
        changed[place] ^= 0x5A
        made["response"]["attestationObject"] = encoded(bytes(changed))
        answer = post(browser, REGISTER, {"credential": made})
        assert answer.status_code in (200, 403, 409, 422, 429), place


def test_a_credential_is_registered_once_whoever_brings_it(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    device = Authenticator(ORIGIN)
    add_passkey(browser, device)
    with named_app.app_context(), transaction() as session:
        stranger = new_person(session)
        open_account(session, stranger)
    other, thief = elsewhere(named_app), Authenticator(ORIGIN)
    sign_in(other, stranger)
    made = thief.make(options(other, REGISTER))
    mine, theirs = device.credentials[0].id, thief.credentials[0].id
    forged = decoded(made["response"]["attestationObject"]).replace(theirs, mine)
    response = {**made["response"], "attestationObject": encoded(forged)}
    answer = post(other, REGISTER, {"credential": {**made, "id": encoded(mine), "rawId": encoded(mine), "response": response}})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "passkey-known")
    assert sign_in_by_passkey(elsewhere(named_app), device).status_code == 200


def test_there_are_twenty_at_most_even_if_many_are_added_at_once(named_app: Flask, browser: FlaskClient, person: Person) -> None:
    add_passkey(browser, Authenticator(ORIGIN))
    (first,) = own(named_app, person)

    def add(number: int) -> bool:
        new = passkeys.NewPasskey(bytes([number]) * 20 + first.credential_id, first.public_key, 0, [], False, False)
        with named_app.app_context():
            try:
                with transaction() as session:
                    passkeys.add(session, first.subject_id, new, name="", now=now())
            except passkeys.TooManyPasskeys:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(30))) == passkeys.MOST - 1
    device = Authenticator(ORIGIN)
    with shifted(timedelta(seconds=1)):
        page = browser.get(LIST, headers=BROWSER).text
    assert 'id="enough"' in page
    assert post(browser, SIGN_IN, {"credential": {}}).status_code == 422
    assert device.credentials == []


def test_where_the_address_is_an_ip_the_pages_say_so_and_the_doors_are_shut(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    for path in (LIST, "/signin"):
        page = client.get(path, headers=BROWSER).text
        assert 'id="passkey-nowhere"' in page
        assert "passkeys.js" not in page
    assert post(client, "/signin/passkey/options", {}).get_json()["code"] == "passkeys-unavailable"
