"""The recipe for an interface that takes our access tokens works as it is written: its Python takes what is for it, and nothing else."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from keys import ring
from tests.idp.oauth.details_world import new_machine, new_resource, said_by
from tests.idp.oauth.journeys import Journey
from tests.world_clients import ISSUER, System, ask, token_of

RECIPE = Path(__file__).parents[3] / "docs" / "recipes" / "resource-server.md"
Check = Callable[[str], dict[str, Any]]


@pytest.fixture
def fund(app: Flask) -> str:
    return new_resource(app)


@pytest.fixture
def caller(app: Flask, fund: str) -> System:
    return new_machine(app, resources=[fund])


@pytest.fixture
def claims_of(fund: str, client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda _: client.get("/jwks").json)
    (program,) = re.findall(r"^```python\n(.*?)^```", RECIPE.read_text(), re.MULTILINE | re.DOTALL)
    written = tmp_path / "tokens.py"
    written.write_text(program.replace("https://id.example.gov.cn", ISSUER).replace("https://fund.example.gov.cn/", fund))
    check: Check = runpy.run_path(str(written))["claims_of"]
    return check


def test_a_token_for_it_is_taken(client: FlaskClient, caller: System, fund: str, claims_of: Check) -> None:
    token = ask(client, caller, grant_type="client_credentials", resource=fund).json["access_token"]
    assert claims_of(token) == said_by(token)


def test_no_other_token_of_ours_is(app: Flask, browser: FlaskClient, portal: System, caller: System, fund: str, claims_of: Check) -> None:
    tokens = Journey(portal).tokens(browser)
    good = said_by(ask(browser, caller, grant_type="client_credentials", resource=fund).json["access_token"])
    with app.app_context():
        retyped = ring.signer(ring.OIDC).sign(good, typ="JWT")
    for token in (token_of(browser, caller, "draws"), tokens["access_token"], tokens["id_token"], retyped):
        with pytest.raises(jwt.InvalidTokenError):
            claims_of(token)
