from datetime import timedelta
from uuid import UUID

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.signin import alarms, contacts, devices, marks, notices, passkeys, recovery_codes, second_step, sessions, totp, trusted_browsers
from idp.signin.alarms import SigninAlarm
from idp.signin.devices import KnownBrowser
from idp.signin.notices import Notice
from idp.signin.sessions import SigninSession, on_person_cut, on_session_cut, on_session_end
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.signin.conftest import fresh_address
from tests.idp.signin.proofs_at_hand import reach
from tests.world_people import BROWSER, Person, new_person, open_account, post_form, sign_in

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.49"
MARKS = "kabao_browser"


def another_browser(app: Flask, agent: str = CHROME) -> FlaskClient:
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = fresh_address()
    client.environ_base["HTTP_USER_AGENT"] = agent
    return client


def subject_of(app: Flask, client: FlaskClient) -> UUID:
    return row_of(app, client).subject_id


def row_of(app: Flask, client: FlaskClient) -> SigninSession:
    cookie = client.get_cookie("kabao_session")
    assert cookie is not None
    read = sessions._read_token(cookie.value)
    assert read is not None
    with app.app_context(), transaction() as session:
        return session.get_one(SigninSession, read[0])


def is_signed_in(client: FlaskClient) -> bool:
    return client.get("/account", headers=BROWSER).status_code == 200


def links(app: Flask, subject_id: UUID) -> list[str]:
    """The links of the notices of new devices, the latest last."""
    with app.app_context(), transaction() as session:
        of_them = select(Notice.id).where(Notice.subject_id == subject_id, Notice.kind == "new-device").order_by(Notice.id)
        told = [notices.find(session, subject_id, notice_id) for notice_id in session.scalars(of_them).all()]
    return [one.link for one in told if one is not None and one.link is not None]


@pytest.fixture
def thief(app: Flask, client: FlaskClient, person: Person) -> FlaskClient:
    """Someone who knows the password of a person who is signed in elsewhere."""
    sign_in(client, person)
    thief = another_browser(app)
    with shifted(timedelta(seconds=5)):
        assert sign_in(thief, person).status_code == 303
    return thief


def test_a_device_is_shown_by_its_words_and_its_place_and_never_by_what_it_sent(app: Flask, client: FlaskClient, person: Person) -> None:
    phone = another_browser(app, IPHONE)
    phone.environ_base["REMOTE_ADDR"] = "10.77.3.9"
    sign_in(phone, person)
    sign_in(client, person)
    page = client.get("/account/devices", headers=BROWSER).text
    assert "微信 · iOS · iPhone" in page
    assert "内部网络" in page
    assert "10.77.3.0/24" in page
    assert "10.77.3.9" not in page
    assert "MicroMessenger" not in page
    assert page.count('aria-current="true"') == 1
    assert "WeChat Browser · iOS · iPhone" in client.get("/account/devices?lang=en", headers=BROWSER).text


def test_what_is_known_of_a_browser_rests_sealed(app: Flask, client: FlaskClient, person: Person) -> None:
    client.environ_base["HTTP_USER_AGENT"] = CHROME
    sign_in(client, person)
    row = row_of(app, client)
    assert row.about_sealed is not None
    assert b"Chrome" not in row.about_sealed
    with app.app_context():
        assert sessions.about(row).browser == "Chrome"


@pytest.mark.parametrize("agent", ["", "x" * 5000, "\x00", "curl/8.0", "(((((", "💥" * 50])
def test_a_browser_that_says_nothing_sensible_signs_in_too(app: Flask, client: FlaskClient, person: Person, agent: str) -> None:
    with app.test_request_context("/signin", headers={"User-Agent": agent.encode("utf-8", "replace").decode("latin-1")}), transaction() as session:
        about = devices.describe(session, address="", user_agent=agent)
    assert about.network == ""
    assert "未知" in about.place.zh


def test_ending_one_device_ends_that_one_and_everyone_hears(app: Flask, client: FlaskClient, thief: FlaskClient) -> None:
    ended: list[UUID] = []
    cut: list[UUID] = []
    theirs = row_of(app, thief)
    on_session_end.append(lambda _, session_id: ended.append(session_id))
    on_session_cut.append(lambda _, session_id, __: cut.append(session_id))
    try:
        answer = post_form(client, "/account/devices/end", {"device": str(theirs.id)}, form_at="/account/devices")
    finally:
        on_session_end.pop()
        on_session_cut.pop()
    assert answer.status_code == 303
    assert ended == [theirs.id]
    assert cut == [theirs.id]
    assert not is_signed_in(thief)
    assert is_signed_in(client)
    with app.app_context(), transaction() as session:
        assert theirs.mark_hash not in [row.mark_hash for row in devices.of(session, theirs.subject_id)]


def test_nobody_ends_a_device_of_somebody_else(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    stranger = another_browser(app)
    sign_in(stranger, other)
    sign_in(client, person)
    post_form(client, "/account/devices/end", {"device": str(row_of(app, stranger).id)}, form_at="/account/devices")
    assert is_signed_in(stranger)
    assert post_form(client, "/account/devices/end", {"device": "nonsense"}, form_at="/account/devices").status_code == 422


def test_ending_all_others_leaves_this_one(app: Flask, client: FlaskClient, person: Person) -> None:
    others = [another_browser(app) for _ in range(3)]
    for other in others:
        sign_in(other, person)
    sign_in(client, person)
    post_form(client, "/account/devices/end-others", {}, form_at="/account/devices")
    assert [is_signed_in(other) for other in others] == [False] * 3
    assert is_signed_in(client)
    with app.app_context(), transaction() as session:
        assert len(devices.of(session, subject_of(app, client))) == 1


def test_a_new_device_is_told_once_and_opening_an_account_is_none(app: Flask, client: FlaskClient, newcomer: Person) -> None:
    form = {"number": newcomer.number, "name": newcomer.name, "password": "黄河口的芦苇 reeds"}
    assert post_form(client, "/account/new", form).status_code == 303
    subject_id = subject_of(app, client)
    assert links(app, subject_id) == []
    with shifted(timedelta(seconds=5)):
        other = another_browser(app)
        for _ in range(2):
            sign_in(other, newcomer, password="黄河口的芦苇 reeds")
    assert len(links(app, subject_id)) == 1


def test_a_browser_knows_several_people_and_tells_none_of_another(app: Flask, client: FlaskClient, person: Person) -> None:
    with app.app_context(), transaction() as session:
        other = new_person(session)
        open_account(session, other)
    with shifted(timedelta(seconds=5)):
        for _ in range(2):
            sign_in(client, person)
            first = subject_of(app, client)
            sign_in(client, other)
    assert [len(links(app, subject_id)) for subject_id in (first, subject_of(app, client))] == [1, 1]
    cookie = client.get_cookie(MARKS)
    assert cookie is not None
    assert len(cookie.value.split(".")) == 2
    with app.app_context(), transaction() as session:
        hashes = session.scalars(select(KnownBrowser.mark_hash)).all()
    assert all(mark.encode() not in hashes and devices.hash_of(mark) in hashes for mark in cookie.value.split("."))


@pytest.mark.parametrize("planted", ["", "x", "." * 300, "A" * 32, ".".join(["B" * 32] * 50), "=" * 32])
def test_a_mark_that_is_none_makes_no_browser_known(app: Flask, person: Person, planted: str) -> None:
    with app.app_context(), transaction() as session:
        subject_id = session.scalars(select(SigninSession.subject_id).limit(1)).first() or UUID(int=1)
    with app.test_request_context("/signin", headers={"Cookie": f"{MARKS}={planted}"}):
        assert len(marks.here()) <= marks.PEOPLE
        assert not marks.is_known(subject_id)
        assert not marks.is_known(None)


def test_the_link_shows_what_happened_and_a_look_changes_nothing(app: Flask, client: FlaskClient, thief: FlaskClient) -> None:
    link = links(app, subject_of(app, client))[-1]
    stranger = another_browser(app)
    for _ in range(3):
        page = stranger.get(link, headers=BROWSER)
        assert page.status_code == 200
        assert "Chrome · Windows" in page.text
    assert is_signed_in(thief)


def test_this_was_not_me_ends_the_session_and_voids_the_password(app: Flask, client: FlaskClient, thief: FlaskClient, person: Person) -> None:
    cut: list[UUID] = []
    subject_id = subject_of(app, client)
    with app.app_context(), transaction() as session:
        trusted_browsers.trust(session, subject_id, user_agent="x", now=now())
    link = links(app, subject_id)[-1]
    mailbox = another_browser(app)
    on_person_cut.append(lambda _, person_id, __: cut.append(person_id))
    try:
        answer = post_form(mailbox, link, {})
    finally:
        on_person_cut.pop()
    assert answer.status_code == 200
    assert cut == [subject_id]
    assert not is_signed_in(thief)
    assert is_signed_in(client)
    with app.app_context(), transaction() as session:
        assert trusted_browsers.of(session, subject_id, now=now()) == []
    assert sign_in(thief, person).status_code == 422
    assert sign_in(another_browser(app), person).status_code == 422
    assert mailbox.get(link, headers=BROWSER).status_code == 410


def test_it_takes_away_the_ways_to_sign_in_that_were_added_since_and_no_others(
    app: Flask, client: FlaskClient, thief: FlaskClient, person: Person
) -> None:
    mine = reach(app, person, "13800138000")
    subject_id, later = subject_of(app, client), now() + timedelta(seconds=30)
    link = links(app, subject_id)[-1]
    with app.app_context(), transaction() as session:
        contacts.verify(session, contacts.add(session, subject_id, "thief@example.cn", now=later), now=later)
        theirs = totp.begin(session, subject_id, name="小偷", now=later)
        assert totp.confirm(session, theirs, pyotp.TOTP(theirs.secret).at(later), now=later)
        recovery_codes.make(session, subject_id, now=later)
        passkeys.handle_of(session, subject_id)
        new = passkeys.NewPasskey(subject_id.bytes, b"", 0, [], backup_eligible=False, backed_up=False)
        passkeys.add(session, subject_id, new, name="小偷", now=later)
    with shifted(timedelta(minutes=1)):
        assert post_form(another_browser(app), link, {}).status_code == 200
    with app.app_context(), transaction() as session:
        assert [contact.id for contact in contacts.all_of(session, subject_id)] == [mine]
        assert second_step.ways_of(session, subject_id) == ["sms"]


def test_it_ends_what_the_stranger_opened_since_as_well(app: Flask, client: FlaskClient, thief: FlaskClient, person: Person) -> None:
    link = links(app, subject_of(app, client))[-1]
    with shifted(timedelta(seconds=30)):
        second = another_browser(app)
        sign_in(second, person)
        post_form(another_browser(app), link, {})
        assert not is_signed_in(second)
        assert not is_signed_in(thief)
        assert is_signed_in(client)


def test_the_link_works_once_and_for_a_week(app: Flask, client: FlaskClient, thief: FlaskClient) -> None:
    link = links(app, subject_of(app, client))[-1]
    mailbox = another_browser(app)
    with shifted(alarms.LIFETIME + timedelta(minutes=1)):
        assert mailbox.get(link, headers=BROWSER).status_code == 410
    assert mailbox.get(alarms.PATH + "x" * 32, headers=BROWSER).status_code == 410
    assert mailbox.post(link, headers=BROWSER).status_code == 400
    assert post_form(mailbox, link, {}).status_code == 200
    with app.app_context(), transaction() as session:
        secrets_kept = session.scalars(select(SigninAlarm.secret_hash)).all()
    assert all(link.rsplit("/", 1)[1].encode() not in kept for kept in secrets_kept)


def test_of_too_many_browsers_the_oldest_is_forgotten_and_all_after_half_a_year(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    subject_id = subject_of(app, client)
    with app.app_context():
        with transaction() as session:
            for step in range(devices.MOST + 5):
                devices.recognise(session, subject_id, marks=(), about=devices.About(), now=now() + timedelta(seconds=step))
        with transaction() as session:
            assert len(devices.of(session, subject_id)) == devices.MOST
        devices.forget(now=now() + devices.REMEMBERED + timedelta(days=1))
        with transaction() as session:
            assert devices.of(session, subject_id) == []


def test_sessions_that_end_by_age_tell_who_must_hear_at_once_or_when_pruned(app: Flask, client: FlaskClient, person: Person) -> None:
    other = another_browser(app)
    sign_in(client, person)
    sign_in(other, person)
    rows = [row_of(app, client).id, row_of(app, other).id]
    ended: list[UUID] = []
    on_session_end.append(lambda _, session_id: ended.append(session_id))
    try:
        with shifted(timedelta(minutes=16)):
            assert not is_signed_in(client)
            assert ended == rows[:1]
            with app.app_context():
                sessions.forget(lifetimes=sessions.Lifetimes(timedelta(minutes=15), timedelta(hours=12)), now=now())
        assert rows[1] in ended
    finally:
        on_session_end.pop()


def test_a_further_proof_lengthens_no_session(app: Flask, client: FlaskClient, person: Person) -> None:
    sign_in(client, person)
    row = row_of(app, client)
    with shifted(timedelta(hours=11)), app.app_context(), transaction() as session:
        before = sessions.as_signed_in(row)
        token = sessions.raise_to(session, before, amr=["pwd", "otp", "mfa"], now=now())
    assert not is_signed_in(client)
    with app.app_context(), transaction() as session:
        raised = session.get_one(SigninSession, row.id)
        assert (raised.began_at, raised.amr) == (row.began_at, ["pwd", "otp", "mfa"])
        assert raised.auth_time > row.auth_time
        life = sessions.Lifetimes(timedelta(hours=2), timedelta(hours=12))
        assert sessions.find(token, lifetimes=life, now=now() + timedelta(hours=11, minutes=30)) is not None
        assert sessions.find(token, lifetimes=life, now=now() + timedelta(hours=12, minutes=1)) is None
