"""Two people with one number (重号): once one of them has another, the number is the other's, at every door; whose it was keeps what is theirs."""

import json
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from idp.signin import registration
from idp.signin.matching import NumberChanged
from idp.subjects import appointments, directory, registries, registry_import
from idp.subjects.numbers import parse_number
from idp.subjects.registries import ImportedRegistry, Record
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.wallet.issuing.desks import Desk
from tests.world_people import PASSWORD, Person, citizen_number, new_person, open_account
from wallet.issuing.holders import HolderNameDiffers, HolderRequest, check_holder, find_holder
from wallet.register.catalogue import get_type

OTHER = "欧阳同号"


class Pair:
    """Somebody with an account, who was given another number; and another, to whom the registry gives the first one."""

    def __init__(self, app: Flask) -> None:
        self.app, self.new = app, citizen_number()
        with app.app_context(), transaction() as session:
            self.first = new_person(session, name="许静")
            self.first_id = open_account(session, self.first)
        self.load({"number": self.new, "name": self.first.name, "former_number": self.first.number})

    @property
    def number(self) -> str:
        return self.first.number

    def load(self, *rows: dict[str, str]) -> None:
        with self.app.app_context(), transaction() as session:
            assert not registry_import.load_people(session, list(rows))

    def give_to_the_other(self) -> None:
        self.load({"number": self.number, "name": OTHER})

    def whose(self, number: str) -> UUID | None:
        with self.app.app_context(), transaction() as session:
            found = directory.find_subject(session, parse_number(number))
            return found.id if found else None

    def register(self, name: str) -> UUID:
        with self.app.app_context(), transaction() as session:
            return registration.register(session, number=parse_number(self.number), name=name, password=PASSWORD, now=now())


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    return Desk(app, client)


@pytest.fixture
def pair(app: Flask) -> Pair:
    return Pair(app)


def test_the_other_registers_and_the_first_keeps_what_is_theirs(app: Flask, pair: Pair) -> None:
    pair.give_to_the_other()
    assert pair.whose(pair.number) is None, "of nobody that was met"
    other_id = pair.register(OTHER)
    assert other_id != pair.first_id
    assert (pair.whose(pair.number), pair.whose(pair.new)) == (other_id, pair.first_id)
    with app.app_context(), transaction() as session:
        acts = select(func.count()).where(LedgerEntry.subject_id == pair.first_id, LedgerEntry.act == "subject.parted")
        assert session.scalar(acts) == 1


def test_files_that_are_loaded_again_in_any_order_change_nothing(pair: Pair) -> None:
    changed, other = {"number": pair.new, "name": pair.first.name, "former_number": pair.number}, {"number": pair.number, "name": OTHER}
    for rows in ([other], [changed], [other, changed], [changed, other]):
        pair.load(*rows)
        assert pair.whose(pair.number) is None
    other_id = pair.register(OTHER)
    for rows in ([changed], [other], [other, changed]):
        pair.load(*rows)
        assert (pair.whose(pair.number), pair.whose(pair.new)) == (other_id, pair.first_id)


def test_an_older_file_that_has_the_first_by_the_number_parts_nobody(app: Flask, pair: Pair) -> None:
    pair.load({"number": pair.new, "name": "许静怡"})
    for name in ("许静", "许静怡"):
        pair.load({"number": pair.number, "name": name})
        assert pair.whose(pair.number) == pair.first_id


def through_http(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    """Let the registry be one that is asked, and tells nothing of its own accord."""
    find = ImportedRegistry.find

    def answered(self: ImportedRegistry, number: object) -> Record | None:
        is_asked = getattr(number, "value", "") == pair.number
        return Record(parse_number(pair.number), OTHER, {}) if is_asked else find(self, number)  # type: ignore[arg-type]

    monkeypatch.setattr(ImportedRegistry, "find", answered)


def test_where_the_registry_is_asked_the_other_registers_and_whoever_gives_the_first_s_name_does_not(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    through_http(monkeypatch, pair)
    with pytest.raises(registration.accounts.NotInRegistry):
        pair.register(pair.first.name)
    assert pair.whose(pair.number) == pair.first_id, "nothing is done for whoever is refused"
    assert pair.register(OTHER) != pair.first_id


def test_who_has_another_number_is_told_so_as_long_as_nobody_else_has_the_old_one(pair: Pair) -> None:
    with pytest.raises(NumberChanged):
        pair.register(pair.first.name)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_licence_by_number_and_name_is_the_other_s(app: Flask, pair: Pair, monkeypatch: pytest.MonkeyPatch, desk: Desk, *, is_told: bool) -> None:
    if is_told:
        pair.give_to_the_other()
    else:
        through_http(monkeypatch, pair)
    issued = desk.issue(Person(pair.number, OTHER))
    assert "holder_number_changed" not in issued
    assert json.dumps(desk.get(f"/licences/{issued['id']}").json["metadata"], ensure_ascii=False).count(OTHER) == 1
    assert pair.whose(pair.number) not in (None, pair.first_id)


@pytest.mark.usefixtures("desk")
def test_a_wrong_name_is_refused_as_before(app: Flask, pair: Pair) -> None:
    asked = HolderRequest(pair.number, "许错")
    with app.app_context(), transaction() as session:
        kind = get_type("driving-licence")
        assert find_holder(kind, asked, member="holder") is None, "the registry is asked first"
        with pytest.raises(HolderNameDiffers):
            check_holder(session, kind, asked, member="holder", now=now())


def test_who_is_appointed_by_number_and_name_is_the_other(app: Flask, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    through_http(monkeypatch, pair)
    with app.app_context(), transaction() as session:
        assert appointments._appointee(session, parse_number(pair.number), OTHER, now=now()) != pair.first_id
        assert registries.open_registry(session).find(parse_number(pair.number))
