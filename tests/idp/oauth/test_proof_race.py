"""One assertion, or one DPoP proof, that two hundred bring at once: one is let in."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask

from runtime.database import transaction
from tests.world_clients import new_system
from tests.world_proofs import Prover

THREADS, TRIES, ROUNDS = 16, 200, 10


@pytest.mark.parametrize("kind", ["assertion", "proof"])
def test_of_two_hundred_who_bring_the_same_one_wins(app: Flask, kind: str) -> None:
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["draws"])
    for _ in range(ROUNDS):
        assertion, proof, gate = system.proof(), Prover().headers(), Barrier(THREADS)

        def ask(number: int, assertion: dict[str, str] = assertion, proof: dict[str, str] = proof, gate: Barrier = gate) -> int:
            form = {"grant_type": "client_credentials", **(assertion if kind == "assertion" else system.proof())}
            if number < THREADS:
                gate.wait(timeout=30)
            return app.test_client().post("/token", data=form, headers=proof if kind == "proof" else {}).status_code

        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(ask, range(TRIES)))
        assert answers.count(200) == 1
        assert set(answers) == {200, 401 if kind == "assertion" else 400}
