"""A person downloads all that is kept of them, and nothing that is secret."""

import json
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from idp.signin import contacts, export, recovery_codes
from idp.signin.accounts import Account
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.world_people import BROWSER, Person, post_form, sign_in

STALE = timedelta(minutes=11)


def downloaded(client: FlaskClient) -> dict[str, Any]:
    answer = post_form(client, "/account/download", {})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Disposition"] == "attachment; filename=kabao-my-data.json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.mimetype == "application/json"
    document: dict[str, Any] = json.loads(answer.data)
    return document


def test_the_file_holds_a_section_of_every_part(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    document = downloaded(client)
    assert document["format"] == "kabao-my-data-1"
    assert set(document) == {"format", "made_at", *export.sections}
    assert {"person", "licences", "uses", "receipts", "portals", "mandates", "history"} <= set(document)
    assert document["person"][0]["number"] == person.number
    assert document["person"][0]["name"] == person.name
    assert {"account.opened", "session.begun", "account.exported"} <= {entry["act"] for entry in document["history"]}
    assert document["history"][-1]["what"]["zh"]


def test_what_was_muted_is_in_it(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    post_form(client, "/account/notices", {"wanted": ["new", "changed"]})
    said = {row["choice"]: row["is_wanted"] for row in downloaded(client)["notice_choices"]}
    assert {name for name, is_wanted in said.items() if is_wanted} == {"new", "changed"}
    assert {"asked", "drawn", "shown"} <= set(said)


def test_no_secret_is_in_it(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        codes = recovery_codes.make(session, subject.id, now=now())
        contact = contacts.add(session, subject.id, "someone@example.com", now=now())
        contacts.verify(session, contact, now=now())
        password_hash = session.get_one(Account, subject.id).password_hash
    sign_in(client, person)
    cookie = client.get_cookie("kabao_session")
    assert cookie is not None
    text = json.dumps(downloaded(client), ensure_ascii=False)
    assert "someone@example.com" in text
    for secret in (password_hash, cookie.value, *codes, "argon2", "_hash", "_sealed"):
        assert secret not in text


def test_a_browser_that_was_left_open_gets_nothing(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    with shifted(STALE):
        page = client.get("/account/download", headers=BROWSER)
        assert (page.status_code, page.location) == (303, "/signin/step-up?aal=1&next=%2Faccount%2Fdownload")
        posted = post_form(client, "/account/download", {}, form_at="/account")
        assert posted.status_code == 303
        assert posted.location.startswith("/signin/step-up")
        program = client.get("/account/download", headers={"Accept": "application/json"})
        assert program.status_code == 403


def test_another_site_downloads_nothing(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    assert client.post("/account/download", headers=BROWSER).status_code == 400


def test_it_is_not_downloaded_over_and_over(client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    answers = [post_form(client, "/account/download", {}) for _ in range(9)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 200
    assert statuses == sorted(statuses)
    assert statuses[-1] == 429
    assert "Retry-After" in answers[-1].headers


def test_nobody_signed_in_is_sent_to_sign_in(client: FlaskClient) -> None:
    assert client.get("/account/download", headers=BROWSER).location.startswith("/signin?next=")
