"""What several tests of the runtime stand on."""

import pytest
from flask import Flask

from runtime.database import transaction
from tests.world_clients import System, new_system


@pytest.fixture
def system(app: Flask) -> System:
    """A department's system that may ask for tokens."""
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=["verifications"])
