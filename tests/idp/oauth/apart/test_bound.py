"""Tokens of what was approved apart are bound to a key like any others (RFC 9449 sections 5 and 8)."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.clients import CIBA, DEVICE_CODE
from runtime.database import transaction
from tests.idp.oauth.apart.steps import SCOPES, Counter, Terminal, answer_device, answer_request, claims_in, error_of, good
from tests.world_clients import new_portal
from tests.world_people import Person
from tests.world_proofs import Prover


@pytest.fixture
def prover() -> Prover:
    return Prover()


def poll_bound(terminal: Terminal, prover: Prover, **form: Any) -> Any:
    return terminal.http.post("/token", data={**terminal.proof, **form}, headers=prover.headers())


def test_a_device_s_tokens_are_bound_to_its_key(public_terminal: Terminal, browser: FlaskClient, prover: Prover) -> None:
    codes = public_terminal.codes(scope="openid offline_access")
    answer_device(browser, codes["user_code"])
    tokens = good(poll_bound(public_terminal, prover, grant_type=DEVICE_CODE, device_code=codes["device_code"]))
    assert tokens["token_type"] == "DPoP"
    assert claims_in(tokens["access_token"])["cnf"] == {"jkt": prover.jkt}
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert error_of(poll_bound(public_terminal, Prover(), **refresh)) == "invalid_grant"
    assert error_of(public_terminal.send("/token", **refresh)) == "invalid_grant"
    good(poll_bound(public_terminal, prover, **refresh))


def test_a_client_whose_tokens_must_be_bound_needs_the_key_for_its_tokens_alone(
    app: Flask, browser: FlaskClient, person: Person, prover: Prover
) -> None:
    bound = {"dpop_bound_access_tokens": True, "backchannel_token_delivery_mode": "poll"}
    with app.app_context(), transaction() as session:
        system = new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[CIBA], metadata=bound)
    counter = Counter(app.test_client(), system)
    asked = counter.asked(login_hint=person.number)
    answer_request(browser)
    assert error_of(counter.poll(asked["auth_req_id"])) in ("invalid_dpop_proof", "invalid_request")
    form = {**counter.proof, "grant_type": CIBA, "auth_req_id": asked["auth_req_id"]}
    tokens = good(counter.http.post("/token", data=form, headers=prover.headers()))
    assert claims_in(tokens["access_token"])["cnf"] == {"jkt": prover.jkt}
