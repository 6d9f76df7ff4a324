"""Pushed authorization requests (RFC 9126)."""

import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text, update

from idp.oauth import clients
from idp.oauth.pruning import prune_oauth
from idp.oauth.requests.pushed import PREFIX, KeptRequest
from idp.signin import doors
from runtime import cache
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.idp.oauth.pushing import bring, bring_and_approve, push, pushed_uri
from tests.idp.oauth.test_client_credentials import assert_plain
from tests.world_clients import System, new_portal
from tests.world_people import BROWSER, Person, sign_in


def test_a_pushed_request_is_answered_with_a_reference_of_its_own(client: FlaskClient, portal: System) -> None:
    """Section 2.2: 201, `request_uri` and `expires_in`, no-store; the reference is random."""
    journey = Journey(portal)
    responses = [push(client, portal, journey.parameters()) for _ in range(2)]
    for response in responses:
        assert (response.status_code, response.mimetype) == (201, "application/json")
        assert "no-store" in response.headers["Cache-Control"]
        assert set(response.json or {}) == {"request_uri", "expires_in"}
        assert (response.json or {})["expires_in"] == 90
        assert (response.json or {})["request_uri"].startswith(PREFIX)
    first, second = ((response.json or {})["request_uri"].removeprefix(PREFIX) for response in responses)
    assert first != second
    assert len(first) == 43, "256 bits (section 7.1)"


def test_a_portal_signs_a_person_in_by_a_pushed_request(browser: FlaskClient, portal: System) -> None:
    """Section 4: the browser brings client_id and request_uri alone, and the code is the pushed request's."""
    journey = Journey(portal)
    answer = answer_of(bring_and_approve(browser, portal, pushed_uri(browser, journey)))
    assert answer["state"] == journey.state
    tokens = journey.exchange(browser, answer["code"])
    assert tokens.status_code == 200


def test_whatever_the_browser_adds_does_not_count(browser: FlaskClient, portal: System) -> None:
    """RFC 9101 section 6.3: only the parameters of the request itself."""
    journey = Journey(portal, scope="openid")
    uri = pushed_uri(browser, journey)
    more = {"scope": "openid number", "state": "evil", "redirect_uri": "https://evil.example/", "nonce": "evil", "code_challenge": "E" * 43}
    page = bring(browser, portal, uri, **more)
    answer = answer_of(answer_consent(browser, page) if page.status_code == 200 else page)
    assert answer["state"] == journey.state
    tokens = journey.exchange(browser, answer["code"]).json or {}
    assert tokens["scope"] == "openid"


def test_the_browser_carries_no_more_than_the_reference_on_its_whole_way(client: FlaskClient, person: Person, portal: System) -> None:
    """Sign-in, consent: each address holds client_id, request_uri and our own mark, and nothing of the request."""
    journey = Journey(portal, scope="openid number")
    first = client.get("/authorize", query_string={"client_id": portal.client_id, "request_uri": pushed_uri(client, journey)}, headers=BROWSER)
    assert set(parse_qs(urlsplit(first.location).query)) == {"client_id", "request_uri"}
    to_sign_in = client.get(first.location, headers=BROWSER)
    goal = parse_qs(urlsplit(to_sign_in.location).query)["next"][0]
    assert set(parse_qs(urlsplit(goal).query)) == {"client_id", "request_uri", "login_asked"}
    page = client.get(to_sign_in.location, headers=BROWSER)
    assert urlsplit(portal.redirect_uri).netloc in page.headers["Content-Security-Policy"]
    assert sign_in(client, person).status_code == 303
    consent = client.get(goal, headers=BROWSER)
    assert consent.status_code == 200
    assert journey.state not in consent.text
    assert answer_of(answer_consent(client, consent))["state"] == journey.state


def test_a_fresh_sign_in_that_a_pushed_request_asks_for_is_asked_for_once(browser: FlaskClient, person: Person, portal: System) -> None:
    """`prompt=login`: our own mark goes with the reference."""
    journey = Journey(portal)
    to_sign_in = bring(browser, portal, pushed_uri(browser, journey, prompt="login"))
    goal = parse_qs(urlsplit(to_sign_in.location).query)["next"][0]
    assert set(parse_qs(urlsplit(goal).query)) == {"client_id", "request_uri", "login_asked"}
    assert sign_in(browser, person).status_code == 303
    page = browser.get(goal, headers=BROWSER)
    assert answer_of(answer_consent(browser, page) if page.status_code == 200 else page)["state"] == journey.state


def test_a_reference_is_good_for_one_answer(browser: FlaskClient, portal: System) -> None:
    """Section 4: single use. A reload before the answer harms nothing; after it the reference is refused, on a page."""
    journey = Journey(portal)
    uri = pushed_uri(browser, journey)
    pages = [bring(browser, portal, uri) for _ in range(3)]
    assert {page.status_code for page in pages} == {200}
    assert journey.exchange(browser, answer_of(answer_consent(browser, pages[0]))["code"]).status_code == 200
    assert answer_consent(browser, pages[1]).status_code == 400
    again = bring(browser, portal, uri)
    assert again.status_code == 400
    assert "Location" not in again.headers
    assert "这次登录请求已经处理过了" in again.text, "who goes back is not told that the portal made a mistake"


def test_a_refusal_is_an_answer_too(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid number")
    page = bring(browser, portal, uri := pushed_uri(browser, journey))
    assert answer_of(answer_consent(browser, page, "refuse"))["error"] == "access_denied"
    assert bring(browser, portal, uri).status_code == 400


def test_silence_is_answered_once(client: FlaskClient, portal: System) -> None:
    journey = Journey(portal)
    uri = pushed_uri(client, journey, prompt="none")
    assert answer_of(bring(client, portal, uri))["error"] == "login_required"
    assert bring(client, portal, uri).status_code == 400


def test_an_expired_reference_is_refused_and_a_person_who_came_in_time_may_take_theirs(app: Flask, browser: FlaskClient, portal: System) -> None:
    """Section 4: an expired `request_uri` MUST be rejected; it need not last for as long as a person reads."""
    journey = Journey(portal)
    uri = pushed_uri(browser, journey)
    page = bring(browser, portal, uri)
    with app.app_context(), transaction() as session:
        session.execute(update(KeptRequest).values(expires_at=now() - timedelta(seconds=1)))
    late = browser.get("/authorize", query_string={"client_id": portal.client_id, "request_uri": uri}, headers=BROWSER)
    assert late.status_code == 400
    assert "Location" not in late.headers
    assert "这次登录请求已过期" in late.text
    assert "code" in answer_of(answer_consent(browser, page))


CHANGED: dict[str, tuple[dict[str, Any], str | None]] = {
    "its address is another": ({"redirect_uris": ["https://elsewhere.example.gov.cn/callback"]}, None),
    "it was closed": ({"disabled_at": now()}, None),
    "it may ask for less": ({"scopes": ["openid"]}, "invalid_scope"),
    "it is to sign its requests": ({"client_metadata": {"require_signed_request_object": True}}, "invalid_request"),
}


@pytest.mark.parametrize(("changes", "error"), CHANGED.values(), ids=CHANGED)
def test_a_pushed_request_is_checked_again_by_what_its_client_is_by_then(
    app: Flask, browser: FlaskClient, portal: System, changes: dict[str, Any], error: str | None
) -> None:
    """Section 4: validate what was pushed as any other request, where the policy has changed since."""
    uri = pushed_uri(browser, Journey(portal))
    with app.app_context(), transaction() as session:
        for name, value in changes.items():
            setattr(session.get_one(clients.RegisteredClient, portal.client_id), name, value)
        cache.changed(session, clients.TOPIC)
    answer = bring(browser, portal, uri)
    assert (answer_of(answer)["error"] if answer.status_code == 303 else None) == error
    assert answer.status_code == (400 if error is None else 303)


def test_a_reference_is_its_client_s_own(app: Flask, browser: FlaskClient, portal: System) -> None:
    """Sections 2.2 and 7.5, RFC 9101 section 5: another client's reference stands for nothing."""
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    uri = pushed_uri(browser, Journey(portal))
    assert bring(browser, other, uri).status_code == 400
    carried = browser.get("/authorize", query_string={"client_id": portal.client_id, "request_uri": uri}, headers=BROWSER).location
    stolen = parse_qs(urlsplit(carried).query)["request_uri"][0]
    assert bring(browser, other, stolen).status_code == 400
    assert bring(browser, portal, uri).status_code == 200


STRANGE = {
    "unknown": PREFIX + "A" * 43,
    "empty": PREFIX,
    "short": PREFIX + "A",
    "with a proof of nobody's": PREFIX + "A" * 43 + "." + "B" * 43,
    "long": PREFIX + "A" * 5000,
    "not ASCII": PREFIX + "证" * 43,
    "nothing": "urn:example:nothing",
    "http": "http://portal.example/request",
    "https": "https://portal.example/request",
    "file": "file:///etc/passwd",
}


@pytest.mark.parametrize("uri", STRANGE.values(), ids=STRANGE)
def test_a_reference_that_is_none_of_ours_is_a_page(browser: FlaskClient, portal: System, uri: str) -> None:
    """Section 2.2: a reference cannot be guessed; without a sure address there is nowhere to answer to."""
    response = bring(browser, portal, uri)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_a_guessed_proof_opens_nothing(browser: FlaskClient, portal: System) -> None:
    uri = pushed_uri(browser, Journey(portal))
    assert bring(browser, portal, f"{uri}.{'A' * 43}").status_code == 400


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "request_uri": ({"request_uri": "https://portal.example/r"}, "invalid_request"),
    "a reference of ours": ({"request_uri": PREFIX + "A" * 43}, "invalid_request"),
    "no client_id": ({"client_id": None}, "invalid_request"),
    "no redirect_uri": ({"redirect_uri": None}, "invalid_request"),
    "another redirect_uri": ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
    "two redirect_uris": ({"redirect_uri": ["https://a.example/", "https://b.example/"]}, "invalid_request"),
    "two scopes": ({"scope": ["openid", "profile"]}, "invalid_request"),
    "no response_type": ({"response_type": None}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "no scope": ({"scope": None}, "invalid_scope"),
    "a scope of systems": ({"scope": "openid draws"}, "invalid_scope"),
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "prompt": ({"prompt": "none login"}, "invalid_request"),
    "max_age": ({"max_age": "soon"}, "invalid_request"),
    "acr_values": ({"acr_values": "urn:nobody:knows"}, "unmet_authentication_requirements"),
    "strange nonce": ({"nonce": "a\1b"}, "invalid_request"),
    "a request object that is none": ({"request": "x.y.z"}, "invalid_request_object"),
    "an unsigned request object": ({"request": "eyJhbGciOiJub25lIn0.eyJjbGllbnRfaWQiOiJ4In0."}, "invalid_request_object"),
}


@pytest.mark.parametrize(("changes", "error"), REFUSED.values(), ids=REFUSED)
def test_what_the_authorization_endpoint_would_refuse_is_refused_at_once(
    client: FlaskClient, portal: System, changes: dict[str, Any], error: str
) -> None:
    """Sections 2.1 and 2.3: 400, JSON, the error codes of RFC 6749, and no redirect anywhere."""
    response = push(client, portal, Journey(portal).parameters(**changes))
    assert (response.status_code, response.mimetype) == (400, "application/json")
    assert (response.json or {})["error"] == error
    assert set(response.json or {}) <= {"error", "error_description"}
    assert_plain((response.json or {}).get("error_description", ""))
    assert "no-store" in response.headers["Cache-Control"]
    assert "Location" not in response.headers


def test_a_client_must_prove_itself(app: Flask, client: FlaskClient, portal: System) -> None:
    """Section 2: as at the token endpoint."""
    with app.app_context(), transaction() as session:
        other = new_portal(session, scopes=SCOPES)
    parameters = Journey(portal).parameters()
    unproven = client.post("/par", data=parameters)
    by_another = client.post("/par", data={**parameters, **other.proof()})
    old = client.post("/par", data={**parameters, **portal.proof(exp=1)})
    for response in (unproven, by_another, old):
        assert (response.status_code, (response.json or {})["error"]) == (401, "invalid_client")
        assert "WWW-Authenticate" in response.headers


def test_an_assertion_is_good_for_one_push(client: FlaskClient, portal: System) -> None:
    """RFC 7523 section 3, `jti`."""
    proof = portal.proof()
    responses = [client.post("/par", data={**Journey(portal).parameters(), **proof}) for _ in range(2)]
    assert [response.status_code for response in responses] == [201, 401]


def test_a_public_client_pushes_by_its_name(app: Flask, browser: FlaskClient) -> None:
    """Section 2: public clients, too; the reference still cannot be used by another."""
    with app.app_context(), transaction() as session:
        public = new_portal(session, auth_method=clients.NONE)
    journey = Journey(public)
    response = browser.post("/par", data=journey.parameters())
    assert response.status_code == 201
    assert "code" in answer_of(bring_and_approve(browser, public, (response.json or {})["request_uri"]))


def test_a_secret_in_the_header_proves_a_client(app: Flask, client: FlaskClient) -> None:
    secret = clients.new_secret()
    with app.app_context(), transaction() as session:
        portal = new_portal(session, auth_method=clients.CLIENT_SECRET_BASIC, client_secret=secret)
    response = client.post("/par", data=Journey(portal).parameters(), auth=(portal.client_id, secret))
    assert response.status_code == 201


def test_only_post_is_answered(client: FlaskClient) -> None:
    """Section 2.3: 405."""
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert client.open("/par", method=method).status_code == 405


def test_a_request_that_is_too_long_is_refused(client: FlaskClient, portal: System) -> None:
    """Section 2.3: 413."""
    response = push(client, portal, Journey(portal).parameters(state="x" * 70_000))
    assert (response.status_code, response.mimetype) == (413, "application/json")


def test_a_long_state_goes_all_the_way(browser: FlaskClient, portal: System) -> None:
    """FAPI 2.0 Security Profile section 5.3.2.2, note 4: a state in excess of a thousand characters."""
    journey = Journey(portal, state="s" * 3000)
    assert answer_of(bring_and_approve(browser, portal, pushed_uri(browser, journey)))["state"] == journey.state


def test_a_client_that_pushes_without_end_is_slowed(monkeypatch: pytest.MonkeyPatch, client: FlaskClient, portal: System) -> None:
    """Section 2.3: 429, with when to try again."""
    narrow, wide = doors.Bucket(2, timedelta(minutes=1)), doors.Bucket(100_000, timedelta(milliseconds=1))
    monkeypatch.setitem(doors.DOORS, "push", doors.Door(narrow, wide, wide, wide))
    responses = [push(client, portal, Journey(portal).parameters()) for _ in range(3)]
    assert [response.status_code for response in responses] == [201, 201, 429]
    assert int(responses[-1].headers["Retry-After"]) > 0
    assert responses[-1].mimetype == "application/json"


def test_a_client_that_is_to_push_may_not_send_its_request_in_the_query(app: Flask, browser: FlaskClient) -> None:
    """Section 6: `require_pushed_authorization_requests` of a client."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES, metadata={"require_pushed_authorization_requests": True})
    journey = Journey(portal)
    assert answer_of(journey.authorize(browser))["error"] == "invalid_request"
    assert "code" in answer_of(bring_and_approve(browser, portal, pushed_uri(browser, journey)))


def test_the_server_may_ask_everyone_to_push(app: Flask, browser: FlaskClient, portal: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 5: `require_pushed_authorization_requests` of the server, and its metadata says so."""
    settings = app.extensions["kabao_settings"]
    monkeypatch.setitem(settings.__dict__, "pushed_requests_required", True)
    journey = Journey(portal)
    assert (browser.get("/.well-known/openid-configuration").json or {})["require_pushed_authorization_requests"] is True
    assert answer_of(journey.authorize(browser))["error"] == "invalid_request"
    assert "code" in answer_of(bring_and_approve(browser, portal, pushed_uri(browser, journey)))


def test_the_metadata_names_the_endpoint(client: FlaskClient) -> None:
    """Section 5."""
    metadata = client.get("/.well-known/oauth-authorization-server").json or {}
    assert metadata["pushed_authorization_request_endpoint"].endswith("/par")
    assert metadata["require_pushed_authorization_requests"] is False


def test_what_is_kept_is_sealed_and_goes_when_its_time_is_over(app: Flask, client: FlaskClient, portal: System) -> None:
    hint = secrets.token_hex(12)
    push(client, portal, Journey(portal).parameters(login_hint=hint))
    with app.app_context(), transaction() as session:
        whole = "".join(
            str(row) for row in session.execute(text("SELECT r::text, encode(parameters_sealed, 'escape') FROM authorization_requests r"))
        )
        assert hint not in whole
        session.execute(update(KeptRequest).where(KeptRequest.client_id == portal.client_id).values(ends_at=now() - timedelta(seconds=1)))
    with app.app_context():
        prune_oauth()
        with transaction() as session:
            assert session.query(KeptRequest).filter_by(client_id=portal.client_id).count() == 0


def test_marks_of_ours_cannot_be_pushed(browser: FlaskClient, portal: System) -> None:
    """What happened on a browser's way is not the portal's to say."""
    uri = pushed_uri(browser, Journey(portal), prompt="login", login_asked="1")
    assert bring(browser, portal, uri).location.startswith("/signin")
