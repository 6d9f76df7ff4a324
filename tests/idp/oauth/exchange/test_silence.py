"""What an exchange leaves behind: no secret, and nobody's name or number, in any log line or row of the ledger."""

import logging
import secrets
import time
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth.clients import JWT_BEARER, NONE, PRE_AUTHORIZED_CODE
from idp.oauth.exchange import issuers, pre_authorized
from idp.oauth.grantees import Grantee
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.idp.oauth.exchange.conftest import ACCESS_TOKEN, exchange, new_exchanger
from tests.idp.subjects.firms import new_firm
from tests.world_clients import ISSUER, System, ask, jwks_of, new_portal

DETAILS = [{"type": "openid_credential", "credential_configuration_id": "driving-licence", "credential_identifiers": ["one"]}]


def test_no_log_line_and_no_row_of_the_ledger_holds_a_secret_or_a_person(
    app: Flask, client: FlaskClient, system: System, token: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    key = suites.ES256.generate()
    with app.app_context(), transaction() as session:
        firm = new_firm(session)
        mine = Grantee(firm.boss_id, firm.boss_id)
        code, digits = pre_authorized.issue(session, mine, client_id=None, authorization_details=DETAILS, tx_code=True, now=now())
        wallet = new_portal(session, scopes=[], auth_method=NONE, grant_types=[PRE_AUTHORIZED_CODE], redirect_uris=[])
        vouched = new_exchanger(session, scopes=["draws"], grant_types=[JWT_BEARER])
    with app.app_context(), transaction() as session:
        issuers.trust(session, issuer=ISSUER, client_id=vouched.client_id, jwks=jwks_of(key), asked=["draws"], now=now())
    claims = {"iss": ISSUER, "sub": vouched.client_id, "aud": ISSUER, "exp": int(time.time()) + 60, "jti": secrets.token_urlsafe(16)}
    assertion = jwt.encode(claims, key, algorithm="ES256")
    offer: dict[str, Any] = {"grant_type": PRE_AUTHORIZED_CODE, "pre-authorized_code": code, "client_id": wallet.client_id}
    acting = {"subject_token_type": "urn:kabao:token-type:credit-code", "actor_token": token, "actor_token_type": ACCESS_TOKEN}
    answers = [
        exchange(client, system, token),
        exchange(client, system, token, audience="nobody"),
        exchange(client, system, firm.organisation.number, **acting),
        ask(client, vouched, grant_type=JWT_BEARER, assertion=assertion),
        ask(client, vouched, grant_type=JWT_BEARER, assertion=assertion),
        client.post("/token", data={**offer, "tx_code": "wrong"}),
        client.post("/token", data={**offer, "tx_code": digits}),
    ]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 200, 400, 400, 200]
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id.desc()).limit(20)).all()
        written = "".join(f"{row.act} {row.actor} {row.object_id} {row.detail}" for row in rows)
    said = caplog.text + "".join(capfd.readouterr()) + written
    assert "/token" in said
    given = [str(answer.json["access_token"]) for answer in answers if answer.status_code == 200]
    people = [firm.organisation.number, firm.organisation.name, firm.boss.number, firm.boss.name]
    for secret in [token, code, f"'{digits}'", assertion, claims["jti"], *given, *people]:
        assert str(secret) not in said
