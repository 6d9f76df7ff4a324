"""DPoP where tokens are used and refreshed: nonces, resources, codes (RFC 9449 sections 5.1, 5.2, 7 to 10); one test a sentence."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.oauth.binding import dpop, nonces
from idp.oauth.clients import NONE
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.idp.oauth.details_world import introspect
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.idp.oauth.proving import EVENTS, bound_token, claims_of, token_request
from tests.world_clients import ISSUER, System, ask, bearer, new_portal, new_system
from tests.world_people import BROWSER
from tests.world_proofs import Prover


@pytest.fixture
def system(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_system(session, scopes=["events", "draws"])


@pytest.fixture
def prover() -> Prover:
    return Prover()


# Section 7: protected resource access


def test_a_bound_token_is_taken_with_a_proof(client: FlaskClient, system: System, prover: Prover) -> None:
    token = bound_token(client, system, prover)
    assert client.get(EVENTS, headers=prover.show(token, "GET", EVENTS)).status_code == 200
    assert client.get(f"{EVENTS}?limit=1", headers=prover.show(token, "GET", f"{EVENTS}?other=2")).status_code == 200


def test_whoever_asks_about_a_bound_token_is_told_to_which_key(client: FlaskClient, system: System, prover: Prover) -> None:
    """Section 6.2: else a resource server would take it for a bearer's."""
    told = introspect(client, system, bound_token(client, system, prover)).json
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": prover.jkt})


Shown = Callable[[Prover, str, str], dict[str, str]]
BADLY_SHOWN: dict[str, tuple[Shown, str, str]] = {
    "as a bearer's": (lambda p, t, o: bearer(t), "Bearer", "invalid_token"),
    "as a bearer's, with a proof": (lambda p, t, o: {**p.show(t, "GET", EVENTS), **bearer(t)}, "Bearer", "invalid_token"),
    "no proof": (lambda p, t, o: {"Authorization": f"DPoP {t}"}, "DPoP", "invalid_dpop_proof"),
    "another key's proof": (lambda p, t, o: Prover().show(t, "GET", EVENTS), "DPoP", "invalid_token"),
    "no ath": (lambda p, t, o: p.show(t, "GET", EVENTS, ath=None), "DPoP", "invalid_dpop_proof"),
    "ath of another token": (lambda p, t, o: {**p.show(o, "GET", EVENTS), "Authorization": f"DPoP {t}"}, "DPoP", "invalid_dpop_proof"),
    "ath is a number": (lambda p, t, o: p.show(t, "GET", EVENTS, ath=7), "DPoP", "invalid_dpop_proof"),
    "another resource": (lambda p, t, o: p.show(t, "GET", "/api/v1/draws"), "DPoP", "invalid_dpop_proof"),
    "another method": (lambda p, t, o: p.show(t, "POST", EVENTS), "DPoP", "invalid_dpop_proof"),
    "a token that is none": (lambda p, t, o: p.show("x.y.z", "GET", EVENTS), "DPoP", "invalid_token"),
}


@pytest.mark.parametrize(("show", "scheme", "error"), BADLY_SHOWN.values(), ids=BADLY_SHOWN)
def test_a_bound_token_is_refused_without_what_it_is_bound_to(
    client: FlaskClient, system: System, prover: Prover, show: Shown, scheme: str, error: str
) -> None:
    token, other = bound_token(client, system, prover), bound_token(client, system, prover)
    response = client.get(EVENTS, headers=show(prover, token, other))
    assert response.status_code == 401
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith(f'{scheme} realm="kabao", error="{error}"')
    assert (f'algs="{" ".join(dpop.ALGORITHMS)}"' in challenge) == (scheme == "DPoP")


def test_an_unbound_token_is_not_taken_by_the_other_scheme(client: FlaskClient, system: System, prover: Prover) -> None:
    token = token_request(client, system, {}).json["access_token"]
    refused = client.get(EVENTS, headers=prover.show(token, "GET", EVENTS))
    assert (refused.status_code, refused.headers["WWW-Authenticate"].split(",")[1]) == (401, ' error="invalid_token"')
    assert client.get(EVENTS, headers=bearer(token)).status_code == 200


def test_whoever_shows_nothing_hears_of_both_schemes_and_of_no_error(client: FlaskClient) -> None:
    challenge = client.get(EVENTS).headers["WWW-Authenticate"]
    assert challenge == f'Bearer realm="kabao", DPoP realm="kabao", algs="{" ".join(dpop.ALGORITHMS)}"'


def test_a_proof_for_a_resource_is_good_once(client: FlaskClient, system: System, prover: Prover) -> None:
    headers = prover.show(bound_token(client, system, prover), "GET", EVENTS)
    assert client.get(EVENTS, headers=headers).status_code == 200
    assert 'error="invalid_dpop_proof"' in client.get(EVENTS, headers=headers).headers["WWW-Authenticate"]


# Sections 8 and 9: nonces


@pytest.fixture
def fapi_system(app: Flask, system: System) -> System:
    """A system whose proofs must carry a nonce."""
    from idp.oauth.clients import RegisteredClient

    with app.app_context(), transaction() as session:
        session.get_one(RegisteredClient, system.client_id).client_metadata = {"security_profile": "fapi2"}
    return system


def test_a_proof_without_nonce_is_answered_with_one_and_goes_through_with_it(client: FlaskClient, fapi_system: System, prover: Prover) -> None:
    refused = token_request(client, fapi_system, prover.headers())
    assert (refused.status_code, refused.json["error"]) == (400, "use_dpop_nonce")
    assert len(refused.headers.getlist("DPoP-Nonce")) == 1
    prover.nonce = refused.headers["DPoP-Nonce"]
    taken = token_request(client, fapi_system, prover.headers())
    assert taken.status_code == 200, taken.text
    assert taken.headers.getlist("DPoP-Nonce"), "the next one goes with the success"
    assert taken.headers["Cache-Control"] == "no-store"


def test_a_challenge_for_a_nonce_leaves_the_assertion_unused(client: FlaskClient, fapi_system: System, prover: Prover) -> None:
    assertion = fapi_system.proof()
    prover.nonce = token_request(client, fapi_system, prover.headers(), **assertion).headers["DPoP-Nonce"]
    assert token_request(client, fapi_system, prover.headers(), **assertion).status_code == 200
    assert token_request(client, fapi_system, prover.headers(), **assertion).status_code == 401


def test_a_resource_asks_for_a_nonce_as_well(client: FlaskClient, fapi_system: System, prover: Prover, settings: Settings) -> None:
    prover.nonce = nonces.current(settings, now=now())
    token = bound_token(client, fapi_system, prover)
    prover.nonce = None
    refused = client.get(EVENTS, headers=prover.show(token, "GET", EVENTS))
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith('DPoP realm="kabao", error="use_dpop_nonce"')
    prover.nonce = refused.headers["DPoP-Nonce"]
    taken = client.get(EVENTS, headers=prover.show(token, "GET", EVENTS))
    assert taken.status_code == 200
    assert taken.headers["DPoP-Nonce"]
    assert taken.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("skew", [3600, -3600], ids=["an hour ahead", "an hour behind"])
def test_a_nonce_tells_the_time_to_whose_clock_is_wrong(client: FlaskClient, fapi_system: System, settings: Settings, skew: int) -> None:
    """Section 4.3, check 11: the time of the proof is `iat`'s, or that of the nonce, which is by the server's own clock."""
    prover, wrong = Prover(nonce=nonces.current(settings, now=now())), int(time.time()) + skew
    proof = prover.headers(iat=wrong)
    assert [token_request(client, fapi_system, proof).status_code for _ in range(2)] == [200, 400], "and is good once"


def test_a_proof_with_a_nonce_is_remembered_for_as_long_as_the_nonce_is_good(settings: Settings, prover: Prover, app: Flask) -> None:
    began = datetime.fromtimestamp(1_900_000_000 // 120 * 120, UTC)
    expected = dpop.Expected("POST", "/token", needs_nonce=True)
    proof = prover.proof(nonce=nonces.current(settings, now=began + nonces.WINDOW))
    with app.app_context():
        dpop.check(proof, expected=expected, settings=settings, now=began)
        for later in (timedelta(minutes=3), timedelta(minutes=5, seconds=59)):
            with pytest.raises(dpop.InvalidProof, match="used before"):
                dpop.check(proof, expected=expected, settings=settings, now=began + later)
        with pytest.raises(dpop.UseNonce):
            dpop.check(proof, expected=expected, settings=settings, now=began + nonces.LONGEST)


def test_under_the_profile_a_key_of_rsa_proves_by_ps256_alone(app: Flask, client: FlaskClient, fapi_system: System, settings: Settings) -> None:
    """FAPI 2.0 Security Profile section 5.4.1, at the token endpoint and at a resource."""
    prover = Prover(key=suites.PS256.generate(), nonce=nonces.current(settings, now=now()))
    refused = token_request(client, fapi_system, prover.headers(header={"alg": "RS256"}))
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_dpop_proof")
    token = token_request(client, fapi_system, prover.headers(header={"alg": "PS256"})).json["access_token"]
    for algorithm, status in (("RS256", 401), ("PS256", 200)):
        assert client.get(EVENTS, headers=prover.show(token, "GET", EVENTS, header={"alg": algorithm})).status_code == status


@pytest.mark.parametrize("nonce", ["mine", "", "x" * 300, 7, ["x"], "证"], ids=["invented", "empty", "long", "number", "list", "not ascii"])
def test_a_nonce_that_was_not_given_out_is_refused_whoever_sends_it(client: FlaskClient, system: System, prover: Prover, nonce: Any) -> None:
    response = token_request(client, system, prover.headers(nonce=nonce))
    assert (response.status_code, response.json["error"]) == (400, "use_dpop_nonce")


def test_nonces_rotate_and_the_one_before_is_still_good(settings: Settings) -> None:
    moment = now()
    nonce = nonces.current(settings, now=moment)
    assert nonces.is_recent(nonce, settings, now=moment + nonces.WINDOW)
    assert nonces.is_recent(nonce, settings, now=moment - nonces.WINDOW), "another machine's clock may be ahead"
    assert not nonces.is_recent(nonce, settings, now=moment + 2 * nonces.WINDOW)
    assert nonces.current(settings, now=moment + nonces.WINDOW) != nonce


def test_no_nonce_is_given_to_whom_none_is_asked_of(client: FlaskClient, system: System, prover: Prover) -> None:
    assert "DPoP-Nonce" not in token_request(client, system, prover.headers()).headers


# Section 5.2: clients that always use DPoP


def test_a_client_registered_for_bound_tokens_gets_no_others(app: Flask, client: FlaskClient, system: System, prover: Prover) -> None:
    from idp.oauth.clients import RegisteredClient

    with app.app_context(), transaction() as session:
        session.get_one(RegisteredClient, system.client_id).client_metadata = {"dpop_bound_access_tokens": True}
    refused = token_request(client, system, {})
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_dpop_proof")
    assert token_request(client, system, prover.headers()).json["token_type"] == "DPoP"


# Sections 5 and 10: codes and refresh tokens


@dataclass
class Portals:
    """A confidential portal and a public one."""

    confidential: System
    public: System


@pytest.fixture
def portals(app: Flask) -> Portals:
    scopes = ("openid", "profile", "offline_access")
    with app.app_context(), transaction() as session:
        return Portals(new_portal(session, scopes=scopes), new_portal(session, scopes=scopes, auth_method=NONE, jwks=None))


def public_exchange(client: FlaskClient, journey: Journey, code: str, headers: Any) -> TestResponse:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    return client.post("/token", data={**form, "client_id": journey.portal.client_id}, headers=headers)


def test_a_code_is_bound_to_the_key_that_the_request_names(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey = Journey(portals.confidential)
    form = {"grant_type": "authorization_code", "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    for headers, status in ((prover.headers(), 200), (Prover().headers(), 400), ({}, 400)):
        code = journey.code(browser, dpop_jkt=prover.jkt)
        response = browser.post("/token", data={**form, **journey.portal.proof(), "code": code}, headers=headers)
        assert response.status_code == status, response.text
        assert status == 200 or response.json["error"] == "invalid_grant"


def test_a_request_that_is_pushed_with_a_proof_binds_its_code(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    """Section 10.1."""
    journey = Journey(portals.confidential)
    pushed = {name: value for name, value in journey.parameters().items() if name != "client_id"}
    form = {**pushed, "client_id": journey.portal.client_id}
    at = f"{ISSUER}/par"
    wrong = browser.post("/par", data={**form, **journey.portal.proof(), "dpop_jkt": Prover().jkt}, headers=prover.headers(url=at))
    assert (wrong.status_code, wrong.json["error"]) == (400, "invalid_request")
    bad = browser.post("/par", data={**form, **journey.portal.proof()}, headers=prover.headers())
    assert bad.json["error"] == "invalid_dpop_proof", "a proof for the token endpoint"
    for proven, status in ((prover, 200), (Prover(), 400)):
        kept = browser.post("/par", data={**form, **journey.portal.proof()}, headers=prover.headers(url=at))
        assert kept.status_code == 201, kept.text
        reference = {"client_id": journey.portal.client_id, "request_uri": kept.json["request_uri"]}
        answered = browser.get("/authorize", query_string=reference, headers=BROWSER)
        if "request_uri" in answered.headers.get("Location", ""):
            answered = browser.get(answered.location, headers=BROWSER)
        back = answer_of(answer_consent(browser, answered) if answered.status_code == 200 else answered)
        code = back["code"]
        exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
        given = browser.post("/token", data={**exchange, **journey.portal.proof()}, headers=proven.headers())
        assert given.status_code == status, given.text


@pytest.mark.parametrize("jkt", ["short", "x" * 44, "!" * 43, "证" * 43])
def test_a_key_that_is_no_thumbprint_is_refused(browser: FlaskClient, portals: Portals, jkt: str) -> None:
    response = Journey(portals.confidential).authorize(browser, dpop_jkt=jkt)
    assert "error=invalid_request" in response.location


def test_the_refresh_token_of_a_public_client_is_bound_to_its_key(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey = Journey(portals.public, scope="openid offline_access")
    given = public_exchange(browser, journey, journey.code(browser), prover.headers())
    assert given.status_code == 200, given.text
    form = {"grant_type": "refresh_token", "client_id": portals.public.client_id, "refresh_token": given.json["refresh_token"]}
    for headers in ({}, Prover().headers()):
        assert browser.post("/token", data=form, headers=headers).json["error"] == "invalid_grant"
    refreshed = browser.post("/token", data=form, headers=prover.headers())
    assert refreshed.status_code == 200, "a robber's try has not ended it"
    assert claims_of(refreshed.json["access_token"])["cnf"] == {"jkt": prover.jkt}


def test_the_refresh_token_of_a_confidential_client_is_bound_to_the_client_alone(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey, another = Journey(portals.confidential, scope="openid offline_access"), Prover()
    code = journey.code(browser, dpop_jkt=prover.jkt)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": journey.portal.redirect_uri, "code_verifier": journey.verifier}
    given = browser.post("/token", data={**form, **journey.portal.proof()}, headers=prover.headers())
    form = {"grant_type": "refresh_token", "refresh_token": given.json["refresh_token"], **journey.portal.proof()}
    refreshed = browser.post("/token", data=form, headers=another.headers())
    assert claims_of(refreshed.json["access_token"])["cnf"] == {"jkt": another.jkt}


def test_userinfo_takes_a_bound_token_with_its_proof_alone(browser: FlaskClient, portals: Portals, prover: Prover) -> None:
    journey = Journey(portals.public)
    token = public_exchange(browser, journey, journey.code(browser), prover.headers()).json["access_token"]
    assert browser.get("/userinfo", headers=prover.show(token, "GET", "/userinfo")).status_code == 200
    assert browser.post("/userinfo", headers=prover.show(token, "POST", "/userinfo")).status_code == 200
    assert browser.get("/userinfo", headers=bearer(token)).status_code == 401
    assert browser.post("/userinfo", data={"access_token": token}).status_code == 401


# Section 5.1: metadata


def test_discovery_names_the_algorithms_of_proofs(client: FlaskClient) -> None:
    named = client.get("/.well-known/openid-configuration").json["dpop_signing_alg_values_supported"]
    assert named == list(dpop.ALGORITHMS)
    assert not {"none", "HS256"} & set(named)


def test_what_proofs_were_used_is_forgotten_when_they_have_expired(app: Flask, client: FlaskClient, system: System, prover: Prover) -> None:
    from sqlalchemy import func, select

    from idp.oauth.assertions import ClientAssertion, forget

    token_request(client, system, prover.headers())
    with app.app_context():
        forget(now=now() + timedelta(hours=2))
        with transaction() as session:
            over = ClientAssertion.expires_at < now() + timedelta(hours=1)
            assert session.scalar(select(func.count()).select_from(ClientAssertion).where(over)) == 0


def test_ask_still_gives_bearer_tokens(client: FlaskClient, system: System) -> None:
    assert ask(client, system, grant_type="client_credentials").json["token_type"] == "Bearer"
