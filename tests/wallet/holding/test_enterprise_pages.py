import re
import secrets
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.signin import notices
from idp.subjects import appointments, directory, mandates, registries, registry_import
from idp.subjects.appointments import MandateChanged
from idp.subjects.mandates import GivenMandate
from idp.subjects.numbers import parse_number
from idp.subjects.registries import RegistryUnavailable
from runtime.clock import now, stopped
from runtime.database import transaction
from tests.idp.subjects.firms import Firm, new_firm
from tests.world_people import BROWSER, Person, act_for, csrf_token, new_person, open_account, post_form, send_form, sign_in
from tests.world_wallet import DEFINITIONS, apply_catalogue, new_department, new_licence
from wallet.register import catalogue
from wallet.register.licences import Licence

FOOD, SHOP = "food-business-licence", "business-licence"


def browser_of(app: Flask, person: Person) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    assert sign_in(client, person).status_code == 303
    return client


@pytest.fixture
def firm(app: Flask) -> Firm:
    with app.app_context():
        apply_catalogue()
        with transaction() as session:
            return new_firm(session, claimed=False)


@pytest.fixture
def boss(app: Flask, firm: Firm) -> FlaskClient:
    client = browser_of(app, firm.boss)
    assert post_form(client, f"/enterprise/{firm.id}/claim", {}, form_at="/enterprise").status_code == 303
    return client


@pytest.fixture
def someone(app: Flask) -> Person:
    with app.app_context(), transaction() as session:
        person = new_person(session)
        open_account(session, person)
    return person


def appoint(client: FlaskClient, firm: Firm, person: Person, **form: object) -> int:
    data = {"number": person.number, "name": person.name, "role": "handler", "type_reach": "all", "portal_reach": "all", **form}
    return post_form(client, f"/enterprise/{firm.id}/appoint", data).status_code  # type: ignore[arg-type]


def mandate_of(app: Flask, firm: Firm, person: Person) -> UUID:
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        which = (GivenMandate.holder_id == firm.id, GivenMandate.person_id == subject.id)
        found = session.scalars(select(GivenMandate.id).where(*which).order_by(GivenMandate.id.desc())).first()
        assert found is not None
        return found


def test_an_organisation_is_claimed_and_its_page_says_who_can_do_what(boss: FlaskClient, firm: Firm) -> None:
    page = boss.get(f"/enterprise/{firm.id}", headers=BROWSER)
    assert page.status_code == 200
    assert firm.boss.name in page.text
    assert firm.boss.number not in page.text
    assert "任免证照管理员和办事人员" in page.text
    assert "appoints and removes licence managers" in boss.get(f"/enterprise/{firm.id}?lang=en", headers=BROWSER).text


def test_the_whole_life_of_a_mandate(app: Flask, boss: FlaskClient, firm: Firm, someone: Person) -> None:
    assert appoint(boss, firm, someone) == 303
    theirs = browser_of(app, someone)
    assert firm.organisation.name in theirs.get("/enterprise", headers=BROWSER).text
    assert act_for(theirs, firm.id).status_code == 303
    assert "您正在代表" in theirs.get("/wallet", headers=BROWSER).text
    mandate_id = mandate_of(app, firm, someone)
    change = f"/enterprise/{firm.id}/mandates/{mandate_id}"
    assert post_form(boss, change, {"type_reach": "all", "portal_reach": "all", "valid_until": "2099-01-01"}).status_code == 303
    assert "您正在代表" not in theirs.get("/wallet", headers=BROWSER).text
    assert act_for(theirs, firm.id).status_code == 303
    confirm = boss.get(f"{change}/end", headers=BROWSER)
    assert 'id="confirm-end"' in confirm.text
    assert "您正在代表" in theirs.get("/wallet", headers=BROWSER).text
    assert post_form(boss, f"{change}/end", {}).status_code == 303
    assert "您正在代表" not in theirs.get("/wallet", headers=BROWSER).text
    assert act_for(theirs, firm.id).status_code == 403
    assert f'id="again-{mandate_id}"' in boss.get(f"/enterprise/{firm.id}", headers=BROWSER).text
    assert post_form(boss, f"/enterprise/{firm.id}/mandates/{mandate_id}/again", {}, form_at=f"/enterprise/{firm.id}").status_code == 303
    assert act_for(theirs, firm.id).status_code == 303


def test_of_two_who_change_one_mandate_the_later_is_told_and_may_still_save(app: Flask, boss: FlaskClient, firm: Firm, someone: Person) -> None:
    """A narrower reach is not undone by a page that was opened before."""
    assert appoint(boss, firm, someone) == 303
    mandate_id = mandate_of(app, firm, someone)
    change = f"/enterprise/{firm.id}/mandates/{mandate_id}"
    page, broad = boss.get(change, headers=BROWSER).text, {"type_reach": "all", "portal_reach": "all", "valid_until": "2099-01-01"}
    assert post_form(boss, change, {**broad, "valid_until": "2098-01-01"}).status_code == 303
    late = send_form(boss, change, page, broad)
    assert (late.status_code, MandateChanged.title.zh in late.text, "2099-01-01" in late.text) == (409, True, True)
    assert "2098" in boss.get(change, headers=BROWSER).text
    assert boss.post(change, data={"csrf_token": csrf_token(page), **broad}, headers=BROWSER).status_code == 409
    assert send_form(boss, change, late.text, broad).status_code == 303
    assert "2099-01-01" in boss.get(change, headers=BROWSER).text


def test_an_appointee_is_told_needs_no_account_and_may_resign(app: Flask, boss: FlaskClient, firm: Firm) -> None:
    with app.app_context(), transaction() as session:
        newcomer = new_person(session)
    assert appoint(boss, firm, newcomer) == 303
    with app.app_context(), transaction() as session:
        newcomer_id = open_account(session, newcomer)
        assert [told.title.en for told in notices.latest(session, newcomer_id)] == ["You were given a mandate"]
    theirs = browser_of(app, newcomer)
    own = f"/enterprise/{firm.id}/mandates/{mandate_of(app, firm, newcomer)}/end"
    assert "辞去" in theirs.get(own, headers=BROWSER).text
    assert post_form(theirs, own, {}).location == "/enterprise"
    with app.app_context(), transaction() as session:
        assert "A mandate of the organisation has ended" in [told.title.en for told in notices.latest(session, firm.boss_id)]


def test_a_representative_cannot_end_their_own_mandate_which_is_the_registry_s(app: Flask, boss: FlaskClient, firm: Firm, someone: Person) -> None:
    assert appoint(boss, firm, someone) == 303
    with app.app_context(), transaction() as session:
        own = appointments.find_representative(session, firm.id)
        assert own is not None
    end = f"/enterprise/{firm.id}/mandates/{own.id}/end"
    assert end not in boss.get(f"/enterprise/{firm.id}", headers=BROWSER).text
    assert boss.get(end, headers=BROWSER).status_code == 403
    assert post_form(boss, end, {}, form_at=f"/enterprise/{firm.id}/appoint").status_code == 403
    with app.app_context(), transaction() as session:
        standing = appointments.find_representative(session, firm.id)
        assert standing is not None
        assert (standing.id, appointments.count_beneath(session, standing)) == (own.id, 1), "nobody beneath lost theirs either"


@pytest.mark.parametrize("path", ["", "/appoint"])
def test_a_stranger_sees_nothing(app: Flask, boss: FlaskClient, firm: Firm, someone: Person, path: str) -> None:
    assert browser_of(app, someone).get(f"/enterprise/{firm.id}{path}", headers=BROWSER).status_code == 403


@pytest.mark.parametrize(
    "change", [{"number": "1"}, {"name": ""}, {"name": "另一个名字"}, {"role": "legal_representative"}, {"role": ""}, {"type_reach": ""}]
)
def test_a_form_that_is_wrong_says_so(boss: FlaskClient, firm: Firm, someone: Person, change: dict[str, str]) -> None:
    assert appoint(boss, firm, someone, **change) == 422


def test_a_handler_sees_only_their_own_line(app: Flask, boss: FlaskClient, firm: Firm, someone: Person) -> None:
    assert appoint(boss, firm, someone) == 303
    page = browser_of(app, someone).get(f"/enterprise/{firm.id}", headers=BROWSER).text
    assert someone.name in page
    assert 'id="appoint"' not in page
    assert re.findall(r"\*{11}(\w{4})", page) == [firm.organisation.number[-4:], someone.number[-4:]]


@pytest.fixture
def licences(app: Flask, firm: Firm) -> dict[str, Licence]:
    with app.app_context(), transaction() as session:
        department = new_department(session, issue=[FOOD, SHOP])
        return {slug: new_licence(session, type=slug, department=department, number=firm.organisation.number) for slug in (FOOD, SHOP)}


def test_the_wallet_shows_a_handler_only_the_types_of_the_mandate(
    app: Flask, licences: dict[str, Licence], boss: FlaskClient, firm: Firm, someone: Person
) -> None:
    with app.app_context():
        code = catalogue.get_type(SHOP).code
    assert appoint(boss, firm, someone, type_reach="named", types=[code]) == 303
    theirs = browser_of(app, someone)
    act_for(theirs, firm.id)
    shown, hidden = (f"/wallet/cards/{licences[slug].id}" for slug in (SHOP, FOOD))
    wallet = theirs.get("/wallet", headers=BROWSER).text
    assert shown in wallet
    assert hidden not in wallet
    assert theirs.get(shown, headers=BROWSER).status_code == 200
    for path in (hidden, f"{hidden}/show", f"{hidden}/codes/{licences[FOOD].id}", f"{hidden}/codes/{licences[FOOD].id}/state"):
        assert theirs.get(path, headers=BROWSER).status_code == 403
    for path in (hidden, f"{hidden}/show"):
        assert post_form(theirs, path, {"preset": "all"}, form_at=shown).status_code == 403


def test_a_code_that_a_handler_made_ends_with_the_mandate(
    app: Flask, licences: dict[str, Licence], boss: FlaskClient, firm: Firm, someone: Person
) -> None:
    assert appoint(boss, firm, someone) == 303
    theirs = browser_of(app, someone)
    act_for(theirs, firm.id)
    made = post_form(theirs, f"/wallet/cards/{licences[SHOP].id}/show", {"preset": "validity"})
    assert made.status_code == 303
    code = re.sub(r"\s", "", theirs.get(made.location, headers=BROWSER).text.split('id="spoken-code">')[1].split("<")[0])
    assert post_form(boss, f"/enterprise/{firm.id}/mandates/{mandate_of(app, firm, someone)}/end", {}).status_code == 303
    from wallet.presenting import qr_codes

    with app.app_context(), pytest.raises(qr_codes.CodeExpired), transaction() as session:
        qr_codes.redeem(session, code, now=now())


def test_a_new_representative_sees_what_ended_and_what_the_organisation_holds(
    app: Flask, licences: dict[str, Licence], boss: FlaskClient, firm: Firm, someone: Person
) -> None:
    assert appoint(boss, firm, someone) == 303
    with app.app_context(), transaction() as session:
        successor = new_person(session)
        successor_id = open_account(session, successor)
        row = {"number": firm.organisation.number, "name": firm.organisation.name, "representative": successor.number}
        assert not registry_import.load_organisations(session, [row])
    with app.app_context(), transaction() as session:
        assert "You are the registered legal representative" in [told.title.en for told in notices.latest(session, successor_id)]
        assert mandates.organisations_of(session, person_id=firm.boss_id, now=now()) == []
    theirs = browser_of(app, successor)
    assert post_form(theirs, f"/enterprise/{firm.id}/claim", {}, form_at="/enterprise").status_code == 303
    page = theirs.get(f"/enterprise/{firm.id}", headers=BROWSER).text.split("</main>")[0]
    assert "法定代表人变更" in page
    assert f'id="again-{mandate_of(app, firm, someone)}"' in page
    assert page.split('id="licences"')[1].count("<li") == len(licences)
    assert boss.get(f"/enterprise/{firm.id}", headers=BROWSER).status_code == 403


def test_appointing_again_and_changing_are_slowed_since_each_is_told_somebody(app: Flask, boss: FlaskClient, firm: Firm, someone: Person) -> None:
    assert appoint(boss, firm, someone) == 303
    answers, page = [], f"/enterprise/{firm.id}"
    with stopped():
        for _ in range(16):
            at = f"{page}/mandates/{mandate_of(app, firm, someone)}"
            answers.append(post_form(boss, at, {"type_reach": "all", "portal_reach": "all"}).status_code)
            assert post_form(boss, f"{at}/end", {}).status_code == 303
            answers.append(post_form(boss, f"{at}/again", {}, form_at=page).status_code)
            if answers[-1] == 429:
                break
    assert answers[0] == answers[1] == 303
    assert 429 in answers


def test_a_reach_must_be_chosen_for_a_handler_and_does_not_count_for_a_manager(app: Flask, boss: FlaskClient, firm: Firm, someone: Person) -> None:
    form = {"number": someone.number, "name": someone.name}
    refused = post_form(boss, f"/enterprise/{firm.id}/appoint", {**form, "role": "handler"})
    assert refused.status_code == 422
    assert all(f'id="{reach}-error"' in refused.text for reach in ("type_reach", "portal_reach"))
    assert post_form(boss, f"/enterprise/{firm.id}/appoint", {**form, "role": "licence_manager"}).status_code == 303


def test_a_mandate_is_offered_for_what_an_organisation_can_hold_and_not_for_a_marriage(boss: FlaskClient, firm: Firm) -> None:
    page = boss.get(f"/enterprise/{firm.id}/appoint", headers=BROWSER).text
    offered = set(re.findall(r'name="types"[^>]*value="([^"]+)"', page))
    assert {one.code for one in DEFINITIONS.values() if one.holder != "person"} == offered
    assert DEFINITIONS["marriage-certificate"].code not in offered


def test_what_an_organisation_holds_is_offered_first_and_the_rest_by_family_folded_up(app: Flask, boss: FlaskClient, firm: Firm) -> None:
    path = f"/enterprise/{firm.id}/appoint"
    kinds = boss.get(path, headers=BROWSER).text.partition('id="kinds"')[2]
    assert "<details open>" in kinds, "who holds nothing yet sees all"
    with app.app_context(), transaction() as session:
        new_licence(session, type=FOOD, department=new_department(issue=[FOOD]), number=firm.organisation.number)
    kinds = boss.get(path, headers=BROWSER).text.partition('id="kinds"')[2]
    held, _, rest = kinds.partition("<details>")
    assert re.findall(r'name="types"[^>]*value="([^"]+)"', held) == [DEFINITIONS[FOOD].code]
    assert DEFINITIONS[FOOD].code not in rest
    assert rest.count('class="ticks"') == len({one.family for one in DEFINITIONS.values() if one.holder != "person"})
    wrong = {"number": "1", "name": "", "role": "handler", "type_reach": "named", "types": DEFINITIONS["trademark-registration"].code}
    refused = post_form(boss, path, wrong)
    assert "<details open>" in refused.text, "what was ticked is never out of sight"


@pytest.mark.parametrize("page", ["/enterprise", "/account"])
def test_while_the_registry_is_away_nobody_is_said_to_represent_nothing(
    app: Flask, firm: Firm, someone: Person, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    representative, stranger = browser_of(app, firm.boss), browser_of(app, someone)
    assert 'id="no-organisations"' in stranger.get(page, headers=BROWSER).text
    assert firm.organisation.name in representative.get(page, headers=BROWSER).text

    def away(session: object) -> None:
        raise RegistryUnavailable("no route")

    monkeypatch.setattr(registries, "open_registry", away)
    for browser in (representative, stranger):
        shown = browser.get(page, headers=BROWSER).text
        assert 'id="registry-away"' in shown
        assert 'id="no-organisations"' not in shown
