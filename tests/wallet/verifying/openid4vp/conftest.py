from collections.abc import Iterator

import pytest
from flask import Flask

from tests.wallet.verifying.openid4vp.wallets import Wallet, fetch_licence
from tests.world_verifying import Counter, new_browser, new_counter


@pytest.fixture
def counter(app: Flask) -> Iterator[Counter]:
    """A fresh holder with a driving licence, before a department that may verify it."""
    with app.app_context():
        yield new_counter(new_browser(app))


@pytest.fixture
def wallet(app: Flask, counter: Counter) -> Wallet:
    """The holder's wallet elsewhere, with the licence as SD-JWT VC."""
    return Wallet(app, fetch_licence(app, counter.licence))
