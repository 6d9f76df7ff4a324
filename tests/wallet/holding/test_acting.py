"""Acting for a child: a guardian shows a code and answers a request, each use says who acted, and the right ends when the child is of age."""

import re
import time
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import notices
from idp.subjects import guardians
from idp.subjects.mandates import find_standing
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.subjects.test_guardians import aged, new_child
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.wallet.presenting.answering.steps import opened, page_of, reply
from tests.wallet.presenting.answering.test_our_own_doors import query_of, state_of
from tests.wallet.presenting.test_show_pages import code_of, make
from tests.wallet.verifying.openid4vp.wallets import asked
from tests.world_people import BROWSER, Person, act_for, come_in, new_organisation, open_account, post_form
from tests.world_verifying import CAUSE, Counter, new_browser, new_token
from tests.world_wallet import new_department
from wallet.holding import hearers
from wallet.holding.licence_notices import tell_holders
from wallet.holding.masking import mask_name
from wallet.holding.uses import uses_of
from wallet.register.licences import Licence, china_date

TYPE = "driving-licence"


@dataclass
class Family:
    """A parent who is signed in, their child, and the child's licence."""

    parent: Person
    child: Person
    child_id: UUID
    licence: Licence
    client: FlaskClient


def of_age_soon() -> date:
    """A birth date that makes somebody 18 within days, on a day that every month has."""
    days = (china_date(now()) + timedelta(days=one) for one in range(1, 6))
    turns = next(day for day in days if day.day <= 28)
    return turns.replace(year=turns.year - 18)


def family(app: Flask, *, born: date) -> Family:
    parent = someone(app)
    with writing(app) as session:
        child = new_child(session, parent, born=born)
    licence = licensed(app, child.number, TYPE)[0]
    client = come_in(new_browser(app), parent)
    assert post_form(client, "/account/children", {"number": child.number, "name": child.name}).status_code == 303
    return Family(parent, child, licence.holder_id, licence, client)


@pytest.fixture
def home(app: Flask) -> Family:
    """A parent who acts for a child of fifteen."""
    found = family(app, born=aged(15))
    assert act_for(found.client, found.child_id).status_code == 303
    return found


@pytest.fixture
def counter(app: Flask, home: Family) -> Counter:
    """A department that may verify the child's licence."""
    with app.app_context():
        department = new_department(verify=[TYPE])
        client = new_browser(app)
        return Counter(client, home.child, home.child_id, home.licence, home.licence.issuer_code, department, new_token(client, department))


def test_a_parent_shows_a_child_s_code_and_the_history_says_who_acted(app: Flask, home: Family, counter: Counter) -> None:
    page = get(home.client, "/wallet")
    assert "未成年人卡包" in page
    assert f'href="/wallet/cards/{home.licence.id}"' in page
    assert home.child.name not in page
    assert "您正在代表 <strong>林**</strong>" in page
    made = make(home.client, home.licence, preset="usual")
    answer = counter.verify(code_of(get(home.client, made.location))).get_json()
    assert answer["verdict"] == "valid"
    assert home.parent.name not in str(answer), "who acted is the holder's affair"
    own, card = get(home.client, "/wallet/history"), get(home.client, f"/wallet/cards/{home.licence.id}")
    assert "亮码出示，由您代办" in own
    assert "亮码出示，由您代办" in card
    assert "Shown by a code, by you, acting for the holder" in get(home.client, "/wallet/history", lang="en")
    with app.app_context(), transaction() as session:
        open_account(session, home.child)
        (use,) = uses_of(session, holder_id=home.child_id)
        assert use.acted_by is not None
    theirs = get(signed_in(app, home.child), "/wallet/history")
    assert f"亮码出示，由{mask_name(home.parent.name)}代办" in theirs
    assert home.parent.name not in theirs


def test_a_parent_answers_a_request_for_a_child(app: Flask, home: Family, counter: Counter) -> None:
    with app.app_context():
        made = asked(counter, holder={"number": home.child.number})
    assert 'id="open-1"' in page_of(home.client, "/wallet/requests")
    at = opened(home.client, made["link"])
    page = page_of(home.client, at)
    assert "您正代表“林**”答复" in page
    assert reply(home.client, at, answer="approve", **{f"licence-{query_of(page)}": str(home.licence.id)}).status_code == 303
    assert state_of(counter, made["id"])["result"]["verdict"] == "valid"
    history = get(home.client, "/wallet/history")
    assert history.count("由您代办") == 1
    assert CAUSE["text"] in history
    assert act_for(home.client, UUID(int=0)).status_code in (403, 404)


def test_documents_and_copies_say_who_took_them(app: Flask, home: Family) -> None:
    assert post_form(home.client, f"/wallet/cards/{home.licence.id}/document", {"kind": "card"}, form_at="/wallet").status_code == 200
    history = get(home.client, "/wallet/history")
    assert "取得了盖章文件，由您代办" in history
    assert "您本人" not in history


@pytest.mark.parametrize("acting", [False, True], ids=["as themselves", "for the child"])
def test_what_a_guardian_may_not_do_is_refused(app: Flask, home: Family, acting: bool) -> None:
    other = family(app, born=aged(9))
    if not acting:
        assert post_form(home.client, "/account/acting", {"organisation": ""}, form_at="/account").status_code == 303
        assert home.client.get(f"/wallet/cards/{home.licence.id}", headers=BROWSER).status_code == 404
    for address in (f"/wallet/cards/{other.licence.id}", f"/wallet/cards/{other.licence.id}/history", f"/enterprise/{home.child_id}"):
        assert home.client.get(address, headers=BROWSER).status_code in (403, 404), address
    assert act_for(home.client, other.child_id).status_code == 403
    assert act_for(other.client, home.child_id).status_code == 403
    for address in (f"/enterprise/{home.child_id}/claim", f"/account/children/{other.child_id}/end"):
        assert post_form(home.client, address, {}, form_at="/account").status_code in (403, 404, 422), address
    assert make(home.client, other.licence, preset="usual").status_code == 404


def test_a_guardian_s_own_account_pages_stay_their_own(app: Flask, home: Family) -> None:
    page = get(home.client, "/account")
    assert home.child.number not in page
    download = post_form(home.client, "/account/download", {}, form_at="/account/download")
    assert str(home.licence.id) not in download.text
    assert home.licence.identifier not in download.text


def test_the_right_ends_on_the_day_on_which_the_child_is_of_age(app: Flask) -> None:
    home = family(app, born=of_age_soon())
    with writing(app) as session:
        parent_id = next(one.person_id for one in guardians.guardians_of(session, home.child_id))
        found = find_standing(session, person_id=parent_id, holder_id=home.child_id, now=now())
    assert found is not None
    assert found.valid_until is not None
    with shifted(found.valid_until - now() - timedelta(minutes=1)):
        client = signed_in(app, home.parent)
        assert act_for(client, home.child_id).status_code == 303
        made = make(client, home.licence, preset="usual")
        assert 'id="spoken-code"' in get(client, made.location)
    with shifted(found.valid_until - now() + timedelta(minutes=1)):
        page = get(client, "/wallet")
        assert "您正在代表" not in page
        assert str(home.licence.id) not in page
        assert client.get(f"/wallet/cards/{home.licence.id}", headers=BROWSER).status_code == 404
        assert act_for(client, home.child_id).status_code == 403
        assert home.child.name not in get(client, "/account/children")
        with app.app_context(), transaction() as session:
            open_account(session, home.child)
        own = signed_in(app, home.child)
        assert re.search(rf'href="/wallet/cards/{home.licence.id}"', get(own, "/wallet"))
        assert 'id="spoken-code"' not in get(own, f"/wallet/cards/{home.licence.id}/codes/{made.location.rpartition('/')[2]}")


def test_a_code_made_for_another_ends_no_later_than_the_right_to_make_it(app: Flask) -> None:
    home = family(app, born=of_age_soon())
    with writing(app) as session:
        given = next(iter(guardians.guardians_of(session, home.child_id)))
        ends = given.valid_until
    assert ends is not None
    with shifted(ends - now() - timedelta(minutes=1)):
        client = signed_in(app, home.parent)
        assert act_for(client, home.child_id).status_code == 303
        code = code_of(get(client, make(client, home.licence, preset="usual").location))
        with app.app_context():
            department, system = new_department(verify=[TYPE]), new_browser(app)
            token = new_token(system, department)
        with shifted(timedelta(minutes=2)), app.app_context():
            late = Counter(system, home.child, home.child_id, home.licence, "", department, token).verify(code)
        assert (late.status_code, late.get_json()["type"].rpartition(":")[2]) == (410, "code-expired")


def test_an_agent_of_an_organisation_is_named_to_its_representative(app: Flask) -> None:
    boss, agent = someone(app), someone(app)
    with writing(app) as session:
        organisation = new_organisation(session, representative=boss)
    licence = licensed(app, organisation.number, "business-licence")[0]
    chief = signed_in(app, boss)
    assert act_for(chief, licence.holder_id).status_code == 303
    form = {"number": agent.number, "name": agent.name, "role": "handler", "type_reach": "all", "portal_reach": "all"}
    assert post_form(chief, f"/enterprise/{licence.holder_id}/appoint", form).status_code == 303
    client = signed_in(app, agent)
    assert act_for(client, licence.holder_id).status_code == 303
    assert post_form(client, f"/wallet/cards/{licence.id}/document", {"kind": "card"}, form_at="/wallet").status_code == 200
    assert f"由{mask_name(agent.name)}代办" in get(chief, "/wallet/history")
    assert "由您代办" in get(client, "/wallet/history")


def heard(app: Flask, person_id: UUID) -> list[tuple[str, str]]:
    with writing(app) as session:
        return [(one.kind, one.body.zh) for one in notices.latest(session, person_id, limit=50) if one.kind.startswith("licence.")]


def test_guardians_hear_of_a_child_s_licences_until_the_child_is_of_age(app: Flask) -> None:
    home, grown = family(app, born=aged(9)), family(app, born=of_age_soon())
    with writing(app) as session:
        first, late = (guardians.guardians_of(session, one.child_id)[0] for one in (home, grown))
        parent_id, other_id, ends = first.person_id, late.person_id, late.valid_until
        assert [one.person_id for one in hearers.of_holder(session, grown.child_id, now=now())] == [other_id]
        assert ends is not None
        assert hearers.of_holder(session, grown.child_id, now=ends) == []
    with app.app_context():
        tell_holders()
    licensed(app, home.child.number, "degree-certificate")
    for _ in range(100):
        with app.app_context():
            tell_holders()
        if found := [one for one in heard(app, parent_id) if "学位" in one[1]]:
            break
        time.sleep(0.3)
    ((kind, body),) = found
    assert kind == "licence.issued"
    assert "（林**）" in body
    assert home.child.name not in body
    assert heard(app, home.child_id) == [], "who has no account hears nothing"
    with writing(app) as session:
        (told,) = hearers.of_holder(session, home.child_id, now=now())
    assert told.link("/wallet/cards/x") == "/account/children"


@pytest.mark.parametrize("change", [{"ended_at": True}, {"valid_from": False}], ids=["it has ended", "it is to come"])
def test_nobody_hears_of_a_child_by_a_right_that_is_not_in_time(app: Flask, change: dict[str, bool]) -> None:
    home = family(app, born=aged(9))
    with writing(app) as session:
        (given,) = guardians.guardians_of(session, home.child_id)
        for name, is_past in change.items():
            setattr(given, name, now() + timedelta(days=-1 if is_past else 1))
        session.flush()
        assert hearers.of_holder(session, home.child_id, now=now()) == []


def test_the_number_of_a_child_is_in_no_page_that_says_for_whom_one_acts(home: Family) -> None:
    assert parse_number(home.child.number).value not in get(home.client, "/wallet/history")
