"""Holders hear of uses, from the sealed ledger: of draws unless they mute them, of checks if they ask for it."""

import pytest
from flask import Flask
from sqlalchemy import select

from idp.signin import notice_choices, notices
from idp.signin.notices import Notice
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.holding.test_wallet_pages import someone, writing
from tests.world_people import Person, open_account, sign_in
from tests.world_verifying import new_browser, new_counter
from tests.world_wallet import new_department
from wallet.holding.use_notices import BATCH, tell
from wallet.issuing.credentials import credential_of, text_of
from wallet.register.catalogue import get_type

WHAT = "机动车驾驶证"


@pytest.fixture
def person(app: Flask) -> Person:
    heard(app)
    return someone(app)


def heard(app: Flask) -> None:
    """Let the ledger be sealed, and whoever is to hear of it be told."""
    with app.app_context():
        while True:
            with writing(app) as session:
                if ledger.seal(session, sign=lambda claims: "signed", now=now()) < ledger.BATCH:
                    break
        while tell(now=now()) == BATCH:
            continue


def use(app: Flask, person: Person, act: str, department: str, *, type_code: str | None = None) -> None:
    with writing(app) as session:
        subject_id = ensure_subject(session, parse_number(person.number), now=now()).id
        code = type_code or get_type("driving-licence").code
        about = {"object_id": new_id(), "subject_id": subject_id, "now": now()}
        ledger.record(session, act, actor=f"department:{department}", **about, verdict="valid", type=code, receipt="x")


def told(app: Flask, person: Person) -> list[tuple[str, str]]:
    with writing(app) as session:
        subject_id = ensure_subject(session, parse_number(person.number), now=now()).id
        return [(one.kind, one.body.zh) for one in notices.latest(session, subject_id, limit=20) if one.kind.startswith("licence.")][::-1]


def choose(app: Flask, person: Person, *wanted: str) -> None:
    with writing(app) as session:
        notice_choices.choose(session, ensure_subject(session, parse_number(person.number), now=now()).id, wanted, now=now())


def department(app: Flask) -> str:
    with app.app_context():
        return new_department()


def test_a_draw_is_told_once_and_a_check_only_to_who_asks(app: Flask, person: Person) -> None:
    office = department(app)
    use(app, person, "draw.made", office)
    use(app, person, "verification.made", office)
    for _ in range(2):
        heard(app)
    ((kind, body),) = told(app, person)
    assert kind == "licence.drawn"
    assert WHAT in body
    assert "示例市第" in body
    choose(app, person, "shown")
    use(app, person, "draw.made", office)
    use(app, person, "verification.made", office)
    heard(app)
    assert [kind for kind, _ in told(app, person)] == ["licence.drawn", "licence.shown"]


def test_a_request_in_the_inbox_is_told_and_leads_there_unless_it_is_muted(app: Flask, person: Person) -> None:
    office = department(app)
    for wanted in ({"asked"}, set[str]()):
        choose(app, person, *wanted)
        with writing(app) as session:
            subject_id = ensure_subject(session, parse_number(person.number), now=now()).id
            about = {"object_id": new_id(), "subject_id": subject_id, "now": now()}
            ledger.record(session, "presentation.asked", actor=f"department:{office}", **about, types=[get_type("driving-licence").code])
        heard(app)
        with writing(app) as session:
            (asked,) = session.scalars(select(Notice).where(Notice.subject_id == subject_id, Notice.kind == "licence.asked"))
            found = notices.find(session, subject_id, asked.id)
            assert found is not None
            assert found.link == "/wallet/requests"
            assert WHAT in found.body.zh


def test_a_yes_or_no_about_no_licence_is_told_like_any_other(app: Flask, person: Person) -> None:
    """Whether somebody is of age is asked, and shown, without a type of licence."""
    office = department(app)
    choose(app, person, "asked", "shown")
    with writing(app) as session:
        subject_id = ensure_subject(session, parse_number(person.number), now=now()).id
        about = {"actor": f"department:{office}", "subject_id": subject_id, "now": now()}
        ledger.record(session, "presentation.asked", object_id=new_id(), **about, types=[])
        ledger.record(session, "verification.made", object_id=new_id(), **about, verdict="valid", type=None, receipt="x")
    heard(app)
    assert [kind for kind, _ in told(app, person)] == ["licence.asked", "licence.shown"]
    assert all("是否答复" in body for _, body in told(app, person))


def test_words_that_are_missing_hold_nobody_else_up(app: Flask, person: Person) -> None:
    office = department(app)
    use(app, person, "draw.made", office, type_code="nonsense")
    use(app, person, "draw.made", "no such department")
    use(app, person, "draw.made", office)
    heard(app)
    assert len(told(app, person)) == 1


def test_a_row_that_is_not_sealed_yet_is_told_of_once_it_is(app: Flask, person: Person) -> None:
    use(app, person, "draw.made", department(app))
    with app.app_context():
        tell(now=now())
    assert told(app, person) == []
    heard(app)
    assert len(told(app, person)) == 1


def test_a_check_of_what_somebody_brought_stands_in_the_history_and_is_told_only_to_who_asks(app: Flask) -> None:
    heard(app)
    with app.app_context():
        counter = new_counter(new_browser(app))
        with transaction() as session:
            open_account(session, counter.person)
            document = text_of(credential_of(session, counter.licence))
    for wanted in ((), ("shown",)):
        choose(app, counter.person, *wanted)
        with app.app_context():
            assert counter.verify(document, binding="none").json["verdict"] == "valid"
        heard(app)
    assert [kind for kind, _ in told(app, counter.person)] == ["licence.shown"]
    browser = new_browser(app)
    sign_in(browser, counter.person)
    assert browser.get("/wallet/history").text.count("未核对出示人") == 2
