"""Others ask about tokens, give them back, and ask for them with details: openid-client, jose (npm) and requests-oauth2client.

And oauth4webapi (npm) finds out by a refusal where there are any.
"""

import pytest
from requests_oauth2client import OAuth2Client, PrivateKeyJwt

from runtime.database import transaction
from tests.at_address import AddressedKabao
from tests.idp.oauth.details_world import LICENCE, new_machine
from tests.interop.conftest import Program, private_jwk
from tests.world_clients import System, new_system

pytestmark = pytest.mark.interop
TYPES = {"authorization_details_types": ["licence"]}


def machine(kabao: AddressedKabao, **metadata: object) -> System:
    """Register a system, and the catalogue that its details name."""
    return new_machine(kabao.app, **TYPES, **metadata)


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_openid_client_asks_for_details_asks_about_the_token_and_gives_it_back(node: Program, kabao: AddressedKabao, signed: bool) -> None:
    system = machine(kabao)
    asked = {"issuer": kabao.url, "client_id": system.client_id, "jwk": private_jwk(system.private_key), "resource": f"{kabao.url}/api"}
    proof = system.proof(aud=kabao.url)
    done = node("tokens", **asked, scope="draws", details=[LICENCE], signed=signed, proof=proof)
    assert done["response"]["authorization_details"] == [LICENCE]
    assert (done["claims"]["aud"], done["claims"]["authorization_details"]) == (f"{kabao.url}/api", [LICENCE])
    assert (done["before"]["active"], done["before"]["authorization_details"]) == (True, [LICENCE])
    assert done["signed"] == {
        "type": "application/token-introspection+jwt",
        "typ": "token-introspection+jwt",
        "told": {**done["before"]},
    }
    assert done["after"] == {"active": False}


def test_oauth4webapi_finds_its_way_from_a_refusal_to_a_token_that_opens_the_api(node: Program, kabao: AddressedKabao) -> None:
    """RFC 9728 section 5: it is told the API's address, and of the server nothing."""
    with kabao.app.app_context(), transaction() as session:
        system = new_system(session, scopes=("events",))
    api = f"{kabao.url}/api/v1/events"
    done = node("resource", api=api, client_id=system.client_id, jwk=private_jwk(system.private_key), scope="events")
    resource = done["resource"]["resource"]
    assert (done["schemes"], done["status"]) == (["bearer"], 200)
    assert resource in done["listed"]
    assert api.startswith(f"{resource}/")


def test_requests_oauth2client_asks_about_a_token_and_gives_it_back(kabao: AddressedKabao) -> None:
    system = machine(kabao)
    client = OAuth2Client(
        token_endpoint=f"{kabao.url}/token",
        introspection_endpoint=f"{kabao.url}/introspect",
        revocation_endpoint=f"{kabao.url}/revoke",
        issuer=kabao.url,
        auth=PrivateKeyJwt(system.client_id, {**private_jwk(system.private_key), "alg": "ES256"}, aud=kabao.url),
        testing=True,
    )
    token = client.client_credentials(scope="draws", resource=f"{kabao.url}/api")
    told = client.introspect_token(token.access_token)
    assert (told["active"], told["scope"], told["aud"]) == (True, "draws", f"{kabao.url}/api")
    assert client.revoke_access_token(token.access_token)
    assert client.introspect_token(token.access_token) == {"active": False}
