from collections.abc import Iterator

import pytest
from flask import Flask

from tests.world_verifying import Counter, new_browser, new_counter


@pytest.fixture
def counter(app: Flask) -> Iterator[Counter]:
    """A fresh holder with a driving licence, before a department that may verify and draw it."""
    with app.app_context():
        yield new_counter(new_browser(app))
