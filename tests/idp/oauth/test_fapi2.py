"""Clients held to FAPI 2.0: the Security Profile, and Message Signing.

What holds for every client has its test where it is: pushed requests in test_par, signed ones in test_jar, codes, redirects and `iss` in
test_rfc9700. Here is what the profiles add. Section numbers are of the Security Profile unless said.
"""

import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth import clients, profiles
from idp.oauth.binding import nonces
from idp.oauth.client_metadata import FAPI2, FAPI2_MESSAGE_SIGNING
from idp.oauth.clients import ClientRefused
from idp.oauth.codes import LIFETIME
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings, SettingsError
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.details_world import new_resource
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.oauth.pushing import answered, bring, bring_and_approve, bring_object, push, push_object, pushed_uri, request_object
from tests.runtime.test_settings import USABLE
from tests.world_clients import ISSUER, System, ask, new_portal, new_system
from tests.world_proofs import Prover

BOUND = {"security_profile": FAPI2, "dpop_bound_access_tokens": True}
SIGNING = {**BOUND, "security_profile": FAPI2_MESSAGE_SIGNING}


@pytest.fixture
def held(app: Flask) -> System:
    """A portal under the Security Profile."""
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES, metadata=BOUND)


@pytest.fixture
def signing(app: Flask) -> System:
    """A portal under Message Signing."""
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES, metadata=SIGNING)


@pytest.fixture
def prover(settings: Settings) -> Prover:
    return Prover(nonce=nonces.current(settings, now=now()))


def exchange(http_client: FlaskClient, journey: Journey, code: str, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
    """Redeem a code, with or without a DPoP proof."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    return http_client.post("/token", data={**form, **journey.portal.proof(), **changes}, headers=headers or {})


def test_a_portal_under_the_profile_signs_a_person_in(browser: FlaskClient, held: System, prover: Prover) -> None:
    """Section 5.3: PAR, PKCE, private_key_jwt, iss, DPoP."""
    journey = Journey(held)
    answer = answer_of(bring_and_approve(browser, held, pushed_uri(browser, journey)))
    assert answer["iss"] == ISSUER
    response = exchange(browser, journey, answer["code"], prover.headers())
    assert response.status_code == 200, response.text
    tokens = response.json or {}
    assert tokens["token_type"] == "DPoP"
    assert jwt.decode(tokens["access_token"], options={"verify_signature": False})["cnf"] == {"jkt": prover.jkt}
    assert browser.get("/userinfo", headers=prover.show(tokens["access_token"], "GET", "/userinfo")).status_code == 200


def test_a_request_that_was_not_pushed_is_refused(browser: FlaskClient, held: System) -> None:
    """Section 5.3.2.2: shall reject authorization requests sent without PAR, signed ones, too."""
    journey = Journey(held)
    assert answer_of(journey.authorize(browser))["error"] == "invalid_request"
    assert answer_of(bring_object(browser, held, request_object(journey)))["error"] == "invalid_request"


def test_a_push_without_proof_is_refused(client: FlaskClient, held: System) -> None:
    """Section 5.3.2.2: shall reject pushed authorization requests without client authentication."""
    response = client.post("/par", data=Journey(held).parameters())
    assert (response.status_code, (response.json or {})["error"]) == (401, "invalid_client")


def test_a_push_needs_a_redirect_uri(client: FlaskClient, held: System) -> None:
    """Section 5.3.2.2: shall require the `redirect_uri` parameter in pushed requests."""
    assert (push(client, held, Journey(held).parameters(redirect_uri=None)).json or {})["error"] == "invalid_request"


def test_tokens_are_given_to_a_key_only(browser: FlaskClient, held: System) -> None:
    """Section 5.3.2.1: shall only issue sender-constrained access tokens."""
    journey = Journey(held)
    code = answer_of(bring_and_approve(browser, held, pushed_uri(browser, journey)))["code"]
    response = exchange(browser, journey, code)
    assert response.status_code == 400
    assert (response.json or {})["error"] in ("invalid_dpop_proof", "invalid_request")


def test_tokens_are_given_to_a_key_only_however_the_client_came_under_the_profile(app: Flask, client: FlaskClient) -> None:
    """The same, of a registration that says nothing of bound tokens."""
    with app.app_context(), transaction() as session:
        system = new_system(session, scopes=["events"])
        session.get_one(clients.RegisteredClient, system.client_id).client_metadata = {"security_profile": FAPI2}
    refused = ask(client, system, grant_type="client_credentials", scope="events")
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_request")


def test_a_code_is_bound_to_the_key_that_the_request_was_pushed_with(browser: FlaskClient, held: System, prover: Prover) -> None:
    """Section 5.3.2.1, RFC 9449 section 10.1: authorization code binding to a DPoP key, by the header of the push."""
    journey = Journey(held)
    pushed = push(browser, held, journey.parameters(), headers=prover.headers(url=f"{ISSUER}/par"))
    assert pushed.status_code == 201, pushed.text
    code = answer_of(bring_and_approve(browser, held, (pushed.json or {})["request_uri"]))["code"]
    other = exchange(browser, journey, code, Prover(nonce=prover.nonce).headers())
    assert other.status_code == 400


def test_a_signed_push_is_bound_to_its_key_as_well(browser: FlaskClient, signing: System, prover: Prover) -> None:
    """RFC 9449 section 10.1: the header counts beside a request object; another `dpop_jkt` inside is refused."""
    journey = Journey(signing)
    headers = prover.headers(url=f"{ISSUER}/par")
    contradicted = push(browser, signing, _object(journey, dpop_jkt="A" * 43), headers=headers)
    assert (contradicted.status_code, (contradicted.json or {})["error"]) == (400, "invalid_request")
    pushed = push(browser, signing, _object(journey), headers=prover.headers(url=f"{ISSUER}/par"))
    answer = answer_of(bring_and_approve(browser, signing, (pushed.json or {})["request_uri"]))
    code = json.loads(base64.urlsafe_b64decode(answer["response"].split(".")[1] + "=="))["code"]
    assert exchange(browser, journey, code, Prover(nonce=prover.nonce).headers()).status_code == 400


def _object(journey: Journey, **changes: Any) -> dict[str, str]:
    return {"client_id": journey.portal.client_id, "request": request_object(journey, response_mode="jwt", **changes)}


AUDIENCES: dict[str, tuple[Any, bool]] = {
    "the issuer": (ISSUER, True),
    "the issuer in a list": ([ISSUER], False),
    "the token endpoint": (f"{ISSUER}/token", False),
    "the endpoint that it is sent to": (f"{ISSUER}/par", False),
    "the issuer and the token endpoint": ([ISSUER, f"{ISSUER}/token"], False),
    "the issuer with a slash": (f"{ISSUER}/", False),
}


@pytest.mark.parametrize(("audience", "is_taken"), AUDIENCES.values(), ids=AUDIENCES)
def test_an_assertion_is_for_the_issuer_alone(client: FlaskClient, held: System, audience: Any, is_taken: bool) -> None:
    """Section 5.3.2.1: shall only accept its issuer identifier as a string in `aud`."""
    response = client.post("/par", data={**Journey(held).parameters(), **held.proof(aud=audience)})
    assert response.status_code == (201 if is_taken else 401)


@pytest.mark.parametrize(("ahead", "is_taken"), [(0, True), (8, True), (10, True), (61, False), (3600, False)])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_clocks_that_are_ahead(client: FlaskClient, held: System, claim: str, ahead: int, is_taken: bool) -> None:
    """Section 5.3.2.1: `iat` and `nbf` of 0 to 10 seconds ahead shall be accepted, of more than 60 rejected."""
    moment = int(time.time())
    response = client.post("/par", data={**Journey(held).parameters(), **held.proof(**{claim: moment + ahead, "exp": moment + ahead + 60})})
    assert response.status_code == (201 if is_taken else 401)


@pytest.mark.parametrize(("ahead", "is_taken"), [(0, True), (10, True), (61, False), (3600, False)])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_clocks_that_are_ahead_in_a_request_object(client: FlaskClient, signing: System, claim: str, ahead: int, is_taken: bool) -> None:
    """Section 5.3.2.1, for every JWT."""
    changes = {claim: int(time.time()) + ahead, "exp": int(time.time()) + ahead + 60}
    response = push_object(client, signing, request_object(Journey(signing), response_mode="jwt", **changes))
    assert response.status_code == (201 if is_taken else 400)


def test_a_refresh_token_stays_the_same(browser: FlaskClient, held: System, prover: Prover) -> None:
    """Section 5.3.2.1: shall not use refresh token rotation."""
    journey = Journey(held, scope="openid offline_access")
    code = answer_of(bring_and_approve(browser, held, pushed_uri(browser, journey)))["code"]
    tokens = exchange(browser, journey, code, prover.headers()).json or {}
    for _ in range(3):
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **held.proof()}
        again = browser.post("/token", data=form, headers=prover.headers())
        assert again.status_code == 200, again.text
        assert (again.json or {}).get("refresh_token", tokens["refresh_token"]) == tokens["refresh_token"]


def test_codes_and_references_are_short_lived(client: FlaskClient, held: System) -> None:
    """Sections 5.3.2.1 and 5.3.2.2: a code for 60 seconds at most, a `request_uri` for less than 600."""
    assert timedelta(seconds=60) >= LIFETIME
    assert (push(client, held, Journey(held).parameters()).json or {})["expires_in"] < 600
    with pytest.raises(SettingsError, match="KABAO_PUSHED_REQUEST_SECONDS"):
        Settings.from_environ({**USABLE, "KABAO_PUSHED_REQUEST_SECONDS": "600"})


def test_a_nonce_of_64_characters_is_taken(client: FlaskClient, held: System) -> None:
    """Section 5.3.2.2: shall support nonce values up to 64 characters."""
    assert push(client, held, Journey(held, nonce="n" * 64).parameters()).status_code == 201


def test_secrets_of_ours_are_long(client: FlaskClient, held: System, browser: FlaskClient) -> None:
    """Section 5.4.1: credentials of at least 128 bits of entropy."""
    answer = answer_of(bring_and_approve(browser, held, pushed_uri(browser, Journey(held))))
    assert len(answer["code"]) >= 22


def test_what_a_client_is_given_is_signed_as_the_profile_has_it(browser: FlaskClient, held: System, prover: Prover) -> None:
    """Section 5.4.1, Message Signing section 5.6: PS256, ES256 or EdDSA, for whatever is not registered otherwise."""
    journey = Journey(held)
    code = answer_of(bring_and_approve(browser, held, pushed_uri(browser, journey)))["code"]
    tokens = exchange(browser, journey, code, prover.headers()).json or {}
    assert {jwt.get_unverified_header(tokens[name])["alg"] for name in ("access_token", "id_token")} <= set(profiles.ALGORITHMS)


@pytest.mark.parametrize(("algorithm", "is_taken"), [("RS256", False), ("PS256", True), (None, True)])
def test_a_resource_whose_tokens_are_signed_otherwise_is_out_of_reach(app: Flask, client: FlaskClient, algorithm: str | None, is_taken: bool) -> None:
    """Section 5.4.1, for access tokens: a resource server may want RS256, and clients under the profile have no token for it."""
    resource = new_resource(app, signing_alg=algorithm)
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES, metadata={**BOUND, "resources": [resource]})
    response = push(client, portal, Journey(portal).parameters(resource=resource))
    assert (response.json or {}).get("error") == (None if is_taken else "invalid_target")


REGISTRATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a public client": ({"auth_method": clients.NONE, "metadata": BOUND}, "auth_method"),
    "a secret": ({"auth_method": clients.CLIENT_SECRET_BASIC, "client_secret": "s" * 43, "metadata": BOUND}, "auth_method"),
    "bearer tokens": ({"metadata": {"security_profile": FAPI2}}, "dpop_bound_access_tokens"),
    "an unknown profile": ({"metadata": {"security_profile": "fapi3"}}, "security_profile"),
    "plain http": ({"redirect_uris": ["http://portal.example.gov.cn/callback"], "metadata": BOUND}, "redirect_uris"),
    "a web application on a loopback address": ({"redirect_uris": ["http://127.0.0.1:8080/callback"], "metadata": BOUND}, "redirect_uris"),
    "RS256 for ID tokens": ({"metadata": {**BOUND, "id_token_signed_response_alg": "RS256"}}, "id_token_signed_response_alg"),
    "RS256 for requests": ({"metadata": {**BOUND, "request_object_signing_alg": "RS256"}}, "id_token_signed_response_alg"),
    "RS256 for responses": ({"metadata": {**SIGNING, "authorization_signed_response_alg": "RS256"}}, "id_token_signed_response_alg"),
    "RS256 for introspection": ({"metadata": {**SIGNING, "introspection_signed_response_alg": "RS256"}}, "id_token_signed_response_alg"),
}


@pytest.mark.parametrize(("changes", "field"), REGISTRATIONS.values(), ids=REGISTRATIONS)
def test_what_does_not_fit_the_profile_is_not_registered(app: Flask, changes: dict[str, Any], field: str) -> None:
    """Sections 5.3.2.1 (confidential clients, their methods, bound tokens), 5.3.2.2 (redirects over https) and 5.4.1 (algorithms)."""
    with app.app_context(), pytest.raises(ClientRefused) as raised, transaction() as session:
        new_portal(session, scopes=SCOPES, **changes)
    assert raised.value.field == field


def test_a_native_application_under_the_profile_has_a_loopback_address(app: Flask) -> None:
    """Section 5.3.2.2: native clients may use loopback interface redirection (RFC 8252 section 7.3)."""
    with app.app_context(), transaction() as session:
        new_portal(session, redirect_uris=["http://127.0.0.1/callback"], metadata={**BOUND, "application_type": "native"})


def test_message_signing_needs_keys_to_verify_with(app: Flask) -> None:
    """Message Signing section 5.3: a client that proves itself by its certificate signs its requests all the same."""
    metadata = {
        **SIGNING,
        "dpop_bound_access_tokens": False,
        "tls_client_certificate_bound_access_tokens": True,
        "tls_client_auth_san_dns": "portal.example.gov.cn",
    }
    with app.app_context(), pytest.raises(ClientRefused) as raised, transaction() as session:
        new_portal(session, scopes=SCOPES, auth_method="tls_client_auth", jwks=None, metadata=metadata)
    assert raised.value.field == "jwks"


def test_a_portal_under_message_signing_signs_a_person_in(browser: FlaskClient, signing: System, prover: Prover) -> None:
    """Message Signing sections 5.3 and 5.4: a signed request pushed, and a signed response with everything inside, `iss` too."""
    journey = Journey(signing)
    pushed = push_object(browser, signing, request_object(journey, response_mode="jwt"))
    assert pushed.status_code == 201, pushed.text
    answer = answer_of(bring_and_approve(browser, signing, (pushed.json or {})["request_uri"]))
    assert set(answer) == {"response"}
    inside = json.loads(base64.urlsafe_b64decode(answer["response"].split(".")[1] + "=="))
    assert (inside["iss"], inside["aud"], inside["state"]) == (ISSUER, signing.client_id, journey.state)
    assert inside["exp"] > time.time()
    assert exchange(browser, journey, inside["code"], prover.headers()).status_code == 200


UNSIGNED: dict[str, dict[str, Any]] = {"no response_mode": {}, "query": {"response_mode": "query"}, "form_post": {"response_mode": "form_post"}}


@pytest.mark.parametrize("changes", UNSIGNED.values(), ids=UNSIGNED)
def test_a_response_that_would_not_be_signed_is_refused(client: FlaskClient, signing: System, changes: dict[str, Any]) -> None:
    """Message Signing section 5.4.1: shall require use of signed authorization responses."""
    response = push_object(client, signing, request_object(Journey(signing), **changes))
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request")


def test_an_unsigned_push_is_refused(client: FlaskClient, signing: System) -> None:
    """Message Signing section 5.3.1: shall require use of signed request objects at the PAR endpoint."""
    response = push(client, signing, Journey(signing).parameters(response_mode="jwt"))
    assert (response.status_code, (response.json or {})["error"]) == (400, "invalid_request")


OBJECTS: dict[str, tuple[dict[str, Any], bool]] = {  # whole numbers are seconds from now
    "as it should be": ({}, True),
    "aud in a list": ({"aud": [ISSUER]}, True),
    "no aud": ({"aud": None}, False),
    "another aud": ({"aud": "https://another.example"}, False),
    "no nbf": ({"nbf": None}, False),
    "no exp": ({"exp": None}, False),
    "nbf more than an hour ago": ({"nbf": -3700, "exp": 60}, False),
    "nbf more than an hour ago, run out by less than clocks differ": ({"nbf": -3615, "exp": -15}, False),
    "nbf within the hour": ({"nbf": -3000, "exp": 60}, True),
    "good for more than an hour": ({"nbf": 0, "exp": 3700}, False),
    "good for an hour": ({"nbf": -60, "exp": 3500}, True),
    "run out": ({"nbf": -600, "exp": -60}, False),
}


@pytest.mark.parametrize(("changes", "is_taken"), OBJECTS.values(), ids=OBJECTS)
def test_a_request_object_says_for_whom_and_for_how_long(client: FlaskClient, signing: System, changes: dict[str, Any], is_taken: bool) -> None:
    """Message Signing section 5.3.1: aud, nbf no longer than 60 minutes ago, exp no longer than 60 minutes after it."""
    moved = {name: int(time.time()) + value if isinstance(value, int) else value for name, value in changes.items()}
    response = push_object(client, signing, request_object(Journey(signing), response_mode="jwt", **moved))
    assert response.status_code == (201 if is_taken else 400), response.text
    assert is_taken or (response.json or {})["error"] == "invalid_request_object"


def test_a_pushed_reference_is_brought_with_the_client_id_alone(browser: FlaskClient, held: System) -> None:
    """Section 5.3.3.2: what else the browser brings counts for nothing; note 3 of 5.3.2.2: a look at the page uses nothing up."""
    journey = Journey(held)
    uri = pushed_uri(browser, journey, prompt="consent")
    assert bring(browser, held, uri).status_code == 200
    answer = answered(browser, bring(browser, held, uri, state="evil", response_mode="fragment"))
    assert answer["state"] == journey.state
