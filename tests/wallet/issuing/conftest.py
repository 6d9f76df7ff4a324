import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person, new_person


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Desk:
    """A department that may issue, with its system."""
    return Desk(app, client)


@pytest.fixture
def person(app: Flask) -> Person:
    """Someone in the population registry who has no account."""
    with app.app_context(), transaction() as session:
        return new_person(session)
