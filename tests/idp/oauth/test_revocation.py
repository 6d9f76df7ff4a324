"""What a client gives back is refused at once, everywhere (RFC 7009)."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth import clients, revoked_tokens
from idp.oauth.revoked_tokens import RevokedToken
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from tests.idp.oauth.details_world import SCOPE, SCOPES, new_asker, new_machine, queries_of, revoke, said_by
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, ask, bearer, new_portal, token_of


@pytest.fixture(scope="module")
def asker(app: Flask) -> System:
    return new_asker(app)


@pytest.fixture
def tokens(browser: FlaskClient, asker: System) -> dict[str, Any]:
    return Journey(asker, scope=SCOPE).tokens(browser)


def status(browser: FlaskClient, token: str) -> int:
    return browser.get("/userinfo", headers=bearer(token)).status_code


def test_an_access_token_ends_alone_also_where_it_is_known_already(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    other = Journey(asker, scope=SCOPE).tokens(browser)
    assert (status(browser, tokens["access_token"]), status(browser, other["access_token"])) == (200, 200)
    answer = revoke(browser, asker, tokens["access_token"])
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (status(browser, tokens["access_token"]), status(browser, other["access_token"])) == (401, 200)
    assert ask(browser, asker, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200


def test_a_refresh_token_ends_with_the_access_tokens_of_its_grant(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    """Section 2.1: the access tokens of the same grant SHOULD be invalidated, too."""
    refreshed = ask(browser, asker, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json
    other = Journey(asker, scope=SCOPE).tokens(browser)
    assert revoke(browser, asker, refreshed["refresh_token"]).status_code == 200
    assert [status(browser, each["access_token"]) for each in (tokens, refreshed, other)] == [401, 401, 200]
    assert ask(browser, asker, grant_type="refresh_token", refresh_token=refreshed["refresh_token"]).json["error"] == "invalid_grant"


def test_a_replayed_code_ends_the_access_tokens_of_its_first_use(browser: FlaskClient, asker: System) -> None:
    """RFC 6749 section 4.1.2: SHOULD revoke all tokens previously issued based on that code; here also those without a refresh family."""
    journey = Journey(asker, scope="openid")
    code = journey.code(browser)
    token = journey.exchange(browser, code).json["access_token"]  # type: ignore[index]
    assert status(browser, token) == 200
    assert journey.exchange(browser, code).json["error"] == "invalid_grant"  # type: ignore[index]
    assert status(browser, token) == 401


def test_a_reused_refresh_token_ends_the_access_tokens_too(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    newest = ask(browser, asker, **form).json["access_token"]
    with shifted(timedelta(seconds=11)):
        assert ask(browser, asker, **form).json["error"] == "invalid_grant"
        assert status(browser, newest) == 401


def test_what_tells_grants_apart_tells_clients_nothing(app: Flask, browser: FlaskClient, asker: System) -> None:
    one, other = (said_by(Journey(asker, scope=SCOPE).tokens(browser)["access_token"])["gid"] for _ in range(2))
    assert one != other
    assert len(one) == 43, "sealed, and not an id of ours"


def test_a_system_gives_its_token_back(app: Flask, client: FlaskClient) -> None:
    system = new_machine(app)
    one, other = (token_of(client, system, "verifications") for _ in range(2))
    assert revoke(client, system, one).status_code == 200
    statuses = [client.post("/api/v1/verifications", json={}, headers=bearer(token)).status_code for token in (one, other)]
    assert statuses == [401, 422]


def test_a_public_client_gives_its_own_back(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        public_id = f"public-{secrets.token_hex(6)}"
        clients.register_client(
            session,
            client_id=public_id,
            name=Text("公开应用", "Public app"),
            owner="11379999000000035T",
            auth_method=clients.NONE,
            redirect_uris=[f"https://{public_id}.example/cb"],
            grant_types=[clients.AUTHORIZATION_CODE, clients.REFRESH_TOKEN],
            scopes=list(SCOPES),
            now=now(),
        )
    journey = Journey(System(public_id, None, f"https://{public_id}.example/cb"), scope="openid")  # type: ignore[arg-type]
    form = {"grant_type": "authorization_code", "redirect_uri": journey.portal.redirect_uri, "client_id": public_id}
    code = journey.code(browser)
    token = browser.post("/token", data={**form, "code": code, "code_verifier": journey.verifier}).json["access_token"]  # type: ignore[index]
    assert browser.post("/revoke", data={"client_id": public_id, "token": token}).status_code == 200
    assert status(browser, token) == 401


def test_another_s_token_is_refused_and_not_harmed(app: Flask, browser: FlaskClient, tokens: dict[str, Any]) -> None:
    """Section 2.1: a token that was issued to another client is refused, and the client is told."""
    with app.app_context(), transaction() as session:
        stranger = new_portal(session)
    for kind in ("access_token", "refresh_token"):
        refused = revoke(browser, stranger, tokens[kind])
        assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")  # type: ignore[index]
    assert status(browser, tokens["access_token"]) == 200


UNKNOWN = {"nonsense": "nonsense", "three parts": "a.b.c", "an encrypted one": "a.b.c.d.e", "long": "x.y." + "z" * 20_000, "not ASCII": "令牌"}


@pytest.mark.parametrize("token", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_an_unknown_token_is_no_error(browser: FlaskClient, asker: System, token: str) -> None:
    """Section 2.2: invalid tokens do not cause an error."""
    assert revoke(browser, asker, token).status_code == 200


def test_giving_back_twice_and_late_is_no_error(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    for _ in range(2):
        assert revoke(browser, asker, tokens["access_token"]).status_code == 200
    other = Journey(asker, scope=SCOPE).tokens(browser)
    with shifted(timedelta(minutes=11)):
        assert revoke(browser, asker, other["access_token"]).status_code == 200


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "something_else"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_hint_misleads_nobody(browser: FlaskClient, asker: System, tokens: dict[str, Any], kind: str, hint: str) -> None:
    assert revoke(browser, asker, tokens[kind], token_type_hint=hint).status_code == 200
    assert status(browser, tokens["access_token"]) == 401


def test_a_token_must_be_named_by_who_proves_who_they_are(browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    assert browser.post("/revoke", data=asker.proof()).json["error"] == "invalid_request"  # type: ignore[index]
    refused = browser.post("/revoke", data={"token": tokens["access_token"]})
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")  # type: ignore[index]


def test_a_revoked_token_is_known_without_a_query(app: Flask, browser: FlaskClient, asker: System, tokens: dict[str, Any]) -> None:
    assert revoke(browser, asker, tokens["access_token"]).status_code == 200
    assert queries_of(app, lambda: app.test_client().get("/userinfo", headers=bearer(tokens["access_token"]))) == []


def test_what_was_given_back_is_in_the_ledger_and_forgotten_once_it_would_have_ended(
    app: Flask, browser: FlaskClient, asker: System, tokens: dict[str, Any]
) -> None:
    jti = said_by(tokens["access_token"])["jti"]
    revoke(browser, asker, tokens["access_token"])
    with app.app_context():
        with transaction() as session:
            acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.object_id == asker.client_id)).all()
            assert session.scalar(select(RevokedToken).where(RevokedToken.jti == jti)) is not None
        assert "token.revoked" in acts
        revoked_tokens.forget(now=now() + timedelta(minutes=11))
        with transaction() as session:
            assert session.scalar(select(RevokedToken).where(RevokedToken.jti == jti)) is None
