"""A person sees which portals they allowed what, and takes it back."""

import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert
from sqlalchemy.orm import Session

from bench.statements import counted
from idp.oauth import consents
from idp.oauth.acquaintances import PAGE, SIGNED_IN, acquaintances_of
from idp.oauth.clients import find_client
from idp.oauth.consents import Consent
from idp.oauth.grantees import Grantee
from idp.signin import export
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime import ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.world_clients import System, ask, new_portal
from tests.world_people import BROWSER, Person, act_for, csrf_token, new_organisation, new_person, open_account

OFFLINE = "openid offline_access"


def withdraw(browser: FlaskClient, portal: System) -> None:
    page = browser.get("/account/portals", headers=BROWSER).text
    form = {"csrf_token": csrf_token(page), "client_id": portal.client_id}
    assert browser.post("/account/portals/withdrawal", data=form, headers=BROWSER).status_code == 303


def test_what_was_allowed_is_shown_and_taken_back(browser: FlaskClient, portal: System) -> None:
    assert 'id="no-portals"' in browser.get("/account/portals", headers=BROWSER).text
    tokens = Journey(portal, scope=OFFLINE).tokens(browser)
    page = browser.get("/account/portals", headers=BROWSER).text
    assert f'id="withdraw-{portal.client_id}"' in page
    withdraw(browser, portal)
    page = browser.get("/account/portals", headers=BROWSER).text
    assert 'id="portal-1"' in page, "it has known the person, and is not forgotten"
    assert f'id="withdraw-{portal.client_id}"' not in page
    assert "已收回，即时生效" in page
    assert "已收回，即时生效" not in browser.get("/account/portals", headers=BROWSER).text
    assert Journey(portal, scope=OFFLINE).authorize(browser).status_code == 200
    refused = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refused.json["error"] == "invalid_grant"


def test_who_may_act_for_an_organisation_can_choose_it_where_consent_is_asked(
    app: Flask, browser: FlaskClient, person: Person, portal: System
) -> None:
    assert 'id="others-title"' not in Journey(portal).authorize(browser).text
    with app.app_context(), transaction() as session:
        name = new_organisation(session, representative=person).name
    for button, told in ((f"代表“{name}”继续", f"代表“{name}”授权"), ("以本人身份继续", "以本人身份授权")):
        page = Journey(portal).authorize(browser).text
        chosen = next(form for form in page.split("<form")[1:] if button in form)
        data = {key: unescape(value) for key, value in re.findall(r'name="(csrf_token|next|organisation)" value="([^"]*)"', chosen)}
        answer = browser.post("/account/acting", data=data, headers=BROWSER)
        assert told in browser.get(answer.location, headers=BROWSER).text


def test_a_code_on_its_way_is_taken_back_too(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope=OFFLINE)
    code = journey.code(browser)
    withdraw(browser, portal)
    assert journey.exchange(browser, code).json["error"] == "invalid_grant"


def test_nobody_takes_back_what_another_allowed(app: Flask, browser: FlaskClient, portal: System) -> None:
    tokens = Journey(portal, scope=OFFLINE).tokens(browser)
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    stranger = signed_in_browser(app.test_client(), other)
    Journey(portal, scope=OFFLINE).tokens(stranger)
    withdraw(stranger, portal)
    assert Journey(portal, scope=OFFLINE).authorize(browser).status_code == 303
    assert ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200


def test_another_site_takes_nothing_back(browser: FlaskClient, portal: System) -> None:
    Journey(portal).tokens(browser)
    assert browser.post("/account/portals/withdrawal", data={"client_id": portal.client_id}, headers=BROWSER).status_code == 400
    assert Journey(portal).authorize(browser).status_code == 303


def test_a_portal_that_needs_no_consent_is_shown_too_with_what_it_knows(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        own = new_portal(session, first_party=True)
    for _ in range(2):
        Journey(own).tokens(browser)
    page = browser.get("/account/portals", headers=BROWSER).text
    assert "查看您的姓名或单位名称" in page
    assert "共 2 次" in page
    assert f'id="withdraw-{own.client_id}"' not in page


def test_an_organisations_portals_are_not_the_persons(app: Flask, browser: FlaskClient, person: Person, portal: System) -> None:
    with app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
        firm_id = directory.ensure_subject(session, parse_number(firm.number), now=now()).id
    Journey(portal).tokens(browser)
    act_for(browser, firm_id)
    page = browser.get("/account/portals", headers=BROWSER).text
    assert 'id="no-portals"' in page
    assert firm.name in page


def test_many_portals_are_walked_page_by_page_and_downloaded_whole(app: Flask, browser: FlaskClient, person: Person) -> None:
    count, pages, following = 2 * PAGE + 3, [], "/account/portals"
    with app.app_context(), transaction() as session:
        holder_id = directory.ensure_subject(session, parse_number(person.number), now=now()).id
        portals = [new_portal(session, first_party=True).client_id for _ in range(3)] + [f"closed {each}" for each in range(count - 3)]
        for each, client_id in enumerate(portals):
            act = {"actor": f"subject:{holder_id}", "object_id": client_id, "subject_id": holder_id, "scopes": ["profile"]}
            if each % 2:
                ledger.record(session, SIGNED_IN, now=now() - timedelta(days=each // 3), **act)
            if not each % 3 or not each % 2:
                values = {"scopes": ["profile"], "given_at": now() - timedelta(days=each // 2), "agreed": {}}
                session.execute(insert(Consent).values(holder_id=holder_id, client_id=client_id, given_by=holder_id, **values))
    browser.get(following, headers=BROWSER)  # what is read of a portal once a process is read
    with counted(app) as sent:
        pages.append(browser.get(following, headers=BROWSER).text)
    assert len(sent.sent) < 12
    assert sent.rows < 4 * PAGE
    while found := re.search(r'id="older" href="([^"]+)"', pages[-1]):
        pages.append(browser.get(unescape(found[1]), headers=BROWSER).text)
    assert [page.count('class="panel"') for page in pages] == [PAGE, PAGE, 3]
    assert ['id="newest"' in page for page in pages] == [False, True, True]
    with app.app_context(), transaction() as session:
        known, after = acquaintances_of(session, holder_id, limit=count)
        told = list(export.sections["portals"](session, holder_id, now()))
        limited, _ = acquaintances_of(session, holder_id, only=portals[:4])
    assert (after, {one.client_id for one in known}) == (None, set(portals))
    assert [one.last or one.since for one in known] == sorted((one.last or one.since for one in known), reverse=True)
    assert [one["client_id"] for one in told] == [one.client_id for one in known]
    assert {one.client_id for one in limited} == set(portals[:4])


@pytest.mark.parametrize("after", ["", ".", "x", "0.", ".x", "9" * 5000 + ".x", "999999999999999999.x", "-1.x", "٣.x"])
def test_a_place_that_is_none_is_the_first_page_or_the_end(browser: FlaskClient, portal: System, after: str) -> None:
    Journey(portal).tokens(browser)
    answer = browser.get("/account/portals", query_string={"after": after}, headers=BROWSER)
    assert answer.status_code == 200
    assert ('id="portal-1"' in answer.text) or ('id="no-more"' in answer.text)


def test_a_consent_that_is_withdrawn_while_it_is_listed_is_listed_as_it_was_found(
    app: Flask, person: Person, portal: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def withdrawn_before(session: Session, holder_id: UUID, **only: Any) -> list[Consent]:
        with transaction() as another:
            consents.withdraw(another, Grantee(holder_id, holder_id), portal.client_id, now=now())
        return listed(session, holder_id, **only)

    listed = consents.consents_of
    with app.app_context(), transaction() as session:
        holder_id = directory.ensure_subject(session, parse_number(person.number), now=now()).id
        client = find_client(portal.client_id)
        assert client is not None
        consents.give(session, Grantee(holder_id, holder_id), client, ["profile"], now=now())
    monkeypatch.setattr(consents, "consents_of", withdrawn_before)
    with app.app_context(), transaction() as session:
        ((known, *others), following) = acquaintances_of(session, holder_id)
    assert (others, following) == ([], None)
    assert (known.client_id, known.last, known.given_at) == (portal.client_id, None, None)
    assert known.since <= now()


def test_a_portal_that_is_signed_in_to_while_all_are_downloaded_is_not_left_out(app: Flask) -> None:
    me, moment = new_id(), now()
    everyone = [f"closed {each}" for each in range(PAGE + 2)]

    def sign_in_at(client_id: str, *, days_ago: int) -> None:
        with transaction() as session:
            at = moment - timedelta(days=days_ago)
            ledger.record(session, SIGNED_IN, actor=f"subject:{me}", object_id=client_id, subject_id=me, now=at, scopes=[])

    with app.app_context():
        for each, client_id in enumerate(everyone):
            sign_in_at(client_id, days_ago=1 + each)
        with transaction() as session:
            told = export.sections["portals"](session, me, moment)
            found = [next(iter(told))["client_id"]]
            sign_in_at(everyone[-1], days_ago=0)
            found += [one["client_id"] for one in told]
    assert sorted(found) == sorted(everyone)
