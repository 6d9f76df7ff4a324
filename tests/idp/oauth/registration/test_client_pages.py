"""The operators' pages for clients, tokens and policies; who gets to see them, and what is written down."""

import html
import json
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth import clients, owners
from idp.oauth.registration import changes, client_forms, policies
from idp.oauth.registration.members import MEMBERS
from idp.signin import operators, sessions
from idp.signin.devices import describe
from keys import suites
from runtime.clock import now
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from schemas.clients import OperatorClientSchema
from tests.idp.oauth.registration.world import new_policy, portal_document, register
from tests.world_clients import DEPARTMENT, jwks_of, new_portal
from tests.world_people import credit_code, new_person, open_account
from tests.world_wallet import new_department

TWO_FACTORS, ONE_FACTOR = ["pwd", "otp", "mfa"], ["pwd"]
PAGES = ["/admin", "/admin/clients", "/admin/clients/new", "/admin/registration/tokens", "/admin/registration/policies"]


@dataclass(frozen=True)
class Desk:
    """An operator's browser."""

    browser: FlaskClient
    subject_id: UUID

    def post(self, path: str, page: str | None = None, **form: Any) -> Any:
        """Post a form with the token of the page that it stands on."""
        return self.send(path, self.browser.get(page or path).text, **form)

    def send(self, path: str, shown: str, **form: Any) -> Any:
        """Post the form of a page that was shown before."""
        hidden = dict(re.findall(r'name="(csrf_token|mark)"[^>]*value="([^"]+)"', shown))
        assert "csrf_token" in hidden, "the page has no form"
        return self.browser.post(path, data={**hidden, **form}, headers={"Accept": "text/html"})


def desk_of(app: Flask, *, amr: list[str], runs_it: bool = True, ago: timedelta = timedelta(0)) -> Desk:
    browser = app.test_client()
    with app.app_context(), transaction() as session:
        subject_id = open_account(session, new_person(session))
        if runs_it:
            operators.add_operator(session, subject_id, now=now())
        about = describe(session, address="127.0.0.1", user_agent="Mozilla/5.0")
        _, token = sessions.begin(session, subject_id=subject_id, amr=amr, now=now(), auth_time=now() - ago, about=about)
    browser.set_cookie("kabao_session", token)
    browser.environ_base["HTTP_ACCEPT"] = "text/html"
    return Desk(browser, subject_id)


@pytest.fixture
def desk(app: Flask) -> Desk:
    return desk_of(app, amr=TWO_FACTORS)


def form_of(**changes: Any) -> dict[str, Any]:
    form = {
        "client_id": f"made-{secrets.token_hex(5)}",
        "client_name_zh": "窗口门户",
        "client_name_en": "Counter portal",
        "owner": DEPARTMENT,
        "application_type": "web",
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": ["openid", "profile"],
        "redirect_uris": "https://counter.example.gov.cn/cb\r\nhttps://counter.example.gov.cn/cb2\r\n",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": json.dumps(jwks_of(suites.ES256.generate())),
        "require_auth_time": "y",
        "default_max_age": "3600",
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_operators_is_closed_to_everyone_else(app: Flask, client: FlaskClient, page: str) -> None:
    assert client.get(page, headers={"Accept": "text/html"}).status_code == 303
    assert client.get(page, headers={"Accept": "application/json"}).status_code == 401
    assert desk_of(app, amr=TWO_FACTORS, runs_it=False).browser.get(page).status_code == 403
    weak = desk_of(app, amr=ONE_FACTOR).browser.get(page)
    assert (weak.status_code, weak.headers["Location"].partition("&")[0]) == (303, "/signin/step-up?aal=2")


def test_what_changes_something_wants_a_fresh_proof(app: Flask) -> None:
    late = desk_of(app, amr=TWO_FACTORS, ago=timedelta(minutes=20))
    assert late.browser.get("/admin/clients").status_code == 200
    led = late.browser.get("/admin/clients/new")
    assert (led.status_code, led.headers["Location"]) == (303, "/signin/step-up?aal=2&next=%2Fadmin%2Fclients%2Fnew")


def test_an_operator_that_was_removed_sees_nothing_more(app: Flask, desk: Desk) -> None:
    assert desk.browser.get("/admin/clients").status_code == 200
    with app.app_context(), transaction() as session:
        operators.remove_operator(session, desk.subject_id, now=now())
    assert desk.browser.get("/admin/clients").status_code == 403


def test_the_account_menu_leads_operators_and_nobody_else(app: Flask, desk: Desk) -> None:
    assert 'id="room-admin"' in desk.browser.get("/account").text
    assert 'id="room-admin"' not in desk_of(app, amr=TWO_FACTORS, runs_it=False).browser.get("/account").text


def test_a_client_is_registered_seen_changed_closed_and_opened(app: Flask, desk: Desk) -> None:
    form = form_of()
    done = desk.post("/admin/clients/new", **form)
    assert (done.status_code, done.headers["Location"]) == (303, f"/admin/clients/{form['client_id']}")
    with app.app_context(), transaction() as session:
        row = clients.get_row(session, form["client_id"])
        assert row.redirect_uris == ["https://counter.example.gov.cn/cb", "https://counter.example.gov.cn/cb2"]
        assert row.client_metadata == {"require_auth_time": True, "default_max_age": 3600}
    path = f"/admin/clients/{form['client_id']}"
    page = desk.browser.get(path).text
    assert "窗口门户" in page
    assert 'id="safe-pkce"' in page
    assert desk.post(f"{path}/edit", **form_of(client_id=None, client_name_zh="换个名称", require_auth_time=None)).status_code == 303
    assert "换个名称" in desk.browser.get(path).text
    assert desk.post(f"{path}/disable", page=path).status_code == 303
    with app.app_context():
        assert clients.find_client(form["client_id"]) is None
    assert desk.post(f"{path}/enable", page=path).status_code == 303
    with app.app_context(), transaction() as session:
        assert clients.find_client(form["client_id"]) is not None
        rows = session.scalars(select(LedgerEntry).where(LedgerEntry.object_id == form["client_id"]).order_by(LedgerEntry.id)).all()
    assert [row.act for row in rows] == ["client.registered", "client.changed", "client.disabled", "client.enabled"]
    assert {row.actor for row in rows} == {f"operator:{desk.subject_id}"}


def test_an_owner_whose_code_is_not_sound_is_refused_and_one_that_nobody_has_is_warned_of(desk: Desk) -> None:
    refused = desk.post("/admin/clients/new", **form_of(owner="11379999000000001A"))
    assert (refused.status_code, "不是有效的统一社会信用代码，请核对每一位。" in refused.text) == (422, True)
    assert 'id="owner-error"' in refused.text
    form = form_of(owner=credit_code(kind="11"))
    assert desk.post("/admin/clients/new", **form).status_code == 303
    assert owners.UNKNOWN.zh in desk.browser.get(f"/admin/clients/{form['client_id']}").text
    assert owners.UNKNOWN.zh not in desk.browser.get(f"/admin/clients/{form['client_id']}").text


def test_names_that_stand_for_nothing_are_warned_of(desk: Desk) -> None:
    form = form_of(resources="https://nowhere.example.gov.cn/api", may_exchange_from="nobody-here")
    assert desk.post("/admin/clients/new", **form).status_code == 303
    page = desk.browser.get(f"/admin/clients/{form['client_id']}").text
    for member, name in (("resources", form["resources"]), ("may_exchange_from", form["may_exchange_from"])):
        assert changes.UNREGISTERED.format(member, name).zh in page


def test_a_secret_is_shown_once_and_rotated_with_an_overlap(desk: Desk, client: FlaskClient) -> None:
    form = form_of(
        token_endpoint_auth_method="client_secret_basic", jwks=None, grant_types=["client_credentials"], redirect_uris=None, scope=["draws"]
    )
    path = f"/admin/clients/{form['client_id']}"
    first = secret_in(desk.post("/admin/clients/new", **form).text)
    assert first not in desk.browser.get(path).text
    second = secret_in(desk.post(f"{path}/rotate-secret", page=path).text)
    for secret in (first, second):
        assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(form["client_id"], secret)).status_code == 200


def test_a_new_secret_asked_for_twice_by_one_page_is_made_once(desk: Desk, client: FlaskClient) -> None:
    """Else a page that is loaded anew would end the secret that the portal still uses."""
    form = form_of(
        token_endpoint_auth_method="client_secret_basic", jwks=None, grant_types=["client_credentials"], redirect_uris=None, scope=["draws"]
    )
    path = f"/admin/clients/{form['client_id']}"
    first = secret_in(desk.post("/admin/clients/new", **form).text)
    shown = desk.browser.get(path).text
    assert 'id="rotating"' not in shown
    second = secret_in(desk.send(f"{path}/rotate-secret", shown).text)
    again = desk.send(f"{path}/rotate-secret", shown)
    assert (again.status_code, again.headers["Location"]) == (303, path)
    page = desk.browser.get(path).text
    assert "没有更换密钥" in page
    assert 'id="rotating"' in page
    for secret in (first, second):
        assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(form["client_id"], secret)).status_code == 200


def test_the_button_says_that_another_secret_ends_the_one_in_use(desk: Desk, client: FlaskClient) -> None:
    form = form_of(
        token_endpoint_auth_method="client_secret_basic", jwks=None, grant_types=["client_credentials"], redirect_uris=None, scope=["draws"]
    )
    path = f"/admin/clients/{form['client_id']}"
    first = secret_in(desk.post("/admin/clients/new", **form).text)
    assert 'name="ends_former"' not in desk.browser.get(path).text
    desk.post(f"{path}/rotate-secret", page=path)
    assert "再次更换，停用原密钥" in desk.browser.get(path).text
    refused = desk.post(f"{path}/rotate-secret", page=path)
    assert (refused.status_code, "没有更换密钥" in desk.browser.get(path).text) == (303, True)
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(form["client_id"], first)).status_code == 200
    assert secret_in(desk.post(f"{path}/rotate-secret", page=path, ends_former="1").text)
    assert client.post("/token", data={"grant_type": "client_credentials"}, auth=(form["client_id"], first)).status_code == 401


def test_of_two_who_change_one_client_the_later_is_told_what_differs_and_may_still_save(app: Flask, desk: Desk) -> None:
    form, other = form_of(), desk_of(app, amr=TWO_FACTORS)
    desk.post("/admin/clients/new", **form)
    path, kept = f"/admin/clients/{form['client_id']}/edit", {**form, "client_id": None}
    mine, theirs = desk.browser.get(path).text, other.browser.get(path).text
    assert desk.send(path, mine, **{**kept, "redirect_uris": "https://counter.example.gov.cn/moved"}).status_code == 303
    late = other.send(path, theirs, **{**kept, "client_name_zh": "后来者的名称"})
    assert (late.status_code, 'id="changed-meanwhile"' in late.text) == (409, True)
    notice = late.text.partition('id="changed-meanwhile"')[2].partition("</div>")[0]
    assert [name for name in ("client_name_zh", "redirect_uris", "owner", "scope", "jwks") if f'href="#{name}"' in notice] == [
        "client_name_zh",
        "redirect_uris",
    ]
    assert 'value="后来者的名称"' in late.text
    with app.app_context(), transaction() as session:
        assert clients.get_row(session, form["client_id"]).redirect_uris == ["https://counter.example.gov.cn/moved"]
    assert other.send(path, late.text, **{**kept, "client_name_zh": "后来者的名称"}).status_code == 303


def test_a_change_without_the_mark_of_what_was_seen_is_not_made(desk: Desk) -> None:
    form = form_of()
    desk.post("/admin/clients/new", **form)
    path = f"/admin/clients/{form['client_id']}/edit"
    assert desk.post(path, **{**form, "mark": ""}).status_code == 409


def secret_in(page: str) -> str:
    found = re.search(r'id="secret">([^<]+)<', page)
    assert found is not None
    return found[1]


BAD = {
    "client_id": {"client_id": "含汉字"},
    "owner": {"owner": "123"},
    "redirect_uris": {"redirect_uris": "javascript:alert(1)"},
    "jwks": {"jwks": "{"},
    "default_max_age": {"default_max_age": "x"},
    "levels": {"levels": '{"openid": "highest"}'},
    "levels that are a list": {"levels": "[]"},
    "levels twice": {"levels": '{"openid": "ial2", "openid": "ial3"}'},
    "request_uris": {"request_uris": "https://counter.example.gov.cn/request.jwt#a\r\njavascript:alert(1)"},
    "request_uris at no host": {"request_uris": "5"},
    "logo_uri": {"logo_uri": "http://counter.example.gov.cn/logo.png"},
    "client_name_zh": {"client_name_zh": "\u202egnorw"},
    "backchannel_logout_uri": {"backchannel_logout_uri": "http://counter.example.gov.cn/logout"},
    "id_token_encrypted_response_enc": {"id_token_encrypted_response_enc": "A128GCM"},
}


@pytest.mark.parametrize(("field", "changes"), BAD.items(), ids=BAD)
def test_a_refusal_stands_beside_its_field(desk: Desk, field: str, changes: dict[str, Any]) -> None:
    answer = desk.post("/admin/clients/new", **form_of(**changes))
    assert answer.status_code == 422
    assert f'id="{field.partition(" ")[0]}-error"' in answer.text


def test_an_id_is_given_once(desk: Desk) -> None:
    form = form_of()
    assert desk.post("/admin/clients/new", **form).status_code == 303
    assert desk.post("/admin/clients/new", **form).status_code == 409


@pytest.mark.parametrize("path", ["rotate-secret", "disable", "enable", "edit"])
def test_nothing_is_done_to_a_client_that_there_is_not(desk: Desk, path: str) -> None:
    page = "/admin/clients/new"
    assert desk.post(f"/admin/clients/nobody/{path}", page=page).status_code == 404
    assert desk.browser.get("/admin/clients/nobody").status_code == 404


def test_without_the_forms_own_token_nothing_is_done(app: Flask, desk: Desk) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session)
    assert desk.browser.post(f"/admin/clients/{portal.client_id}/disable").status_code == 400
    with app.app_context():
        assert clients.find_client(portal.client_id) is not None


def test_clients_are_found_by_id_name_and_owner(desk: Desk) -> None:
    form = form_of(client_name_zh="独一无二的窗口")
    desk.post("/admin/clients/new", **form)
    for query in (form["client_id"], form["client_id"].upper(), "独一无二", "%"):
        assert (form["client_id"] in desk.browser.get("/admin/clients", query_string={"q": query}).text) is (query != "%")


def test_an_edit_form_holds_all_that_is_registered(app: Flask, desk: Desk) -> None:
    """Saved as it is shown, nothing changes: no member is lost on the way through the page."""
    form = form_of(levels='{"openid": "ial3aal2"}', contacts="a@example.gov.cn", first_party="y", default_acr_values="urn:kabao:acr:ial2:aal2")
    desk.post("/admin/clients/new", **form)
    with app.app_context(), transaction() as session:
        before = {name: value for name, value in clients.get_row(session, form["client_id"]).__dict__.items() if name[0] != "_"}
    assert desk.post(f"/admin/clients/{form['client_id']}/edit", **{**form, "sector": before["sector"]}).status_code == 303
    with app.app_context(), transaction() as session:
        assert {name: value for name, value in clients.get_row(session, form["client_id"]).__dict__.items() if name[0] != "_"} == before


def test_the_pages_ask_for_every_member_that_there_is() -> None:
    derived = {"client_id", "client_name", "response_types", "software_statement"}
    known = {str(field.data_key or name) for name, field in OperatorClientSchema().fields.items()}
    assert {member.name for member in MEMBERS} == known - derived
    assert all(client_forms.field_id(member.name).isidentifier() for member in MEMBERS)


def test_a_token_is_made_used_and_revoked(app: Flask, desk: Desk, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        policy = new_policy(session)
    made = desk.post("/admin/registration/tokens", policy=policy, uses="5", days="7")
    found = re.search(r'id="token">([^<]+)<', made.text)
    assert found is not None
    assert register(client, found[1], portal_document()).status_code == 201
    page = desk.browser.get("/admin/registration/tokens").text
    assert found[1] not in page
    token_id = re.search(r'id="revoke-([0-9a-f-]{36})"', page)
    assert token_id is not None
    assert desk.post(f"/admin/registration/tokens/{token_id[1]}/revoke", page="/admin/registration/tokens").status_code == 303
    assert register(client, found[1], portal_document()).status_code == 401


@pytest.mark.parametrize(("field", "value"), [("uses", "0"), ("uses", "x"), ("days", "0"), ("days", "9999"), ("policy", "none-such")])
def test_a_token_that_cannot_be_made_is_refused(app: Flask, desk: Desk, field: str, value: str) -> None:
    with app.app_context(), transaction() as session:
        policy = new_policy(session)
    answer = desk.post("/admin/registration/tokens", **{"policy": policy, "uses": "1", "days": "1", field: value})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


def test_a_policy_is_written_and_removed(desk: Desk) -> None:
    name = f"policy-{secrets.token_hex(4)}"
    document = f"name: {name}\nowner: {DEPARTMENT}\ngrant_types: [client_credentials]\nscopes: [draws]\nauth_methods: [private_key_jwt]\n"
    path = "/admin/registration/policies"
    assert desk.post(path, document=document).status_code == 303
    assert name in desk.browser.get(path).text
    assert desk.post(f"{path}/{name}/remove", page=path, seen=seen_of(desk, name)).status_code == 303
    assert f"policy-{name}" not in desk.browser.get(path).text


def seen_of(desk: Desk, name: str) -> str:
    """The mark of a policy in the form by which it is changed."""
    page = desk.browser.get(f"/admin/registration/policies?name={name}").text
    found = re.search(r'name="seen" value="([^"]*)"', page.partition('id="policy-form"')[2])
    assert found is not None
    return html.unescape(found[1])


def test_nobody_writes_over_a_policy_that_they_have_not_seen(desk: Desk) -> None:
    name, path = f"policy-{secrets.token_hex(4)}", "/admin/registration/policies"
    document = f"name: {name}\nowner: {DEPARTMENT}\ngrant_types: [client_credentials]\nscopes: [draws]\nauth_methods: [private_key_jwt]\n"
    assert desk.post(path, document=document).status_code == 303
    first = seen_of(desk, name)
    blind = desk.post(path, document=document + "client_limit: 2\n")
    assert (blind.status_code, policies.PolicyChanged.title.zh in blind.text, "client_limit: 2" in blind.text) == (409, True, True)
    assert desk.post(path, document=document + "client_limit: 3\n", seen=first).status_code == 303
    for late in ({"document": document + "client_limit: 4\n"}, {"document": document + "client_limit: 4\n", "seen": first}):
        assert desk.post(path, **late).status_code == 409
    assert desk.post(f"{path}/{name}/remove", page=path, seen=first).status_code == 409
    page = desk.browser.get(f"{path}?name={name}").text
    assert "client_limit: 3" in page.partition('id="policy-form"')[2], "the form begins with what is written"
    second = seen_of(desk, name)
    assert desk.post(f"{path}/{name}/remove", page=path, seen=second).status_code == 303
    assert desk.post(path, document=document, seen=second).status_code == 409, "taken away by somebody else: not brought back unseen"
    assert "portals-of-the-city" in desk.browser.get(f"{path}?name={'x' * 300}").text, "of what is not there, the example"


def test_a_policy_s_owner_must_have_a_sound_code_and_one_that_nobody_has_is_warned_of(desk: Desk) -> None:
    path, rest = "/admin/registration/policies", "grant_types: [client_credentials]\nscopes: [draws]\nauth_methods: [private_key_jwt]\n"
    refused = desk.post(path, document=f"name: unsound\nowner: 11379999000000001A\n{rest}")
    assert (refused.status_code, 'id="document-error"' in refused.text) == (422, True)
    assert owners.UNSOUND.zh in refused.text
    assert desk.post(path, document=f"name: unknown\nowner: {credit_code(kind='11')}\n{rest}").status_code == 303
    assert owners.UNKNOWN.zh in desk.browser.get(path).text
    with desk.browser.application.app_context():
        known = new_department()
    assert desk.post(path, document=f"name: unknown\nowner: {known}\n{rest}", seen=seen_of(desk, "unknown")).status_code == 303
    assert owners.UNKNOWN.zh not in desk.browser.get(path).text
    assert desk.post(f"{path}/unknown/remove", page=path, seen=seen_of(desk, "unknown")).status_code == 303


@pytest.mark.parametrize("document", ["", "- a list", "name: [", "name: x\nowner: 1", "name: X Y", "!!python/object/apply:os.system ['x']"])
def test_a_policy_that_cannot_be_read_is_refused(desk: Desk, document: str) -> None:
    answer = desk.post("/admin/registration/policies", document=document)
    assert answer.status_code == 422
    assert 'id="document-error"' in answer.text
