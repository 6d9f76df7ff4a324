"""A department asks for a yes or no; the wallet here answers with a statement that holds that and nothing else."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.signin.sessions import SignedIn
from idp.subjects import mandates
from idp.subjects.directory import ensure_subject
from idp.subjects.mandates import Mandate
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from keys import certificates
from runtime import base64url
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from runtime.settings import Settings
from tests.flows.test_logs import forms_of
from tests.wallet.presenting.answering.steps import opened, page_of, reply
from tests.wallet.presenting.answering.test_nothing_hidden import opened_up
from tests.wallet.presenting.answering.test_our_own_doors import query_of, state_of
from tests.wallet.presenting.test_show_pages import code_of
from tests.wallet.verifying.openid4vp.wallets import Wallet, ask, asked, fetch_licence
from tests.world_asking import Asking, Signing, sd_jwt_query, shown_in
from tests.world_people import Organisation, Person, act_for, new_organisation, new_person, open_account, post_form, sign_in
from tests.world_verifying import Counter, new_browser, new_counter
from tests.world_wallet import new_department, new_licence
from wallet.issuing import sd_jwt
from wallet.issuing.contents import type_uri
from wallet.presenting import statements, stating
from wallet.presenting.answering import held
from wallet.presenting.dcql import read_query
from wallet.presenting.statements import HOLDS, OVER_18, OVER_60, REPRESENTS, Question
from wallet.register.catalogue import get_type
from wallet.verifying.openid4vp.requests import PresentationRequest
from wallet.verifying.presentations import read_object
from wallet.verifying.receipts import Receipt

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
DRIVING, MARRIAGE = "driving-licence", "marriage-certificate"
ANSWERS: dict[str, tuple[dict[str, str], bool]] = {
    "of age": ({"kind": OVER_18}, True),
    "not old": ({"kind": OVER_60}, False),
    "holds it": ({"kind": HOLDS, "type": DRIVING}, True),
    "does not hold it": ({"kind": HOLDS, "type": MARRIAGE}, False),
}


@dataclass
class Scene:
    """A counter whose holder sits before a browser."""

    counter: Counter
    client: FlaskClient

    def open(self, made: dict[str, Any]) -> str:
        return opened(self.client, made["link"])

    def approve(self, at: str, said: str) -> int:
        name = query_of(page_of(self.client, at))
        return reply(self.client, at, answer="approve", **{f"licence-{name}": said}).status_code


@pytest.fixture
def scene(app: Flask) -> Scene:
    with app.app_context():
        counter = new_counter(new_browser(app), verify=(DRIVING, MARRIAGE))
    return Scene(counter, signed_in(app, counter.person))


def signed_in(app: Flask, person: Person) -> FlaskClient:
    with app.app_context(), transaction() as session:
        open_account(session, person)
    client = new_browser(app)
    assert sign_in(client, person).status_code == 303
    return client


def chosen(wanted: dict[str, str]) -> str:
    return "-".join(wanted.values())


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
@pytest.mark.parametrize(("wanted", "says"), ANSWERS.values(), ids=ANSWERS)
def test_a_department_gets_a_yes_or_a_no_and_nothing_behind_it(
    monkeypatch: pytest.MonkeyPatch, scene: Scene, wanted: dict[str, str], says: bool, mode: str
) -> None:
    monkeypatch.setitem(statements.AGES, OVER_60, 150)  # whatever year the person was invented in
    counter = scene.counter
    made = asked(counter, statements=[wanted], response_mode=mode, holder={"number": counter.person.number})
    at = scene.open(made)
    page = page_of(scene.client, at)
    assert all(told in page for told in ('id="answer-alone"', f"回答：{'是' if says else '否'}", "同意回答"))
    assert "证照标识和是否有效" not in page
    assert scene.approve(at, chosen(wanted)) == 303
    result = state_of(counter, made["id"])["result"]
    (one,) = result["presentations"]
    assert (result["verdict"], one["fields"], one["licence"]["identifier"]) == ("valid", {wanted["kind"]: says}, "")
    assert {check["outcome"] for check in one["checks"]} == {"passed"}
    with transaction() as session:
        kept = session.scalars(select(Receipt).where(Receipt.department == counter.department)).one()
        said = f"{kept.claims} {kept.answer}"
    secret = (counter.person.number, counter.person.name, counter.licence.identifier, counter.person.number[6:14], str(counter.licence.id))
    assert [value for value in secret if any(form in said for form in forms_of(value))] == []
    history = page_of(scene.client, "/wallet/history")
    assert "是否答复" in history
    assert "办理车辆年检" in history


@pytest.mark.usefixtures("context")
def test_what_is_sent_names_nobody_and_is_another_each_time(scene: Scene, settings: Settings, verifier: Asking, signing: Signing) -> None:
    query = {"credentials": [{"id": "licence", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:kabao:answer:over_18"]}}]}
    for _ in range(2):
        at = opened(scene.client, verifier.link(signing, query))
        assert scene.approve(at, OVER_18) == 303
    first, second = (shown_in(form) for form in verifier.received)
    counter = scene.counter
    secret = (counter.person.number, counter.person.name, counter.licence.identifier, counter.person.number[6:14], str(counter.holder_id))
    assert [value for value in secret if any(form in opened_up(first) for form in forms_of(value))] == []
    assert "over_18" not in first.split("~")[1:-1], "no claim was asked for, and none is shown"
    said = [read_object(one, 1) for one in (first, second)]
    assert {name for name in said[0] if said[0][name] == said[1][name]} <= {"iss", "vct", "iat", "exp", "status", "_sd_alg"}


@pytest.mark.usefixtures("context")
def test_an_act_is_confirmed_by_a_licence_though_a_statement_could_have_been_named_first(
    scene: Scene, settings: Settings, verifier: Asking, signing: Signing
) -> None:
    query = sd_jwt_query(type_uri(settings, get_type(DRIVING)))
    query["credentials"].insert(0, {"id": "age", "format": "dc+sd-jwt", "meta": {"vct_values": ["urn:kabao:answer:over_18"]}})
    act = {
        "type": "urn:kabao:transaction:confirmation",
        "credential_ids": ["age", "licence"],
        "text": {"zh": "同意变更住址", "en": "Change my address"},
    }
    at = opened(scene.client, verifier.link(signing, query, transaction_data=[base64url.write(json.dumps(act).encode())]))
    picks = {"licence-age": OVER_18, "licence-licence": str(scene.counter.licence.id)}
    assert reply(scene.client, at, answer="approve", **picks).status_code == 303
    bound = [sd_jwt.parse(shown_in(verifier.received[0], name)).key_binding for name in ("age", "licence")]
    assert ["transaction_data_hashes" in read_object(one, 1) for one in bound if one] == [False, True]


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "an unknown kind": ({"kind": "over_21"}, 422, "statements.0.kind"),
    "no type": ({"kind": HOLDS}, 422, "statements.0.type"),
    "a type of an age": ({"kind": OVER_18, "type": DRIVING}, 422, "statements.0.type"),
    "an unknown type": ({"kind": HOLDS, "type": "no-such"}, 422, "statements.0.type"),
    "a type without authority": ({"kind": HOLDS, "type": "degree-certificate"}, 403, "type"),
    "an organisation of an age": ({"kind": OVER_18, "organisation": {"number": "91379999MA00000000"}}, 422, "statements.0.organisation"),
    "a number that is none": ({"kind": REPRESENTS, "organisation": {"number": "1"}}, 422, "statements.0.organisation.number"),
    "a person's number": ({"kind": REPRESENTS, "organisation": {"number": "379999199005180121"}}, 422, "statements.0.organisation.number"),
    "an unknown member": ({"kind": OVER_18, "values": [True]}, 422, "statements.0.values"),
}


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(("wanted", "status", "field"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_asked_is_refused_by_name(scene: Scene, wanted: dict[str, Any], status: int, field: str) -> None:
    refused = ask(scene.counter, statements=[wanted])
    assert (refused.status_code, refused.get_json()["field"]) == (status, field), refused.text


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"statements": []}, "statements", id="none"),
        pytest.param({"statements": [{"kind": OVER_18}] * 9}, "statements", id="too many"),
        pytest.param({"statements": [{"kind": OVER_18}], "dcql_query": {"credentials": []}}, "credentials", id="two ways at once"),
        pytest.param({"statements": [{"kind": OVER_18}], "confirm": "同意"}, "confirm", id="an act that a statement would confirm"),
    ],
)
def test_a_request_that_is_not_as_it_must_be_is_refused(scene: Scene, changes: dict[str, Any], field: str) -> None:
    refused = ask(scene.counter, **changes)
    assert (refused.status_code, refused.get_json()["field"]) == (422, field), refused.text


@pytest.mark.usefixtures("context")
def test_nobody_else_can_answer_for_whom_a_request_was_addressed_to(app: Flask, scene: Scene) -> None:
    with transaction() as session:
        other = new_person(session)
    made = asked(scene.counter, statements=[{"kind": OVER_18}], holder={"number": scene.counter.person.number})
    stranger = Scene(scene.counter, signed_in(app, other))
    assert stranger.approve(stranger.open(made), OVER_18) == 303
    result = state_of(scene.counter, made["id"])["result"]
    assert (result["verdict"], result["presentations"][0]["fields"]) == ("invalid", {})
    assert [check["reason"] for check in result["presentations"][0]["checks"] if check["reason"]] == ["other_holder"]


@pytest.mark.usefixtures("context")
def test_a_licence_and_a_yes_are_asked_for_together(scene: Scene) -> None:
    wanted = {"credentials": [{"type": DRIVING, "fields": ["vehicle_class"]}], "statements": [{"kind": OVER_18}]}
    made = asked(scene.counter, **wanted)
    at = scene.open(made)
    page = page_of(scene.client, at)
    first, second = (part.split('"', 1)[0] for part in page.split('id="wanted-')[1:])
    picks = {f"licence-{first}": str(scene.counter.licence.id), f"licence-{second}": OVER_18}
    assert reply(scene.client, at, answer="approve", **{f"licence-{first}": picks[f"licence-{first}"]}).status_code == 422, "half of it"
    assert reply(scene.client, at, answer="approve", **picks).status_code == 303
    result = state_of(scene.counter, made["id"])["result"]
    assert [one["fields"] for one in result["presentations"]] == [{"vehicle_class": "C1"}, {OVER_18: True}]


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("said", ["over_60", "holds-driving-licence", "represents-91379999MA00000000", "x"])
def test_an_answer_that_was_not_asked_for_cannot_be_given(scene: Scene, said: str) -> None:
    at = scene.open(asked(scene.counter, statements=[{"kind": OVER_18}]))
    assert scene.approve(at, said) == 422


@pytest.mark.usefixtures("context")
def test_a_department_s_own_signature_makes_no_statement(app: Flask, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements.ring, "ANSWERS", certificates.department_use(scene.counter.issuer))
    made = asked(scene.counter, statements=[{"kind": OVER_18}])
    assert scene.approve(scene.open(made), OVER_18) == 303
    monkeypatch.undo()
    with transaction() as session:
        row = session.scalars(select(PresentationRequest).where(PresentationRequest.department == scene.counter.department)).one()
        assert (row.result or {})["verdict"] == "invalid"


@pytest.mark.usefixtures("context")
def test_a_wallet_elsewhere_that_knows_no_statements_declines(app: Flask, scene: Scene) -> None:
    wallet = Wallet(app, fetch_licence(app, scene.counter.licence))
    made = asked(scene.counter, statements=[{"kind": OVER_18}])
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    assert query == {
        "id": "over_18-1",
        "format": "dc+sd-jwt",
        "meta": {"vct_values": ["urn:kabao:answer:over_18"]},
        "claims": [{"path": ["over_18"]}],
    }
    wallet.answer(got, {query["id"]: [wallet.present(got, ("licence_identifier",))]})
    assert state_of(scene.counter, made["id"])["result"]["verdict"] == "invalid", "a licence is no answer"


@pytest.fixture
def organisation(app: Flask, scene: Scene) -> Organisation:
    with app.app_context(), transaction() as session:
        return new_organisation(session, representative=scene.counter.person)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("is_named", [True, False])
def test_a_representative_proves_it_with_the_organisation_s_name_and_code_and_nothing_else(
    scene: Scene, organisation: Organisation, is_named: bool
) -> None:
    named = {"organisation": {"number": organisation.number}} if is_named else {}
    made = asked(scene.counter, statements=[{"kind": REPRESENTS, **named}])
    at = scene.open(made)
    assert f"回答：是：{organisation.name} {organisation.number}" in page_of(scene.client, at)
    assert scene.approve(at, f"represents-{organisation.number}") == 303
    result = state_of(scene.counter, made["id"])["result"]
    assert result["presentations"][0]["fields"] == {
        REPRESENTS: True,
        statements.ORGANISATION_NAME: organisation.name,
        statements.ORGANISATION_CODE: organisation.number,
    }


@pytest.mark.usefixtures("context")
def test_nobody_says_that_they_represent_an_organisation_that_they_do_not(app: Flask, scene: Scene, organisation: Organisation) -> None:
    with transaction() as session:
        other = new_person(session)
    stranger = Scene(scene.counter, signed_in(app, other))
    made = asked(scene.counter, statements=[{"kind": REPRESENTS, "organisation": {"number": organisation.number}}])
    at = stranger.open(made)
    page = page_of(stranger.client, at)
    assert "不能为您作出这个回答" in page
    assert 'id="approve"' not in page
    assert stranger.approve(at, f"represents-{organisation.number}") == 422


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("right", "said"),
    [
        pytest.param(Right(None, None, MOMENT, None), True, id="a mandate without limits"),
        pytest.param(Right(frozenset({"x"}), None, MOMENT, None), False, id="for some licences"),
        pytest.param(Right(None, frozenset({"x"}), MOMENT, None), False, id="for some portals"),
    ],
)
def test_a_bare_yes_is_said_under_no_limited_mandate(
    monkeypatch: pytest.MonkeyPatch, scene: Scene, organisation: Organisation, right: Right, said: bool
) -> None:
    mandate = Mandate(new_id(), parse_number(organisation.number), organisation.name, mandates.HANDLER, right)
    monkeypatch.setattr(mandates, "organisations_of", lambda *_, **__: [mandate])
    with transaction() as session:
        who = {"holder_id": scene.counter.holder_id, "person_id": scene.counter.holder_id}
        found = stating.statements_of(session, Question(REPRESENTS), **who, now=now())
    assert [one.organisation for one in found] == ([(organisation.name, organisation.number)] if said else [])


@pytest.mark.usefixtures("context")
def test_whoever_acts_within_some_types_says_of_no_other_whether_it_is_held(scene: Scene, settings: Settings) -> None:
    driving, marriage = (get_type(slug).code for slug in (DRIVING, MARRIAGE))
    query = read_query({"credentials": [{"id": "q", "format": "dc+sd-jwt", "meta": {"vct_values": [Question(HOLDS, MARRIAGE).vct]}}]})
    said = {}
    for types in (frozenset({driving}), frozenset({driving, marriage})):
        mandate = Mandate(new_id(), parse_number(scene.counter.person.number), "", mandates.HANDLER, Right(types, None, MOMENT, None))
        viewer = SignedIn(new_id(), new_id(), scene.counter.holder_id, now(), ["pwd"], mandate)
        with transaction() as session:
            said[types] = len(held.held_for(session, settings, viewer, query, now=now()).candidates)
    assert list(said.values()) == [0, 1]


@pytest.mark.usefixtures("context")
def test_a_representative_shows_it_under_a_code_while_acting_for_the_organisation(app: Flask, scene: Scene, organisation: Organisation) -> None:
    with transaction() as session:
        organisation_id = ensure_subject(session, parse_number(organisation.number), now=now()).id
        issuer = new_department(issue=["business-licence"])
        licence = new_licence(session, type="business-licence", department=issuer, number=organisation.number)
    own = f"/wallet/cards/{scene.counter.licence.id}/show"
    assert f'value="{REPRESENTS}"' not in page_of(scene.client, own), "for oneself there is nobody to act for"
    assert act_for(scene.client, organisation_id).status_code == 303
    at = f"/wallet/cards/{licence.id}/show"
    assert f'value="{REPRESENTS}"' in page_of(scene.client, at)
    assert f'value="{OVER_18}"' not in page_of(scene.client, at), "an organisation has no age"
    made = post_form(scene.client, at, {"preset": REPRESENTS})
    page = page_of(scene.client, made.headers["Location"])
    assert all(told in page for told in ("是否有权代表该单位", "单位名称", "统一社会信用代码"))
    found = scene.counter.verify(code_of(page)).get_json()
    named = {statements.ORGANISATION_NAME: organisation.name, statements.ORGANISATION_CODE: organisation.number}
    assert (found["verdict"], found["fields"]) == ("valid", {REPRESENTS: True, **named})
