"""Refresh tokens that last: whom they are bound to, how long they are good for, and many who come with one at once (RFC 9700 section 4.14)."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth import bindings, refresh_tokens
from idp.oauth.bindings import Binding
from idp.oauth.clients import AUTHORIZATION_CODE, NONE, REFRESH_TOKEN
from idp.oauth.grantees import Grantee
from idp.oauth.refresh_tokens import RefreshFamily
from idp.oauth.terms import PLAIN, Terms
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, ask, new_portal

THREADS, ROUNDS = 200, 10
OFFLINE = "openid profile offline_access"
KEY, OTHER_KEY = Binding("jkt", "a" * 43), Binding("jkt", "b" * 43)
CERTIFICATE = Binding("x5t#S256", "a" * 43)


def begin(app: Flask, client_id: str, *, terms: Terms = PLAIN) -> tuple[UUID, str]:
    """Begin a family of nobody's in particular, and return its id and first token."""
    person, family_id = new_id(), new_id()
    with app.app_context(), transaction() as session:
        token = refresh_tokens.begin_family(
            session,
            Grantee(person, person),
            family_id=family_id,
            client_id=client_id,
            session_id=new_id(),
            scopes=["openid"],
            auth_time=now(),
            amr=["pwd"],
            terms=terms,
            settings=app.extensions["kabao_settings"],
            now=now(),
        )
    return family_id, token


def find(app: Flask, token: str, client_id: str, binding: Binding | None = None) -> bool:
    settings = app.extensions["kabao_settings"]
    with app.app_context(), transaction() as session:
        return refresh_tokens.find_family(session, token, client_id=client_id, binding=binding, settings=settings, now=now()) is not None


def refresh(http_client: FlaskClient, portal: System, token: str, **more: str) -> Any:
    return ask(http_client, portal, grant_type="refresh_token", refresh_token=token, **more)


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_hundred_who_refresh_at_once_get_one_successor_and_one_generation_passes(app: Flask, _: int) -> None:
    family_id, token = begin(app, "portal-race")
    gate, settings = Barrier(16), app.extensions["kabao_settings"]

    def rotate(number: int) -> str | None:
        if number < gate.parties:
            gate.wait(timeout=30)
        with app.app_context(), transaction() as session:
            found = refresh_tokens.find_family(session, token, client_id="portal-race", settings=settings, now=now())
            return refresh_tokens.rotate(session, found[1], settings=settings, now=now()) if found else None

    with ThreadPoolExecutor(gate.parties) as pool:
        successors = set(pool.map(rotate, range(THREADS)))
    assert len(successors) == 1
    assert None not in successors
    with app.app_context(), transaction() as session:
        family = session.get_one(RefreshFamily, family_id)
        assert (family.generation, family.ended_at) == (1, None)


@pytest.mark.parametrize(
    ("bound", "brought", "is_taken"),
    [
        (None, None, True),
        (None, KEY, True),
        (KEY, KEY, True),
        (KEY, None, False),
        (KEY, OTHER_KEY, False),
        (KEY, CERTIFICATE, False),
        (CERTIFICATE, CERTIFICATE, True),
        (CERTIFICATE, None, False),
        (CERTIFICATE, KEY, False),
    ],
    ids=["free", "free, with a key", "bound", "no key", "another key", "a certificate", "certificate", "no certificate", "a key for it"],
)
def test_a_bound_family_is_refreshed_with_its_key_alone(app: Flask, bound: Binding | None, brought: Binding | None, is_taken: bool) -> None:
    _, token = begin(app, "portal", terms=PLAIN.bound_to(bound))
    assert find(app, token, "portal", brought) is is_taken


def test_whoever_lacks_the_key_cannot_even_end_the_family(app: Flask) -> None:
    family_id, token = begin(app, "portal", terms=PLAIN.bound_to(KEY))
    settings = app.extensions["kabao_settings"]
    for _ in range(3):
        with app.app_context(), transaction() as session:
            family = session.get_one(RefreshFamily, family_id)
            presented = refresh_tokens.Presented(family_id, family.generation)
            assert refresh_tokens.rotate(session, presented, settings=settings, now=now())
    assert not find(app, token, "portal", OTHER_KEY)
    with app.app_context(), transaction() as session:
        assert session.get_one(RefreshFamily, family_id).ended_at is None
    assert not find(app, token, "portal", KEY), "with the key it is a reuse"
    with app.app_context(), transaction() as session:
        assert session.get_one(RefreshFamily, family_id).ended_at is not None


def test_a_public_client_s_family_is_bound_to_the_key_it_was_begun_with_and_a_confidential_one_s_is_not(
    app: Flask, browser: FlaskClient, portal: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = [AUTHORIZATION_CODE, REFRESH_TOKEN]
    with app.app_context(), transaction() as session:
        public = new_portal(session, scopes=OFFLINE.split(), auth_method=NONE, grant_types=grants)
    present: list[Binding | None] = [KEY]
    monkeypatch.setattr(bindings, "read_binding", lambda request, client: present[0])
    for client, proof in ((public, {"client_id": public.client_id}), (portal, portal.proof())):
        journey = Journey(client, scope=OFFLINE)
        form = {"grant_type": "authorization_code", "redirect_uri": client.redirect_uri, "code_verifier": journey.verifier}
        present[0] = KEY
        tokens = browser.post("/token", data={**form, "code": journey.code(browser), **proof}).json
        assert tokens is not None
        assert tokens["token_type"] == "DPoP"
        present[0] = OTHER_KEY
        proof = {"client_id": public.client_id} if client is public else portal.proof()
        again = browser.post("/token", data={"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **proof}).json
        assert again is not None
        assert (again.get("error") == "invalid_grant") is (client is public)


def test_a_family_that_is_not_used_for_long_is_over(app: Flask, browser: FlaskClient, portal: System) -> None:
    token = Journey(portal, scope=OFFLINE).tokens(browser)["refresh_token"]

    def used(*, days: int) -> Any:
        with shifted(timedelta(days=days)):
            return refresh(browser, portal, token, **portal.proof(exp=int(time.time()) + days * 86400 + 60))

    idle = app.extensions["kabao_settings"].refresh_token_idle.days
    answer = used(days=idle - 1)
    assert answer.status_code == 200, answer.text
    token = answer.json["refresh_token"]
    assert used(days=2 * idle - 1).json["error"] == "invalid_grant"


def test_use_does_not_make_a_family_last_for_ever(app: Flask, browser: FlaskClient, portal: System) -> None:
    settings, token = app.extensions["kabao_settings"], Journey(portal, scope=OFFLINE).tokens(browser)["refresh_token"]
    whole, step = settings.refresh_token_lifetime.days, settings.refresh_token_idle.days - 1
    days, answers = 0, []
    while days < whole:
        days += step
        with shifted(timedelta(days=days)):
            answers.append(refresh(browser, portal, token, **portal.proof(exp=int(time.time()) + days * 86400 + 60)))
        token = answers[-1].json.get("refresh_token")
    assert [answer.status_code for answer in answers] == [200] * (len(answers) - 1) + [400]


def test_a_client_held_to_fapi_keeps_its_refresh_token(app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bindings, "read_binding", lambda request, client: KEY)
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=OFFLINE.split())
    token = Journey(portal, scope=OFFLINE).tokens(browser)["refresh_token"]
    monkeypatch.setattr("idp.oauth.profiles.rotates_refresh_tokens", lambda _: False)
    for _ in range(3):
        with shifted(timedelta(seconds=20)):
            answer = refresh(browser, portal, token)
        assert answer.status_code == 200, answer.text
        assert "refresh_token" not in answer.json
    with app.app_context(), transaction() as session:
        family = session.scalars(select(RefreshFamily).where(RefreshFamily.client_id == portal.client_id)).one()
        assert family.generation == 0
        assert browser.post("/revoke", data={**portal.proof(), "token": token}).status_code == 200
    assert refresh(browser, portal, token).json["error"] == "invalid_grant"
