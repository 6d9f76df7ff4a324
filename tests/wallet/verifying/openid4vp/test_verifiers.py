"""By which name a department asks."""

import base64
import dataclasses
import hashlib

import pytest
from flask import Flask

from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from runtime.settings import Settings
from tests.wallet.verifying.openid4vp.wallets import Wallet, asked
from tests.world_people import credit_code
from tests.world_verifying import Counter
from wallet.register import departments
from wallet.verifying.openid4vp import verifiers
from wallet.verifying.openid4vp.requests import HASH, SAN_DNS


@pytest.fixture
def named(app: Flask, settings: Settings) -> tuple[Settings, str]:
    """A service that is reached by a name, and a department whose certificate says so."""
    named, code = dataclasses.replace(settings, public_url="https://id.example.gov.cn"), credit_code(kind="11")
    with app.app_context(), transaction() as session:
        departments.add_department(session, named, code=code, name=Text("示例局", "Example Office"), now=now())
    return named, code


@pytest.mark.usefixtures("context")
def test_a_department_goes_by_the_host_in_its_certificate_or_by_the_certificate_s_hash(named: tuple[Settings, str]) -> None:
    settings, code = named
    leaf = base64.b64decode((verifiers.signer_of(code).chain or [""])[0])
    digest = base64.urlsafe_b64encode(hashlib.sha256(leaf).digest()).rstrip(b"=").decode()
    assert verifiers.identifier_of(settings, code, SAN_DNS) == "x509_san_dns:id.example.gov.cn"
    assert verifiers.identifier_of(settings, code, HASH) == f"x509_hash:{digest}"
    assert verifiers.prefix_of(f"x509_hash:{digest}") == HASH


@pytest.mark.usefixtures("context")
def test_a_department_does_not_go_by_a_host_that_its_certificate_does_not_name(named: tuple[Settings, str]) -> None:
    elsewhere = dataclasses.replace(named[0], public_url="https://other.example.gov.cn")
    with pytest.raises(verifiers.NoDnsName):
        verifiers.identifier_of(elsewhere, named[1], SAN_DNS)


def test_a_request_is_given_to_nobody_under_another_certificate_than_the_one_that_it_is_known_by(
    counter: Counter, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = asked(counter)
    with monkeypatch.context() as exchanged:
        exchanged.setattr(verifiers, "identifier_of", lambda *_: "x509_hash:another")
        assert wallet.fetch(made["link"]).status_code == 400
    assert wallet.fetch(made["link"]).status_code == 200, "it was not used up by that"
