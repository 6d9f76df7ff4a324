"""Authorization details: what is refused, what a person reads and allows, and what the tokens are good for (RFC 9396)."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.requests.authorization_details import LONGEST, MOST, TYPES
from runtime.database import transaction
from tests.idp.oauth.details_world import CREDENTIAL, LICENCE, SCOPE, detail, details, introspect, new_asker, new_machine, said_by
from tests.idp.oauth.journeys import Journey, answer_consent, answer_of
from tests.world_clients import System, ask, bearer, new_portal
from tests.world_people import BROWSER

IDENTIFIER = "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
WIDER = detail(licence_types=["driving-licence", "marriage-certificate"], actions=["draw", "read"])
CREDENTIAL_CLAIMS = {**CREDENTIAL, "claims": [{"path": ["vehicle_class"]}, {"path": ["holder_name"], "mandatory": True}]}


@pytest.fixture(scope="module")
def asker(app: Flask) -> System:
    return new_asker(app)


def error_of(browser: FlaskClient, portal: System, parameter: str, *, scope: str = SCOPE) -> str | None:
    """Return the error that an authorization request is answered with."""
    return answer_of(Journey(portal, scope=scope).authorize(browser, authorization_details=parameter)).get("error")


REFUSED = {
    "not JSON": "[",
    "not an array": json.dumps(LICENCE),
    "an empty array": "[]",
    "an array of something else": '["licence"]',
    "without a type": details({"actions": ["draw"]}),
    "a type that is no text": details({"type": ["licence"]}),
    "a type that nobody declared": details({"type": "payment_initiation"}),
    "a member that stands twice": '[{"type":"licence","type":"licence"}]',
    "not a number": '[{"type":"licence","actions":NaN}]',
    "deep": "[" * 3000,
    "too long": details(detail(cause="车" * LONGEST)),
    "too wide": details(*[detail(cause="车" * 190, licence_types=["driving-licence"], datatypes=[f]) for f in ("vehicle_class", "file_number")] * 3),
    "too many": details(*[LICENCE] * (MOST + 1)),
    "the same twice": details(LICENCE, LICENCE),
    "an unknown field": details(detail(amount=3)),
    "actions missing": details(detail(actions=None)),
    "licence_types missing": details(detail(licence_types=None)),
    "cause missing": details(detail(cause=None)),
    "actions of the wrong type": details(detail(actions="draw")),
    "no action": details(detail(actions=[])),
    "an unknown action": details(detail(actions=["revoke"])),
    "an action twice": details(detail(actions=["draw", "draw"])),
    "an unknown licence type": details(detail(licence_types=["flying-licence"])),
    "licence types of the wrong type": details(detail(licence_types=[1])),
    "one licence type by two names": details(detail(licence_types=["driving-licence", "DRIVING"])),
    "an empty cause": details(detail(cause=" ")),
    "a cause of the wrong type": details(detail(cause={"text": "x"})),
    "a cause that is too long": details(detail(cause="车" * 201)),
    "a cause that turns the line about": details(detail(cause="a\u202eb")),
    "a cause with a null": details(detail(cause="a\0b")),
    "a field that the licence does not have": details(detail(datatypes=["shoe_size"])),
    "no field": details(detail(datatypes=[])),
    "a malformed identifier": details(detail(identifier="1.2.3")),
    "an identifier of another type": details(detail(identifier=IDENTIFIER)),
    "another's location": details(detail(locations=["https://elsewhere.example/api"])),
    "a credential that there is not": details({**CREDENTIAL, "credential_configuration_id": "flying-licence"}),
    "a credential without its configuration": details({"type": "openid_credential"}),
    "a credential that names what a response says": details({**CREDENTIAL, "credential_identifiers": ["mine"]}),
    "claims that are no array": details({**CREDENTIAL, "claims": {}}),
    "a claim without a path": details({**CREDENTIAL, "claims": [{"mandatory": True}]}),
    "a claim that the credential does not have": details({**CREDENTIAL, "claims": [{"path": ["shoe_size"]}]}),
    "a path of another kind": details({**CREDENTIAL, "claims": [{"path": [None]}]}),
    "mandatory of the wrong type": details({**CREDENTIAL, "claims": [{"path": ["vehicle_class"], "mandatory": 1}]}),
}


@pytest.mark.parametrize("parameter", REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_conform_is_refused_by_name(browser: FlaskClient, asker: System, parameter: str) -> None:
    assert error_of(browser, asker, parameter) == "invalid_authorization_details"


TAKEN = {
    "a licence": LICENCE,
    "several licences, to read and to draw": WIDER,
    "some fields": detail(datatypes=["vehicle_class"]),
    "a credential": CREDENTIAL,
    "a credential with claims": CREDENTIAL_CLAIMS,
}


@pytest.mark.parametrize("one", TAKEN.values(), ids=TAKEN.keys())
def test_what_conforms_is_asked(browser: FlaskClient, asker: System, one: dict[str, Any]) -> None:
    page = Journey(asker, scope=SCOPE).authorize(browser, authorization_details=details(one))
    assert page.status_code == 200
    assert 'id="detail-1"' in page.text


def test_a_type_that_the_client_did_not_register_is_refused(app: Flask, browser: FlaskClient, portal: System) -> None:
    assert error_of(browser, portal, details(LICENCE)) == "invalid_authorization_details"
    assert error_of(browser, new_asker(app, types=["openid_credential"]), details(LICENCE)) == "invalid_authorization_details"


def test_details_of_licences_go_with_their_scope(browser: FlaskClient, asker: System) -> None:
    assert error_of(browser, asker, details(LICENCE), scope="openid") == "invalid_authorization_details"
    assert Journey(asker, scope="openid").authorize(browser, authorization_details=details(CREDENTIAL)).status_code == 200


def test_a_person_reads_which_licences_to_do_what_and_why(browser: FlaskClient, asker: System) -> None:
    parameter = details({**WIDER, "cause": "<b>年检</b>"}, CREDENTIAL_CLAIMS)
    journey = Journey(asker, scope=SCOPE)
    chinese = journey.authorize(browser, authorization_details=parameter).text
    assert "调用您的“机动车驾驶证”、“结婚证”" in chinese
    assert "&lt;b&gt;年检&lt;/b&gt;" in chinese
    english = browser.get("/authorize", query_string=journey.parameters(authorization_details=parameter, lang="en"), headers=BROWSER).text
    browser.get("/?lang=zh", headers=BROWSER)
    assert "Draw your" in english
    assert "What for" in english


def test_a_person_reads_where_a_licence_is_to_be_looked_at_alone(browser: FlaskClient, asker: System) -> None:
    page = Journey(asker, scope=SCOPE).authorize(browser, authorization_details=details({**LICENCE, "actions": ["read"]}))
    assert "查看是否有效（不看内容）：“机动车驾驶证”" in page.text


def test_who_refuses_allows_nothing(browser: FlaskClient, asker: System) -> None:
    journey = Journey(asker, scope=SCOPE)
    page = journey.authorize(browser, authorization_details=details(LICENCE))
    assert answer_of(answer_consent(browser, page, "refuse"))["error"] == "access_denied"
    assert journey.authorize(browser, authorization_details=details(LICENCE)).status_code == 200


def test_tokens_say_what_was_allowed(browser: FlaskClient, asker: System) -> None:
    tokens = Journey(asker, scope=SCOPE).tokens(browser, authorization_details=details(LICENCE, CREDENTIAL))
    enriched = {**CREDENTIAL, "credential_identifiers": ["driving-licence"]}
    assert tokens["authorization_details"] == [LICENCE, enriched]
    assert said_by(tokens["access_token"])["authorization_details"] == [LICENCE, enriched]
    assert introspect(browser, asker, tokens["access_token"]).json["authorization_details"] == [LICENCE, enriched]  # type: ignore[index]


def test_without_details_nothing_is_said_of_them(browser: FlaskClient, asker: System) -> None:
    tokens = Journey(asker, scope=SCOPE).tokens(browser)
    assert "authorization_details" not in {**tokens, **said_by(tokens["access_token"])}


def test_the_very_same_is_not_asked_again_and_anything_else_is(browser: FlaskClient, asker: System) -> None:
    Journey(asker, scope=SCOPE).tokens(browser, authorization_details=details(LICENCE))
    assert Journey(asker, scope=SCOPE).authorize(browser, authorization_details=details(LICENCE)).status_code == 303
    for other in (detail(cause="办理贷款"), WIDER, detail(datatypes=["vehicle_class"])):
        assert Journey(asker, scope=SCOPE).authorize(browser, authorization_details=details(other)).status_code == 200


def test_a_first_party_portal_asks_for_details_too(app: Flask, browser: FlaskClient) -> None:
    own = new_asker(app, first_party=True)
    assert Journey(own, scope="openid").authorize(browser).status_code == 303
    assert Journey(own, scope="openid").authorize(browser, authorization_details=details(CREDENTIAL)).status_code == 200


def test_the_account_shows_what_exactly_was_allowed(browser: FlaskClient, asker: System) -> None:
    Journey(asker, scope=SCOPE).tokens(browser, authorization_details=details(LICENCE))
    page = browser.get("/account/portals", headers=BROWSER).text
    assert "调用您的“机动车驾驶证”" in page
    assert str(LICENCE["cause"]) in page


NARROWED = {
    "fewer types": (WIDER, detail(), True),
    "to read is within to draw": (LICENCE, detail(actions=["read"]), True),
    "some fields of all": (LICENCE, detail(datatypes=["vehicle_class"]), True),
    "the same": (LICENCE, LICENCE, True),
    "the same credential": (CREDENTIAL, CREDENTIAL, True),
    "some claims of all": (CREDENTIAL, CREDENTIAL_CLAIMS, True),
    "more types": (LICENCE, WIDER, False),
    "to draw is beyond to read": (detail(actions=["read"]), LICENCE, False),
    "all fields of some": (detail(datatypes=["vehicle_class"]), LICENCE, False),
    "another cause": (LICENCE, detail(cause="办理贷款"), False),
    "another type of details": (LICENCE, CREDENTIAL, False),
    "all claims of some": (CREDENTIAL_CLAIMS, CREDENTIAL, False),
    "another credential": (CREDENTIAL, {**CREDENTIAL, "credential_configuration_id": "marriage-certificate"}, False),
}


@pytest.mark.parametrize(("granted", "wanted", "is_within"), NARROWED.values(), ids=NARROWED.keys())
def test_a_token_is_given_for_less_and_never_for_more(
    browser: FlaskClient, asker: System, granted: dict[str, Any], wanted: dict[str, Any], is_within: bool
) -> None:
    journey = Journey(asker, scope=SCOPE)
    tokens = journey.tokens(browser, authorization_details=details(granted))
    refreshed = ask(browser, asker, grant_type="refresh_token", refresh_token=tokens["refresh_token"], authorization_details=details(wanted))
    if is_within:
        assert refreshed.json["authorization_details"][0].items() >= wanted.items()
        assert said_by(refreshed.json["access_token"])["authorization_details"] == refreshed.json["authorization_details"]
    else:
        assert (refreshed.status_code, refreshed.json["error"]) == (400, "invalid_authorization_details")
        again = ask(browser, asker, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        assert again.status_code == 200, "what was asked for wrongly has not used the token up"
    exchanged = journey.exchange(browser, journey.code(browser, authorization_details=details(granted)), authorization_details=details(wanted))
    assert exchanged.status_code == (200 if is_within else 400)


def test_a_narrowed_token_narrows_no_later_one(browser: FlaskClient, asker: System) -> None:
    tokens = Journey(asker, scope=SCOPE).tokens(browser, authorization_details=details(WIDER))
    narrow = ask(browser, asker, grant_type="refresh_token", refresh_token=tokens["refresh_token"], authorization_details=details(LICENCE)).json
    whole = ask(browser, asker, grant_type="refresh_token", refresh_token=narrow["refresh_token"]).json
    assert (narrow["authorization_details"], whole["authorization_details"]) == ([LICENCE], [WIDER])


def test_leaving_details_out_never_widens_a_token(browser: FlaskClient, asker: System) -> None:
    """Without the details that came with it, the scope that they limit is left out, too."""
    tokens = Journey(asker, scope=SCOPE).tokens(browser, authorization_details=details(LICENCE, CREDENTIAL))
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    left_out = ask(browser, asker, **form, authorization_details=details(CREDENTIAL)).json
    assert left_out["scope"] == "openid offline_access"
    assert said_by(left_out["access_token"])["scope"] == "openid offline_access"
    empty = ask(browser, asker, grant_type="refresh_token", refresh_token=left_out["refresh_token"], authorization_details="[]")
    assert empty.json["error"] == "invalid_authorization_details"


def test_a_system_asks_for_what_it_is_registered_for(app: Flask, client: FlaskClient) -> None:
    system = new_machine(app, authorization_details_types=["licence"])
    answer = ask(client, system, grant_type="client_credentials", scope="draws", authorization_details=details(LICENCE))
    assert answer.json["authorization_details"] == [LICENCE]
    assert said_by(answer.json["access_token"])["authorization_details"] == [LICENCE]
    for refused in (
        ask(client, system, grant_type="client_credentials", scope="draws", authorization_details=details(CREDENTIAL)),
        ask(client, system, grant_type="client_credentials", scope="verifications", authorization_details=details(LICENCE)),
        ask(client, new_machine(app), grant_type="client_credentials", scope="draws", authorization_details=details(LICENCE)),
    ):
        assert refused.json["error"] == "invalid_authorization_details"


def test_another_s_details_do_not_go_on_with_a_withdrawn_consent(app: Flask, browser: FlaskClient, asker: System) -> None:
    tokens = Journey(asker, scope="openid").tokens(browser, authorization_details=details(CREDENTIAL))
    assert browser.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 200
    page = browser.get("/account/portals", headers=BROWSER).text
    form = {"csrf_token": page.split('name="csrf_token" value="')[1].split('"')[0], "client_id": asker.client_id}
    assert browser.post("/account/portals/withdrawal", data=form, headers=BROWSER).status_code == 303
    assert browser.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 401
    assert Journey(asker, scope="openid").authorize(browser, authorization_details=details(CREDENTIAL)).status_code == 200


def test_discovery_names_the_types(client: FlaskClient) -> None:
    metadata = client.get("/.well-known/openid-configuration").json
    assert metadata is not None
    assert metadata["authorization_details_types_supported"] == ["licence", "openid_credential"] == sorted(TYPES)


def test_a_posted_request_keeps_its_details(app: Flask, client: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        plain = new_portal(session)
    posted = client.post("/authorize", data=Journey(plain).parameters(authorization_details=details(LICENCE)))
    assert posted.status_code == 303
    assert "authorization_details=" in posted.location
