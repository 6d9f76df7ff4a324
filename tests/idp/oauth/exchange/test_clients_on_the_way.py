"""A token that was passed on ends with each client on its way: disabled, left, or no longer allowed."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.oauth import access_tokens, clients, consents, cutoffs
from idp.oauth.access_tokens import AccessToken
from idp.oauth.grantees import Grantee
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.exchange.conftest import claims_of, exchange, new_exchanger
from tests.world_clients import System

End = Callable[[Session, AccessToken, str], object]


def disabled(session: Session, token: AccessToken, client_id: str) -> None:
    clients.disable_client(session, client_id, now=now())


def left(session: Session, token: AccessToken, client_id: str) -> None:
    assert token.session_id is not None
    cutoffs.cut_portal(session, token.session_id, client_id, now=now())


def withdrawn(session: Session, token: AccessToken, client_id: str) -> None:
    assert token.holder_id is not None
    consents.withdraw(session, Grantee(token.holder_id, token.holder_id), client_id, now=now())


@pytest.fixture
def passed_on(app: Flask, client: FlaskClient, portal: System, system: System, token: str) -> str:
    """The portal's token, passed on by one system to another."""
    with app.app_context(), transaction() as session:
        last = new_exchanger(session, metadata={"may_exchange_from": [system.client_id]})
    first = exchange(client, system, token).json["access_token"]
    return str(exchange(client, last, first).json["access_token"])


def read(app: Flask, token: str) -> AccessToken:
    return access_tokens.read_access_token(token, settings=app.extensions["kabao_settings"], now=now())


ENDS = [(end, place) for end in (disabled, left) for place in range(3)] + [(withdrawn, 0)]


@pytest.mark.parametrize(("end", "place"), ENDS)
def test_it_ends_at_once_with_a_client_on_its_way(app: Flask, passed_on: str, portal: System, system: System, end: End, place: int) -> None:
    said = claims_of(passed_on)
    assert said["origin_clients"] == [portal.client_id, system.client_id]
    whose = [*said["origin_clients"], said["client_id"]][place]
    with app.app_context():
        token = read(app, passed_on)
        with transaction() as session:
            end(session, token, whose)
        with pytest.raises(access_tokens.InvalidToken):
            read(app, passed_on)


def test_it_does_not_end_with_a_client_that_is_not_on_its_way(app: Flask, passed_on: str) -> None:
    with app.app_context():
        with transaction() as session:
            stranger = new_exchanger(session)
        for end in (disabled, left, withdrawn):
            with transaction() as session:
                end(session, read(app, passed_on), stranger.client_id)
        assert read(app, passed_on)
