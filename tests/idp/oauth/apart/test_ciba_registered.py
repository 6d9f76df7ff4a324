"""What is registered and announced of the back channel, and who may not knock there (CIBA Core 1.0 section 4)."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.clients import CIBA, NONE, ClientRefused
from runtime.database import transaction
from tests.idp.oauth.apart.steps import Counter, Terminal, error_of
from tests.world_clients import ISSUER, new_portal
from tests.world_people import Person


def test_a_client_without_the_grant_is_unauthorized(app: Flask, terminal: Terminal, person: Person) -> None:
    assert error_of(Counter(app.test_client(), terminal.system).ask(login_hint=person.number)) == "unauthorized_client"


@pytest.fixture
def no_client(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {}},
        {"metadata": {"backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": "https://a.example/"}},
        {"metadata": {"backchannel_token_delivery_mode": "ping"}},
        {"metadata": {"backchannel_token_delivery_mode": "ping", "backchannel_client_notification_endpoint": "http://a.example/"}},
        {"metadata": {"backchannel_token_delivery_mode": "poll", "backchannel_user_code_parameter": True}},
        {"metadata": {"backchannel_token_delivery_mode": "poll"}, "auth_method": NONE},
    ],
    ids=["no mode", "push", "ping without an address", "ping in the clear", "user codes", "a client that proves nothing"],
)
def test_what_cannot_be_registered(no_client: None, changes: dict[str, Any]) -> None:
    with pytest.raises(ClientRefused), transaction() as session:
        new_portal(session, **{"redirect_uris": [], "grant_types": [CIBA], **changes})


def test_the_metadata_say_what_is_there(client: FlaskClient) -> None:
    metadata = client.get("/.well-known/openid-configuration").json or {}
    assert metadata["backchannel_authentication_endpoint"] == f"{ISSUER}/backchannel-authentication"
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert metadata["backchannel_user_code_parameter_supported"] is False
    assert "none" not in metadata["backchannel_authentication_request_signing_alg_values_supported"]
    assert CIBA in metadata["grant_types_supported"]


def test_nothing_at_all_is_invalid_request(client: FlaskClient) -> None:
    assert error_of(client.post("/backchannel-authentication")) == "invalid_request"
    assert client.get("/backchannel-authentication").status_code == 405
