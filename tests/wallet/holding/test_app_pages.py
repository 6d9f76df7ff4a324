"""The wallet as an app: nothing of anybody in what everybody gets, and what may be kept is covered and one's own."""

import json
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.world_people import Person, act_for, new_organisation, post_form

MARK = re.compile(r'<body data-wallet="([^"]*)"')


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


def kept(client: FlaskClient) -> dict[str, object]:
    answer = client.get("/wallet/kept.json", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    found: dict[str, object] = answer.get_json()
    return found


def test_what_may_be_kept_is_covered_and_one_s_own(app: Flask, person: Person) -> None:
    licence = licensed(app, person.number, "driving-licence")[0]
    licensed(app, someone(app).number, "driving-licence")
    document = kept(signed_in(app, person))
    (card,) = document["cards"]  # type: ignore[misc]
    assert card["id"] == str(licence.id)
    assert card["name"] == {"zh": "机动车驾驶证", "en": "Driving licence"}
    assert card["validity"]["zh"].startswith("有效期至 20")
    text = json.dumps(document, ensure_ascii=False)
    assert person.number not in text
    assert person.name not in text
    assert licence.identifier not in text


def test_the_mark_is_of_one_wallet_in_one_sign_in(app: Flask, person: Person) -> None:
    with writing(app) as session:
        organisation = new_organisation(session, representative=person)
        organisation_id = ensure_subject(session, parse_number(organisation.number), now=now()).id
    client, again = signed_in(app, person), signed_in(app, person)
    own = MARK.findall(get(client, "/wallet"))[0]
    assert len(own) == 32
    assert kept(client)["wallet"] == own == MARK.findall(get(client, "/account"))[0]
    assert act_for(client, organisation_id).status_code == 303
    marks = {own, MARK.findall(get(client, "/wallet"))[0], MARK.findall(get(again, "/wallet"))[0]}
    assert len(marks) == 3
    assert MARK.findall(get(app.test_client(), "/signin")) == [""]


def test_what_everybody_gets_knows_nobody(app: Flask, person: Person) -> None:
    stranger = app.test_client()
    worker = stranger.get("/wallet/worker.js")
    assert worker.headers["Service-Worker-Allowed"] == "/wallet"
    assert worker.mimetype == "text/javascript"
    assert worker.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    assert signed_in(app, person).get("/wallet/worker.js").data == worker.data
    page = get(stranger, "/wallet/kept", lang="zh")
    assert MARK.search(page) is None
    assert "csrf_token" not in page
    for address in re.findall(r'"(/(?:static|bootstrap)/[^"]+)"', worker.text):
        assert stranger.get(address).status_code == 200, address


@pytest.mark.parametrize(("lang", "name"), [("zh", "卡包"), ("en", "Kabao")])
def test_the_manifest_names_icons_that_are_there(client: FlaskClient, lang: str, name: str) -> None:
    answer = client.get("/wallet/app.webmanifest", query_string={"lang": lang})
    assert answer.mimetype == "application/manifest+json"
    document = json.loads(answer.text)
    assert (document["short_name"], document["start_url"], document["scope"]) == (name, "/wallet", "/wallet")
    assert {icon["purpose"] for icon in document["icons"]} == {"any", "maskable"}
    for icon in document["icons"]:
        picture = client.get(icon["src"])
        assert picture.data.startswith(b"\x89PNG")
        assert [int.from_bytes(picture.data[at : at + 4]) for at in (16, 20)] == [int(side) for side in icon["sizes"].split("x")]


def test_a_stranger_is_given_no_card(client: FlaskClient) -> None:
    assert client.get("/wallet/kept.json", headers={"Accept": "application/json"}).status_code == 401


def test_signing_out_clears_what_the_browser_keeps(app: Flask, person: Person) -> None:
    answer = post_form(signed_in(app, person), "/signout", {}, form_at="/wallet")
    assert answer.headers["Clear-Site-Data"] == '"storage"'
