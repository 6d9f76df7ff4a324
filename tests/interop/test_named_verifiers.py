"""A department asks by the host that its certificate names (`x509_san_dns`): @openid4vc/openid4vp (npm) and the wallet here take it, and no other."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from demo.postgres import PostgresServer
from keys import certificates
from runtime.database import transaction
from tests.at_address import AddressedKabao, kabao_at_address
from tests.interop.conftest import Program, private_jwk
from tests.wallet.presenting.answering.steps import open_link, opened, page_of, reply
from tests.wallet.presenting.answering.test_our_own_doors import query_of, state_of
from tests.wallet.presenting.answering.test_statements_asked import signed_in
from tests.wallet.verifying.openid4vp.wallets import SD_JWT, asked, fetch_licence
from tests.world_clients import new_system
from tests.world_verifying import Counter, new_browser, new_counter
from wallet.issuing import formats

pytestmark = pytest.mark.interop
NAMED = {"client_id_prefix": "x509_san_dns"}


@pytest.fixture(scope="module")
def kabao(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AddressedKabao]:
    """A Kabao that is reached by a name, so that its departments' certificates name that host."""
    name = "interop_named_" + os.environ.get("PYTEST_XDIST_WORKER", "main")
    with kabao_at_address(server, name=name, folder=tmp_path_factory.mktemp("named"), host="localhost") as found:
        yield found


@pytest.fixture
def counter(kabao: AddressedKabao, monkeypatch: pytest.MonkeyPatch) -> Counter:
    monkeypatch.setattr("tests.world_verifying.new_token", lambda client, department: token_at(kabao, client, department))
    with kabao.app.app_context():
        return new_counter(new_browser(kabao.app))


def token_at(kabao: AddressedKabao, client: FlaskClient, department: str) -> str:
    """Return a token of a department's system, which proves itself to this address."""
    with transaction() as session:
        system = new_system(session, department=department, scopes=["verifications"])
    form = {"grant_type": "client_credentials", "scope": "verifications", **system.proof(aud=kabao.url)}
    token: str = client.post("/token", data=form).get_json()["access_token"]
    return token


def ask(kabao: AddressedKabao, counter: Counter) -> dict[str, Any]:
    with kabao.app.app_context():
        made = asked(counter, **NAMED)
    assert made["client_id"] == "x509_san_dns:localhost"
    assert made["request_uri"].startswith(f"{kabao.url}/requests/")
    return made


def test_a_wallet_elsewhere_answers_the_host_that_the_certificate_names(node: Program, kabao: AddressedKabao, counter: Counter) -> None:
    made, held = ask(kabao, counter), fetch_licence(kabao.app, counter.licence, SD_JWT)
    with kabao.app.app_context():
        root = certificates.root_pem().decode()
    told = {"credential": formats.as_text(held.credential), "jwk": private_jwk(held.key), "root": root, "doctype": ""}
    got = node("asked", link=made["link"], **told)
    assert (got["status"], got["prefix"]) == (200, "x509_san_dns")
    assert state_of(counter, made["id"])["result"]["verdict"] == "valid"


def test_the_wallet_here_answers_it_and_refuses_a_link_that_names_another_host(kabao: AddressedKabao, counter: Counter) -> None:
    client = signed_in(kabao.app, counter.person)
    other = open_link(client, ask(kabao, counter)["link"].replace("localhost&", "other.example&"))
    assert (other.status_code, "所附证书与其声称的身份不符" in other.text) == (422, True)
    made = ask(kabao, counter)
    at = opened(client, made["link"])
    page = page_of(client, at)
    assert 'id="trusted"' in page
    assert reply(client, at, answer="approve", **{f"licence-{query_of(page)}": str(counter.licence.id)}).status_code == 303
    assert state_of(counter, made["id"])["result"]["verdict"] == "valid"
