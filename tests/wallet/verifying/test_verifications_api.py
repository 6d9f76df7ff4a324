from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.world_verifying import Counter, new_counter


@pytest.fixture
def counter(app: Flask, client: FlaskClient) -> Iterator[Counter]:
    with app.app_context():
        yield new_counter(client)


def test_a_code_is_verified_and_gives_the_chosen_fields_and_a_receipt(counter: Counter) -> None:
    answer = counter.verify(counter.code("vehicle_class", "holder_name"))
    assert answer.status_code == 201
