"""A licence that waits for its second officer is asked for by its holder's wallet, and fetched once it is approved (OpenID4VCI 1.0 section 9)."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import shifted
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.wallet.issuing.oid4vci.wallets import Wallet, error_of, new_wallet, proof, wallet_of
from tests.wallet.issuing.test_pending import Office
from tests.world_clients import System
from tests.world_people import Person, new_person, open_account
from tests.world_types import FIELDS
from wallet.issuing.pending import TERM


class Applicant:
    """Someone with an account and a wallet, who has applied for a licence that takes two officers."""

    def __init__(self, app: Flask, office: Office, *, asks: bool = True) -> None:
        self.app, self.office = app, office
        with app.app_context(), transaction() as session:
            self.person = new_person(session)
            open_account(session, self.person)
        self.system, self.browser = new_wallet(app), app.test_client()
        signed_in_browser(self.browser, self.person)
        self.request: dict[str, Any] = self.apply() if asks else {}

    def apply(self, *others: Person) -> dict[str, Any]:
        body = {"type": self.office.slug, "holder": {"number": self.person.number}, "fields": FIELDS, "valid_from": "2024-02-01"}
        answer = self.office.post("/licences", body | ({"co_holders": [{"number": one.number} for one in others]} if others else {}))
        assert answer.status_code == 202, answer.text
        return dict(answer.json)

    def wallet(self, system: System | None = None) -> Wallet:
        """Let a wallet have the holder's licences of the type, by signing in."""
        system = system or self.system
        journey = Journey(system, scope=f"licence:{self.office.slug}")
        form = {"grant_type": "authorization_code", "code": journey.code(self.browser), "redirect_uri": system.redirect_uri}
        answer = self.browser.post("/token", data={**form, "code_verifier": journey.verifier, "client_id": system.client_id})
        assert answer.status_code == 200, answer.text
        return wallet_of(self.app.test_client(), system.client_id, answer.json)

    def ask(self, wallet: Wallet) -> Any:
        return wallet.ask(proof(wallet.nonce()), configuration=self.office.slug)


@pytest.fixture
def office(app: Flask, client: FlaskClient) -> Office:
    return Office(app, client)


@pytest.fixture
def applicant(app: Flask, office: Office) -> Applicant:
    return Applicant(app, office)


def begun(applicant: Applicant, wallet: Wallet) -> dict[str, str]:
    answer = applicant.ask(wallet)
    assert answer.status_code == 202, answer.text
    return {"transaction_id": answer.json["transaction_id"]}


def test_it_is_fetched_once_the_second_officer_has_approved(applicant: Applicant, office: Office) -> None:
    wallet = applicant.wallet()
    body = begun(applicant, wallet)
    assert wallet.send("/deferred", body).status_code == 202
    licence = office.decide(applicant.request, "approval").json
    fetched = wallet.send("/deferred", body)
    assert fetched.status_code == 200, fetched.text
    assert len(fetched.json["credentials"]) == 1
    assert fetched.json["notification_id"]
    assert error_of(wallet.send("/deferred", body)) == (400, "invalid_transaction_id")
    assert applicant.wallet().identifiers[office.slug] == [licence["id"]]


def test_it_is_denied_once_the_second_officer_has_refused(applicant: Applicant, office: Office) -> None:
    wallet = applicant.wallet()
    body = begun(applicant, wallet)
    assert office.decide(applicant.request, "refusal", reason="材料不齐。").status_code == 201
    assert error_of(wallet.send("/deferred", body)) == (400, "credential_request_denied")
    assert error_of(applicant.ask(wallet)) == (400, "credential_request_denied")


def test_it_is_denied_once_nobody_decided_in_time(applicant: Applicant) -> None:
    body = begun(applicant, applicant.wallet())
    with shifted(TERM + timedelta(minutes=1)):
        signed_in_browser(applicant.browser, applicant.person)
        assert error_of(applicant.wallet().send("/deferred", body)) == (400, "credential_request_denied")


def test_nobody_waits_for_what_another_applied_for(app: Flask, applicant: Applicant, office: Office) -> None:
    other = Applicant(app, office, asks=False)
    assert error_of(other.ask(other.wallet())) == (400, "credential_request_denied")
    body = begun(applicant, applicant.wallet())
    assert error_of(other.wallet(applicant.system).send("/deferred", body)) == (400, "invalid_transaction_id")


def test_what_takes_a_licence_away_is_not_waited_for(applicant: Applicant, office: Office) -> None:
    licence = office.decide(applicant.request, "approval").json
    why = {"reason": "许可条件丧失。", "legal_basis": "《测试法》第七条"}
    assert office.post(f"/licences/{licence['id']}/revocation", why).status_code == 202
    assert office.post(f"/licences/{licence['id']}/suspension", why).status_code == 201
    assert error_of(applicant.ask(applicant.wallet())) == (400, "credential_request_denied")


def test_a_licence_that_is_there_is_not_waited_for(applicant: Applicant, office: Office) -> None:
    office.decide(applicant.request, "approval")
    applicant.apply()
    assert applicant.ask(applicant.wallet()).status_code == 200


def test_a_new_one_is_waited_for_where_the_old_one_is_over(applicant: Applicant, office: Office) -> None:
    licence = office.decide(applicant.request, "approval").json
    why = {"reason": "持证人申请。", "legal_basis": "《测试法》第八条"}
    assert office.post(f"/licences/{licence['id']}/cancellation", why).status_code == 201
    again = applicant.apply()
    wallet = applicant.wallet()
    body = begun(applicant, wallet)
    assert office.decide(again, "approval").status_code == 201
    assert wallet.send("/deferred", body).status_code == 200
