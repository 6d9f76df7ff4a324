import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.wallet.issuing.oid4vci.wallets import Holder, Wallet, new_holder, with_token


@pytest.fixture
def holder(app: Flask) -> Holder:
    """A person with a driving licence."""
    return new_holder(app)


@pytest.fixture
def wallet(app: Flask, client: FlaskClient, holder: Holder) -> Wallet:
    """A wallet that the holder lets have the licence."""
    return with_token(app, client, holder)
