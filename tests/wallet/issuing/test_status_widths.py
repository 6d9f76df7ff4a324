"""Which list a credential goes to: what can never be suspended needs one bit, and is never suspended."""

from uuid import UUID

import pytest
from flask import Flask

from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.world_people import new_person
from tests.world_wallet import DEFINITIONS, new_department, new_licence
from wallet.issuing import status_lists
from wallet.issuing.credentials import credential_of
from wallet.issuing.life import ActBarred, act_on, check_act
from wallet.issuing.requests import ActRequest
from wallet.issuing.status_lists import StatusList
from wallet.register.acts import Act
from wallet.register.licences import get_licence


@pytest.mark.parametrize(("slug", "bits"), [("driving-licence", 2), ("business-licence", 2), ("degree-certificate", 1), ("birth-certificate", 1)])
def test_a_type_says_by_the_acts_that_it_bars_how_wide_its_list_is(slug: str, bits: int) -> None:
    assert status_lists.bits_for(DEFINITIONS[slug]) == bits


@pytest.fixture
def degree(app: Flask, settings: Settings) -> tuple[str, UUID]:
    """A degree certificate, with the department that issued it."""
    with app.app_context():
        department = new_department(issue=["degree-certificate"])
        with transaction() as session:
            return department, new_licence(session, type="degree-certificate", department=department, number=new_person(session).number).id


def test_a_credential_of_a_type_that_is_never_suspended_stands_in_a_list_of_one_bit(app: Flask, degree: tuple[str, UUID]) -> None:
    with app.app_context(), transaction() as session:
        place = credential_of(session, get_licence(session, degree[1])).place
        assert session.get_one(StatusList, place.list_id).bits == 1


@pytest.mark.parametrize("act", [Act.SUSPEND, Act.RESUME, Act.TRANSFER_OUT])
def test_what_a_type_bars_is_refused(app: Flask, settings: Settings, degree: tuple[str, UUID], act: Act) -> None:
    department, licence_id = degree
    with app.app_context(), transaction() as session:
        licence, asked = get_licence(session, licence_id), ActRequest(act, "测试", "《测试法》第一条")
        for attempt in (
            lambda: act_on(session, settings, licence, asked, department=department, now=now()),
            lambda: check_act(session, licence, asked, department=department, now=now()),
        ):
            with pytest.raises(ActBarred):
                attempt()


def test_what_it_does_not_bar_shows_in_the_list(app: Flask, settings: Settings, degree: tuple[str, UUID]) -> None:
    department, licence_id = degree
    with app.app_context(), transaction() as session:
        licence = get_licence(session, licence_id)
        act_on(session, settings, licence, ActRequest(Act.ANNUL, "测试", "《测试法》第一条"), department=department, now=now(), seconded=True)
        assert status_lists.state_of(session, credential_of(session, licence).place) == status_lists.INVALID
