"""The commands of signing keys: what comes next, and a suite that was never there."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask

from keys import commands, jwe, key_schedule, renewal, ring, suites
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings


@pytest.fixture
def without_eddsa(app: Flask) -> Iterator[None]:
    """An installation that has no active EdDSA key for clients."""
    with app.app_context(), transaction() as session:
        rows = [row for row in ring.listed(session) if (row.use, row.suite, row.state) == (ring.OIDC, "EdDSA", ring.ACTIVE)]
        for row in rows:
            row.state = ring.RETIRED
        ring.cache.changed(session, ring.TOPIC)
    yield
    with app.app_context(), transaction() as session:
        if "EdDSA" not in {row.suite for row in ring.listed(session) if (row.use, row.state) == (ring.OIDC, ring.ACTIVE)}:
            ring.add(session, app.extensions["kabao_settings"], use=ring.OIDC, suite=suites.EDDSA, state=ring.ACTIVE, now=now())


def test_the_schedule_names_the_next_step_of_each_key(app: Flask) -> None:
    said = app.test_cli_runner().invoke(commands.keys, ["schedule"])
    assert said.exit_code == 0
    assert said.output.count("publish") >= len(suites.SUITES)


def test_no_word_is_taken_apart_in_a_narrow_window(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    step = key_schedule.Planned(key_schedule.What.PUBLISH, ring.ENCRYPTION, "ECDH-ES", "k" * 43, now() + timedelta(days=1))
    monkeypatch.setattr(key_schedule, "plan", lambda *_: [step])
    monkeypatch.setattr(renewal, "plan", lambda *_: [])
    monkeypatch.setenv("COLUMNS", "80")
    row = app.test_cli_runner().invoke(commands.keys, ["schedule"]).output.splitlines()[3].split()
    assert {"publish", "encryption", "ECDH-ES", "k" * 43} <= set(row)


def test_a_suite_is_added_once(app: Flask, without_eddsa: None) -> None:
    runner = app.test_cli_runner()
    with app.app_context():
        with pytest.raises(ring.KeyNotReady):
            ring.signer(ring.OIDC, "EdDSA")
        assert "EdDSA" not in ring.signing_suites(ring.OIDC)
    assert runner.invoke(commands.keys, ["add", "oidc", "--suite", "EdDSA"]).exit_code == 0
    with app.app_context():
        assert ring.signer(ring.OIDC, "EdDSA").suite == "EdDSA"
    again = runner.invoke(commands.keys, ["add", "oidc", "--suite", "EdDSA"])
    assert again.exit_code == 1
    assert "keys publish oidc" in again.output


@pytest.mark.parametrize("command", ["add", "publish"])
@pytest.mark.parametrize(("use", "suite"), [("oidc", "ECDH-ES"), ("encryption", "ES256")])
def test_a_suite_is_for_its_uses(app: Flask, command: str, use: str, suite: str) -> None:
    refused = app.test_cli_runner().invoke(commands.keys, [command, use, "--suite", suite])
    assert refused.exit_code == 1
    assert "is not for" in refused.output


def test_a_key_that_others_write_to_is_rotated_and_the_old_one_still_opens(app: Flask, settings: Settings) -> None:

    with app.app_context():
        before = next(jwk for jwk in jwe.published() if jwk["kty"] == "EC")
        token = jwe.encrypt(b"inside", jwk=before, alg="ECDH-ES", enc="A128GCM", headers={"kid": before["kid"]})
        with transaction() as session:
            following = ring.add(session, settings, use=ring.ENCRYPTION, suite=suites.ECDH_ES, state=ring.NEXT, now=now()).kid
        assert following not in {jwk["kid"] for jwk in jwe.published()}
        with transaction() as session:
            ring.activate_next(session, ring.ENCRYPTION, suite="ECDH-ES", now=now() + timedelta(minutes=5))
        assert next(jwk for jwk in jwe.published() if jwk["kty"] == "EC")["kid"] == following
        assert jwe.decrypt(token) == b"inside"
