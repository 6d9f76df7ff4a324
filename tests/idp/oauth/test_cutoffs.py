"""Access tokens that end before their time, and portals that a mandate does not cover."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text

from demo import postgres
from idp.oauth import consents, cutoffs
from idp.oauth.access_tokens import InvalidToken, verify_access_token
from idp.oauth.clients import find_client
from idp.oauth.grantees import Grantee
from idp.subjects import appointments, guardians, registry_import
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import engine, transaction
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.subjects.firms import Firm, new_firm
from tests.served import kabao
from tests.world_clients import System, ask, bearer, new_portal
from tests.world_people import Person, act_for, citizen_number, post_form, sign_in

SCOPE = "openid profile offline_access"


@pytest.fixture
def firm(app: Flask) -> Firm:
    with app.app_context(), transaction() as session:
        return new_firm(session)


@pytest.fixture
def handler(app: Flask, firm: Firm) -> tuple[Person, UUID, UUID]:
    """Somebody appointed for everything: the person, their id, the mandate's id."""
    with app.app_context(), transaction() as session:
        person_id, mandate_id = firm.appoint(session)
    return firm.people[person_id], person_id, mandate_id


@pytest.fixture
def acting(client: FlaskClient, firm: Firm, handler: tuple[Person, UUID, UUID]) -> FlaskClient:
    assert sign_in(client, handler[0]).status_code == 303
    assert act_for(client, firm.id).status_code == 303
    return client


def remove(app: Flask, firm: Firm, mandate_id: UUID) -> None:
    with app.app_context(), transaction() as session:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate_id, now=now())


def test_a_removal_ends_tokens_refresh_families_and_codes_at_once(
    app: Flask, acting: FlaskClient, portal: System, firm: Firm, handler: tuple[Person, UUID, UUID]
) -> None:
    tokens = Journey(portal, scope=SCOPE).tokens(acting)
    late = Journey(portal, scope=SCOPE)
    code = late.code(acting)
    assert acting.get("/userinfo", headers=bearer(tokens["access_token"])).json["sub_type"] == "organisation"  # type: ignore[index]
    assert acting.get("/api/v1/mandates", headers=bearer(tokens["access_token"])).json["mandates"][0]["role"] == "handler"  # type: ignore[index]
    remove(app, firm, handler[2])
    for path in ("/userinfo", "/api/v1/mandates"):
        answer = acting.get(path, headers=bearer(tokens["access_token"]))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert ask(acting, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert late.exchange(acting, code).status_code == 400


def test_the_portals_of_such_sign_ins_hear_of_it(
    app: Flask, acting: FlaskClient, portal: System, firm: Firm, handler: tuple[Person, UUID, UUID]
) -> None:
    with app.app_context(), transaction() as session:
        heard, other = (new_portal(session, backchannel_logout_uri="https://portal.example.gov.cn/ended") for _ in range(2))
    Journey(heard).tokens(acting)
    assert act_for(acting, handler[1]).status_code == 403  # nobody acts for themselves as for another
    assert post_form(acting, "/account/acting", {"organisation": ""}, form_at="/account").status_code == 303
    Journey(other).tokens(acting)
    remove(app, firm, handler[2])
    with app.app_context(), transaction() as session:
        told = session.execute(text("SELECT args ->> 'client_id' FROM procrastinate_jobs WHERE task_name LIKE '%send_logout_token'")).scalars().all()
    assert heard.client_id in told
    assert other.client_id not in told


def test_what_a_person_does_for_themselves_goes_on(
    app: Flask, client: FlaskClient, portal: System, firm: Firm, handler: tuple[Person, UUID, UUID]
) -> None:
    assert sign_in(client, handler[0]).status_code == 303
    own = Journey(portal).tokens(client)
    remove(app, firm, handler[2])
    assert client.get("/userinfo", headers=bearer(own["access_token"])).status_code == 200


def test_whoever_is_appointed_again_gets_tokens_that_count(
    app: Flask, acting: FlaskClient, portal: System, firm: Firm, handler: tuple[Person, UUID, UUID]
) -> None:
    Journey(portal).tokens(acting)
    remove(app, firm, handler[2])
    with app.app_context(), transaction() as session:
        appointments.reappoint(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=handler[2], now=now())
    assert act_for(acting, firm.id).status_code == 303
    tokens = Journey(portal).tokens(acting)
    assert acting.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 200


def test_everything_of_a_person_may_be_cut(app: Flask, browser: FlaskClient, portal: System) -> None:
    tokens = Journey(portal).tokens(browser)
    with app.app_context():
        token = verify_access_token(tokens["access_token"], settings=app.extensions["kabao_settings"], now=now())
        assert token.holder_id is not None
        with transaction() as session:
            cutoffs.cut(session, person_id=token.holder_id, now=now())
        with pytest.raises(InvalidToken):
            verify_access_token(tokens["access_token"], settings=app.extensions["kabao_settings"], now=now())


def test_a_token_is_verified_without_a_query(app: Flask, acting: FlaskClient, portal: System) -> None:
    token = Journey(portal).tokens(acting)["access_token"]
    settings = app.extensions["kabao_settings"]
    asked: list[str] = []
    with app.app_context():
        for _ in range(50):  # until the cache listens
            asked.clear()
            event.listen(engine(), "before_cursor_execute", hear := lambda *said: asked.append(said[2]))
            verify_access_token(token, settings=settings, now=now())
            event.remove(engine(), "before_cursor_execute", hear)
            if not asked:
                break
            time.sleep(0.05)
    assert asked == []


def test_a_token_never_outlives_its_mandate(app: Flask, client: FlaskClient, portal: System, firm: Firm) -> None:
    with app.app_context(), transaction() as session:
        person_id, _ = firm.appoint(session, ends=timedelta(minutes=2))
    assert sign_in(client, firm.people[person_id]).status_code == 303
    assert act_for(client, firm.id).status_code == 303
    tokens = Journey(portal, scope=SCOPE).tokens(client)
    assert tokens["expires_in"] <= 120
    with shifted(timedelta(minutes=2)):
        assert client.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 401
        proof = {"client_assertion": portal.assertion(exp=int(time.time()) + 180)}
        again = ask(client, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"], **proof)
        assert again.json["error"] == "invalid_grant"


def test_a_portal_beyond_the_mandate_is_not_gone_to(app: Flask, client: FlaskClient, portal: System, firm: Firm) -> None:
    with app.app_context(), transaction() as session:
        other = new_portal(session)
        person_id, _ = firm.appoint(session, portals={other.client_id})
    assert sign_in(client, firm.people[person_id]).status_code == 303
    assert f'id="act-{firm.id}"' not in Journey(portal).authorize(client).text
    assert f'id="act-{firm.id}"' in Journey(other).authorize(client).text
    assert act_for(client, firm.id).status_code == 303
    page = Journey(portal).authorize(client)
    assert page.status_code == 403
    assert 'id="act-myself"' in page.text
    assert answer_of(Journey(portal).authorize(client, prompt="none"))["error"] in ("consent_required", "account_selection_required")
    assert "access_token" in Journey(other).tokens(client)


def test_a_handlers_consent_counts_for_that_handler_alone(app: Flask, portal: System, firm: Firm) -> None:
    with app.app_context(), transaction() as session:
        first, second = firm.appoint(session)[0], firm.appoint(session)[0]
    with app.app_context(), transaction() as session:
        client = find_client(portal.client_id)
        assert client is not None
        scopes = ["openid", "number"]

        def counts_for(person_id: UUID) -> bool:
            return consents.is_given(session, Grantee(firm.id, person_id), client, scopes, now=now())

        consents.give(session, Grantee(firm.id, first), client, scopes, now=now())
        assert [counts_for(one) for one in (first, second, firm.boss_id)] == [True, False, False]
        consents.give(session, Grantee(firm.id, firm.boss_id), client, scopes, now=now())
        assert [counts_for(one) for one in (first, second, firm.boss_id)] == [True, True, True]


def test_for_a_child_the_subject_is_a_person_and_the_guardian_acts(app: Flask, client: FlaskClient, portal: System, person: Person) -> None:
    child = Person(citizen_number(born=now().date() - timedelta(days=9 * 366)), "林小满")
    with app.app_context(), transaction() as session:
        assert not registry_import.load_people(session, [{"number": child.number, "name": child.name, "guardians": person.number}])
    with app.app_context(), transaction() as session:
        from idp.subjects import directory

        guardian_id = directory.ensure_subject(session, parse_number(person.number), now=now()).id
        child_id = guardians.add_child(session, guardian_id=guardian_id, number=parse_number(child.number), name=child.name, now=now())
    assert sign_in(client, person).status_code == 303
    assert act_for(client, child_id).status_code == 303
    tokens = Journey(portal).tokens(client)
    told: Any = client.get("/userinfo", headers=bearer(tokens["access_token"])).json
    assert (told["sub_type"], told["name"]) == ("person", child.name)
    assert told["act"]["name"] == person.name


def test_a_signed_in_request_asks_once_and_once_more_only_while_acting(app: Flask, client: FlaskClient, firm: Firm) -> None:
    from idp.signin import callers

    assert sign_in(client, firm.boss).status_code == 303

    def queries() -> int:
        asked: list[str] = []
        cookie = client.get_cookie("kabao_session")
        assert cookie is not None
        with app.test_request_context("/account", headers={"Cookie": f"kabao_session={cookie.value}"}):
            event.listen(engine(), "before_cursor_execute", hear := lambda *said: asked.append(said[2]))
            assert callers.find_signed_in() is not None
            event.remove(engine(), "before_cursor_execute", hear)
        return len(asked)

    alone = queries()
    assert act_for(client, firm.id).status_code == 303
    assert (alone, queries()) == (1, 2)


def test_a_token_dies_in_every_process_at_once(server: postgres.PostgresServer, tmp_path: Path) -> None:
    with kabao(server, name="test_cutoffs", folder=tmp_path, worker=False, workers=2, threads=1) as running:
        with running.world() as session:
            firm = new_firm(session)
            portal = new_portal(session)
            person_id, mandate_id = firm.appoint(session)
        browser = running.app.test_client()
        assert sign_in(browser, firm.people[person_id]).status_code == 303
        assert act_for(browser, firm.id).status_code == 303
        token = Journey(portal).tokens(browser)["access_token"]
        url = f"http://127.0.0.1:{running.processes.port}/userinfo"

        def statuses() -> set[int]:  # each on a connection of its own, so that both workers get some
            return {requests.get(url, headers=bearer(token), timeout=10).status_code for _ in range(16)}

        assert statuses() == {200}
        with running.world() as session:
            appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate_id, now=now())
        time.sleep(0.05)  # the notice is on its way
        assert statuses() == {401}
