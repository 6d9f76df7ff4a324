"""No hot statement of the register reads a large table from end to end, whatever is asked of it: a million licences are no slower than a thousand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime import events
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.test_indexed import SMALL, read_whole, statements
from tests.wallet.issuing.desks import Desk
from tests.wallet.issuing.oid4vci.wallets import new_holder, proof, with_token
from tests.world_people import Person
from wallet.issuing import expiry, status_building
from wallet.issuing.desk import looking, watch
from wallet.issuing.listing import Filter, list_own
from wallet.register.licences import china_date, find_by_identifier

# Besides: one row a type and version, a department and its certificates, a list of half a million licences; the cache keeps most of them.
FEW = SMALL | {"licence_types", "licence_type_versions", "departments", "authorities", "status_lists", "signal_streams"}
FEW |= {"certificates", "trust_anchors"}
WHY = {"reason": "测试", "legal_basis": "《测试办法》第一条"}


def test_a_licence_is_issued_read_found_and_acted_on_without_reading_a_table_whole(app: Flask, desk: Desk, person: Person) -> None:
    desk.issue(person)
    with statements(app) as sent:
        issued = desk.issue(person)
        at = f"/licences/{issued['id']}"
        assert desk.get(at).status_code == 200
        assert desk.get(f"{at}/history").status_code == 200
        assert desk.post("/licences/search", {"holder": {"number": person.number}, "cause": {"text": "测试"}}).status_code == 200
        assert desk.get(f"{at}/document").status_code == 200
        for act in ("suspension", "resumption", "revocation"):
            assert desk.post(f"{at}/{act}", WHY).status_code == 201
    assert len(sent) > 20
    assert read_whole(app, sent) - FEW == set()


def test_a_wallet_elsewhere_has_credentials_issued_without_reading_a_table_whole(app: Flask, client: FlaskClient) -> None:
    wallet = with_token(app, client, new_holder(app))
    with statements(app) as sent:
        nonce = wallet.nonce()
        assert wallet.ask(*(proof(nonce) for _ in range(3))).status_code == 200
    assert read_whole(app, sent) - FEW == set()


ASKED: dict[str, Callable[[Session, str, str], object]] = {
    "its identifier": lambda session, _, identifier: find_by_identifier(session, identifier),
    "all": lambda session, department, _: own(session, department, Filter()),
    "of a type": lambda session, department, _: own(session, department, Filter(type="driving-licence")),
    "suspended": lambda session, department, _: own(session, department, Filter(state="suspended")),
    "due": lambda session, department, _: own(session, department, Filter(due=True)),
    "expiring": lambda session, department, _: own(session, department, Filter(expiring_before=china_date(now()) + timedelta(days=7))),
    "what arrives": lambda session, department, _: looking.arriving(session, department=department),
    "what ends": lambda session, department, _: watch.lights(session, department=department, now=now()),
    "what shows red": lambda session, department, _: watch.showing(session, watch.Light.RED, department=department, now=now()),
    "what happened": lambda session, *_: events.read(session, topics={"x"}, after=replace(events.end(session), sequence=0), limit=50),
    "what lapses": lambda session, *_: expiry.lapse_expired(session, now=now()),
}


def own(session: Session, department: str, wanted: Filter) -> object:
    return list_own(session, wanted, department=department, limit=50, now=now())


@pytest.mark.parametrize("what", ASKED)
def test_what_a_department_asks_is_found_by_an_index(app: Flask, desk: Desk, person: Person, what: str) -> None:
    issued = desk.issue(person)
    with statements(app) as sent, app.app_context(), transaction() as session:
        ASKED[what](session, desk.department, issued["identifier"])
    assert sent
    assert read_whole(app, sent) - FEW == set()


@pytest.mark.parametrize("sought", ["identifier", "licence_number", "number"])
def test_the_desk_finds_by_an_index(app: Flask, desk: Desk, person: Person, sought: str) -> None:
    issued = {**desk.issue(person), "number": person.number}
    with app.app_context(), transaction() as session:
        officer_id = ensure_subject(session, parse_number(person.number), now=now()).id
    look = looking.Look(sought=issued[sought], cause="测试", department=desk.department, officer_id=officer_id)
    with statements(app) as sent, app.app_context(), transaction() as session:
        assert looking.find(session, look, now=now())[0]
    assert read_whole(app, sent) - FEW == set()


def test_lists_are_built_without_reading_their_entries(app: Flask, desk: Desk, person: Person) -> None:
    issued = desk.issue(person)
    with statements(app) as sent:
        desk.post(f"/licences/{issued['id']}/suspension", WHY)
        with app.app_context(), transaction() as session:
            status_building.rebuild_next(session, app.extensions["kabao_settings"], now=now())
    built = [statement for statement, _ in sent if "status_entries" in statement and "UPDATE status_lists" in statement]
    assert not built
    assert read_whole(app, sent) - FEW == set()
