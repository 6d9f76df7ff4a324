"""A receiver that is not ours hears a stream of signals, and checks each event with jose (npm)."""

import pytest
import requests

from idp.oauth import clients
from tests.at_address import AddressedKabao
from tests.interop.conftest import Program
from tests.world_clients import new_portal

pytestmark = pytest.mark.interop
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification"


def test_a_receiver_made_elsewhere_verifies_its_stream(node: Program, kabao: AddressedKabao) -> None:
    grants = [clients.AUTHORIZATION_CODE, clients.CLIENT_CREDENTIALS]
    with kabao.world() as session:
        portal = new_portal(session, scopes=["openid", "ssf.manage"], grant_types=grants)
    form = {"grant_type": "client_credentials", "scope": "ssf.manage", **portal.proof(aud=kabao.url)}
    token = requests.post(f"{kabao.url}/token", data=form, timeout=10).json()["access_token"]
    found = node("receiver", issuer=kabao.url, token=token, events=[SESSION_REVOKED], state="as asked")
    assert found["stream"]["events_delivered"] == [SESSION_REVOKED]
    (event,) = found["heard"]
    assert event["events"] == {VERIFICATION: {"state": "as asked"}}
    assert event["sub_id"] == {"format": "opaque", "id": found["stream"]["stream_id"]}
    assert event["alg"] == "RS256", "the CAEP interoperability profile asks for it"
    assert found["left"] == 0
