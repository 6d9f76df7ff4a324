"""Claims told with how they were verified, and with nothing that does not meet what was asked (Identity Assurance 1.0)."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import proofs
from idp.signin.proofs import Method, Witness
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.journeys import Journey
from tests.idp.signin.proofs_at_hand import subject_of
from tests.world_clients import System, bearer, new_portal
from tests.world_people import Person

SCOPES = ("openid", "profile", "number", "birthdate", "assurance")
FRAMEWORK = "cn_egov_real_name"
WHOLE = {"trust_framework": None, "assurance_level": None, "time": None, "evidence": [{"type": {"value": "electronic_record"}}]}
IDENTITY_CARD = "11100000000013127D001"


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=SCOPES)


def told(browser: FlaskClient, portal: System, asked: Any, *, scope: str = "openid") -> Any:
    claims = None if asked is None else json.dumps({"userinfo": {"verified_claims": asked}})
    tokens = Journey(portal, scope=scope).tokens(browser, claims=claims)
    return browser.get("/userinfo", headers=bearer(tokens["access_token"])).json.get("verified_claims")


def prove_in_person(app: Flask, person: Person, method: Method = Method.COUNTER, document: str = IDENTITY_CARD) -> None:
    witness = Witness("11379999000000035T", Text("测试区政务大厅", "Test hall"), document)
    with app.app_context(), transaction() as session:
        proofs.prove(session, subject_of(app, person), method=method, evidence="x", by=witness, now=now())


def one(verification: Any = None, claims: Any = None) -> dict[str, Any]:
    return {"verification": {"trust_framework": None, **(verification or {})}, "claims": claims or {"name": None}}


def test_a_match_with_the_registry_is_told_as_an_electronic_record(browser: FlaskClient, portal: System, person: Person) -> None:
    evidence = {
        "type": {"value": "electronic_record"},
        "check_details": [{"check_method": None, "time": None}],
        "record": {"type": None, "source": None},
    }
    found = told(browser, portal, {"verification": {**WHOLE, "evidence": [evidence]}, "claims": {"name": None, "birthdate": None}})
    assert set(found) == {"verification", "claims"}
    assert found["claims"]["name"] == person.name
    assert set(found["claims"]) == {"name", "birthdate"}
    verification = found["verification"]
    assert (verification["trust_framework"], verification["assurance_level"]) == (FRAMEWORK, "L2")
    assert verification["time"].endswith("Z")
    (record,) = verification["evidence"]
    assert record["record"] == {"type": "population_register", "source": {"name": "人口基础信息库"}}
    assert record["check_details"] == [{"check_method": "data", "time": verification["time"]}]


def test_a_proof_in_person_is_told_as_a_document(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    prove_in_person(app, person)
    evidence = {"type": {"value": "document"}, "check_details": [{"check_method": None, "organization": None}], "document_details": {"type": None}}
    found = told(browser, portal, one({"assurance_level": {"value": "L3"}, "evidence": [evidence]}))
    assert found["verification"]["assurance_level"] == "L3"
    (document,) = found["verification"]["evidence"]
    assert document["document_details"] == {"type": "idcard"}
    assert [check["check_method"] for check in document["check_details"]] == ["vpip", "pvp"]
    assert {check["organization"] for check in document["check_details"]} == {"测试区政务大厅"}


def test_a_licence_that_was_shown_is_told_as_a_document_too(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    prove_in_person(app, person, Method.LICENCE, "11379999000000035T001")
    found = told(browser, portal, one({"evidence": [{"type": {"value": "document"}, "document_details": None, "check_details": None}]}))
    (document,) = found["verification"]["evidence"]
    assert document["document_details"] == {"type": "identity_document"}
    assert [check["check_method"] for check in document["check_details"]] == ["vcrypt"]


def test_nothing_is_told_that_was_not_asked(browser: FlaskClient, portal: System) -> None:
    assert set(told(browser, portal, one())["verification"]) == {"trust_framework"}
    assert told(browser, portal, None) is None


def test_the_scope_alone_tells_the_claims_of_the_scopes(browser: FlaskClient, portal: System) -> None:
    found = told(browser, portal, None, scope="openid profile assurance")
    assert set(found["verification"]) == {"trust_framework", "assurance_level", "time"}
    assert set(found["claims"]) == {"name"}
    assert told(browser, portal, None, scope="openid assurance") is None, "no claims, no verified claims"


UNMET: dict[str, Any] = {
    "another framework": one({"trust_framework": {"value": "de_aml"}}),
    "none of the frameworks": one({"trust_framework": {"values": ["gold", "silver"]}}),
    "a higher level": one({"assurance_level": {"value": "L3"}}),
    "other evidence": one({"evidence": [{"type": {"value": "vouch"}}]}),
    "another method": one({"evidence": [{"type": {"value": "electronic_record"}, "check_details": [{"check_method": {"value": "vpip"}}]}]}),
    "another record": one({"evidence": [{"type": {"value": "electronic_record"}, "record": {"type": {"value": "bank_account"}}}]}),
    "a document of a record": one({"evidence": [{"type": {"value": "electronic_record"}, "document_details": {"type": {"value": "idcard"}}}]}),
    "a condition on what we never tell": one({"verification_process": {"value": "x"}}),
    "a condition deep in what we never tell": one({"assurance_process": {"policy": {"value": "x"}}}),
    "a number that evidence does not have": one(
        {"evidence": [{"type": {"value": "electronic_record"}, "document_details": {"document_number": {"value": "1"}}}]}
    ),
    "a time too long ago": one({"time": {"max_age": 0}}),
    "an age of what is no time": one({"assurance_level": {"max_age": 10}}),
    "claims that are not known": one(claims={"place_of_birth": None}),
    "a claim of another value": one(claims={"name": {"value": "somebody else"}}),
}


@pytest.mark.parametrize("asked", UNMET.values(), ids=UNMET)
def test_what_is_not_met_is_left_out_whole_and_is_no_error(browser: FlaskClient, portal: System, asked: Any) -> None:
    assert told(browser, portal, asked) is None


MET: dict[str, Any] = {
    "one of the frameworks": one({"trust_framework": {"values": ["gold", FRAMEWORK]}}),
    "the level": one({"assurance_level": {"values": ["L2", "L3"]}}),
    "young enough": one({"time": {"max_age": 3600}}),
    "one of several kinds of evidence": one({"evidence": [{"type": {"value": "vouch"}}, {"type": {"value": "electronic_record"}}]}),
    "unknown and without a condition": one({"verification_process": None, "assurance_process": {"policy": None}}),
    "a claim of the right value beside another": one(claims={"name": None, "birthdate": {"value": "1800-01-01"}}),
    "essential makes no difference": one(claims={"name": {"essential": True}, "place_of_birth": {"essential": True}}),
}


@pytest.mark.parametrize("asked", MET.values(), ids=MET)
def test_what_is_met_is_told(browser: FlaskClient, portal: System, person: Person, asked: Any) -> None:
    found = told(browser, portal, asked)
    assert found["claims"] == {"name": person.name}
    assert found["verification"]["trust_framework"] == FRAMEWORK


def test_of_several_requests_each_that_is_met_is_answered(browser: FlaskClient, portal: System) -> None:
    found = told(browser, portal, [one({"trust_framework": {"value": "gold"}}), one(), one(claims={"birthdate": None})])
    assert [set(each["claims"]) for each in found] == [{"name"}, {"birthdate"}]
    assert told(browser, portal, [one({"trust_framework": {"value": "gold"}})]) is None


def test_a_withdrawn_proof_verifies_nothing(app: Flask, browser: FlaskClient, portal: System, person: Person) -> None:
    tokens = Journey(portal, scope="openid").tokens(browser, claims=json.dumps({"userinfo": {"verified_claims": one()}}))
    with app.app_context(), transaction() as session:
        for proof in proofs.proofs_of(session, subject_of(app, person)):
            proofs.withdraw(session, proof, actor="operator", why="fraud", now=now())
    assert "verified_claims" not in browser.get("/userinfo", headers=bearer(tokens["access_token"])).json


def test_consent_says_that_verification_is_told(browser: FlaskClient, portal: System) -> None:
    page = Journey(portal, scope="openid").authorize(browser, claims=json.dumps({"userinfo": {"verified_claims": one()}}))
    assert "以何种方式核实" in page.text
    assert {'id="scope-assurance"' in page.text, 'id="scope-profile"' in page.text} == {True}


def test_discovery_says_what_there_is(client: FlaskClient) -> None:
    document = client.get("/.well-known/openid-configuration").json
    assert document["trust_frameworks_supported"] == [FRAMEWORK]
    assert document["evidence_supported"] == ["document", "electronic_record"]
    assert set(document["claims_in_verified_claims_supported"]) == {"name", "number", "number_type", "birthdate", "gender"}
    for name in ("documents_supported", "documents_check_methods_supported", "electronic_records_supported"):
        assert document[name]
