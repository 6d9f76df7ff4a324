"""The wallet's first page says what waits for an answer, to whoever may give it, until it is given."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from idp.oauth.clients import CIBA
from idp.subjects import appointments, guardians
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.apart.steps import SCOPES, inbox_of, press
from tests.idp.oauth.apart.steps import Counter as Window
from tests.idp.subjects.firms import Firm, new_firm
from tests.idp.subjects.test_guardians import new_child
from tests.wallet.holding.test_wallet_pages import get, writing
from tests.wallet.presenting.answering.steps import opened, reply
from tests.wallet.verifying.openid4vp.wallets import asked
from tests.world_clients import new_portal
from tests.world_people import BROWSER, come_in, new_person, open_account, post_form
from tests.world_verifying import Counter, new_browser, new_counter
from wallet.holding.awaiting import may_be_asked
from wallet.register.catalogue import get_type

HERE, SIGNINS, OTHERS = 'id="requests-wait"', 'id="signins-wait"', 'id="others-wait"'


@pytest.fixture
def counter(app: Flask) -> Counter:
    """A department that may ask, and a person with an account whom it asks."""
    with app.app_context():
        found = new_counter(new_browser(app))
        with transaction() as session:
            open_account(session, found.person)
        return found


@pytest.fixture
def window(app: Flask) -> Window:
    """A counter that asks people to sign in, by the back channel."""
    with writing(app) as session:
        polling = {"backchannel_token_delivery_mode": "poll"}
        return Window(app.test_client(), new_portal(session, scopes=SCOPES, redirect_uris=[], grant_types=[CIBA], metadata=polling))


@pytest.fixture
def firm(app: Flask) -> Firm:
    with writing(app) as session:
        return new_firm(session)


def appointed(app: Flask, firm: Firm, **reach: object) -> tuple[FlaskClient, UUID]:
    """Return the browser of a new handler of an organisation, and the mandate."""
    with writing(app) as session:
        person_id, mandate = firm.appoint(session, **reach)
    return come_in(new_browser(app), firm.people[person_id]), mandate


def told(page: str) -> list[str]:
    """Return which of the three notices a page has."""
    return [one for one in (HERE, SIGNINS, OTHERS) if one in page]


def test_a_request_in_the_inbox_is_told_until_it_is_answered(app: Flask, counter: Counter) -> None:
    holder = come_in(new_browser(app), counter.person)
    assert told(get(holder, "/wallet")) == []
    made = asked(counter, holder={"number": counter.person.number})
    page = get(holder, "/wallet")
    assert told(page) == [HERE]
    assert "有 1 项出示请求等待答复" in page
    at = opened(holder, made["link"])
    assert told(get(holder, "/wallet")) == [HERE], "it was looked at, and not answered"
    assert reply(holder, at, answer="refuse").status_code == 303
    assert told(get(holder, "/wallet")) == []


def test_what_is_over_and_what_is_asked_of_another_is_not_told(app: Flask, counter: Counter, window: Window, firm: Firm) -> None:
    stranger, holder = come_in(new_browser(app), firm.boss), come_in(new_browser(app), counter.person)
    asked(counter, holder={"number": counter.person.number}, lifetime=300)
    window.asked(login_hint=counter.person.number)
    assert told(get(stranger, "/wallet")) == []
    assert told(get(holder, "/wallet")) == [HERE, SIGNINS]
    with shifted(timedelta(minutes=20)):
        assert told(get(come_in(new_browser(app), counter.person), "/wallet")) == []


@pytest.mark.parametrize("answer", ["refuse", "approve", "report"])
def test_a_sign_in_that_is_asked_for_is_told_until_it_is_answered(app: Flask, counter: Counter, window: Window, answer: str) -> None:
    holder = come_in(new_browser(app), counter.person)
    window.asked(login_hint=counter.person.number)
    assert told(get(holder, "/wallet")) == [SIGNINS]
    (path,) = inbox_of(holder)
    assert press(holder, holder.get(path, headers=BROWSER), answer).status_code == 200
    assert told(get(holder, "/wallet")) == []
    if answer == "report":
        window.asked(login_hint=counter.person.number)
        assert told(get(holder, "/wallet")) == [], "they want to hear nothing more of this client"


def test_a_parent_is_told_of_a_child_s_request_and_one_button_leads_to_it(app: Flask, counter: Counter, window: Window) -> None:
    with writing(app) as session:
        parent = new_person(session)
        child = new_child(session, parent)
        parent_id = open_account(session, parent)
        guardians.add_child(session, guardian_id=parent_id, number=parse_number(child.number), name=child.name, now=now())
    holder = come_in(new_browser(app), parent)
    asked(counter, holder={"number": child.number})
    window.asked(login_hint=child.number)
    page = get(holder, "/wallet")
    assert told(page) == [SIGNINS, OTHERS]
    assert child.name not in page
    assert "“林**”的卡包有 1 项出示请求" in page
    gone = post_form(holder, "/account/acting", {"organisation": button_of(page), "next": "/wallet/requests"}, form_at="/wallet")
    assert gone.location == "/wallet/requests"
    assert 'id="open-1"' in get(holder, "/wallet/requests")
    assert told(get(holder, "/wallet")) == [HERE, SIGNINS]


def test_whoever_acts_for_another_is_told_of_their_own(app: Flask, counter: Counter) -> None:
    with writing(app) as session:
        firm = new_firm(session)
        firm.appoint(session, person=counter.person)
    holder = come_in(new_browser(app), counter.person)
    asked(counter, holder={"number": counter.person.number})
    assert post_form(holder, "/account/acting", {"organisation": str(firm.id)}, form_at="/account").status_code == 303
    page = get(holder, "/wallet")
    assert told(page) == [OTHERS]
    assert "您本人的卡包有 1 项" in page
    assert button_of(page) == ""


def test_a_handler_is_told_as_long_as_the_mandate_stands(app: Flask, counter: Counter, firm: Firm) -> None:
    asked(counter, holder={"number": firm.organisation.number}, lifetime=600)
    handler, mandate = appointed(app, firm)
    assert told(get(handler, "/wallet")) == [OTHERS]
    with writing(app) as session:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate, now=now())
    assert told(get(handler, "/wallet")) == []
    brief, _ = appointed(app, firm, ends=timedelta(minutes=2))
    assert told(get(brief, "/wallet")) == [OTHERS]
    with shifted(timedelta(minutes=3)):
        assert told(get(brief, "/wallet")) == []


def test_a_handler_is_told_of_sign_ins_at_the_portals_of_the_mandate_alone(app: Flask, window: Window, firm: Firm) -> None:
    one, _ = appointed(app, firm, portals={window.system.client_id})
    other, _ = appointed(app, firm, portals={"another-portal"})
    window.asked(login_hint=firm.organisation.number)
    assert told(get(one, "/wallet")) == [SIGNINS]
    assert told(get(other, "/wallet")) == []


@pytest.mark.parametrize(
    ("reach", "is_asked"),
    [({"driving-licence"}, True), ({"driving-licence", "business-licence"}, True), ({"business-licence"}, False)],
    ids=["just that", "that and another", "another alone"],
)
def test_a_handler_is_asked_only_for_what_they_may_show(app: Flask, counter: Counter, firm: Firm, reach: set[str], is_asked: bool) -> None:
    """Whoever opened a request keeps the others who act from it, and could refuse in the name of the organisation."""
    with app.app_context():
        types = frozenset(get_type(one).code for one in reach)
    handler, _ = appointed(app, firm, types=types)
    made = asked(counter, holder={"number": firm.organisation.number})
    assert told(get(handler, "/wallet")) == ([OTHERS] if is_asked else [])
    assert post_form(handler, "/account/acting", {"organisation": str(firm.id)}, form_at="/account").status_code == 303
    assert told(get(handler, "/wallet")) == ([HERE] if is_asked else [])
    assert (escape(made["link"]) in get(handler, "/wallet/requests")) is is_asked
    boss = come_in(new_browser(app), firm.boss)
    assert told(get(boss, "/wallet")) == [OTHERS]


@pytest.mark.parametrize(
    ("types", "reach", "may"),
    [
        ([], None, True),
        (["a"], None, True),
        (["a"], ["a", "b"], True),
        (["a", "b"], ["a"], False),
        (["b"], ["a"], False),
        ([], ["a"], False),
        (["a"], [], False),
    ],
)
def test_whoever_cannot_show_all_of_it_is_not_asked(types: list[str], reach: list[str] | None, may: bool) -> None:
    assert may_be_asked(types, reach) is may


def button_of(page: str) -> str:
    found = re.search(r'name="organisation" value="([^"]*)"', page)
    assert found is not None
    return found[1]
