"""`kabao client`."""

import json
import re
import secrets
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.commands import client as command
from keys import suites
from tests.world_clients import DEPARTMENT, System, ask, jwks_of


def run(app: Flask, *arguments: str) -> tuple[int, str]:
    done = app.test_cli_runner().invoke(command, list(arguments))
    return done.exit_code, done.output


def registration(client_id: str) -> list[str]:
    return ["add", client_id, "--name", "窗口系统", "Counter system", "--owner", DEPARTMENT, "--scope", "draws"]


def test_a_system_is_registered_by_its_public_keys(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    key, client_id = suites.ES256.generate(), f"made-{secrets.token_hex(4)}"
    (tmp_path / "keys.json").write_text(json.dumps(jwks_of(key)))
    status, said = run(app, *registration(client_id), "--jwks", str(tmp_path / "keys.json"))
    assert (status, "private_key_jwt" in said) == (0, True)
    assert ask(client, System(client_id, key), grant_type="client_credentials").status_code == 200
    assert client_id in run(app, "list")[1]
    assert run(app, "disable", client_id)[0] == 0
    assert ask(client, System(client_id, key), grant_type="client_credentials").status_code == 401


def test_a_secret_is_shown_once(app: Flask, client: FlaskClient) -> None:
    client_id = f"made-{secrets.token_hex(4)}"
    status, said = run(app, *registration(client_id), "--secret")
    found = re.search(r"shown this once: (\S+)", said)
    assert status == 0
    assert found is not None
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(client_id, found[1])).status_code == 200
    assert found[1] not in run(app, "list")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "x y", "--name", "甲", "A", "--owner", "x", "--secret"],
        ["add", "made-public", "--name", "甲", "A", "--owner", "x"],
        ["disable", "nobody"],
    ],
    ids=["client id", "a public system", "unknown"],
)
def test_what_is_wrong_is_said(app: Flask, arguments: list[str]) -> None:
    status, said = run(app, *arguments)
    assert status == 1
    assert said.startswith("Error: ")
