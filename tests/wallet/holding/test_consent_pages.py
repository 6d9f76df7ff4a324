"""What stands allowed is seen from the wallet and taken back there, with a notice and a row in the history."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.consents import Consent
from idp.signin import notices
from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.oauth.conftest import SCOPES
from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.world_clients import System, ask, new_portal
from tests.world_people import BROWSER, Person, act_for, new_organisation, post_form
from wallet.holding import export_sections
from wallet.holding.standing_consents import PAGE, Place
from wallet.issuing.oid4vci import elsewhere

AT = "/wallet/consents"


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


@pytest.fixture
def browser(app: Flask, person: Person) -> FlaskClient:
    return signed_in_browser(app.test_client(), person)


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES)


def withdraw(client: FlaskClient, client_id: str) -> int:
    return post_form(client, f"{AT}/withdrawal", {"client_id": client_id}, form_at=AT).status_code


def test_a_consent_is_listed_taken_back_told_and_written_down(app: Flask, person: Person, browser: FlaskClient, portal: System) -> None:
    licence = licensed(app, person.number, "driving-licence")[0]
    assert 'id="no-consents"' in get(browser, AT)
    tokens = Journey(portal, scope="openid licences offline_access").tokens(browser)
    page = get(browser, AT)
    assert f'id="withdraw-{portal.client_id}"' in page
    assert re.search(r"<dt>同意人</dt><dd>您</dd>", page)
    assert 'href="/wallet/consents"' in get(browser, "/wallet")
    assert withdraw(browser, portal.client_id) == 303
    page = get(browser, AT)
    assert "已收回，即时生效" in page
    assert f'id="withdraw-{portal.client_id}"' not in page
    assert re.findall(r'class="is-(good|over)"', page) == ["over", "good"]
    assert "收回对“" in get(browser, "/account/history")
    with writing(app) as session:
        assert [one.kind for one in notices.latest(session, licence.holder_id)].count("consent-withdrawn") == 1
    refused = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refused.json is not None
    assert refused.json["error"] == "invalid_grant"


@pytest.mark.parametrize("client_id", ["", "nobody", "x" * 5000, "<b>", "\u0000"], ids=range(5))
def test_what_was_never_allowed_is_taken_back_without_a_word(app: Flask, browser: FlaskClient, client_id: str) -> None:
    assert withdraw(browser, client_id) in (303, 400, 422)
    page = get(browser, AT)
    assert "已收回" not in page
    assert 'id="consent-acts"' not in page


def test_nobody_takes_back_what_another_allowed(app: Flask, browser: FlaskClient, portal: System) -> None:
    Journey(portal, scope="openid licences").tokens(browser)
    stranger = signed_in(app, someone(app))
    assert withdraw(stranger, portal.client_id) == 303
    assert f'id="withdraw-{portal.client_id}"' not in get(stranger, AT)
    assert f'id="withdraw-{portal.client_id}"' in get(browser, AT)
    assert app.test_client().get(AT, headers=BROWSER).status_code == 303
    assert browser.post(f"{AT}/withdrawal", data={"client_id": portal.client_id}, headers=BROWSER).status_code == 400, "without the form's token"


def test_an_organisation_s_consents_are_its_own_and_within_the_mandate(app: Flask, person: Person, browser: FlaskClient, portal: System) -> None:
    with writing(app) as session:
        organisation = new_organisation(session, representative=person)
        allowed = new_portal(session, scopes=SCOPES)
    licence = licensed(app, organisation.number, "business-licence")[0]
    assert act_for(browser, licence.holder_id).status_code == 303
    Journey(portal, scope="openid licences").tokens(browser)
    agent = someone(app)
    form = {"number": agent.number, "name": agent.name, "role": "handler", "type_reach": "all", "portal_reach": "named", "portals": allowed.client_id}
    assert post_form(browser, f"/enterprise/{licence.holder_id}/appoint", form).status_code == 303
    client = signed_in(app, agent)
    assert 'id="no-consents"' in get(client, AT), "one's own are one's own"
    assert act_for(client, licence.holder_id).status_code == 303
    page = get(client, AT)
    assert organisation.name in page
    assert portal.client_id not in page
    assert withdraw(client, portal.client_id) == 403
    assert f'id="withdraw-{portal.client_id}"' in get(browser, AT)


def test_whoever_acts_within_some_types_sees_no_licence_of_another_that_a_wallet_elsewhere_has(app: Flask, person: Person) -> None:
    with writing(app) as session:
        organisation = new_organisation(session, representative=person)
    own, beyond = licensed(app, organisation.number, "business-licence", "food-business-licence")
    for licence in (own, beyond):
        what = {"format": "dc+sd-jwt", "key_thumbprint": "x", "status_list": "x", "status_index": 1, "issued_at": now()}
        ids = {"id": new_id(), "batch_id": new_id(), "person_id": licence.holder_id, "client_id": f"wallet-{licence.type_code}"}
        with writing(app) as session:
            elsewhere.add(session, [{"holder_id": licence.holder_id, "licence_id": licence.id, **what, **ids}])
    boss, agent = signed_in(app, person), someone(app)
    assert post_form(boss, f"/enterprise/{own.holder_id}/claim", {}, form_at="/enterprise").status_code == 303
    reach = {"type_reach": "named", "types": own.type_code, "portal_reach": "all"}
    form = {"number": agent.number, "name": agent.name, "role": "handler", **reach}
    assert post_form(boss, f"/enterprise/{own.holder_id}/appoint", form).status_code == 303
    client = signed_in(app, agent)
    assert act_for(client, own.holder_id).status_code == 303
    assert [f"/wallet/cards/{one.id}" in get(client, AT) for one in (own, beyond)] == [True, False]


def test_both_languages(browser: FlaskClient, portal: System) -> None:
    Journey(portal, scope="openid licences").tokens(browser)
    page = get(browser, AT, lang="en")
    assert "Allowed by" in page
    assert not re.findall(r"[\u4e00-\u9fff]{5,}", page.replace(str(portal), ""))


def seen_at(browser: FlaskClient, address: str) -> str:
    answer = browser.get(address, headers=BROWSER)
    assert answer.status_code == 200
    return str(answer.text)


def test_many_consents_are_seen_a_page_at_a_time_each_once_and_taken_back_from_the_last(app: Flask, person: Person, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        holder_id = ensure_subject(session, parse_number(person.number), now=now()).id
        at = now()
        for place in range(PAGE * 2 + 3):
            given_at = at - timedelta(minutes=place // 2)  # two at once: the client decides
            session.add(Consent(holder_id=holder_id, client_id=f"many-{place:03}", given_by=holder_id, scopes=["openid"], given_at=given_at))
    seen: list[str] = []
    path, sizes = AT, []
    while path:
        page = seen_at(browser, path)
        found = re.findall(r'id="withdraw-([^"]+)"', page)
        sizes.append(len(found))
        seen += found
        older = re.search(r'id="older" href="([^"]+)"', page)
        path = older[1] if older else ""
    assert sizes == [PAGE, PAGE, 3]
    assert sorted(seen) == [f"many-{place:03}" for place in range(PAGE * 2 + 3)]
    assert withdraw(browser, seen[-1]) == 303
    assert seen[-1] not in seen_at(browser, f"{AT}?after={Place(at - timedelta(minutes=PAGE - 1), 'many-000')}")


@pytest.mark.parametrize(
    "after", ["", "x", ".", "1", "1.", "-1.many", "9" * 30 + ".a", "9" * 19 + ".a", "1.<b>", "1." + "x" * 4000, "%F0%9F%92%A9.a"]
)
def test_a_place_that_is_none_leads_to_the_first_page_or_beyond_the_last(browser: FlaskClient, after: str) -> None:
    page = seen_at(browser, f"{AT}?after={after}")
    assert 'id="no-consents"' in page or 'id="no-more"' in page
    assert "<b>" not in page


def test_the_download_holds_every_licence_once_however_many_pages_they_are_read_in(
    app: Flask, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [licensed(app, person.number, "driving-licence")[0] for _ in range(5)]
    monkeypatch.setattr(export_sections, "PAGE", 2)
    with app.app_context(), transaction() as session:
        rows = list(export_sections.licences(session, held[0].holder_id, now()))
    assert [row["identifier"] for row in rows] == [one.identifier for one in sorted(held, key=lambda one: one.id, reverse=True)]
    assert all(row["fields"] for row in rows)
