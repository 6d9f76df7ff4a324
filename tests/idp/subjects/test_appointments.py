from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from idp.signin.notices import Notice
from idp.subjects import appointments, changes, directory, mandates, registry_import
from idp.subjects.appointments import (
    AlreadyAppointed,
    AppointeeUnknown,
    Appointment,
    BeyondOwnRight,
    DatesRefused,
    MandateNotFound,
    MayNotAppoint,
    NotRepresentative,
    TooManyManagers,
)
from idp.subjects.history import Told
from idp.subjects.mandates import HANDLER, LEGAL_REPRESENTATIVE, LICENCE_MANAGER, GivenMandate, NoMandate
from idp.subjects.numbers import parse_number
from idp.subjects.records import DECEASED
from idp.subjects.registries import RegistryUnavailable
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.problems import Refusal
from tests.idp.subjects.firms import Firm, new_firm, right
from tests.world_people import Person, citizen_number, invented_name, new_person

DRIVING, BUSINESS = "11100000000013127D001", "11100000MB0143028R001"


@pytest.fixture
def firm(session: Session) -> Firm:
    return new_firm(session)


def role_of(session: Session, firm: Firm, person_id: UUID) -> str | None:
    found = mandates.find_standing(session, person_id=person_id, holder_id=firm.id, now=now())
    return found.role if found else None


def test_a_representative_is_told_of_who_was_appointed_though_it_was_done_in_their_own_session(session: Session, firm: Firm) -> None:
    firm.appoint(session)
    told = session.scalars(select(Notice.kind).where(Notice.subject_id == firm.boss_id)).all()
    assert told.count("organisation-mandate-given") == 1


def test_nothing_stands_under_a_mandate_that_has_ended_whatever_its_own_row_says(session: Session, firm: Firm) -> None:
    manager_id, mandate_id = firm.appoint(session, role=LICENCE_MANAGER)
    handler_id, _ = firm.appoint(session, by=manager_id)
    assert role_of(session, firm, handler_id) == HANDLER
    session.execute(update(GivenMandate).where(GivenMandate.id == mandate_id).values(ended_at=now(), ended_why="removed"))
    assert role_of(session, firm, handler_id) is None
    with pytest.raises(NoMandate):
        mandates.check_mandate(session, person_id=handler_id, organisation_id=firm.id, now=now())


def test_nobody_appoints_someone_who_has_died_whatever_the_registrys_table_says_still(session: Session, firm: Firm) -> None:
    person = new_person(session)
    subject = directory.ensure_subject(session, parse_number(person.number), now=now())
    changes.set_state(session, subject, DECEASED, told=Told("registry", now()))
    with pytest.raises(AppointeeUnknown):
        firm.appoint(session, person=person)


def test_only_whom_the_registry_names_claims_an_organisation(session: Session) -> None:
    firm = new_firm(session, claimed=False)
    stranger_id = directory.ensure_subject(session, parse_number(new_person(session).number), now=now()).id
    with pytest.raises(NotRepresentative):
        appointments.claim(session, person_id=stranger_id, organisation_id=firm.id, now=now())
    first = appointments.claim(session, person_id=firm.boss_id, organisation_id=firm.id, now=now())
    assert first == appointments.claim(session, person_id=firm.boss_id, organisation_id=firm.id, now=now())
    assert role_of(session, firm, firm.boss_id) == LEGAL_REPRESENTATIVE


def test_the_representative_appoints_managers_who_appoint_handlers(session: Session, firm: Firm) -> None:
    manager_id, _ = firm.manager(session)
    handler_id, _ = firm.appoint(session, by=manager_id, types={DRIVING}, portals={"hall"})
    assert role_of(session, firm, manager_id) == LICENCE_MANAGER
    found = mandates.check_mandate(session, person_id=handler_id, organisation_id=firm.id, now=now())
    assert (found.role, found.allows_type(DRIVING), found.allows_type(BUSINESS)) == (HANDLER, True, False)
    assert (found.allows_portal("hall"), found.allows_portal("other")) == (True, False)
    assert [one.holder_id for one in mandates.organisations_of(session, person_id=handler_id, now=now())] == [firm.id]


def by_manager(session: Session, firm: Firm) -> UUID:
    return firm.manager(session)[0]


def by_plain_handler(session: Session, firm: Firm) -> UUID:
    return firm.appoint(session)[0]


def by_delegate(session: Session, firm: Firm) -> UUID:
    ends = timedelta(days=9)
    return firm.appoint(session, may_delegate=True, types={DRIVING}, portals={"hall"}, ends=ends)[0]


def by_stranger(session: Session, firm: Firm) -> UUID:
    return directory.ensure_subject(session, parse_number(new_person(session).number), now=now()).id


WITHIN = {"types": {DRIVING}, "portals": {"hall"}, "ends": timedelta(days=5)}


@pytest.mark.parametrize(
    ("by", "role", "reach", "refusal", "field"),
    [
        pytest.param(by_stranger, HANDLER, {}, NoMandate, None, id="a stranger"),
        pytest.param(by_manager, LICENCE_MANAGER, {}, MayNotAppoint, None, id="a manager appoints no manager"),
        pytest.param(by_manager, LEGAL_REPRESENTATIVE, {}, MayNotAppoint, None, id="nobody appoints a representative"),
        pytest.param(by_plain_handler, HANDLER, {}, MayNotAppoint, None, id="a handler without the right to"),
        pytest.param(by_delegate, LICENCE_MANAGER, WITHIN, MayNotAppoint, None, id="a delegate appoints no manager"),
        pytest.param(by_delegate, HANDLER, {**WITHIN, "types": None}, BeyondOwnRight, "types", id="beyond in types: all"),
        pytest.param(by_delegate, HANDLER, {**WITHIN, "types": {DRIVING, BUSINESS}}, BeyondOwnRight, "types", id="beyond in types: one more"),
        pytest.param(by_delegate, HANDLER, {**WITHIN, "portals": {"elsewhere"}}, BeyondOwnRight, "portals", id="beyond in portals"),
        pytest.param(by_delegate, HANDLER, {**WITHIN, "ends": timedelta(days=10)}, BeyondOwnRight, "valid_until", id="beyond in time"),
        pytest.param(by_delegate, HANDLER, {**WITHIN, "ends": None}, BeyondOwnRight, "valid_until", id="without an end"),
        pytest.param(by_manager, HANDLER, {"types": set()}, BeyondOwnRight, "types", id="no type at all"),
        pytest.param(by_manager, HANDLER, {"portals": set()}, BeyondOwnRight, "portals", id="no portal at all"),
        pytest.param(by_manager, HANDLER, {"ends": timedelta(days=-1)}, DatesRefused, "valid_until", id="over already"),
    ],
)
def test_an_appointment_beyond_ones_own_right_is_refused(
    session: Session,
    firm: Firm,
    by: Callable[[Session, Firm], UUID],
    role: str,
    reach: dict[str, object],
    refusal: type[Refusal],
    field: str | None,
) -> None:
    giver = by(session, firm)
    with pytest.raises(refusal) as refused:
        firm.appoint(session, by=giver, role=role, **reach)
    assert refused.value.field == field


def test_a_delegate_appoints_within_their_own_right(session: Session, firm: Firm) -> None:
    delegate = by_delegate(session, firm)
    handler_id, _ = firm.appoint(session, by=delegate, **WITHIN)
    assert role_of(session, firm, handler_id) == HANDLER


@pytest.mark.parametrize("wrong", ["number", "name", "both", "organisation"])
def test_every_wrong_pair_gets_the_same_answer(session: Session, firm: Firm, wrong: str) -> None:
    person = new_person(session)
    number = firm.organisation.number if wrong == "organisation" else citizen_number() if wrong in ("number", "both") else person.number
    name = firm.organisation.name if wrong == "organisation" else invented_name() + "某" if wrong in ("name", "both") else person.name
    with pytest.raises(AppointeeUnknown) as refused:
        firm.appoint(session, person=Person(number, name))
    assert (refused.value.field, refused.value.shown) == ("number", None)


def test_a_person_has_one_mandate_an_organisation(session: Session, firm: Firm) -> None:
    handler_id, _ = firm.appoint(session)
    with pytest.raises(AlreadyAppointed):
        firm.appoint(session, person=firm.people[handler_id])
    with pytest.raises(AlreadyAppointed):
        firm.appoint(session, person=firm.boss)


def test_of_many_at_once_five_become_managers(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        firm = new_firm(session)
        people = [new_person(session) for _ in range(12)]
    ready, outcomes = Barrier(len(people)), []

    def appoint(person: Person) -> None:
        with app.app_context():
            ready.wait()
            try:
                with transaction() as own:
                    firm.appoint(own, role=LICENCE_MANAGER, person=person)
                outcomes.append("appointed")
            except TooManyManagers:
                outcomes.append("refused")

    threads = [Thread(target=appoint, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["appointed"] * 5 + ["refused"] * 7
    with app.app_context(), transaction() as session:
        managers = (GivenMandate.holder_id == firm.id, GivenMandate.role == LICENCE_MANAGER, GivenMandate.ended_at.is_(None))
        assert session.scalar(select(func.count()).select_from(GivenMandate).where(*managers)) == 5


def test_nobody_is_appointed_under_a_mandate_that_is_just_ending(app: Flask) -> None:
    for _ in range(5):
        with app.app_context(), transaction() as session:
            firm = new_firm(session)
            manager_id, manager_mandate = firm.manager(session)
            newcomer = new_person(session)
        ready = Barrier(2)

        def remove(firm: Firm = firm, ready: Barrier = ready, mandate: UUID = manager_mandate) -> None:
            with app.app_context(), transaction() as own:
                ready.wait()
                appointments.remove(own, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate, now=now())

        thread = Thread(target=remove)
        thread.start()
        with app.app_context():
            ready.wait()
            try:
                with transaction() as own:
                    firm.appoint(own, by=manager_id, person=newcomer)
            except NoMandate:
                pass
        thread.join()
        with app.app_context(), transaction() as session:
            standing = (GivenMandate.holder_id == firm.id, GivenMandate.ended_at.is_(None))
            assert [row.role for row in session.scalars(select(GivenMandate).where(*standing))] == [LEGAL_REPRESENTATIVE]


def test_removing_one_ends_everything_beneath_and_nothing_beside(session: Session, firm: Firm) -> None:
    manager_id, manager_mandate = firm.manager(session)
    delegate_id, _ = firm.appoint(session, by=manager_id, may_delegate=True)
    leaf_id, leaf = firm.appoint(session, by=delegate_id)
    beside_id, _ = firm.appoint(session)
    heard: list[UUID] = []
    mandates.on_mandate_end.append(hear := lambda _, given, __: heard.append(given.person_id))
    try:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=manager_mandate, now=now())
    finally:
        mandates.on_mandate_end.remove(hear)
    assert set(heard) == {manager_id, delegate_id, leaf_id}
    assert [role_of(session, firm, one) for one in (manager_id, delegate_id, leaf_id, beside_id)] == [None, None, None, HANDLER]
    assert session.get_one(GivenMandate, (firm.id, leaf)).ended_why == "above_ended"


@pytest.mark.parametrize(
    "who", ["stranger", "handler beside", "manager of a manager", "manager of the representative", "oneself", "the representative themself"]
)
def test_who_may_not_remove_is_refused(session: Session, firm: Firm, who: str) -> None:
    manager_id, manager_mandate = firm.manager(session)
    _, handler_mandate = firm.appoint(session)
    boss = appointments.find_representative(session, firm.id)
    assert boss is not None
    by, mandate_id = {
        "stranger": (by_stranger(session, firm), handler_mandate),
        "handler beside": (by_delegate(session, firm), handler_mandate),
        "manager of a manager": (firm.manager(session)[0], manager_mandate),
        "manager of the representative": (manager_id, boss.id),
        "oneself": (manager_id, manager_mandate),
        "the representative themself": (firm.boss_id, boss.id),
    }[who]
    with pytest.raises((MayNotAppoint, NoMandate)):
        appointments.remove(session, by=by, organisation_id=firm.id, mandate_id=mandate_id, now=now())


def test_what_a_change_narrows_is_heard_of_by_all_beneath(session: Session, firm: Firm) -> None:
    """What was issued under a mandate ends as its reach changes, and so what was issued under those that hang on it."""
    delegate_id, mandate = firm.appoint(session, may_delegate=True)
    leaf_id, _ = firm.appoint(session, by=delegate_id)
    beside_id, _ = firm.appoint(session)
    heard: list[UUID] = []

    def hear(_: Session, given: GivenMandate, __: datetime) -> None:
        heard.append(given.person_id)

    mandates.on_mandate_end.append(hear)
    try:
        wanted = Appointment(HANDLER, right(types={DRIVING}), may_delegate=True)
        appointments.change(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate, wanted=wanted, now=now())
    finally:
        mandates.on_mandate_end.remove(hear)
    assert (set(heard), beside_id in heard) == ({delegate_id, leaf_id}, False)


def test_who_has_died_is_not_appointed_and_nobody_for_no_time_at_all(session: Session, firm: Firm) -> None:
    person, moment = new_person(session), now()
    number = parse_number(person.number)
    named: dict[str, Any] = {"by": firm.boss_id, "organisation_id": firm.id, "number": number, "name": person.name, "now": moment}
    with pytest.raises(DatesRefused):
        appointments.appoint(session, **named, wanted=Appointment(HANDLER, right(begins=moment, ends=moment)))
    directory.ensure_subject(session, number, now=moment).state = "deceased"
    with pytest.raises(AppointeeUnknown):
        appointments.appoint(session, **named, wanted=Appointment(HANDLER, right()))


def test_nobody_changes_their_own_mandate(session: Session, firm: Firm) -> None:
    """Within their own reach or not: else a handler would let themselves appoint others."""
    manager_id, manager_mandate = firm.manager(session)
    handler_id, handler_mandate = firm.appoint(session, by=manager_id, types={DRIVING})
    for who, mandate_id in ((manager_id, manager_mandate), (handler_id, handler_mandate)):
        given = session.get_one(GivenMandate, (firm.id, mandate_id))
        wanted = Appointment(given.role, given.right, may_delegate=True)
        with pytest.raises(MayNotAppoint):
            appointments.change(session, by=who, organisation_id=firm.id, mandate_id=mandate_id, wanted=wanted, now=now())
        with pytest.raises(MayNotAppoint):
            appointments.remove(session, by=who, organisation_id=firm.id, mandate_id=mandate_id, now=now())


def test_one_resigns_but_the_representative_cannot(session: Session, firm: Firm) -> None:
    handler_id, _ = firm.appoint(session)
    appointments.resign(session, person_id=handler_id, holder_id=firm.id, now=now())
    assert role_of(session, firm, handler_id) is None
    with pytest.raises(MandateNotFound):
        appointments.resign(session, person_id=handler_id, holder_id=firm.id, now=now())
    with pytest.raises(MayNotAppoint):
        appointments.resign(session, person_id=firm.boss_id, holder_id=firm.id, now=now())


def test_a_descendant_never_outlives_or_exceeds_its_ancestor(session: Session, firm: Firm) -> None:
    delegate_id, delegate_mandate = firm.appoint(session, may_delegate=True, types={DRIVING, BUSINESS})
    leaf_id, _ = firm.appoint(session, by=delegate_id, types={DRIVING, BUSINESS})
    narrower = Appointment(HANDLER, right(types={BUSINESS}, ends=timedelta(days=3)), may_delegate=True)
    appointments.change(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=delegate_mandate, wanted=narrower, now=now())
    found = mandates.find_standing(session, person_id=leaf_id, holder_id=firm.id, now=now())
    assert found is not None
    assert (found.allows_type(DRIVING), found.allows_type(BUSINESS)) == (False, True)
    assert found.valid_until is not None
    with shifted(timedelta(days=4)):
        assert role_of(session, firm, leaf_id) is None


def test_dates_are_looked_at_whenever_a_mandate_is_used(session: Session, firm: Firm) -> None:
    handler_id, _ = firm.appoint(session, begins=now() + timedelta(days=1), ends=timedelta(days=2))
    for later, stands in ((timedelta(0), False), (timedelta(days=1, seconds=5), True), (timedelta(days=2, seconds=5), False)):
        with shifted(later):
            assert (role_of(session, firm, handler_id) is not None) is stands


def test_a_new_representative_ends_the_chain_and_appoints_again_at_one_click(session: Session, firm: Firm) -> None:
    manager_id, manager_mandate = firm.manager(session)
    handler_id, handler_mandate = firm.appoint(session, by=manager_id, types={DRIVING})
    successor = new_person(session)
    row = {"number": firm.organisation.number, "name": firm.organisation.name, "representative": successor.number}
    assert not registry_import.load_organisations(session, [row])
    session.expire_all()
    assert [role_of(session, firm, one) for one in (firm.boss_id, manager_id, handler_id)] == [None, None, None]
    successor_id = directory.ensure_subject(session, parse_number(successor.number), now=now()).id
    appointments.claim(session, person_id=successor_id, organisation_id=firm.id, now=now())
    for mandate_id in (manager_mandate, handler_mandate):
        appointments.reappoint(session, by=successor_id, organisation_id=firm.id, mandate_id=mandate_id, now=now())
    assert [role_of(session, firm, one) for one in (manager_id, handler_id)] == [LICENCE_MANAGER, HANDLER]
    with pytest.raises(NoMandate):
        appointments.reappoint(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=manager_mandate, now=now())


def test_whom_the_registry_no_longer_names_is_not_offered_what_they_represented(
    session: Session, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anybody has heard of the change; a registry that is away says nothing of anyone."""
    handler_id, _ = firm.appoint(session)

    def offered() -> list[list[UUID]]:
        return [[one.holder_id for one in mandates.organisations_of(session, person_id=who, now=now())] for who in (firm.boss_id, handler_id)]

    def away(*_: object, **__: object) -> dict[UUID, mandates.Mandate]:
        raise RegistryUnavailable("away")

    assert offered() == [[firm.id], [firm.id]]
    monkeypatch.setattr(mandates, "_named_by_registry", away)
    assert offered() == [[firm.id], [firm.id]]
    monkeypatch.setattr(mandates, "_named_by_registry", lambda *_, **__: {})
    assert offered() == [[], [firm.id]]


def test_a_mandate_ends_with_its_person_or_its_organisation(session: Session, firm: Firm) -> None:
    manager_id, _ = firm.manager(session)
    handler_id, _ = firm.appoint(session, by=manager_id)
    appointments.end_all_of(session, manager_id, now())
    assert [role_of(session, firm, one) for one in (manager_id, handler_id, firm.boss_id)] == [None, None, LEGAL_REPRESENTATIVE]
    appointments.end_all_of(session, firm.id, now())
    assert role_of(session, firm, firm.boss_id) is None


def test_who_has_died_is_not_appointed_again(session: Session, firm: Firm) -> None:
    manager_id, mandate_id = firm.manager(session)
    manager = directory.get_subject(session, manager_id)
    manager.state = "deceased"
    appointments.end_all_of(session, manager_id, now())
    with pytest.raises(directory.SubjectEnded):
        appointments.reappoint(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate_id, now=now())
    assert role_of(session, firm, manager_id) is None


def test_a_chain_is_never_deeper_than_it_is_read(session: Session, firm: Firm) -> None:
    by = firm.boss_id
    for _ in range(mandates.DEEPEST - 1):
        by, _ = firm.appoint(session, by=by, may_delegate=True)
        assert role_of(session, firm, by) == HANDLER
    with pytest.raises(MayNotAppoint):
        firm.appoint(session, by=by, may_delegate=True)
