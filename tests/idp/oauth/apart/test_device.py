"""The device grant, from the first request to the tokens: each MUST of RFC 8628 that a server is held to."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth import consents
from idp.oauth.apart import user_codes, waiting
from idp.oauth.apart.waiting import ApartRequest
from idp.oauth.clients import CIBA, CLIENT_CREDENTIALS, DEVICE_CODE, ClientRefused
from idp.oauth.grantees import Grantee
from idp.oauth.portal_sessions import PortalSession
from idp.signin import sessions
from idp.signin.sessions import SigninSession
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.apart.steps import Terminal, answer_device, claims_in, error_of, good, press, type_code
from tests.world_clients import ISSUER, bearer, new_portal
from tests.world_people import BROWSER, Person, sign_in

INTERVAL = 5


def redeemed(terminal: Terminal, browser: FlaskClient, **asked: Any) -> dict[str, Any]:
    codes = terminal.codes(**asked)
    assert answer_device(browser, codes["user_code"]).status_code == 200
    return good(terminal.poll(codes["device_code"]))


def test_the_answer_has_every_member_of_section_3_2(terminal: Terminal) -> None:
    codes = terminal.codes()
    assert codes["verification_uri"] == f"{ISSUER}/device"
    assert codes["expires_in"] == 600
    assert codes["interval"] == INTERVAL
    complete = urlsplit(codes["verification_uri_complete"])
    assert complete.path == "/device"
    assert parse_qs(complete.query) == {"user_code": [codes["user_code"]]}
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes["user_code"])
    assert len(codes["device_code"]) >= 43, "256 bits"
    assert terminal.codes()["device_code"] != codes["device_code"]


def test_neither_code_is_kept_readable(app: Flask, terminal: Terminal) -> None:
    codes = terminal.codes()
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(codes["device_code"]))).one()
        assert codes["user_code"].encode() not in (row.user_code_index or b"")
        assert b"Tizen" not in (row.about_sealed or b"")


def test_a_device_gets_its_tokens_once_the_person_approves(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes(scope="openid profile")
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"
    answered = answer_device(browser, codes["user_code"])
    assert "已同意" in answered.text
    tokens = good(terminal.poll(codes["device_code"], after=INTERVAL))
    assert (tokens["token_type"], tokens["scope"], tokens["expires_in"]) == ("Bearer", "openid profile", 600)
    assert "refresh_token" not in tokens
    claims = claims_in(tokens["id_token"])
    assert (claims["iss"], claims["aud"], claims["amr"]) == (ISSUER, terminal.system.client_id, ["pwd"])
    assert {"auth_time", "acr", "sid", "at_hash"} <= set(claims)
    userinfo = browser.get("/userinfo", headers=bearer(tokens["access_token"])).json or {}
    assert userinfo["sub"] == claims["sub"]
    assert "name" in userinfo


def test_a_client_that_proves_nothing_may_use_it_too(public_terminal: Terminal, browser: FlaskClient) -> None:
    assert "id_token" in redeemed(public_terminal, browser)


def test_without_openid_there_is_no_id_token(terminal: Terminal, browser: FlaskClient) -> None:
    assert "id_token" not in redeemed(terminal, browser, scope="profile")


def test_offline_access_begins_a_refresh_family(terminal: Terminal, browser: FlaskClient) -> None:
    tokens = redeemed(terminal, browser, scope="openid offline_access")
    refreshed = good(terminal.send("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]))
    assert claims_in(refreshed["id_token"])["sub"] == claims_in(tokens["id_token"])["sub"]


@pytest.mark.parametrize(
    "typed",
    ["{}", " {} ", "{lower}", "{plain}", "{plain_lower}", "{spaced}", "{dashed}", "{wide}"],
    ids=["as shown", "blanks around", "small letters", "no dash", "small, no dash", "spaces between", "another dash", "full width"],
)
def test_the_code_may_be_typed_in_any_manner(terminal: Terminal, browser: FlaskClient, typed: str) -> None:
    code = terminal.codes()["user_code"]
    plain = code.replace("-", "")
    forms = {"lower": code.lower(), "plain": plain, "plain_lower": plain.lower(), "spaced": " ".join(plain), "dashed": code.replace("-", "—")}
    forms["wide"] = "".join(chr(ord(one) + 0xFEE0) for one in code)
    assert type_code(browser, typed.format(code, **forms)).status_code == 303


@pytest.mark.parametrize(
    "typed", ["", "BCDF-GHJ", "AAAA-AAAA", "BCDF-GHJKL", "'; --", "B" * 5000], ids=["none", "short", "vowels", "long", "marks", "huge"]
)
def test_what_can_be_no_code_is_answered_on_the_page(browser: FlaskClient, typed: str) -> None:
    page = type_code(browser, typed)
    assert page.status_code == 422
    assert 'id="user_code-error"' in page.text


def test_a_code_that_nobody_was_given_leads_nowhere(browser: FlaskClient) -> None:
    assert type_code(browser, user_codes.new_code()).status_code == 422


def test_the_link_with_the_code_still_asks(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    page = browser.get(codes["verification_uri_complete"], headers=BROWSER)
    assert f'value="{codes["user_code"]}"' in page.text
    assert 'id="go_on"' in page.text
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"


@pytest.mark.parametrize("sent", ["<script>alert(1)</script>", "B" * 3000, "AEIO-UAEI"], ids=["markup", "huge", "no code"])
def test_a_link_with_something_else_shows_an_empty_field(browser: FlaskClient, sent: str) -> None:
    page = browser.get("/device", query_string={"user_code": sent}, headers=BROWSER)
    assert page.status_code == 200
    assert f'value="{sent}"' not in page.text
    assert "<script>alert" not in page.text


def test_the_page_says_who_asks_from_where_and_what_for_and_warns(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes(scope="openid profile licences")
    page = browser.get(type_code(browser, codes["user_code"]).location, headers=BROWSER).text
    assert "办事大厅自助终端" in page
    assert codes["user_code"] in page, "to be compared with the device's screen (section 3.3.1)"
    assert 'id="phishing"' in page
    assert 'id="place"' in page
    assert all(f'id="scope-{scope}"' in page for scope in ("openid", "profile", "licences"))
    assert browser.get("/device/request", headers={**BROWSER, "Accept-Language": "en"}).status_code == 200


def test_no_code_stands_in_an_address_of_ours(terminal: Terminal, browser: FlaskClient) -> None:
    assert type_code(browser, terminal.codes()["user_code"]).location == "/device/request"


def test_whoever_is_not_signed_in_signs_in_on_the_way(terminal: Terminal, client: FlaskClient, person: Person) -> None:
    codes = terminal.codes()
    found = type_code(client, codes["user_code"])
    at_signin = client.get(found.location, headers=BROWSER)
    assert at_signin.location.startswith("/signin?next=/device/request")
    assert sign_in(client, person, next="/device/request").location == "/device/request"
    assert 'id="approve"' in client.get("/device/request", headers=BROWSER).text


def test_refused_is_access_denied_and_stays_so_for_nobody(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    assert "已拒绝" in answer_device(browser, codes["user_code"], "refuse").text
    assert error_of(terminal.poll(codes["device_code"])) == "access_denied"
    assert error_of(terminal.poll(codes["device_code"])) == "invalid_grant"


def test_a_report_slows_the_address_that_asked(app: Flask, terminal: Terminal, browser: FlaskClient) -> None:
    terminal.http.environ_base["REMOTE_ADDR"] = "203.0.113.77"
    assert "限制" in answer_device(browser, terminal.codes()["user_code"], "report").text
    answers = {terminal.ask().status_code for _ in range(200)}
    assert 429 in answers


def test_an_answer_is_given_once(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    type_code(browser, codes["user_code"])
    page = browser.get("/device/request", headers=BROWSER)
    assert press(browser, page, "refuse").status_code == 200
    assert press(browser, page, "approve").status_code == 410
    assert type_code(browser, codes["user_code"]).status_code == 422


def test_without_a_code_the_request_page_is_gone(browser: FlaskClient) -> None:
    assert browser.get("/device/request", headers=BROWSER).status_code == 410


def test_tokens_are_given_once(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    answer_device(browser, codes["user_code"])
    good(terminal.poll(codes["device_code"]))
    assert error_of(terminal.poll(codes["device_code"])) == "invalid_grant"


def test_another_client_s_code_is_invalid_grant_and_stays_good(
    app: Flask, terminal: Terminal, public_terminal: Terminal, browser: FlaskClient
) -> None:
    codes = terminal.codes()
    answer_device(browser, codes["user_code"])
    assert error_of(public_terminal.poll(codes["device_code"])) == "invalid_grant"
    good(terminal.poll(codes["device_code"]))


def test_who_hurries_is_told_to_slow_down_by_five_seconds_each_time(app: Flask, terminal: Terminal) -> None:
    code = terminal.codes()["device_code"]
    at = [
        (0, "authorization_pending"),
        (1, "slow_down"),
        (6, "slow_down"),
        (22, "authorization_pending"),
        (30, "slow_down"),
        (51, "authorization_pending"),
    ]
    assert [error_of(terminal.poll(code, after=seconds)) for seconds, _ in at] == [error for _, error in at]
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(code))).one()
        assert row.interval == timedelta(seconds=INTERVAL + 3 * 5)


def test_a_code_slowed_down_is_still_redeemed(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"
    assert error_of(terminal.poll(codes["device_code"])) == "slow_down"
    answer_device(browser, codes["user_code"])
    good(terminal.poll(codes["device_code"]))


def test_who_polls_at_the_interval_is_never_told_to_slow_down(terminal: Terminal) -> None:
    code = terminal.codes()["device_code"]
    assert {error_of(terminal.poll(code, after=INTERVAL * turn)) for turn in range(6)} == {"authorization_pending"}


def test_after_ten_minutes_it_is_expired_token(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    assert error_of(terminal.poll(codes["device_code"], after=601)) == "expired_token"
    with shifted(timedelta(seconds=601)):
        assert type_code(browser, codes["user_code"]).status_code == 422


def test_what_was_approved_and_never_fetched_expires_too(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    answer_device(browser, codes["user_code"])
    assert error_of(terminal.poll(codes["device_code"], after=601)) == "expired_token"


def test_what_is_over_is_forgotten(app: Flask, terminal: Terminal) -> None:
    code = terminal.codes()["device_code"]
    with app.app_context():
        waiting.forget(now=now() + timedelta(hours=2))
    assert error_of(terminal.poll(code)) == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": None}, "invalid_scope"),
        ({"scope": "openid licences:issue"}, "invalid_scope"),
        ({"scope": "openid nothing"}, "invalid_scope"),
        ({"client_assertion": "x.y.z"}, "invalid_client"),
        ({"client_assertion": None, "client_assertion_type": None}, "invalid_client"),
        ({"client_id": "somebody-else"}, "invalid_client"),
        ({"scope": ["openid", "profile"]}, "invalid_request"),
    ],
    ids=["no scope", "a scope of systems", "an unknown scope", "a bad proof", "no proof", "another's name", "a parameter twice"],
)
def test_what_is_not_a_good_request_is_refused(terminal: Terminal, changes: dict[str, Any], error: str) -> None:
    assert error_of(terminal.ask(**changes)) == error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"device_code": None}, "invalid_request"),
        ({"device_code": "x"}, "invalid_grant"),
        ({"device_code": "x" * 10_000}, "invalid_grant"),
        ({"client_assertion": "x.y.z"}, "invalid_client"),
        ({"grant_type": "device_code"}, "unsupported_grant_type"),
        ({"grant_type": CIBA, "auth_req_id": "x"}, "unauthorized_client"),
    ],
    ids=["no code", "an unknown code", "a huge code", "a bad proof", "the wrong name", "another grant"],
)
def test_what_is_not_a_good_token_request_is_refused(terminal: Terminal, changes: dict[str, Any], error: str) -> None:
    assert error_of(terminal.send("/token", **{"grant_type": DEVICE_CODE, "device_code": terminal.codes()["device_code"], **changes})) == error


def test_a_parameter_without_a_value_is_none_and_one_that_is_not_known_is_ignored(terminal: Terminal) -> None:
    """Section 3.1."""
    assert terminal.codes(resource="", authorization_details="", client_secret="", anything="else")
    assert error_of(terminal.ask(scope="")) == "invalid_scope"


def test_nothing_at_all_is_invalid_request(client: FlaskClient) -> None:
    assert error_of(client.post("/device_authorization")) == "invalid_request"
    assert client.get("/device_authorization").status_code == 405


def test_a_client_without_the_grant_is_unauthorized(app: Flask, terminal: Terminal) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session)
    code = terminal.codes()["device_code"]
    stranger = Terminal(app.test_client(), portal)
    assert error_of(stranger.ask()) == "unauthorized_client"
    assert error_of(stranger.poll(code)) == "unauthorized_client"


@pytest.mark.parametrize("profile", ["fapi2", "fapi2-message-signing"])
def test_a_client_under_fapi_2_cannot_have_the_grant(app: Flask, profile: str) -> None:
    with app.app_context(), pytest.raises(ClientRefused), transaction() as session:
        new_portal(session, redirect_uris=[], grant_types=[DEVICE_CODE], metadata={"security_profile": profile})


def test_who_signs_out_before_the_tokens_are_fetched_takes_them_back(app: Flask, terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    answer_device(browser, codes["user_code"])
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(codes["device_code"]))).one()
        assert row.session_id is not None
        assert session.get(PortalSession, (row.session_id, row.client_id)) is not None, "so that the terminal hears of the sign-out"
        signed_in = sessions.as_signed_in(session.get_one(SigninSession, row.session_id))
        sessions.end(session, signed_in, now=now())
    assert error_of(terminal.poll(codes["device_code"])) == "access_denied"


def test_a_consent_withdrawn_before_the_tokens_are_fetched_takes_them_back(app: Flask, terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    answer_device(browser, codes["user_code"])
    with app.app_context(), transaction() as session:
        row = session.scalars(select(ApartRequest).where(ApartRequest.code_hash == waiting.hash_of(codes["device_code"]))).one()
        assert row.person_id is not None
        consents.withdraw(session, Grantee(row.person_id, row.person_id), row.client_id, now=now())
    assert error_of(terminal.poll(codes["device_code"])) == "access_denied"


def test_approving_is_a_consent_that_the_person_sees(terminal: Terminal, browser: FlaskClient) -> None:
    redeemed(terminal, browser)
    assert "办事大厅自助终端" in browser.get("/account/portals", headers=BROWSER).text
    assert "登录门户“办事大厅自助终端”" in browser.get("/account/history", headers=BROWSER).text


def test_it_is_asked_each_time_whatever_was_consented_to(terminal: Terminal, browser: FlaskClient) -> None:
    redeemed(terminal, browser)
    codes = terminal.codes()
    type_code(browser, codes["user_code"])
    assert 'id="approve"' in browser.get("/device/request", headers=BROWSER).text
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"


def test_a_page_shown_to_one_person_is_not_answered_by_another(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    type_code(browser, codes["user_code"])
    page = press(browser, browser.get("/device/request", headers=BROWSER), "approve", holder="somebody else")
    assert 'id="approve"' in page.text
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"


@pytest.mark.parametrize("said", ["approve", "refuse", "report"])
def test_an_answer_is_for_the_device_that_the_page_was_about(terminal: Terminal, browser: FlaskClient, said: str) -> None:
    """Two codes are typed in two tabs: what is said in the first is never heard of the second's device; its page is shown instead."""
    first, second = terminal.codes(), terminal.codes()
    type_code(browser, first["user_code"])
    tab = browser.get("/device/request", headers=BROWSER)
    type_code(browser, second["user_code"])
    page = press(browser, tab, said)
    assert page.status_code == 200
    assert f'id="shown-code" aria-describedby="code-label">{second["user_code"]}<' in page.text
    for codes in (first, second):
        assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"
    assert 'id="approve"' not in press(browser, page, said).text


def test_a_forged_answer_is_refused(terminal: Terminal, browser: FlaskClient) -> None:
    codes = terminal.codes()
    type_code(browser, codes["user_code"])
    assert browser.post("/device/request", data={"answer": "approve"}, headers=BROWSER).status_code == 400
    assert error_of(terminal.poll(codes["device_code"])) == "authorization_pending"


def test_guessing_codes_is_slowed(app: Flask, terminal: Terminal) -> None:
    guesser = app.test_client()
    guesser.environ_base["REMOTE_ADDR"] = "198.51.100.23"
    answers = [type_code(guesser, user_codes.new_code()).status_code for _ in range(22)]
    assert answers[:20] == [422] * 20
    assert answers[-1] == 429


def test_a_system_s_own_grant_does_not_open_it(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        system = new_portal(session, redirect_uris=[], grant_types=[CLIENT_CREDENTIALS], scopes=["openid"])
    assert error_of(Terminal(app.test_client(), system).ask()) == "unauthorized_client"


def test_the_metadata_name_the_endpoint(client: FlaskClient) -> None:
    metadata = client.get("/.well-known/oauth-authorization-server").json or {}
    assert metadata["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert DEVICE_CODE in metadata["grant_types_supported"]
