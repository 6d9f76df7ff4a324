"""A query that takes several licences (`multiple`): the holder ticks which, and each is judged by itself."""

from typing import Any

import pytest
from flask import Flask

from runtime.database import transaction
from tests.wallet.presenting.answering.steps import open_link, page_of, reply
from tests.wallet.presenting.answering.test_mdoc_answers import query as mdoc_query
from tests.wallet.presenting.answering.test_our_own_doors import query_of, state_of
from tests.wallet.presenting.answering.test_statements_asked import Scene, signed_in
from tests.wallet.verifying.openid4vp.wallets import Wallet, ask, asked, fetch_licence
from tests.world_asking import Asking, of_department, sd_jwt_query
from tests.world_verifying import new_browser, new_counter
from tests.world_wallet import new_licence
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence

SLUG = "driving-licence"
WANTED = {"type": SLUG, "fields": ["vehicle_class"], "multiple": True}


@pytest.fixture
def scene(app: Flask) -> Scene:
    with app.app_context():
        counter = new_counter(new_browser(app))
    return Scene(counter, signed_in(app, counter.person))


@pytest.fixture
def other(app: Flask, scene: Scene) -> Licence:
    """Another licence of the same holder and type."""
    with app.app_context(), transaction() as session:
        return new_licence(session, type=SLUG, department=scene.counter.issuer, number=scene.counter.person.number)


def pick(scene: Scene, at: str, *licences: Any) -> int:
    name = query_of(page_of(scene.client, at))
    return reply(scene.client, at, answer="approve", **{f"licence-{name}": [str(one) for one in licences]}).status_code


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("form", ["dc+sd-jwt", "mso_mdoc"])
def test_a_holder_shows_several_each_with_its_receipt_and_its_line_in_the_history(scene: Scene, other: Licence, form: str) -> None:
    made = asked(scene.counter, credentials=[{**WANTED, "formats": [form]}])
    at = scene.open(made)
    page = page_of(scene.client, at)
    assert (page.count('type="checkbox" name="licence-'), "可以勾选多张" in page) == (2, True)
    assert page.count("checked") == 1, "the least is ticked beforehand"
    assert pick(scene, at, scene.counter.licence.id, other.id) == 303
    result = state_of(scene.counter, made["id"])["result"]
    identifiers = {one["licence"]["identifier"] for one in result["presentations"]}
    assert (result["verdict"], identifiers) == ("valid", {scene.counter.licence.identifier, other.identifier})
    history = page_of(scene.client, "/wallet/history")
    assert all(one["receipt"]["id"] in history for one in result["presentations"])


@pytest.mark.usefixtures("context")
def test_one_of_them_will_do_and_none_will_not(scene: Scene, other: Licence) -> None:
    made = asked(scene.counter, credentials=[WANTED])
    at = scene.open(made)
    assert [pick(scene, at), pick(scene, at, "x"), pick(scene, at, other.id, "x")] == [422, 422, 422]
    assert pick(scene, at, other.id) == 303
    (one,) = state_of(scene.counter, made["id"])["result"]["presentations"]
    assert one["licence"]["identifier"] == other.identifier


@pytest.mark.usefixtures("context")
def test_two_are_not_shown_where_one_was_asked_for(scene: Scene, other: Licence) -> None:
    at = scene.open(asked(scene.counter))
    assert pick(scene, at, scene.counter.licence.id, other.id) == 422
    assert pick(scene, at, scene.counter.licence.id, scene.counter.licence.id) == 303, "the same one said twice is one"


@pytest.mark.usefixtures("context")
def test_a_presentation_sent_twice_counts_for_nothing_and_spends_nothing(app: Flask, scene: Scene) -> None:
    wallet = Wallet(app, fetch_licence(app, scene.counter.licence))
    made = asked(scene.counter, credentials=[WANTED], response_mode="direct_post")
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    assert query["multiple"] is True
    shown = wallet.present(got, ("vehicle_class", "licence_identifier"))
    refused = wallet.answer(got, {query["id"]: [shown, shown]})
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_request")
    assert state_of(scene.counter, made["id"])["state"] == "fetched"
    assert wallet.answer(got, {query["id"]: [shown]}).status_code == 200


@pytest.mark.usefixtures("context")
def test_one_that_fails_is_left_out_and_the_others_stand(app: Flask, scene: Scene, other: Licence) -> None:
    mine, forged = Wallet(app, fetch_licence(app, scene.counter.licence)), Wallet(app, fetch_licence(app, other))
    made = asked(scene.counter, credentials=[WANTED], response_mode="direct_post")
    got = mine.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    names = ("vehicle_class", "licence_identifier")
    good, bad = mine.present(got, names), forged.present(got, names[:1])  # it lacks what was asked for
    assert mine.answer(got, {query["id"]: [good, bad]}).status_code == 200
    result = state_of(scene.counter, made["id"])["result"]
    assert [one["verdict"] for one in result["presentations"]] == ["valid", "invalid"]
    assert [bool(one["fields"]) for one in result["presentations"]] == [True, False]
    assert result["verdict"] == "valid"


@pytest.mark.usefixtures("context")
def test_an_act_is_confirmed_with_one_licence_not_with_several(scene: Scene) -> None:
    refused = ask(scene.counter, credentials=[WANTED], confirm="同意")
    assert (refused.status_code, refused.get_json()["field"]) == (422, "confirm")


def test_a_verifier_elsewhere_gets_several_too(app: Flask, scene: Scene, other: Licence) -> None:
    with app.app_context():
        signing, kind = of_department(scene.counter.issuer), get_type(SLUG)
        uri = type_uri(app.extensions["kabao_settings"], kind)
    for asked_for in (sd_jwt_query(uri, "vehicle_class"), mdoc_query(kind.doctype, "vehicle_class")):
        asked_for["credentials"][0]["multiple"] = True
        verifier = Asking(443)
        at = opened_here(scene, signing.by_hash, signing.sign(verifier.payload(asked_for, client_id=signing.by_hash)))
        assert page_of(scene.client, at).count('type="checkbox" name="licence-') == 2


def opened_here(scene: Scene, client_id: str, request_object: str) -> str:
    answer = open_link(scene.client, f"openid4vp://?client_id={client_id}&request={request_object}")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"])
