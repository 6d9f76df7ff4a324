"""What a `claims` parameter can be filled with to make whoever reads it stumble: each is refused as the request's fault, and nothing falls over."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.pushing import push, push_object, request_object
from tests.world_clients import System, new_portal


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=("openid", "profile", "assurance"))


def nested(depth: int) -> Any:
    found: Any = []
    for _ in range(depth):
        found = [found]
    return found


def verified(verification: Any) -> dict[str, Any]:
    return {"userinfo": {"verified_claims": {"verification": verification, "claims": {"name": None}}}}


HOSTILE = {
    "an unknown element nested deeply": verified({"unknown": nested(700)}),
    "a value nested deeply": {"userinfo": {"name": {"value": nested(700)}}},
    "a member nested deeply that is not ours": {"other": nested(700)},
    "a value that is no text to the database": verified({"trust_framework": {"value": "a\0b"}}),
    "half a character": verified({"trust_framework": {"value": "\ud800"}}),
    "an acr that is no text to the database": {"id_token": {"acr": {"essential": True, "values": ["urn:kabao:acr:ial2:aal1", "a\0b"]}}},
}


@pytest.mark.parametrize("asked", HOSTILE.values(), ids=HOSTILE)
def test_what_nobody_can_follow_or_keep_is_refused(client: FlaskClient, browser: FlaskClient, portal: System, asked: dict[str, Any]) -> None:
    journey = Journey(portal, scope="openid profile assurance")
    refused = push(client, portal, journey.parameters(claims=json.dumps(asked)))
    assert (refused.status_code, (refused.json or {})["error"]) == (400, "invalid_request")
    assert answer_of(journey.approve(browser, claims=json.dumps(asked)))["error"] == "invalid_request"


@pytest.mark.parametrize("asked", HOSTILE.values(), ids=HOSTILE)
def test_so_is_it_where_the_portal_signed_it(client: FlaskClient, portal: System, asked: dict[str, Any]) -> None:
    refused = push_object(client, portal, request_object(Journey(portal, scope="openid profile assurance"), claims=asked))
    assert refused.status_code == 400


def test_what_is_nested_as_deeply_as_the_specification_goes_is_taken(client: FlaskClient, portal: System) -> None:
    evidence = {"type": {"value": "electronic_record"}, "check_details": [{"check_method": {"values": ["data"]}, "organization": None}]}
    asked = verified({"trust_framework": None, "evidence": [evidence]})
    assert push(client, portal, Journey(portal).parameters(claims=json.dumps(asked))).status_code == 201
