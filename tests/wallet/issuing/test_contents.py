from uuid import UUID

import jwt
import pytest
from flask import Flask

from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from tests.world_wallet import example_fields
from wallet.issuing import sd_jwt
from wallet.issuing.contents import Content, content_of
from wallet.issuing.formats import FORMATS
from wallet.issuing.status_lists import Place
from wallet.register.licences import get_licence

PLACE = Place("0123456789ab", 4711)


@pytest.fixture
def content(app: Flask, settings: Settings, desk: Desk, person: Person) -> Content:
    issued = desk.issue(person)
    with app.app_context(), transaction() as session:
        return content_of(session, settings, get_licence(session, UUID(issued["id"])))


def test_a_content_tells_all_of_a_licence_and_shows_none_of_it_by_chance(content: Content, person: Person) -> None:
    expected = {"holder_name": person.name, "holder_number": person.number, "licence_number": person.number, **example_fields("driving-licence")}
    assert dict(content.values) == expected
    assert list(content.hideable) == list(expected)
    assert person.number not in repr(content)
    assert content.vct == "http://127.0.0.1:8000/types/driving-licence"


def test_a_credential_may_be_bound_to_a_key_that_a_wallet_elsewhere_holds(app: Flask, settings: Settings, content: Content) -> None:
    key = suites.public_jwk(suites.ES256.generate().public_key())
    with app.app_context():
        text = FORMATS["dc+sd-jwt"].make(settings, content, holder_key=key, place=PLACE, now=now())
    assert isinstance(text, str)
    claims = jwt.decode(sd_jwt.parse(text).jwt, options={"verify_signature": False})
    assert claims["cnf"] == {"jwk": key}
    assert claims["status"]["status_list"] == {"idx": 4711, "uri": "http://127.0.0.1:8000/status/0123456789ab"}
