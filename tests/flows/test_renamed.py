"""A holder has another name in the register than on their licence: whoever is shown the name is told so, and no more."""

import pytest
from flask import Flask

from idp.subjects import registry_import
from runtime.database import transaction
from tests.wallet.verifying.test_desk_pages import new_officer
from tests.wallet.verifying.test_desk_pages import verify as verify_at_desk
from tests.world_people import sign_in
from tests.world_verifying import Counter, new_browser, new_counter
from wallet.verifying.reading import NAME_CHANGED

NOW_CALLED = "欧阳新名"


@pytest.fixture
def counter(app: Flask) -> Counter:
    with app.app_context():
        return new_counter(new_browser(app))


def rename(counter: Counter, name: str = NOW_CALLED) -> None:
    with counter.client.application.app_context(), transaction() as session:
        assert not registry_import.load_people(session, [{"number": counter.person.number, "name": name}])


def test_the_name_on_a_licence_is_said_to_be_a_former_one_by_code_and_by_credential(app: Flask, counter: Counter) -> None:
    with app.app_context():
        before, code = counter.verify(counter.code("holder_name")), counter.code("holder_name")
        rename(counter)
        after = counter.verify(code)
    assert "holder" not in before.json
    assert (after.json["verdict"], after.json["holder"]) == ("valid", {"name_changed": True})
    assert after.json["fields"]["holder_name"] == counter.person.name
    assert NOW_CALLED not in after.text


def test_who_is_not_shown_the_name_is_told_nothing_of_it(app: Flask, counter: Counter) -> None:
    with app.app_context():
        code = counter.code("vehicle_class")
        rename(counter)
        assert "holder" not in counter.verify(code).json


def test_a_name_that_is_only_written_otherwise_has_not_changed(app: Flask, counter: Counter) -> None:
    with app.app_context():
        code = counter.code("holder_name")
        rename(counter, f" {counter.person.name[0]} {counter.person.name[1:]}")
        assert "holder" not in counter.verify(code).json


def test_the_desk_says_it_beside_the_verdict(app: Flask, counter: Counter) -> None:
    with app.app_context():
        code = counter.code("holder_name")
        rename(counter)
        officer = new_officer(counter.department)
    desk = new_browser(app)
    sign_in(desk, officer)
    page = verify_at_desk(desk, code)
    said = page.partition('id="of-holder"')[2].partition("</p>")[0]
    assert NAME_CHANGED.en.partition("'")[0] in said
    assert NOW_CALLED not in page
