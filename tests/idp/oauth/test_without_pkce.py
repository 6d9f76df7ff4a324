"""A portal that an operator lets leave PKCE out, as OpenID Connect Core alone would; every other one is held to it (`test_rfc9700`)."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth import clients
from idp.oauth.clients import ClientRefused
from runtime.database import transaction
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_of
from tests.world_clients import System, new_portal

NONE_SENT: dict[str, Any] = {"code_challenge": None, "code_challenge_method": None}


@pytest.fixture
def old_portal(app: Flask) -> System:
    """A portal whose software knows no PKCE."""
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES, metadata={"pkce_optional": True})


def test_a_portal_that_may_leave_pkce_out_signs_a_person_in_without_it(browser: FlaskClient, old_portal: System) -> None:
    journey = Journey(old_portal)
    code = journey.code(browser, **NONE_SENT)
    response = journey.exchange(browser, code, code_verifier=None)
    assert (response.status_code, "id_token" in (response.json or {})) == (200, True)
    assert (journey.exchange(browser, code, code_verifier=None).json or {})["error"] == "invalid_grant", "once all the same"


def test_a_verifier_that_no_challenge_promised_is_a_downgrade(browser: FlaskClient, old_portal: System) -> None:
    """RFC 9700 section 4.8.2: an attacker took the challenge out of the request."""
    journey = Journey(old_portal)
    response = journey.exchange(browser, journey.code(browser, **NONE_SENT))
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("verifier", [None, "", "x" * 43])
def test_a_challenge_that_was_sent_is_held_to(browser: FlaskClient, old_portal: System, verifier: str | None) -> None:
    journey = Journey(old_portal)
    response = journey.exchange(browser, journey.code(browser), code_verifier=verifier)
    assert response.status_code == 400
    assert journey.exchange(browser, journey.code(browser)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"code_challenge_method": "plain"}, {"code_challenge": None}, {"code_challenge": ""}],
    ids=["plain", "a method alone", "an empty challenge"],
)
def test_half_of_pkce_is_still_refused(browser: FlaskClient, old_portal: System, changes: dict[str, Any]) -> None:
    assert answer_of(Journey(old_portal).authorize(browser, **changes))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "unguarded",
    [
        {"auth_method": "none", "jwks": None},
        {"metadata": {"pkce_optional": True, "application_type": "native"}},
        {"metadata": {"pkce_optional": True, "security_profile": "fapi2", "dpop_bound_access_tokens": True}},
    ],
    ids=["a public client", "a native application", "a client under a profile"],
)
def test_pkce_is_never_optional_where_nothing_else_guards_a_code(app: Flask, unguarded: dict[str, Any]) -> None:
    with app.app_context(), transaction() as session, pytest.raises(ClientRefused, match="pkce_optional"):
        new_portal(session, **{"metadata": {"pkce_optional": True}, **unguarded})


def test_an_operators_page_says_that_pkce_may_be_left_out(app: Flask, old_portal: System) -> None:
    from idp.oauth.registration.security import FAIR, OPTIONAL, effective_security

    with app.app_context(), transaction() as session:
        pkce = next(one for one in effective_security(clients.get_row(session, old_portal.client_id)) if one.id == "pkce")
    assert (pkce.word, pkce.state) == (OPTIONAL, FAIR)
