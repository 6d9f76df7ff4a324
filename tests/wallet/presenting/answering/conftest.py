from collections.abc import Iterator

import pytest
from flask import Flask

from runtime.settings import Settings
from tests.wallet.holding.test_wallet_pages import SLUG, licensed, signed_in, someone
from tests.wallet.presenting.answering.steps import Holder
from tests.world_asking import Asking, Signing, asking, of_department
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import get_type


@pytest.fixture
def verifier() -> Iterator[Asking]:
    with asking() as found:
        yield found


@pytest.fixture
def holder(app: Flask) -> Holder:
    """Someone signed in, with one licence."""
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    return signed_in(app, person), licence


@pytest.fixture
def signing(app: Flask, holder: Holder) -> Signing:
    with app.app_context():
        return of_department(holder[1].issuer_code)


@pytest.fixture
def vct(app: Flask, settings: Settings, holder: Holder) -> str:
    with app.app_context():
        return type_uri(settings, get_type(SLUG))
