"""Many who redeem one code at once: one wins."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import insert

from idp.oauth import codes
from idp.oauth.codes import AuthorizationCode
from idp.oauth.grantees import Grantee
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id

THREADS, ROUNDS = 200, 10


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_redeem_one_code_and_one_wins(app: Flask, _: int) -> None:
    person = new_id()
    gate = Barrier(16)
    with app.app_context(), transaction() as session:
        code, row = codes.new(
            Grantee(person, person),
            client_id="portal-race",
            session_id=new_id(),
            redirect_uri="https://portal.example/cb",
            scopes=["openid"],
            nonce=None,
            code_challenge="x" * 43,
            auth_time=now(),
            amr=["pwd"],
            ial=2,
            now=now(),
        )
        session.execute(insert(AuthorizationCode), row)

    def redeem(number: int) -> UUID | None:
        if number < gate.parties:
            gate.wait(timeout=30)
        with app.app_context(), transaction() as session:
            won = codes.redeem(session, code, client_id="portal-race", now=now())
        return won.family_id if won is not None else None

    with ThreadPoolExecutor(gate.parties) as pool:
        won = [family for family in pool.map(redeem, range(THREADS)) if family is not None]
    assert len(won) == 1
