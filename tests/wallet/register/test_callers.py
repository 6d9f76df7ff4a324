from types import SimpleNamespace

import pytest
from flask import Flask, g

from runtime.database import transaction
from runtime.ids import new_id
from tests.world_people import new_person
from tests.world_wallet import make_officer, new_department
from wallet.register import callers, commands
from wallet.register.callers import NotAnOfficer, officer


@pytest.fixture(autouse=True)
def matched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever `g.signed_in` names be signed in and known at level 2; the session itself is tested where it lives."""
    monkeypatch.setattr(callers, "matched", SimpleNamespace(admit=lambda: None))


def test_an_officer_is_known_by_the_department(app: Flask) -> None:
    with app.app_context():
        department = new_department()
        with transaction() as session:
            subject_id = make_officer(session, department=department, person=new_person(session))
        with app.test_request_context():
            g.signed_in = SimpleNamespace(subject_id=subject_id, session_id=new_id())
            officer.admit()
            assert g.officer_of == department


def test_an_officer_who_left_is_not_let_in(app: Flask) -> None:
    with app.app_context():
        department = new_department()
        with transaction() as session:
            person = new_person(session)
            subject_id = make_officer(session, department=department, person=person)
        left = app.test_cli_runner().invoke(commands.department, ["officer", department, person.number, "--remove"])
        assert (left.exit_code, person.number in left.output) == (0, False)
        again = app.test_cli_runner().invoke(commands.department, ["officer", department, person.number, "--remove"])
        assert "no-such-officer" in again.output
        with app.test_request_context():
            g.signed_in = SimpleNamespace(subject_id=subject_id, session_id=new_id())
            with pytest.raises(NotAnOfficer):
                officer.admit()


def test_someone_who_acts_for_no_department_is_not_let_in(app: Flask) -> None:
    with app.test_request_context():
        g.signed_in = SimpleNamespace(subject_id=new_id(), session_id=new_id())
        with pytest.raises(NotAnOfficer):
            officer.admit()
