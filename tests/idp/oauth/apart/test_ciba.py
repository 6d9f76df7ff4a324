"""The back channel, from the request to the tokens: each MUST of CIBA Core 1.0 that a server is held to, and whom it must not tell what."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from idp.oauth.apart import inbox, waiting
from idp.oauth.apart.waiting import ApartRequest
from idp.oauth.clients import CIBA, DEVICE_CODE, REFRESH_TOKEN
from idp.signin import notices
from idp.signin.assurance import Level
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.apart.steps import SCOPES, Counter, Terminal, answer_request, claims_in, error_of, good, inbox_of, press
from tests.world_clients import ISSUER, bearer, new_portal
from tests.world_people import BROWSER, Person, act_for, citizen_number, new_organisation, post_form

INTERVAL = 5


def row_of(app: Flask, auth_req_id: str) -> ApartRequest:
    with app.app_context(), transaction() as session:
        return session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(auth_req_id))).one()


def new_counter(app: Flask, **rest: Any) -> Counter:
    metadata = {"backchannel_token_delivery_mode": "poll", **rest.pop("metadata", {})}
    with app.app_context(), transaction() as session:
        grants = {"redirect_uris": [], "grant_types": [CIBA, REFRESH_TOKEN], **rest}
        return Counter(app.test_client(), new_portal(session, **{"scopes": SCOPES, **grants}, metadata=metadata))


def test_the_acknowledgement_has_every_member_of_section_7_3(counter: Counter, person: Person) -> None:
    asked = counter.asked(login_hint=person.number)
    assert set(asked) == {"auth_req_id", "expires_in", "interval"}
    assert (asked["expires_in"], asked["interval"]) == (600, INTERVAL)
    assert len(asked["auth_req_id"]) >= 43, "256 bits"
    assert set(asked["auth_req_id"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_")


def test_the_id_is_kept_as_its_hash_and_the_message_sealed(app: Flask, counter: Counter, person: Person) -> None:
    asked = counter.asked(login_hint=person.number, binding_message="A12 东营区窗口")
    row = row_of(app, asked["auth_req_id"])
    assert "东营区".encode() not in (row.message_sealed or b"")
    assert row.ping_sealed is None
    assert row.meant_for is not None


def test_a_counter_gets_its_tokens_once_the_person_approves(counter: Counter, browser: FlaskClient, person: Person) -> None:
    asked = counter.asked(login_hint=person.number, binding_message="A12")
    assert error_of(counter.poll(asked["auth_req_id"])) == "authorization_pending"
    assert "已同意" in answer_request(browser).text
    tokens = good(counter.poll(asked["auth_req_id"], after=INTERVAL))
    claims = claims_in(tokens["id_token"])
    assert (claims["iss"], claims["aud"], claims["amr"]) == (ISSUER, counter.system.client_id, ["pwd"])
    assert claims["acr"] == "urn:kabao:acr:ial2:aal1"
    assert (browser.get("/userinfo", headers=bearer(tokens["access_token"])).json or {})["sub"] == claims["sub"]
    assert error_of(counter.poll(asked["auth_req_id"], after=INTERVAL)) == "invalid_grant"


def test_offline_access_begins_a_refresh_family(counter: Counter, browser: FlaskClient, person: Person) -> None:
    asked = counter.asked(login_hint=person.number, scope="openid offline_access")
    answer_request(browser)
    tokens = good(counter.poll(asked["auth_req_id"]))
    assert "access_token" in good(counter.send("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]))


def test_who_was_known_before_is_asked_by_sub_or_by_id_token_however_old(counter: Counter, browser: FlaskClient, person: Person) -> None:
    first = counter.asked(login_hint=person.number)
    answer_request(browser)
    id_token = good(counter.poll(first["auth_req_id"]))["id_token"]
    for hint in ({"login_hint": claims_in(id_token)["sub"]}, {"id_token_hint": id_token}):
        asked = counter.asked(**hint)
        answer_request(browser)
        assert claims_in(good(counter.poll(asked["auth_req_id"]))["id_token"])["sub"] == claims_in(id_token)["sub"]
    with shifted(timedelta(days=400)):
        assert good(counter.ask(id_token_hint=id_token))


def test_another_client_s_id_token_or_sub_names_nobody(app: Flask, counter: Counter, browser: FlaskClient, person: Person) -> None:
    asked = counter.asked(login_hint=person.number)
    answer_request(browser)
    id_token = good(counter.poll(asked["auth_req_id"]))["id_token"]
    other = new_counter(app)
    assert error_of(other.ask(id_token_hint=id_token)) == "unknown_user_id"
    assert error_of(other.ask(login_hint=claims_in(id_token)["sub"])) == "unknown_user_id"


def test_the_id_token_of_another_client_of_the_sector_names_nobody_though_its_sub_does(
    app: Flask, counter: Counter, browser: FlaskClient, person: Person
) -> None:
    """Section 13: who brings an ID token is in its audience; clients of one sector know a person by one `sub`, and may bring that."""
    asked = counter.asked(login_hint=person.number)
    answer_request(browser)
    id_token = good(counter.poll(asked["auth_req_id"]))["id_token"]
    beside = new_counter(app, sector=counter.system.client_id)
    assert good(beside.ask(login_hint=claims_in(id_token)["sub"]))
    assert error_of(beside.ask(id_token_hint=id_token)) == "unknown_user_id"


def test_nobody_learns_whether_a_number_has_an_account(app: Flask, counter: Counter, browser: FlaskClient, person: Person) -> None:
    known, unknown = counter.asked(login_hint=person.number), counter.asked(login_hint=citizen_number())
    assert {name: known[name] for name in ("expires_in", "interval")} == {name: unknown[name] for name in ("expires_in", "interval")}
    for asked in (known, unknown):
        assert error_of(counter.poll(asked["auth_req_id"])) == "authorization_pending"
        assert error_of(counter.poll(asked["auth_req_id"], after=700)) == "expired_token"
    assert row_of(app, unknown["auth_req_id"]).meant_for is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": None}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid draws"}, "invalid_scope"),
        ({"login_hint": None}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint_token": "x"}, "invalid_request"),
        ({"login_hint": None, "login_hint_token": "x.y.z"}, "unknown_user_id"),
        ({"login_hint": None, "id_token_hint": "x.y.z"}, "unknown_user_id"),
        ({"login_hint": "nobody"}, "unknown_user_id"),
        ({"login_hint": "x" * 5000}, "unknown_user_id"),
        ({"login_hint": "370502199001010012"}, "unknown_user_id"),
        ({"binding_message": "x" * 129}, "invalid_binding_message"),
        ({"binding_message": "two\nlines"}, "invalid_binding_message"),
        ({"binding_message": "\u202eevil"}, "invalid_binding_message"),
        ({"binding_message": "   "}, "invalid_binding_message"),
        ({"requested_expiry": "0"}, "invalid_request"),
        ({"requested_expiry": "-5"}, "invalid_request"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "9" * 30}, "invalid_request"),
        ({"acr_values": "urn:somebody:else"}, "unmet_authentication_requirements"),
        ({"request": "x.y.z"}, "invalid_request"),
        ({"client_assertion": "x.y.z"}, "invalid_client"),
        ({"client_assertion": None, "client_assertion_type": None}, "invalid_client"),
        ({"login_hint": ["a", "b"]}, "invalid_request"),
    ],
    ids=[
        "no scope",
        "no openid",
        "a scope of systems",
        "no hint",
        "two hints",
        "two hints, one of a kind not taken",
        "a login_hint_token",
        "no ID token",
        "neither number nor sub",
        "a huge hint",
        "a number with a wrong check digit",
        "a long message",
        "a message of two lines",
        "a message that turns around",
        "an empty message",
        "no time",
        "less than no time",
        "no number",
        "a huge number",
        "a level that is not ours",
        "signed without being registered to",
        "a bad proof",
        "no proof",
        "a parameter twice",
    ],
)
def test_what_is_not_a_good_request_is_refused(counter: Counter, person: Person, changes: dict[str, Any], error: str) -> None:
    assert error_of(counter.ask(**{"login_hint": person.number, **changes})) == error


@pytest.mark.parametrize(("asked", "given"), [("1", 30), ("30", 30), ("120", 120), ("999999", 3600)], ids=["less", "least", "as asked", "more"])
def test_the_requested_expiry_is_taken_within_bounds(counter: Counter, person: Person, asked: str, given: int) -> None:
    assert counter.asked(login_hint=person.number, requested_expiry=asked)["expires_in"] == given


def test_a_user_code_and_what_is_not_known_are_ignored(counter: Counter, person: Person) -> None:
    assert counter.asked(login_hint=person.number, user_code="1234", anything="else")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"auth_req_id": None}, "invalid_request"),
        ({"auth_req_id": "x"}, "invalid_grant"),
        ({"auth_req_id": "x" * 10_000}, "invalid_grant"),
        ({"client_assertion": "x.y.z"}, "invalid_client"),
        ({"grant_type": "ciba"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://a.example/"}, "unauthorized_client"),
    ],
    ids=["no id", "an unknown id", "a huge id", "a bad proof", "the wrong name", "another grant"],
)
def test_what_is_not_a_good_token_request_is_refused(counter: Counter, person: Person, changes: dict[str, Any], error: str) -> None:
    form = {"grant_type": CIBA, "auth_req_id": counter.asked(login_hint=person.number)["auth_req_id"], **changes}
    assert error_of(counter.send("/token", **form)) == error


def test_another_client_s_id_is_invalid_grant(app: Flask, counter: Counter, browser: FlaskClient, person: Person) -> None:
    asked = counter.asked(login_hint=person.number)
    answer_request(browser)
    assert error_of(new_counter(app).poll(asked["auth_req_id"])) == "invalid_grant"
    good(counter.poll(asked["auth_req_id"]))


def test_a_device_code_is_no_auth_req_id_nor_the_other_way_round(app: Flask, person: Person) -> None:
    counter = new_counter(app, grant_types=[CIBA, DEVICE_CODE])
    terminal = Terminal(counter.http, counter.system)
    assert error_of(counter.poll(terminal.codes()["device_code"])) == "invalid_grant"
    assert error_of(terminal.poll(counter.asked(login_hint=person.number)["auth_req_id"])) == "invalid_grant"


def test_who_hurries_is_told_to_slow_down(counter: Counter, person: Person) -> None:
    asked = counter.asked(login_hint=person.number)["auth_req_id"]
    assert [error_of(counter.poll(asked, after=at)) for at in (0, 1, 12)] == ["authorization_pending", "slow_down", "authorization_pending"]


def test_refused_is_access_denied(counter: Counter, browser: FlaskClient, person: Person) -> None:
    asked = counter.asked(login_hint=person.number)
    assert "已拒绝" in answer_request(browser, "refuse").text
    assert error_of(counter.poll(asked["auth_req_id"])) == "access_denied"
    assert inbox_of(browser) == []


def test_a_muted_client_is_heard_no_more_and_is_not_told(counter: Counter, browser: FlaskClient, person: Person) -> None:
    counter.asked(login_hint=person.number)
    assert "不再向您显示" in answer_request(browser, "report").text
    asked = counter.asked(login_hint=person.number)
    assert inbox_of(browser) == []
    assert error_of(counter.poll(asked["auth_req_id"])) == "authorization_pending"
    page = browser.get("/account/requests", headers=BROWSER).text
    assert 'id="hear-1"' in page
    post_form(browser, "/account/requests/hear", {"client_id": counter.system.client_id}, form_at="/account/requests")
    assert len(inbox_of(browser)) == 1
    history = browser.get("/account/history", headers=BROWSER).text
    assert "举报了" in history
    assert "重新接收" in history


def test_a_muted_client_s_request_is_not_answered_by_its_address(counter: Counter, browser: FlaskClient, person: Person) -> None:
    counter.asked(login_hint=person.number)
    (path,) = inbox_of(browser)
    page = browser.get(path, headers=BROWSER)
    press(browser, page, "report")
    assert press(browser, page, "approve").status_code == 410


def test_the_request_of_one_person_is_nothing_to_another(app: Flask, counter: Counter, browser: FlaskClient) -> None:
    asked = counter.asked(login_hint=citizen_number())
    row = row_of(app, asked["auth_req_id"])
    assert browser.get(f"/account/requests/{row.id}", headers=BROWSER).status_code == 410
    assert inbox_of(browser) == []


def test_a_flood_on_one_person_is_slowed_and_tells_nothing(app: Flask, counter: Counter, person: Person) -> None:
    for number in (person.number, citizen_number()):
        answers = [counter.ask(login_hint=number).status_code for _ in range(7)]
        assert answers == [200] * 6 + [429]
    assert counter.ask(login_hint=citizen_number()).status_code == 200, "another is still asked"


def test_many_clients_together_do_not_flood_a_person(app: Flask, person: Person) -> None:
    answers = [new_counter(app).ask(login_hint=person.number).status_code for _ in range(21)]
    assert answers == [200] * 20 + [429]


def test_the_page_shows_who_asks_the_message_and_what_for(counter: Counter, browser: FlaskClient, person: Person) -> None:
    counter.asked(login_hint=person.number, scope="openid licences", binding_message="综合窗口 A12 <b>")
    (path,) = inbox_of(browser)
    page = browser.get(path, headers=BROWSER).text
    assert "综合受理窗口" in page
    assert "综合窗口 A12 &lt;b&gt;" in page
    assert 'id="scope-licences"' in page
    assert 'id="phishing"' in page
    menu = browser.get("/account", headers=BROWSER).text
    assert '<span class="count">1</span>' in menu
    assert 'id="requests-wait"' in menu


def test_the_person_is_told_without_the_message_and_without_a_secret(app: Flask, counter: Counter, person: Person, person_id: UUID) -> None:
    asked = counter.asked(login_hint=person.number, binding_message="A12")
    with app.app_context():
        inbox.tell_of_request(request_id=str(row_of(app, asked["auth_req_id"]).id))
        with transaction() as session:
            told = notices.latest(session, person_id)[0]
            row = session.scalars(select(notices.Notice).where(notices.Notice.subject_id == person_id).order_by(notices.Notice.id.desc())).first()
            assert row is not None
            sent = notices.find(session, person_id, row.id)
    assert told.kind == "request-waits"
    assert "综合受理窗口" in told.body.zh
    assert "A12" not in told.body.zh
    assert sent is not None
    assert sent.link == "/account/requests"


def test_telling_nobody_fails_at_nothing(app: Flask, counter: Counter) -> None:
    asked = counter.asked(login_hint=citizen_number())
    with app.app_context():
        inbox.tell_of_request(request_id=str(row_of(app, asked["auth_req_id"]).id))


def test_whoever_is_meant_or_not_one_job_is_deferred(app: Flask, counter: Counter, person: Person) -> None:
    with app.app_context(), transaction() as session:
        count = text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'kabao:tell_of_request'")
        before = session.scalar(count)
        assert before is not None
    counter.asked(login_hint=person.number)
    counter.asked(login_hint=citizen_number())
    with app.app_context(), transaction() as session:
        assert session.scalar(count) == before + 2


def test_a_stronger_sign_in_is_asked_for_before_approving(app: Flask, browser: FlaskClient, person: Person) -> None:
    counter = new_counter(app, levels={"openid": Level(2, 2)})
    asked = counter.asked(login_hint=person.number)
    (path,) = inbox_of(browser)
    page = browser.get(path, headers=BROWSER)
    assert 'id="must-prove"' in page.text
    assert press(browser, page, "approve").location.startswith("/signin/step-up?aal=2&next=%2Faccount%2Frequests%2F")
    assert error_of(counter.poll(asked["auth_req_id"])) == "authorization_pending"
    assert press(browser, page, "refuse").status_code == 200, "refusing needs no more"


def test_acr_values_are_asked_for_in_the_same_way(counter: Counter, browser: FlaskClient, person: Person) -> None:
    counter.asked(login_hint=person.number, acr_values="urn:kabao:acr:ial2:aal2")
    assert answer_request(browser).location.startswith("/signin/step-up?aal=2")


def test_a_better_known_person_is_asked_for_before_approving(counter: Counter, browser: FlaskClient, person: Person) -> None:
    counter.asked(login_hint=person.number, acr_values="urn:kabao:acr:ial3:aal1")
    assert answer_request(browser).location.startswith("/account/level?ial=3&next=")


def test_an_organisation_is_asked_through_whoever_may_act_for_it(app: Flask, counter: Counter, browser: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        firm = new_organisation(session, representative=person)
        firm_id = directory.ensure_subject(session, parse_number(firm.number), now=now()).id
    act_for(browser, firm_id)
    post_form(browser, f"/enterprise/{firm_id}/claim", {}, form_at="/enterprise")
    asked = counter.asked(login_hint=firm.number)
    assert len(inbox_of(browser)) == 1
    page = browser.get(inbox_of(browser)[0], headers=BROWSER)
    assert firm.name in page.text
    press(browser, page, "approve")
    claims = claims_in(good(counter.poll(asked["auth_req_id"]))["id_token"])
    assert claims["sub_type"] == "organisation"
    assert "act" in claims


def test_of_the_levels_asked_for_only_ours_are_kept(app: Flask, counter: Counter, person: Person) -> None:
    asked = counter.asked(login_hint=person.number, acr_values="phr urn:kabao:acr:ial1:aal1 " + "x" * 5000)
    assert row_of(app, asked["auth_req_id"]).acr_values == "urn:kabao:acr:ial1:aal1"
