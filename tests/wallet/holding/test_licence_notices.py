"""Holders are told of their licences, once each, and organisations through whoever represents them."""

import time
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import notices
from idp.signin.notices import Told
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person, new_person, open_account
from wallet.holding.licence_notices import tell_holders

WHY = {"reason": "测试吊销", "legal_basis": "《测试法》第一条"}


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    return Desk(app, client)


@pytest.fixture
def person(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def told(app: Flask, person: Person, *, wanted: int) -> list[Told]:
    """Let a worker do its rounds until a person has so many notices of licences; returns them, the oldest first."""
    found: list[Told] = []
    for _ in range(30):
        with app.app_context():
            tell_holders()
            with transaction() as session:
                subject = directory.find_subject(session, parse_number(person.number))
                assert subject is not None
                found = [one for one in notices.latest(session, subject.id, limit=20) if one.kind.startswith("licence.")]
        if len(found) >= wanted:
            break
        time.sleep(0.1)
    return found[::-1]


def test_a_holder_is_told_of_a_new_licence_and_of_its_end(app: Flask, desk: Desk, person: Person) -> None:
    with app.app_context():
        tell_holders()
    issued = desk.issue(person)
    desk.post(f"/licences/{issued['id']}/revocation", WHY)
    new, ended = told(app, person, wanted=2)
    assert (new.kind, ended.kind) == ("licence.issued", "licence.revoked")
    assert "机动车驾驶证" in new.body.zh
    assert "driving" in new.body.en.lower()
    assert issued["licence_number"] not in new.body.zh
    assert len(told(app, person, wanted=3)) == 2, "once each"


def test_whoever_has_no_account_is_told_nothing_and_holds_nobody_up(app: Flask, desk: Desk, person: Person) -> None:
    with app.app_context():
        tell_holders()
        with transaction() as session:
            stranger = new_person(session)
    desk.issue(stranger)
    desk.issue(person)
    assert [one.kind for one in told(app, person, wanted=1)] == ["licence.issued"]


def test_the_notice_leads_to_the_card(app: Flask, desk: Desk, person: Person) -> None:
    with app.app_context():
        tell_holders()
    issued = desk.issue(person)
    told(app, person, wanted=1)
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        rows = session.query(notices.Notice).where(notices.Notice.subject_id == subject.id).all()
        links = {found.link for row in rows if (found := notices.find(session, subject.id, UUID(str(row.id)))) is not None}
    assert f"/wallet/cards/{issued['id']}" in links
