from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from idp.subjects import directory, mandates, registries, registry_import
from idp.subjects.directory import Subject, UnknownNumber
from idp.subjects.numbers import Number, parse_number
from idp.subjects.registries import RegistryUnavailable
from keys import sealing
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.world_people import citizen_number, new_organisation, new_person


def test_a_subject_comes_from_the_registry_on_first_sight_and_keeps_its_id(context: None) -> None:
    with transaction() as session:
        person = new_person(session, name="王建国")
        assert directory.find_subject(session, parse_number(person.number)) is None
        subject = directory.ensure_subject(session, parse_number(person.number), now=now())
    with transaction() as session:
        again = directory.ensure_subject(session, parse_number(person.number), now=now())
        assert (again.id, again.kind) == (subject.id, "person")
        assert (directory.number_of(again).value, directory.name_of(again)) == (person.number, "王建国")


def test_number_and_name_rest_sealed(context: None) -> None:
    with transaction() as session:
        person = new_person(session)
        subject = directory.ensure_subject(session, parse_number(person.number), now=now())
        row = session.execute(select(Subject.number_sealed, Subject.name_sealed, Subject.number_index).where(Subject.id == subject.id)).one()
        kept = session.scalars(select(registries.RegisteredPerson.record_sealed)).all()
    for plain in (person.number.encode(), person.name.encode()):
        assert not any(plain in column for column in [*row, *kept])


def test_a_number_that_no_registry_knows_is_refused(context: None) -> None:
    with transaction() as session:
        new_person(session)
    with transaction() as session, pytest.raises(UnknownNumber):
        directory.ensure_subject(session, parse_number(citizen_number()), now=now())


def test_a_subject_that_does_not_exist_is_not_found(context: None) -> None:
    with transaction() as session, pytest.raises(directory.SubjectNotFound):
        directory.get_subject(session, new_id())


def test_an_unavailable_registry_is_not_an_unknown_number(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def find(self, number: Number) -> None:
            raise RegistryUnavailable("no route")

    monkeypatch.setattr(registries, "open_registry", lambda session: Away())
    with transaction() as session, pytest.raises(RegistryUnavailable):
        directory.ensure_subject(session, parse_number(citizen_number()), now=now())


def test_a_known_subject_needs_no_registry(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction() as session:
        person = new_person(session)
        directory.ensure_subject(session, parse_number(person.number), now=now())
        monkeypatch.setattr(registries, "open_registry", lambda session: None)
        assert directory.ensure_subject(session, parse_number(person.number), now=now())


def test_many_who_meet_a_number_at_once_find_one_subject(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        person = new_person(session)

    def meet(_: int) -> object:
        with app.app_context(), transaction() as session:
            return directory.ensure_subject(session, parse_number(person.number), now=now()).id

    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(meet, range(24)))) == 1


def test_a_subject_follows_the_registry_to_a_new_name(context: None) -> None:
    with transaction() as session:
        person = new_person(session, name="李文秀")
        subject = directory.ensure_subject(session, parse_number(person.number), now=now())
        assert not registry_import.load_people(session, [{"number": person.number, "name": "李雨桐"}])
    with transaction() as session:
        assert directory.name_of(directory.get_subject(session, subject.id)) == "李雨桐"


def test_a_legal_representative_may_act_for_the_organisation_and_nobody_else(context: None) -> None:
    with transaction() as session:
        boss, stranger = new_person(session), new_person(session)
        firm, shop = (new_organisation(session, representative=boss) for _ in range(2))
        boss_id, stranger_id = (directory.ensure_subject(session, parse_number(person.number), now=now()).id for person in (boss, stranger))
        found = mandates.organisations_of(session, person_id=boss_id, now=now())
        assert {(mandate.number.value, mandate.name) for mandate in found} == {(firm.number, firm.name), (shop.number, shop.name)}
        assert mandates.organisations_of(session, person_id=stranger_id, now=now()) == []
        assert mandates.check_mandate(session, person_id=boss_id, organisation_id=found[0].organisation_id, now=now()).role == "legal_representative"
        with pytest.raises(mandates.NoMandate):
            mandates.check_mandate(session, person_id=stranger_id, organisation_id=found[0].organisation_id, now=now())
        assert mandates.organisations_of(session, person_id=found[0].organisation_id, now=now()) == []


def test_a_new_legal_representative_takes_the_mandate_over_at_once(context: None) -> None:
    with transaction() as session:
        before, after = new_person(session), new_person(session)
        firm = new_organisation(session, representative=before)
        ids = [directory.ensure_subject(session, parse_number(person.number), now=now()).id for person in (before, after)]
        assert mandates.organisations_of(session, person_id=ids[0], now=now())
        registry_import.load_organisations(session, [{"number": firm.number, "name": firm.name, "representative": after.number}])
        assert [len(mandates.organisations_of(session, person_id=person_id, now=now())) for person_id in ids] == [0, 1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("王建国", " 王 建国 ", True),
        ("买买提·吐尔逊", "买买提•吐尔逊", True),
        ("ＷＡＮＧ Jianguo", "wang jianguo", True),
        ("卡包（东营）有限公司", "卡包(东营)有限公司", True),
        ("王建国", "王建", False),
        ("王建国", "", False),
    ],
)
def test_names_are_compared_as_people_write_them(one: str, other: str, same: bool) -> None:
    assert registries.is_same_name(one, other) is same


def test_a_new_index_key_loses_nobody_and_leaves_no_stale_mandate(context: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction() as session:
        before, after = new_person(session), new_person(session)
        firm = new_organisation(session, representative=before)
        ids = [directory.ensure_subject(session, parse_number(person.number), now=now()).id for person in (before, after)]
    sealer = sealing._sealer()
    rotated = replace(sealer, index_keys={**sealer.index_keys, max(sealer.index_keys) + 1: bytes(range(32))})
    monkeypatch.setattr(sealing, "_sealer", lambda: rotated)
    with transaction() as session:
        assert directory.ensure_subject(session, parse_number(before.number), now=now()).id == ids[0]
        assert [len(mandates.organisations_of(session, person_id=person_id, now=now())) for person_id in ids] == [1, 0]
        registry_import.load_organisations(session, [{"number": firm.number, "name": firm.name, "representative": after.number}])
        registry_import.load_people(session, [{"number": before.number, "name": "林明海"}])
        assert [len(mandates.organisations_of(session, person_id=person_id, now=now())) for person_id in ids] == [0, 1]
        assert directory.name_of(directory.get_subject(session, ids[0])) == "林明海"
