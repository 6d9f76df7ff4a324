"""A guardian hears of what a child is asked on the back channel."""

from uuid import UUID

from flask import Flask

from idp.oauth.apart import inbox
from idp.signin import notices
from idp.subjects import guardians
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.apart.steps import Counter
from tests.idp.oauth.apart.test_ciba import row_of
from tests.idp.subjects.test_guardians import new_child
from tests.world_people import Person


def test_a_guardian_is_told_of_what_a_child_is_asked(app: Flask, counter: Counter, person: Person, person_id: UUID) -> None:
    with app.app_context(), transaction() as session:
        child = new_child(session, person)
        guardians.add_child(session, guardian_id=person_id, number=parse_number(child.number), name=child.name, now=now())
    asked = counter.asked(login_hint=child.number)
    with app.app_context():
        inbox.tell_of_request(request_id=str(row_of(app, asked["auth_req_id"]).id))
        with transaction() as session:
            assert notices.latest(session, person_id)[0].kind == "request-waits"
