"""A department's system passes a person's token on (RFC 8693)."""

import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.access_tokens import TYP
from idp.oauth.clients import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from idp.oauth.exchange.actors import DEEPEST
from idp.signin import sessions
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from keys import ring
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.idp.oauth.exchange.conftest import ACCESS_TOKEN, claims_of, exchange, new_exchanger
from tests.idp.oauth.journeys import Journey
from tests.world_clients import System, ask, bearer, new_portal, new_system, token_of
from tests.world_people import BROWSER, Person

ID_TOKEN, REFRESH_TOKEN = (f"urn:ietf:params:oauth:token-type:{kind}" for kind in ("id_token", "refresh_token"))
KEPT = ("acr", "auth_time", "iat_ms", "sub_type")


def crafted(app: Flask, token: str, **changes: Any) -> str:
    """Return a token of ours with some claims changed, as another issue of this service might make it."""
    with app.app_context():
        return ring.signer(ring.OIDC).sign({**claims_of(token), **changes}, typ=TYP)


def test_a_token_is_passed_on_and_says_who_acts(client: FlaskClient, system: System, token: str) -> None:
    response = exchange(client, system, token, scope="openid profile")
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    answer, before = response.json, claims_of(token)
    assert (answer["issued_token_type"], answer["token_type"], answer["scope"]) == (ACCESS_TOKEN, "Bearer", "openid profile")
    assert "refresh_token" not in answer
    after = claims_of(answer["access_token"])
    assert after["act"] == {"sub": system.client_id, "sub_type": "client"}
    assert after["client_id"] == system.client_id
    assert after["sub"] != before["sub"], "another sector, another name"
    assert after["exp"] <= before["exp"]
    assert [after[name] for name in KEPT] == [before[name] for name in KEPT]
    who = client.get("/userinfo", headers=bearer(answer["access_token"]))
    assert (who.status_code, who.json["sub"]) == (200, after["sub"])  # type: ignore[index]


def test_without_a_scope_it_gets_what_both_have_and_never_a_lasting_one(app: Flask, client: FlaskClient, portal: System, token: str) -> None:
    with app.app_context(), transaction() as session:
        narrow = new_exchanger(session, scopes=["openid", "number", "offline_access"], metadata={"may_exchange_from": [portal.client_id]})
    assert exchange(client, narrow, token).json["scope"] == "openid"


def test_a_token_never_outlives_the_one_that_it_was_made_from(client: FlaskClient, system: System, token: str) -> None:
    before = claims_of(token)["exp"]
    with shifted(timedelta(minutes=5)):
        response = exchange(client, system, token, **system.proof(exp=int(time.time()) + 360))
    assert response.json["expires_in"] <= 300
    assert claims_of(response.json["access_token"])["exp"] == before


def test_an_expired_token_is_refused(client: FlaskClient, system: System, token: str) -> None:
    with shifted(timedelta(minutes=10, seconds=1)):
        response = exchange(client, system, token, **system.proof(exp=int(time.time()) + 660))
    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


MALFORMED = {
    "no subject_token": ({"subject_token": None}, "invalid_request"),
    "no subject_token_type": ({"subject_token_type": None}, "invalid_request"),
    "an ID token as the subject's": ({"subject_token_type": ID_TOKEN}, "invalid_request"),
    "a refresh token as the subject's": ({"subject_token_type": REFRESH_TOKEN}, "invalid_request"),
    "a type that nobody knows": ({"subject_token_type": "urn:example:mine"}, "invalid_request"),
    "a refresh token is wanted": ({"requested_token_type": REFRESH_TOKEN}, "invalid_request"),
    "an ID token is wanted": ({"requested_token_type": ID_TOKEN}, "invalid_request"),
    "an actor's token without its type": ({"actor_token": "x"}, "invalid_request"),
    "the type of an actor's token that is not there": ({"actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    "an actor's token of another type": ({"actor_token": "x", "actor_token_type": ID_TOKEN}, "invalid_request"),
    "an actor's token that is none": ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
    "nonsense": ({"subject_token": "nonsense"}, "invalid_request"),
    "dots": ({"subject_token": "..."}, "invalid_request"),
    "huge": ({"subject_token": "x" * 100_000}, "invalid_request"),
    "nul": ({"subject_token": "\0.\0.\0"}, "invalid_request"),
    "chinese": ({"subject_token": "证.照.包"}, "invalid_request"),
    "an organisation without an actor": ({"subject_token_type": "urn:kabao:token-type:credit-code"}, "invalid_request"),
    "details of its own": ({"authorization_details": "[]"}, "invalid_request"),
    "a parameter twice": ({"scope": ["openid", "profile"]}, "invalid_request"),
    "an unknown audience": ({"audience": "nobody"}, "invalid_target"),
    "an audience that is no name": ({"audience": "../../etc"}, "invalid_target"),
    "an unknown resource": ({"resource": "https://elsewhere.example.gov.cn/api"}, "invalid_target"),
    "a resource that is no address": ({"resource": "api"}, "invalid_target"),
    "a resource with a fragment": ({"resource": "http://127.0.0.1:8000/api#x"}, "invalid_target"),
    "too many targets": ({"audience": ["http://127.0.0.1:8000/api"] * 6}, "invalid_target"),
    "one target of two is unknown": ({"resource": "http://127.0.0.1:8000/api", "audience": "nobody"}, "invalid_target"),
    "a wider scope": ({"scope": "openid number"}, "invalid_scope"),
    "a lasting scope": ({"scope": "openid offline_access"}, "invalid_scope"),
    "a scope of systems": ({"scope": "draws"}, "invalid_scope"),
    "a scope that nobody knows": ({"scope": "everything"}, "invalid_scope"),
}


@pytest.mark.parametrize(("changes", "error"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_asked_rightly_is_refused(client: FlaskClient, system: System, token: str, changes: dict[str, Any], error: str) -> None:
    response = exchange(client, system, token, **changes)
    assert (response.status_code, response.json["error"]) == (400, error)
    assert response.headers["Cache-Control"] == "no-store"


def test_a_token_that_another_signed_is_refused(client: FlaskClient, system: System, token: str) -> None:
    head, body, signature = token.split(".")
    assert exchange(client, system, f"{head}.{body}.{signature[::-1]}").json["error"] == "invalid_request"
    assert exchange(client, system, f"{head}.{body}.").json["error"] == "invalid_request"


def test_an_id_token_is_no_access_token(browser: FlaskClient, portal: System, system: System) -> None:
    id_token = Journey(portal).tokens(browser)["id_token"]
    assert exchange(browser, system, id_token).json["error"] == "invalid_request"


def test_a_client_without_the_grant_is_refused(app: Flask, client: FlaskClient, portal: System, token: str) -> None:
    assert exchange(client, portal, token).json["error"] == "unauthorized_client"


def test_a_client_that_does_not_prove_itself_is_refused(client: FlaskClient, system: System, token: str) -> None:
    response = exchange(client, system, token, client_assertion="x.y.z")
    assert (response.status_code, response.json["error"]) == (401, "invalid_client")


def test_a_system_may_not_bring_tokens_of_portals_that_the_operator_did_not_name(app: Flask, client: FlaskClient, token: str) -> None:
    with app.app_context(), transaction() as session:
        stranger = new_exchanger(session)
    assert exchange(client, stranger, token).json["error"] == "invalid_request"


def test_a_token_in_a_system_s_own_name_is_nobody_s_to_pass_on(app: Flask, client: FlaskClient, portal: System) -> None:
    with app.app_context(), transaction() as session:
        other = new_system(session, scopes=["draws"])
        system = new_exchanger(session, scopes=["openid", "draws"], metadata={"may_exchange_from": [other.client_id]})
    assert exchange(client, system, token_of(client, other, "draws")).json["error"] == "invalid_request"


def test_the_actor_s_token_beside_a_subject_s_must_be_the_client_s_own(app: Flask, client: FlaskClient, portal: System, token: str) -> None:
    with app.app_context(), transaction() as session:
        system, other = (new_exchanger(session, scopes=["openid", "draws"], metadata={"may_exchange_from": [portal.client_id]}) for _ in range(2))
    own, others = (token_of(client, each, "draws") for each in (system, other))
    passed = exchange(client, system, token, actor_token=own, actor_token_type=ACCESS_TOKEN)
    assert claims_of(passed.json["access_token"])["act"] == {"sub": system.client_id, "sub_type": "client"}
    for wrong in (others, token):
        assert exchange(client, system, token, actor_token=wrong, actor_token_type=ACCESS_TOKEN).json["error"] == "invalid_request"


def test_the_actor_s_token_is_an_access_token_by_name_too_and_no_person_s(app: Flask, browser: FlaskClient) -> None:
    """Section 2.1: each token is looked at as what its type says it is; who acts is the system, not somebody who once signed in there."""
    with app.app_context(), transaction() as session:
        portal = new_portal(session, grant_types=[AUTHORIZATION_CODE, CLIENT_CREDENTIALS, TOKEN_EXCHANGE], scopes=["openid", "profile", "draws"])
    theirs = Journey(portal, scope="openid").tokens(browser)["access_token"]
    own = token_of(browser, portal, "draws")
    assert exchange(browser, portal, theirs, scope="openid", actor_token=own, actor_token_type=ACCESS_TOKEN).status_code == 200
    for actor, kind in ((own, ID_TOKEN), (own, "urn:ietf:params:oauth:token-type:jwt"), (theirs, ACCESS_TOKEN)):
        assert exchange(browser, portal, theirs, scope="openid", actor_token=actor, actor_token_type=kind).json["error"] == "invalid_request"


def test_a_target_that_the_operator_named_is_the_audience_and_ours_does_not_take_it(
    app: Flask, client: FlaskClient, portal: System, token: str
) -> None:
    with app.app_context(), transaction() as session:
        target = new_system(session, scopes=["draws"])
        metadata = {"may_exchange_from": [portal.client_id], "may_exchange_for": [target.client_id]}
        system = new_exchanger(session, metadata=metadata)
    answer = exchange(client, system, token, audience=target.client_id).json
    assert claims_of(answer["access_token"])["aud"] == target.client_id
    assert client.get("/userinfo", headers=bearer(answer["access_token"])).status_code == 401
    both = exchange(client, system, token, audience=target.client_id, resource="http://127.0.0.1:8000/api").json
    assert claims_of(both["access_token"])["aud"] == ["http://127.0.0.1:8000/api", target.client_id]


def test_a_system_that_a_token_names_is_told_of_it_and_no_other(app: Flask, client: FlaskClient, portal: System, token: str) -> None:
    with app.app_context(), transaction() as session:
        target, stranger = (new_system(session, scopes=["draws"]) for _ in range(2))
        metadata = {"may_exchange_from": [portal.client_id], "may_exchange_for": [target.client_id]}
        system = new_exchanger(session, metadata=metadata)
    passed = exchange(client, system, token, audience=target.client_id, scope="openid profile").json["access_token"]
    told, untold = (client.post("/introspect", data={"token": passed, **one.proof()}).json or {} for one in (target, stranger))
    assert (told["active"], told["aud"], told["scope"]) == (True, target.client_id, "openid profile")
    assert told["act"] == {"sub": system.client_id, "sub_type": "client"}
    assert untold == {"active": False}


def test_each_system_that_it_goes_through_is_named_and_not_too_many(app: Flask, client: FlaskClient, portal: System, token: str) -> None:
    names = [portal.client_id]
    for _ in range(DEEPEST):
        with app.app_context(), transaction() as session:
            system = new_exchanger(session, metadata={"may_exchange_from": names[-1:]})
        names.append(system.client_id)
        response = exchange(client, system, token)
        assert response.status_code == 200, response.text
        token = response.json["access_token"]
    act, seen = claims_of(token)["act"], []
    while act:
        seen.append(act["sub"])
        act = act.get("act")
    assert seen == names[:0:-1]
    again = exchange(client, system, token, scope="openid")
    assert claims_of(again.json["access_token"])["act"] == claims_of(token)["act"], "its own token comes back: it is named once"
    with app.app_context(), transaction() as session:
        system = new_exchanger(session, metadata={"may_exchange_from": names[-1:]})
    assert exchange(client, system, token).json["error"] == "invalid_request"


def test_a_client_narrows_its_own_token_and_is_no_actor(app: Flask, browser: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        portal = new_portal(session, grant_types=[AUTHORIZATION_CODE, TOKEN_EXCHANGE])
    own = Journey(portal).tokens(browser)["access_token"]
    narrow = exchange(browser, portal, own, scope="openid").json
    assert narrow["scope"] == "openid"
    assert "act" not in claims_of(narrow["access_token"])
    assert claims_of(narrow["access_token"])["sub"] == claims_of(own)["sub"]


def test_may_act_lets_just_the_one_it_names(app: Flask, client: FlaskClient, portal: System, system: System, token: str) -> None:
    with app.app_context(), transaction() as session:
        named = new_exchanger(session)
    for may_act in ({"sub": named.client_id}, {"client_id": named.client_id}):
        theirs = crafted(app, token, may_act=may_act)
        assert exchange(client, named, theirs).status_code == 200
        assert exchange(client, system, theirs).json["error"] == "invalid_request", "though the operator lets it bring the portal's"
    for nobody in ({}, {"sub": None}, "everyone", []):
        assert exchange(client, named, crafted(app, token, may_act=nobody)).json["error"] == "invalid_request"


def test_a_token_that_is_bound_to_a_key_is_of_no_use_without_it(app: Flask, client: FlaskClient, system: System, token: str) -> None:
    bound = crafted(app, token, cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})
    response = exchange(client, system, bound)
    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


def test_what_ends_the_person_s_tokens_ends_what_was_exchanged(app: Flask, browser: FlaskClient, person: Person, system: System, token: str) -> None:
    passed = exchange(browser, system, token).json["access_token"]
    assert browser.get("/userinfo", headers=bearer(passed)).status_code == 200
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        sessions.cut(session, subject.id, now=now())
    assert browser.get("/userinfo", headers=bearer(passed)).status_code == 401
    assert exchange(browser, system, token).json["error"] == "invalid_request"


def test_a_token_that_is_given_back_takes_along_what_was_made_from_it(browser: FlaskClient, portal: System, system: System, token: str) -> None:
    passed = exchange(browser, system, token).json["access_token"]
    narrower = exchange(browser, system, passed, scope="openid").json["access_token"]
    other = exchange(browser, system, Journey(portal).tokens(browser)["access_token"]).json["access_token"]
    assert browser.post("/revoke", data={**portal.proof(), "token": token}).status_code == 200
    for each, status in ((token, 401), (passed, 401), (narrower, 401), (other, 200)):
        assert browser.get("/userinfo", headers=bearer(each)).status_code == status


def test_the_end_of_a_grant_is_the_end_of_what_was_exchanged(browser: FlaskClient, portal: System, system: System) -> None:
    tokens = Journey(portal, scope="openid offline_access").tokens(browser)
    passed = exchange(browser, system, tokens["access_token"]).json["access_token"]
    assert browser.post("/revoke", data={**portal.proof(), "token": tokens["refresh_token"]}).status_code == 200
    assert browser.get("/userinfo", headers=bearer(passed)).status_code == 401


def test_a_token_that_is_for_a_system_may_be_brought_by_it_and_by_no_other(app: Flask, client: FlaskClient, portal: System, token: str) -> None:
    with app.app_context(), transaction() as session:
        target, stranger = (new_exchanger(session) for _ in range(2))
        metadata = {"may_exchange_from": [portal.client_id], "may_exchange_for": [target.client_id, stranger.client_id]}
        first = new_exchanger(session, metadata=metadata)
    passed = exchange(client, first, token, audience=target.client_id).json["access_token"]
    assert exchange(client, stranger, passed).json["error"] == "invalid_request"
    assert exchange(client, first, passed).json["error"] == "invalid_request", "it was for another"
    onward = exchange(client, target, passed)
    act = claims_of(onward.json["access_token"])["act"]
    assert (act["sub"], act["act"]["sub"]) == (target.client_id, first.client_id)
    both = client.post(
        "/token",
        data={
            **first.proof(),
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "audience": [target.client_id, stranger.client_id],
        },
    )
    assert claims_of(both.json["access_token"])["aud"] == [target.client_id, stranger.client_id]  # type: ignore[index]


def test_the_holder_sees_it_in_the_history(browser: FlaskClient, system: System, token: str) -> None:
    assert exchange(browser, system, token).status_code == 200
    page = browser.get("/account/history", headers=BROWSER).text
    assert "换取了范围更小的凭证" in page
    assert "部门业务系统" in page
    assert "测试门户" in page


def test_the_grant_is_announced(client: FlaskClient) -> None:
    announced = client.get("/.well-known/oauth-authorization-server").json
    assert announced is not None
    assert "urn:ietf:params:oauth:grant-type:token-exchange" in announced["grant_types_supported"]


def test_a_refresh_token_cannot_be_had_by_asking_again(client: FlaskClient, system: System, token: str) -> None:
    passed = exchange(client, system, token).json["access_token"]
    assert ask(client, system, grant_type="refresh_token", refresh_token=passed).json["error"] == "unauthorized_client"
