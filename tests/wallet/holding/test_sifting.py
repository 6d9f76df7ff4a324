"""Finding a card: by family, state and words, none of which looks into what a licence says or stands in an address."""

import re
from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import now
from schemas.licences import LicenceRequestSchema
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.world_people import BROWSER, Person, post_form
from wallet.holding.sifting import LONGEST
from wallet.register.licences import Licence, china_date

TYPES = ("driving-licence", "degree-certificate", "birth-certificate")


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


@pytest.fixture
def licences(app: Flask, person: Person) -> dict[str, Licence]:
    """A driving licence that ends in a month, a degree, and a birth certificate that was annulled."""
    found = dict(zip(TYPES, licensed(app, person.number, *TYPES), strict=True))
    with writing(app) as session:
        session.merge(found["driving-licence"]).valid_until = china_date(now()) + timedelta(days=30)
        session.merge(found["birth-certificate"]).state = "annulled"
    return found


@pytest.fixture
def client(app: Flask, person: Person, licences: dict[str, Licence]) -> FlaskClient:
    return signed_in(app, person)


def shown(page: str, licences: dict[str, Licence]) -> set[str]:
    return {slug for slug, licence in licences.items() if f'href="/wallet/cards/{licence.id}"' in page}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({}, set(TYPES), id="everything"),
        pytest.param({"show": "valid"}, {"driving-licence", "degree-certificate"}, id="valid"),
        pytest.param({"show": "ending"}, {"driving-licence"}, id="ending"),
        pytest.param({"show": "over"}, {"birth-certificate"}, id="over"),
        pytest.param({"show": "favourite"}, set(), id="none at hand"),
        pytest.param({"family": "education-profession"}, {"degree-certificate"}, id="a family"),
        pytest.param({"family": "education-profession", "show": "ending"}, set(), id="both"),
        pytest.param({"family": "' OR 1=1", "show": "<b>"}, set(TYPES), id="what is not known is not asked"),
    ],
)
def test_the_wallet_is_sifted_by_family_and_state(client: FlaskClient, licences: dict[str, Licence], query: dict[str, str], wanted: set[str]) -> None:
    page = get(client, "/wallet", **query)
    assert shown(page, licences) == wanted
    assert ("没有符合的证照" in page) == (not wanted)
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        pytest.param("驾驶", {"driving-licence"}, id="a kind in Chinese"),
        pytest.param("DRIVING", {"driving-licence"}, id="a kind in English"),
        pytest.param("示例市", set(TYPES), id="the issuer"),
        pytest.param("示例市 学位", {"degree-certificate"}, id="several words"),
        pytest.param("<script>alert(1)</script>", set(), id="nonsense"),
        pytest.param("x" * 5000, set(), id="too long"),
        pytest.param("   ", set(TYPES), id="nothing"),
    ],
)
def test_words_are_looked_for_in_kinds_and_issuers(client: FlaskClient, licences: dict[str, Licence], words: str, wanted: set[str]) -> None:
    answer = post_form(client, "/wallet", {"words": words})
    assert answer.status_code == 200
    assert shown(answer.text, licences) == wanted
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("words", ["欧阳思远", "C1", "{number} C1", "{part}"], ids=["a name", "a field", "more than a number", "part of a number"])
def test_no_search_looks_into_a_licence(person: Person, client: FlaskClient, words: str) -> None:
    page = post_form(client, "/wallet", {"words": words.format(number=person.number, part=person.number[:-1])})
    assert "没有符合的证照" in page.text


def test_a_whole_number_finds_its_card_and_what_was_typed_is_in_no_address(person: Person, client: FlaskClient, licences: dict[str, Licence]) -> None:
    page = post_form(client, "/wallet", {"words": f"{person.number[:6]} {person.number[6:].lower()}"})
    assert shown(page.text, licences) == {"driving-licence"}
    assert not any(person.number[6:] in address for address in re.findall(r'(?:href|action)="([^"]*)"', page.text))
    assert client.get("/wallet", query_string={"words": "驾驶"}, headers=BROWSER).text.count("<article") == len(TYPES), "by POST alone"


def test_a_number_as_long_as_any_is_looked_for_whole(client: FlaskClient) -> None:
    assert "licence_number" in LicenceRequestSchema().validate({"licence_number": "9" * (LONGEST + 1)}), "no longer one is issued"
    assert f'name="words" maxlength="{LONGEST}"' in client.get("/wallet", headers=BROWSER).text


def test_a_card_at_hand_comes_first_until_it_is_put_back(client: FlaskClient, licences: dict[str, Licence]) -> None:
    degree = licences["degree-certificate"].id
    for _ in range(2):
        answer = post_form(client, "/wallet/favourites", {"add": str(degree)}, form_at="/wallet")
        assert (answer.status_code, answer.location) == (303, "/wallet")
    page = get(client, "/wallet")
    assert re.search(rf'id="at-hand"(?:(?!</section>).)*{degree}', page, re.DOTALL)
    assert page.count(f'href="/wallet/cards/{degree}"') == 1
    assert shown(get(client, "/wallet", show="favourite"), licences) == {"degree-certificate"}
    back = post_form(client, "/wallet/favourites", {"remove": str(degree), "next": f"/wallet/cards/{degree}"}, form_at="/wallet")
    assert back.location == f"/wallet/cards/{degree}"
    assert 'id="at-hand"' not in get(client, "/wallet")


@pytest.mark.parametrize(
    ("form", "status"),
    [({}, 422), ({"add": ""}, 422), ({"add": "x" * 500}, 422), ({"remove": "nonsense"}, 422), ({"add": "01a20000-0000-7000-8000-000000000000"}, 404)],
)
def test_nonsense_is_kept_at_hand_by_nobody(client: FlaskClient, form: dict[str, str], status: int) -> None:
    assert post_form(client, "/wallet/favourites", form, form_at="/wallet").status_code == status


def test_another_s_card_is_kept_at_hand_by_nobody_and_no_way_leads_out(app: Flask, client: FlaskClient) -> None:
    theirs = licensed(app, someone(app).number, "driving-licence")[0]
    assert post_form(client, "/wallet/favourites", {"add": str(theirs.id)}, form_at="/wallet").status_code == 404
    away = post_form(client, "/wallet/favourites", {"remove": str(theirs.id), "next": "https://example.org/"}, form_at="/wallet")
    assert away.location == "/wallet"


def test_what_a_successor_took_the_place_of_is_shown_where_it_is_asked_for(app: Flask, client: FlaskClient, licences: dict[str, Licence]) -> None:
    with writing(app) as session:
        old = session.merge(licences["degree-certificate"])
        old.successor_id, old.state, old.valid_until = licences["driving-licence"].id, "lapsed", date(2099, 1, 1)
    assert shown(get(client, "/wallet"), licences) == {"driving-licence", "birth-certificate"}
    assert shown(get(client, "/wallet", show="over"), licences) == {"degree-certificate", "birth-certificate"}
