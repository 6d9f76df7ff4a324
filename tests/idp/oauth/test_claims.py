"""The claims that a portal is told: by scope, and one by one as it asked (OpenID Connect Core sections 5.3 to 5.5)."""

import json
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.oauth.codes import AuthorizationCode
from idp.oauth.consents import Consent
from idp.signin.assurance import acr_of
from idp.subjects.numbers import parse_number
from runtime.database import transaction
from tests.idp.oauth.journeys import Journey, answer_of
from tests.idp.signin.proofs_at_hand import reach, subject_of
from tests.world_clients import System, ask, bearer, new_portal
from tests.world_people import Person

SCOPES = ("openid", "profile", "number", "birthdate", "email", "phone", "assurance", "offline_access")
ALWAYS = {"sub", "sub_type", "ial"}


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES)


def told(browser: FlaskClient, journey: Journey, **changes: Any) -> dict[str, Any]:
    tokens = journey.tokens(browser, **changes)
    return dict(browser.get("/userinfo", headers=bearer(tokens["access_token"])).json or {})


def asking(**userinfo: Any) -> str:
    return json.dumps({"userinfo": userinfo})


def test_each_scope_has_its_claims(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    reach(app, person, "someone@example.com")
    reach(app, person, "13800138000")
    reach(app, person, "second@example.com")
    number = parse_number(person.number)
    assert number.born is not None
    by_scope = {
        "profile": {"name": person.name},
        "number": {"number": person.number, "number_type": "111"},
        "birthdate": {"birthdate": number.born.isoformat(), "gender": number.sex},
        "email": {"email": "someone@example.com", "email_verified": True},
        "phone": {"phone_number": "+8613800138000", "phone_number_verified": True},
    }
    for scope, claims in by_scope.items():
        found = told(browser, Journey(portal, scope=f"openid {scope}"))
        assert {name: value for name, value in found.items() if name not in ALWAYS} == claims


def test_what_is_not_known_is_left_out(browser: FlaskClient, portal: System) -> None:
    assert set(told(browser, Journey(portal, scope="openid email phone"))) == ALWAYS


def test_a_claim_that_is_asked_for_by_name_is_told_alone(browser: FlaskClient, portal: System, person: Person) -> None:
    found = told(browser, Journey(portal, scope="openid"), claims=asking(birthdate=None, number={"essential": True}, unheard_of=None))
    assert set(found) == ALWAYS | {"birthdate", "number"}
    assert found["number"] == person.number


def test_a_refreshed_token_tells_the_same(browser: FlaskClient, portal: System) -> None:
    tokens = Journey(portal, scope="openid offline_access").tokens(browser, claims=asking(name=None))
    again = ask(browser, portal, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json
    assert set(browser.get("/userinfo", headers=bearer(again["access_token"])).json) == ALWAYS | {"name"}


def test_claims_are_consented_to_like_scopes_and_shown_in_words(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    Journey(portal, scope="openid").tokens(browser)
    assert Journey(portal, scope="openid").authorize(browser).status_code == 303
    page = Journey(portal, scope="openid").authorize(browser, claims=asking(email=None))
    assert page.status_code == 200
    assert 'id="scope-email"' in page.text
    assert "查看您的电子邮箱" in page.text
    silent = answer_of(Journey(portal, scope="openid").authorize(browser, claims=asking(email=None), prompt="none"))
    assert silent["error"] == "consent_required"
    Journey(portal, scope="openid").tokens(browser, claims=asking(email=None))
    with app.app_context(), transaction() as session:
        given = session.scalars(select(Consent).where(Consent.client_id == portal.client_id, Consent.holder_id == subject_of(app, person))).one()
    assert set(given.scopes) == {"openid", "email"}


def test_a_first_party_portal_asks_for_the_number_by_name_too(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=SCOPES, first_party=True)
    assert Journey(portal, scope="openid").authorize(browser, claims=asking(name=None)).status_code == 303
    assert Journey(portal, scope="openid").authorize(browser, claims=asking(number=None)).status_code == 200


def test_a_client_is_told_nothing_that_it_is_not_registered_for(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, scopes=["openid", "profile"])
    wanted = asking(name=None, number=None, email=None, verified_claims={"verification": {"trust_framework": None}, "claims": {"name": None}})
    assert set(told(browser, Journey(portal, scope="openid"), claims=wanted)) == ALWAYS | {"name"}


@pytest.mark.parametrize(
    ("asked", "is_told"),
    [
        pytest.param({"value": "male"}, "male", id="value"),
        pytest.param({"values": ["female", "male"]}, "both", id="values"),
        pytest.param({"value": "other"}, "none", id="another value"),
        pytest.param({"value": 5}, "none", id="a value of another type"),
        pytest.param({"essential": True}, "both", id="essential"),
        pytest.param({"essential": True, "value": "other"}, "none", id="essential with another value"),
        pytest.param({"unheard_of": {"a": 1}}, "both", id="an unknown member"),
    ],
)
def test_a_value_that_is_asked_for_must_be_the_one(browser: FlaskClient, portal: System, person: Person, asked: Any, is_told: str) -> None:
    found = told(browser, Journey(portal, scope="openid"), claims=asking(gender=asked))
    expected = {"both": True, "none": False}.get(is_told, parse_number(person.number).sex == is_told)
    assert ("gender" in found) == expected


def test_no_value_that_is_asked_for_rests_in_a_code_or_a_token(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    tokens = Journey(portal, scope="openid").tokens(browser, claims=asking(number={"value": person.number}))
    assert browser.get("/userinfo", headers=bearer(tokens["access_token"])).json["number"] == person.number
    assert person.number not in json.dumps(jwt.decode(tokens["access_token"], options={"verify_signature": False}))
    with app.app_context(), transaction() as session:
        agreed = session.scalars(select(AuthorizationCode.agreed).where(AuthorizationCode.client_id == portal.client_id)).one()
    assert person.number not in json.dumps(agreed)


def test_personal_claims_asked_of_an_id_token_stay_out_of_it(browser: FlaskClient, portal: System) -> None:
    wanted = json.dumps({"id_token": {"name": {"essential": True}, "number": None, "auth_time": {"essential": True}}})
    journey = Journey(portal, scope="openid")
    assert 'id="scope-number"' not in journey.authorize(browser, claims=wanted).text
    claims = jwt.decode(journey.tokens(browser, claims=wanted)["id_token"], options={"verify_signature": False})
    assert not {"name", "number"} & set(claims)
    assert "auth_time" in claims


def test_the_claims_of_another_locale_and_other_members_are_ignored(browser: FlaskClient, portal: System) -> None:
    wanted = json.dumps({"userinfo": {"name#ja": None, "name": None}, "elsewhere": 5})
    assert set(told(browser, Journey(portal, scope="openid"), claims=wanted)) == ALWAYS | {"name"}


def test_an_essential_acr_is_a_demand_and_told_as_it_was_asked(browser: FlaskClient, portal: System) -> None:
    def acr(*values: str, **more: Any) -> str:
        return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values), **more}}})

    journey = Journey(portal, scope="openid")
    claims = jwt.decode(journey.tokens(browser, claims=acr(acr_of(1, 1)))["id_token"], options={"verify_signature": False})
    assert (claims["acr"], claims["ial"]) == (acr_of(1, 1), "2"), "one of the values that were asked for, and the truth beside it"
    unknown = answer_of(journey.authorize(browser, claims=acr("urn:elsewhere:gold")))
    assert unknown["error"] == "unmet_authentication_requirements"
    higher = answer_of(journey.authorize(browser, claims=acr(acr_of(3, 1)), prompt="none"))
    assert higher["error"] == "interaction_required"
    voluntary = json.dumps({"id_token": {"acr": {"values": [acr_of(3, 2)]}}})
    assert "id_token" in journey.tokens(browser, claims=voluntary)


def test_whoever_is_not_the_sub_that_was_asked_for_is_not_answered_for(browser: FlaskClient, portal: System) -> None:
    journey = Journey(portal, scope="openid")
    sub = jwt.decode(journey.tokens(browser)["id_token"], options={"verify_signature": False})["sub"]
    for member in ("id_token", "userinfo"):
        assert answer_of(journey.authorize(browser, claims=json.dumps({member: {"sub": {"value": sub}}}), prompt="none"))["code"]
        other = answer_of(journey.authorize(browser, claims=json.dumps({member: {"sub": {"value": "A" * 43}}}), prompt="none"))
        assert other["error"] == "login_required"


MALFORMED = {
    "not JSON": "{",
    "a list": "[]",
    "a text": '"name"',
    "a member that is a list": '{"userinfo": []}',
    "a claim that is true": '{"userinfo": {"name": true}}',
    "a claim that is a text": '{"userinfo": {"name": "x"}}',
    "a claim twice": '{"userinfo": {"name": null, "name": null}}',
    "NaN": '{"userinfo": {"name": {"value": NaN}}}',
    "essential that is a text": '{"userinfo": {"name": {"essential": "true"}}}',
    "values that are no list": '{"userinfo": {"name": {"values": "x"}}}',
    "too many values": json.dumps({"userinfo": {"name": {"values": list(range(11))}}}),
    "a value too long": json.dumps({"userinfo": {"name": {"value": "x" * 5000}}}),
    "too long": json.dumps({"userinfo": {"x" * 7000: None}}),
    "too deep": '{"userinfo":' * 500 + "1" + "}" * 500,
    "acr that is a number": '{"id_token": {"acr": {"essential": true, "value": 1}}}',
    "acr with a space": '{"id_token": {"acr": {"essential": true, "value": "a b"}}}',
    "sub that is a number": '{"id_token": {"sub": {"value": 1}}}',
    "verified claims that are a text": '{"userinfo": {"verified_claims": "x"}}',
    "verified claims without verification": '{"userinfo": {"verified_claims": {"claims": null}}}',
    "verified claims without claims": '{"userinfo": {"verified_claims": {"verification": {}}}}',
    "no verified claims": '{"userinfo": {"verified_claims": []}}',
    "max_age that is a text": '{"userinfo": {"verified_claims": {"verification": {"time": {"max_age": "1"}}, "claims": null}}}',
    "max_age before it began": '{"userinfo": {"verified_claims": {"verification": {"time": {"max_age": -1}}, "claims": null}}}',
    "evidence that is no list": '{"userinfo": {"verified_claims": {"verification": {"evidence": {}}, "claims": null}}}',
    "a framework that is a text": '{"userinfo": {"verified_claims": {"verification": {"trust_framework": "x"}, "claims": null}}}',
}


@pytest.mark.parametrize("unverified", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_parameter_is_told_to_the_portal(browser: FlaskClient, portal: System, unverified: str) -> None:
    answer = answer_of(Journey(portal, scope="openid").authorize(browser, claims=unverified))
    assert answer["error"] == "invalid_request"
    assert "state" in answer


def test_the_token_may_come_in_a_posted_form_and_never_in_the_address(browser: FlaskClient, portal: System) -> None:
    token = Journey(portal, scope="openid").tokens(browser)["access_token"]
    assert browser.post("/userinfo", data={"access_token": token}).json["sub"]
    assert browser.post("/userinfo", headers=bearer(token)).json["sub"]
    for refused, status in (
        (browser.get("/userinfo", query_string={"access_token": token}), 401),
        (browser.post("/userinfo", query_string={"access_token": token}), 401),
        (browser.post("/userinfo", data=json.dumps({"access_token": token}), content_type="application/json"), 401),
        (browser.post("/userinfo", data={"access_token": token}, headers=bearer(token)), 400),
        (browser.post("/userinfo", data={"access_token": [token, token]}), 400),
        (browser.post("/userinfo", data={"access_token": "x"}), 401),
    ):
        assert refused.status_code == status
        assert refused.headers["WWW-Authenticate"].startswith(("Bearer", "DPoP"))


def test_discovery_says_what_can_be_told(client: FlaskClient) -> None:
    document = client.get("/.well-known/openid-configuration").json
    assert document["claims_parameter_supported"] is True
    assert {"name", "number", "birthdate", "gender", "email", "phone_number", "verified_claims"} <= set(document["claims_supported"])
    assert document["subject_types_supported"] == ["pairwise", "public"]
    assert {"RS256", "PS256", "ES256", "EdDSA", "Ed25519"} == set(document["userinfo_signing_alg_values_supported"])
