"""Just what the metadata announces is told of people: every claim, and every kind of evidence, no more and no fewer."""

import json
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.signin import proofs
from idp.signin.proofs import Method, Witness
from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text
from tests.idp.oauth.assured.test_verified_claims import IDENTITY_CARD
from tests.idp.oauth.journeys import Journey, signed_in_browser
from tests.idp.signin.proofs_at_hand import reach, subject_of
from tests.idp.subjects.firms import new_firm
from tests.world_clients import System, bearer, new_portal
from tests.world_people import Person, act_for, new_person, open_account

PEOPLE = ("openid", "profile", "number", "birthdate", "email", "phone", "assurance", "offline_access")
EVIDENCE = [{"type": {"value": kind}, "check_details": None, "record": None, "document_details": None} for kind in ("document", "electronic_record")]


@pytest.fixture
def portal(app: Flask) -> System:
    with app.app_context(), transaction() as session:
        return new_portal(session, scopes=PEOPLE)


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    return dict(client.get("/.well-known/openid-configuration").json or {})


def told_of(portal: System, document: dict[str, Any], browser: FlaskClient) -> tuple[set[str], dict[str, Any]]:
    """Return every claim that the portal is told of somebody, and how they are verified."""
    verified = {
        "verification": {"trust_framework": None, "evidence": EVIDENCE[:1]},
        "claims": dict.fromkeys(document["claims_in_verified_claims_supported"]),
    }
    also = {"verification": {"trust_framework": None, "evidence": EVIDENCE[1:]}, "claims": verified["claims"]}
    asked = json.dumps({"userinfo": {"verified_claims": [verified, also]}})
    tokens = Journey(portal, scope=" ".join(PEOPLE)).tokens(browser, claims=asked)
    of_token = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    of_person = browser.get("/userinfo", headers=bearer(tokens["access_token"])).json or {}
    return {*of_token, *of_person}, dict(of_person)


def test_just_the_claims_that_are_announced_are_told(
    app: Flask, portal: System, document: dict[str, Any], browser: FlaskClient, person: Person
) -> None:
    reach(app, person, "someone@example.com")
    reach(app, person, "13800138000")
    with app.app_context(), transaction() as session:
        firm = new_firm(session)
    boss = signed_in_browser(app.test_client(), firm.boss)
    act_for(boss, firm.id)
    told = told_of(portal, document, browser)[0] | told_of(portal, document, boss)[0]
    assert told - {"iss", "aud", "exp", "iat"} == set(document["claims_supported"])
    assert document["claim_types_supported"] == ["normal"]


def test_just_the_evidence_that_is_announced_is_told(app: Flask, portal: System, document: dict[str, Any]) -> None:
    found: dict[str, set[str]] = {
        name: set() for name in ("trust_frameworks", "evidence", "documents", "documents_check_methods", "electronic_records")
    }
    for number, (method, kind) in enumerate(((None, ""), (Method.COUNTER, IDENTITY_CARD), (Method.LICENCE, "11379999000000035T001"))):
        with app.app_context(), transaction() as session:
            someone = new_person(session)
            open_account(session, someone)
        if method is not None:
            witness = Witness("11379999000000035T", Text("测试区政务大厅", "Test hall"), kind)
            with app.app_context(), transaction() as session:
                proofs.prove(session, subject_of(app, someone), method=method, evidence="x", by=witness, now=now())
        http = app.test_client()
        http.environ_base["REMOTE_ADDR"] = f"10.77.7.{number + 1}"
        told = told_of(portal, document, signed_in_browser(http, someone))[1]["verified_claims"]
        for one in told if isinstance(told, list) else [told]:
            verification = one["verification"]
            assert set(one["claims"]) == set(document["claims_in_verified_claims_supported"])
            found["trust_frameworks"].add(verification["trust_framework"])
            for piece in verification["evidence"]:
                found["evidence"].add(piece["type"])
                if "record" in piece:
                    found["electronic_records"].add(piece["record"]["type"])
                else:
                    found["documents"].add(piece["document_details"]["type"])
                    found["documents_check_methods"] |= {check["check_method"] for check in piece["check_details"]}
    assert {f"{name}_supported": values for name, values in found.items()} == {
        f"{name}_supported": set(document[f"{name}_supported"]) for name in found
    }
