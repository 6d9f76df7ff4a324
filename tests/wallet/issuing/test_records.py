"""The hot path: what one licence costs the database."""

from flask import Flask, current_app
from sqlalchemy import event

from runtime.clock import now
from runtime.database import engine, transaction
from tests.world_people import new_person
from tests.world_wallet import example_dates, example_fields, new_department
from wallet.issuing.life import issue_licence
from wallet.issuing.requests import LicenceRequest
from wallet.register.catalogue import get_type


def test_a_licence_with_its_first_turn_takes_four_statements(app: Flask) -> None:
    """The holder is found; licence, turn, credential and place are one statement; ledger and event have one each."""
    statements: list[str] = []
    counts: list[int] = []
    with app.app_context():
        department = new_department(issue=["driving-licence"])
        with transaction() as session:
            number = new_person(session).number
        begins, ends = example_dates(get_type("driving-licence"))
        request = LicenceRequest("driving-licence", number, example_fields("driving-licence"), begins, ends)
        for _ in range(5):  # the holder is met, and caches are filled, by the first; word of a new list may empty them once more
            statements.clear()
            with transaction() as session:
                listen = lambda _connection, _cursor, statement, *_rest: statements.append(statement)  # noqa: E731
                event.listen(engine(), "before_cursor_execute", listen)
                issue_licence(session, current_app.extensions["kabao_settings"], request, department=department, now=now())
                event.remove(engine(), "before_cursor_execute", listen)
            counts.append(len(statements))
    assert min(counts) == 4, statements
