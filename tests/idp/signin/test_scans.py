import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from idp.signin import scans, throttle
from idp.signin.devices import About
from idp.signin.scans import ScanOver, SigninScan
from idp.signin.sessions import SignedIn, SigninSession
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ids import new_id
from runtime.languages import Text
from runtime.ledger import LedgerEntry
from tests.idp.signin.conftest import fresh_address
from tests.idp.signin.test_devices import CHROME, another_browser, row_of
from tests.world_clients import new_portal
from tests.world_people import BROWSER, PASSWORD, Person, csrf_token, new_person, open_account, post_form, sign_in


class Desk:
    """A desk's browser that shows a code."""

    def __init__(self, app: Flask, goal: str = "/wallet") -> None:
        self.client = another_browser(app, CHROME)
        answer = self.post("/signin/scan", {"next": goal}, at=f"/signin?next={quote(goal)}")
        assert answer.status_code == 303, answer.text
        page = self.client.get(answer.location, headers=BROWSER).text
        found = re.search(r'id="scan-number">(\d\d)<', page)
        assert found is not None
        self.number = found[1]
        with self.client.session_transaction() as kept:
            self.path = f"/scan/{kept['scan']['qr']}"

    def post(self, path: str, data: dict[str, str], *, at: str = "/signin/scan") -> TestResponse:
        return post_form(self.client, path, data, form_at=at)

    def enter(self) -> TestResponse:
        return self.post("/signin/scan/enter", {"next": "/account"})

    def state(self) -> str:
        answer = self.client.get("/signin/scan/state").json
        assert answer is not None
        return str(answer["state"])

    @property
    def another_number(self) -> str:
        return "11" if self.number != "11" else "12"


@pytest.fixture
def phone(client: FlaskClient, person: Person) -> FlaskClient:
    """A phone that is signed in."""
    assert sign_in(client, person).status_code == 303
    return client


@pytest.fixture
def desk(app: Flask) -> Desk:
    return Desk(app)


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account", headers=BROWSER).status_code == 200


def test_the_phone_confirms_and_the_desk_is_in_by_a_session_of_its_own(app: Flask, phone: FlaskClient, desk: Desk, person: Person) -> None:
    assert desk.state() == "waiting"
    assert desk.enter().location.startswith("/signin/scan")
    shown = phone.get(desk.path, headers=BROWSER)
    assert "Chrome · Windows" in shown.text
    assert desk.number not in re.sub(r"<[^>]+>", "", shown.text).split()
    assert "已确认" in post_form(phone, desk.path, {"answer": "confirm", "number": desk.number}).text
    assert desk.state() == "confirmed"
    assert desk.enter().location == "/account"
    assert person.name in desk.client.get("/account", headers=BROWSER).text
    of_phone, of_desk = row_of(app, phone), row_of(app, desk.client)
    assert of_phone.id != of_desk.id
    assert of_desk.amr == ["scan"]
    assert of_desk.auth_time == of_phone.auth_time
    assert of_phone.amr == ["pwd"]


@pytest.mark.parametrize(
    ("phone", "desk"),
    [
        (["pwd"], ["scan"]),
        (["scan"], ["scan"]),
        (["pwd", "otp", "mfa"], ["scan", "mfa"]),
        (["hwk", "user"], ["scan", "mfa"]),
        (["scan", "mfa"], ["scan", "mfa"]),
    ],
)
def test_two_factors_of_the_phone_are_the_desks_too(phone: list[str], desk: list[str]) -> None:
    assert scans.amr_of(SignedIn(new_id(), new_id(), None, now(), phone)) == desk


def test_it_is_answered_once_and_fetched_once(phone: FlaskClient, desk: Desk) -> None:
    post_form(phone, desk.path, {"answer": "confirm", "number": desk.number})
    assert phone.get(desk.path, headers=BROWSER).status_code == 410
    with desk.client.session_transaction() as kept:
        scan = dict(kept["scan"])
    desk.enter()
    with desk.client.session_transaction() as kept:
        kept["scan"] = scan
    assert desk.state() == "over"
    desk.client.delete_cookie("kabao_session")
    assert desk.post("/signin/scan/enter", {}, at="/signin").location.startswith("/signin/scan")
    assert not is_signed_in(desk.client)


def test_another_number_spends_the_request(phone: FlaskClient, desk: Desk) -> None:
    assert "数字不符" in post_form(phone, desk.path, {"answer": "confirm", "number": desk.another_number}).text
    assert desk.state() == "refused"
    assert phone.get(desk.path, headers=BROWSER).status_code == 410
    desk.enter()
    assert not is_signed_in(desk.client)


@pytest.mark.parametrize("number", ["", "  ", "0", "100", "四二", "1e1", "'", "9" * 5000])
def test_whatever_is_typed_instead_of_the_number_lets_nobody_in(phone: FlaskClient, desk: Desk, number: str) -> None:
    assert "数字不符" in post_form(phone, desk.path, {"answer": "confirm", "number": number}).text
    assert desk.state() == "refused"


@pytest.mark.parametrize("answer", ["refuse", "report", "", "nonsense"])
def test_whatever_else_the_phone_says_refuses(app: Flask, phone: FlaskClient, desk: Desk, answer: str) -> None:
    token = csrf_token(phone.get(desk.path, headers=BROWSER).text)
    said = phone.post(desk.path, data={"csrf_token": token, "answer": answer, "number": desk.number}, headers=BROWSER)
    assert "已拒绝" in said.text
    assert desk.state() == "refused"
    assert "手机上没有同意" in desk.client.get("/signin/scan", headers=BROWSER).text


def test_a_report_slows_the_address_and_stands_in_the_ledger(app: Flask, phone: FlaskClient, desk: Desk) -> None:
    post_form(phone, desk.path, {"answer": "report"})
    bucket = throttle.DOORS[scans.DOOR].address
    left = 0
    while post_form(desk.client, "/signin/scan", {}, form_at="/signin").status_code == 303:
        left += 1
    assert left == bucket.size - scans.PENALTY - 1
    with app.app_context(), transaction() as session:
        acts = session.scalars(select(LedgerEntry.act).where(LedgerEntry.subject_id == row_of(app, phone).subject_id)).all()
    assert "scan.reported" in acts


def test_the_code_alone_gives_nobody_a_session(app: Flask, phone: FlaskClient, desk: Desk) -> None:
    """Whoever saw the code, or has the code's secret, is not the desk."""
    thief = Desk(app)
    with desk.client.session_transaction() as kept, thief.client.session_transaction() as stolen:
        stolen["scan"] = {**kept["scan"], "desk": stolen["scan"]["desk"]}
    post_form(phone, desk.path, {"answer": "confirm", "number": desk.number})
    assert thief.state() == "over"
    thief.post("/signin/scan/enter", {}, at="/signin")
    assert not is_signed_in(thief.client)
    assert desk.enter().location == "/account"


def test_nobody_answers_who_is_not_signed_in(app: Flask, desk: Desk) -> None:
    stranger = another_browser(app)
    answer = stranger.get(desk.path, headers=BROWSER)
    assert answer.status_code == 303
    assert answer.location.startswith("/signin?next=")
    assert stranger.post(desk.path, data={"answer": "confirm", "number": desk.number}, headers=BROWSER).location == answer.location
    assert desk.state() == "waiting"


def test_a_request_lives_two_minutes(phone: FlaskClient, desk: Desk) -> None:
    with shifted(timedelta(seconds=121)):
        assert desk.state() == "over"
        assert phone.get(desk.path, headers=BROWSER).status_code == 410
        assert "二维码已失效" in desk.client.get("/signin/scan", headers=BROWSER).text


def test_what_was_confirmed_is_fetched_within_half_a_minute(phone: FlaskClient, desk: Desk) -> None:
    post_form(phone, desk.path, {"answer": "confirm", "number": desk.number})
    with shifted(timedelta(seconds=31)):
        assert desk.state() == "over"
        desk.post("/signin/scan/enter", {}, at="/signin")
        assert not is_signed_in(desk.client)


def test_the_phone_sees_which_portal_asks(app: Flask, phone: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session)
    query = f"client_id={portal.client_id}&redirect_uri={quote(portal.redirect_uri)}&response_type=code&scope=openid"
    shown = phone.get(Desk(app, f"/authorize?{query}").path, headers=BROWSER).text
    assert re.search(r'<dd id="asker">([^<]+)', shown)[1] != "卡包"  # type: ignore[index]
    forged = query.replace(quote(portal.redirect_uri), "https%3A%2F%2Fevil.example%2F")
    shown = phone.get(Desk(app, f"/authorize?{forged}").path, headers=BROWSER).text
    assert re.search(r'<dd id="asker">([^<]+)', shown)[1] == "卡包"  # type: ignore[index]


def test_a_desk_that_is_elsewhere_is_pointed_out(phone: FlaskClient, desk: Desk) -> None:
    assert 'id="elsewhere"' not in phone.get(desk.path, headers=BROWSER).text
    phone.environ_base["REMOTE_ADDR"] = "10.1.2.3"
    assert 'id="elsewhere"' in phone.get(desk.path, headers=BROWSER).text


def test_of_many_phones_and_many_desks_at_once_one_wins(app: Flask) -> None:
    who = [SignedIn(new_id(), new_id(), None, now(), ["pwd"]) for _ in range(12)]
    with app.app_context(), transaction() as session:
        subject_id = open_account(session, new_person(session))
        shown = scans.make(session, address=fresh_address(), about=About(), asker=Text("门户", "Portal"), now=now())

    def one(phone: SignedIn) -> bool:
        with app.app_context():
            try:
                with transaction() as session:
                    mine = SignedIn(phone.session_id, subject_id, None, phone.auth_time, phone.amr)
                    return scans.confirm(session, shown.qr, unverified_number=str(shown.number), phone=mine, now=now())
            except ScanOver:
                return False

    def other(_: int) -> bool:
        with app.app_context(), transaction() as session:
            return scans.fetch(session, shown.id, shown.desk, now=now()) is not None

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, who)) == 1
        assert sum(pool.map(other, range(12))) == 1


def test_what_is_over_is_forgotten_and_no_secret_was_kept(app: Flask, desk: Desk) -> None:
    with desk.client.session_transaction() as kept:
        scan = dict(kept["scan"])
    with app.app_context():
        with transaction() as session:
            for row in session.execute(select(SigninScan.__table__)).all():
                assert scan["qr"] not in str(tuple(row))
                assert scan["desk"] not in str(tuple(row))
        moment = now() + scans.LIFETIME + timedelta(seconds=1)
        scans.forget(now=moment)
        with transaction() as session:
            assert session.scalars(select(SigninScan.id).where(SigninScan.expires_at <= moment)).all() == []
    assert desk.state() == "over"


@pytest.mark.parametrize("way", ["one device", "all others", "another password"])
def test_a_desk_that_a_stolen_session_confirmed_is_not_let_in_once_that_session_was_ended(
    app: Flask, phone: FlaskClient, desk: Desk, person: Person, way: str
) -> None:
    own = another_browser(app)
    sign_in(own, person)
    post_form(phone, desk.path, {"answer": "confirm", "number": desk.number})
    assert desk.state() == "confirmed"
    if way == "one device":
        post_form(own, "/account/devices/end", {"device": str(row_of(app, phone).id)}, form_at="/account/devices")
    elif way == "all others":
        post_form(own, "/account/devices/end-others", {}, form_at="/account/devices")
    else:
        words = {"present": PASSWORD, "password": "another river by the old gate"}
        assert post_form(own, "/account/ways/password", words).status_code == 303
    assert not is_signed_in(phone)
    assert desk.state() == "over"
    desk.post("/signin/scan/enter", {}, at="/signin")
    assert not is_signed_in(desk.client)


def test_no_session_outlives_its_time_by_being_scanned_from_one_browser_into_the_next(app: Flask, phone: FlaskClient, desk: Desk) -> None:
    """Each desk has a life of its own; whoever found a session open would go from one to the next without an end."""
    life = app.extensions["kabao_settings"].session_lifetime
    with app.app_context(), transaction() as session:
        theirs = update(SigninSession).where(SigninSession.id == row_of(app, phone).id)
        session.execute(theirs.values(amr=["scan"], auth_time=now() - life))
    token = csrf_token(phone.get("/account/devices", headers=BROWSER).text)
    for answer in (
        phone.get(desk.path, headers=BROWSER),
        phone.post(desk.path, data={"csrf_token": token, "answer": "confirm", "number": desk.number}, headers=BROWSER),
    ):
        assert (answer.status_code, answer.location) == (303, f"/signin/step-up?aal=1&next={quote(desk.path, safe='')}")
    assert desk.state() == "waiting"
