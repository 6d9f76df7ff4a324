"""Resource indicators: whom tokens are for, and who is refused them (RFC 8707)."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs
from werkzeug.datastructures import MultiDict

from idp.oauth import owners, resources
from idp.oauth.server import once, single
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.details_world import OWN, SCOPE, introspect, new_asker, new_machine, new_resource, queries_of, said_by
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.world_clients import System, ask, bearer
from tests.world_people import credit_code
from tests.world_wallet import new_department


@pytest.fixture(scope="module")
def fund(app: Flask) -> str:
    return new_resource(app)


@pytest.fixture(scope="module")
def asker(app: Flask, fund: str) -> System:
    return new_asker(app, allowed=(fund,))


MALFORMED = {
    "a path": "/api",
    "a name": "api",
    "a fragment": f"{OWN}#part",
    "not ASCII": "https://公积金.example/api",
    "too long": "https://a.example/" + "a" * 300,
    "unknown": "https://unknown.example/api",
    "ours with a slash more": f"{OWN}/",
    "a JSON array of something else": "[1]",
    "not quite a JSON array": "[",
}


@pytest.mark.parametrize("resource", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_resource_of_the_client_s_is_refused(browser: FlaskClient, asker: System, resource: str) -> None:
    assert answer_of(Journey(asker, scope=SCOPE).authorize(browser, resource=resource))["error"] == "invalid_target"
    code = Journey(asker, scope="openid")
    refused = code.exchange(browser, code.code(browser), resource=resource)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")


def test_a_resource_that_another_client_may_use_is_refused(app: Flask, browser: FlaskClient, fund: str) -> None:
    other = new_asker(app)
    assert answer_of(Journey(other, scope=SCOPE).authorize(browser, resource=fund))["error"] == "invalid_target"


def test_too_many_resources_are_refused(browser: FlaskClient, asker: System) -> None:
    many = [f"https://a.example/{number}" for number in range(11)]
    assert answer_of(Journey(asker, scope=SCOPE).authorize(browser, resource=many))["error"] == "invalid_target"


def test_a_token_is_for_our_api_unless_it_is_said(browser: FlaskClient, asker: System) -> None:
    assert said_by(Journey(asker, scope=SCOPE).tokens(browser)["access_token"])["aud"] == OWN


def test_a_token_is_for_what_was_asked(browser: FlaskClient, asker: System, fund: str) -> None:
    token = Journey(asker, scope=SCOPE).tokens(browser, resource=fund)["access_token"]
    assert said_by(token)["aud"] == fund


def test_several_resources_come_as_several_parameters(browser: FlaskClient, asker: System, fund: str) -> None:
    token = Journey(asker, scope=SCOPE).tokens(browser, resource=[fund, OWN])["access_token"]
    assert said_by(token)["aud"] == [fund, OWN]
    assert browser.get("/userinfo", headers=bearer(token)).status_code == 200


def test_a_token_for_another_is_refused_at_ours_also_when_it_is_known_already(app: Flask, browser: FlaskClient, asker: System, fund: str) -> None:
    token = Journey(asker, scope=SCOPE).tokens(browser, resource=fund)["access_token"]
    assert introspect(browser, asker, token).json["active"] is True  # type: ignore[index]
    for _ in range(3):
        refused = browser.get("/userinfo", headers=bearer(token))
        assert (refused.status_code, 'error="invalid_token"' in refused.headers["WWW-Authenticate"]) == (401, True)
    assert queries_of(app, lambda: app.test_client().get("/userinfo", headers=bearer(token))) == []


def test_a_person_is_told_where_else_it_is_used_and_asked_anew_for_another(app: Flask, browser: FlaskClient, asker: System, fund: str) -> None:
    page = Journey(asker, scope=SCOPE).authorize(browser, resource=fund)
    assert "测试公积金系统" in page.text
    Journey(asker, scope=SCOPE).tokens(browser)
    assert Journey(asker, scope=SCOPE).authorize(browser).status_code == 303
    assert Journey(asker, scope=SCOPE).authorize(browser, resource=fund).status_code == 200
    Journey(asker, scope=SCOPE).tokens(browser, resource=fund)
    assert Journey(asker, scope=SCOPE).authorize(browser, resource=fund).status_code == 303


def test_a_token_request_chooses_among_what_was_granted(browser: FlaskClient, asker: System, fund: str) -> None:
    journey = Journey(asker, scope=SCOPE)
    tokens = journey.exchange(browser, journey.code(browser, resource=[fund, OWN]), resource=OWN).json
    assert said_by(tokens["access_token"])["aud"] == OWN  # type: ignore[index]
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}  # type: ignore[index]
    refreshed = ask(browser, asker, **form, resource=fund).json
    assert said_by(refreshed["access_token"])["aud"] == fund
    whole = ask(browser, asker, grant_type="refresh_token", refresh_token=refreshed["refresh_token"]).json
    assert said_by(whole["access_token"])["aud"] == [fund, OWN]


def test_a_token_request_gets_nothing_that_was_not_granted(browser: FlaskClient, asker: System, fund: str) -> None:
    tokens = Journey(asker, scope=SCOPE).tokens(browser)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    refused = ask(browser, asker, **form, resource=fund)
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_target")
    assert ask(browser, asker, **form, resource=OWN).status_code == 200, "the refresh token has not been used up"


def test_a_code_that_was_brought_with_a_wrong_resource_is_redeemed_yet_and_once(browser: FlaskClient, asker: System, fund: str) -> None:
    journey = Journey(asker, scope=SCOPE)
    code = journey.code(browser)
    for _ in range(2):
        assert journey.exchange(browser, code, resource=fund).json["error"] == "invalid_target"  # type: ignore[index]
    tokens = journey.exchange(browser, code, resource=OWN)
    assert tokens.status_code == 200, tokens.text
    refused = journey.exchange(browser, code, resource=fund)
    assert refused.json["error"] == "invalid_grant", "it was used"  # type: ignore[index]
    again = ask(browser, asker, grant_type="refresh_token", refresh_token=tokens.json["refresh_token"])  # type: ignore[index]
    assert again.json["error"] == "invalid_grant", "whoever brings a used code ends what it began"


def test_a_code_that_was_brought_with_a_wrong_verifier_is_used_up_whatever_else_was_wrong(browser: FlaskClient, asker: System, fund: str) -> None:
    journey = Journey(asker, scope=SCOPE)
    code = journey.code(browser)
    refused = journey.exchange(browser, code, resource=fund, code_verifier="x" * 43)
    assert refused.json["error"] == "invalid_grant"  # type: ignore[index]
    assert journey.exchange(browser, code).json["error"] == "invalid_grant"  # type: ignore[index]


def test_a_system_asks_for_what_it_is_registered_for(app: Flask, client: FlaskClient, fund: str) -> None:
    system = new_machine(app, resources=[fund])
    assert said_by(ask(client, system, grant_type="client_credentials", resource=fund).json["access_token"])["aud"] == fund
    assert said_by(ask(client, system, grant_type="client_credentials").json["access_token"])["aud"] == OWN
    assert ask(client, new_machine(app), grant_type="client_credentials", resource=fund).json["error"] == "invalid_target"


def test_the_operator_is_told_why_a_resource_was_refused(app: Flask, client: FlaskClient, fund: str) -> None:
    nowhere = "https://nowhere.example.gov.cn/api"
    for allowed, asked, why in (([], fund, "does not name it"), ([nowhere], nowhere, "is not registered"), ([fund], fund, "")):
        system = new_machine(app, resources=allowed)
        with capture_logs() as lines:
            answer = ask(client, system, grant_type="client_credentials", resource=asked)
        said = [line for line in lines if line["event"] == "resource refused"]
        assert (answer.status_code, {line["client_id"] for line in said}) == ((400, {system.client_id}) if why else (200, set()))
        assert all(why in line["why"] for line in said)


def test_a_token_has_the_scopes_that_its_resource_takes(app: Flask, client: FlaskClient) -> None:
    narrow = new_resource(app, takes=["verifications"])
    system = new_machine(app, resources=[narrow])
    answer = ask(client, system, grant_type="client_credentials", resource=narrow).json
    assert (answer["scope"], said_by(answer["access_token"])["scope"]) == ("verifications", "verifications")


def test_a_disabled_resource_gets_no_tokens(app: Flask, browser: FlaskClient) -> None:
    closing = new_resource(app)
    asker = new_asker(app, allowed=(closing,))
    tokens = Journey(asker, scope=SCOPE).tokens(browser, resource=[closing, OWN])
    with app.app_context(), transaction() as session:
        resources.disable_resource(session, closing, now=now())
    assert answer_of(Journey(asker, scope=SCOPE).authorize(browser, resource=closing))["error"] == "invalid_target"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert ask(browser, asker, **form).json["error"] == "invalid_target"
    assert ask(browser, asker, **form, resource=OWN).status_code == 200


def test_resource_is_the_one_parameter_that_may_repeat() -> None:
    several = MultiDict([("resource", "https://a.example"), ("resource", ""), ("resource", "https://b.example"), ("scope", "openid")])
    assert single(several.items(multi=True)) == {"resource": "https://a.example https://b.example", "scope": "openid"}
    assert once(several.items(multi=True))[1] == frozenset()
    assert once([("scope", "a"), ("scope", "b")])[1] == {"scope"}


def test_any_other_parameter_that_repeats_is_refused(browser: FlaskClient, asker: System) -> None:
    for name in ("authorization_details", "scope", "token"):
        form = MultiDict([*asker.proof().items(), ("grant_type", "client_credentials"), (name, "x"), (name, "y")])
        assert browser.post("/token", data=form).json["error"] == "invalid_request"  # type: ignore[index]


def test_the_commands_register_list_and_disable(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    from idp.oauth.resource_commands import resource

    name = ["--name", "公积金", "Housing fund", "--owner", "11379999000000035T"]
    done = run(resource, ["add", "https://fund.example.gov.cn/api", *name, "--scope", "openid", "--signing-alg", "RS256"])
    assert done.exit_code == 0, done.output
    assert "https://fund.example.gov.cn/api" in run(resource, ["list"]).output
    assert run(resource, ["disable", "https://fund.example.gov.cn/api"]).exit_code == 0
    for wrong in (["add", "https://fund.example/#x", *name], ["add", OWN, *name], ["disable", "https://nobody.example"]):
        assert run(resource, wrong).exit_code == 1
    assert run(resource, ["add", "https://fund.example/", *name, "--client", "nobody"]).exit_code == 1
    with app.app_context():
        owners_of = {owners.UNKNOWN.en: credit_code(kind="11"), "": new_department()}
    for at, (warning, owner) in enumerate(owners_of.items()):
        done = run(resource, ["add", f"https://owned-{at}.example/", *name[:-1], owner])
        assert (done.exit_code, done.stderr.strip()) == (0, warning)
        assert run(resource, ["disable", f"https://owned-{at}.example/"]).exit_code == 0
    assert run(resource, ["add", "https://fund.example/", *name[:-1], "11379999000000001A"]).exit_code == 1


def test_the_page_comes_back_with_all_resources(browser: FlaskClient, asker: System, fund: str) -> None:
    """The request goes from page to page in the query, where several resources stand in one parameter."""
    first = Journey(asker, scope=SCOPE)
    page = first.authorize(browser, resource=[fund, OWN], prompt="consent")
    answer = answer_consent(browser, page)
    assert answer.status_code == 303, page.text
    assert said_by(first.exchange(browser, answer_of(answer)["code"]).json["access_token"])["aud"] == [fund, OWN]  # type: ignore[index]
