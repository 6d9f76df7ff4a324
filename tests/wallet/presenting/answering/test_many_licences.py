"""Of a wallet with very many licences of one type a request is offered the newest few; any other is found by its number, and nothing is lost."""

from typing import Any

import pytest
from flask import Flask

from bench.statements import counted
from idp.signin.sessions import SignedIn
from idp.subjects.mandates import HANDLER, Mandate
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from runtime.clock import now
from runtime.ids import new_id
from tests.wallet.holding.test_paging import more_like
from tests.wallet.holding.test_wallet_pages import licensed, someone, writing
from tests.wallet.holding.test_wallet_pages import signed_in as signed_in_as
from tests.wallet.presenting.answering.steps import FIELD, Holder, approve, opened, page_of, reply
from tests.wallet.presenting.answering.test_mdoc_answers import query
from tests.world_asking import Asking, Signing
from tests.world_people import citizen_number
from wallet.presenting.answering import sought
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence, licence_number_of, type_of

MANY = 300
PICK = 'name="licence-licence"'


@pytest.fixture
def each(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sought, "MOST_EACH", 4)
    return 4


@pytest.fixture
def many(app: Flask, holder: Holder) -> Licence:
    """The holder's first licence, before many more."""
    with writing(app) as session:
        more_like(session, holder[1], MANY)
    return holder[1]


def wanted(licence: Licence, *names: str, **values: list[Any]) -> dict[str, Any]:
    return query(type_of(licence).doctype, *names, **values)


def number_of(app: Flask, licence: Licence) -> str:
    with app.app_context():
        return licence_number_of(licence)


def test_the_newest_few_are_offered_and_another_is_found_by_its_number_and_shown(
    app: Flask, holder: Holder, many: Licence, signing: Signing, verifier: Asking, each: int
) -> None:
    client, number = holder[0], number_of(app, many)
    with app.app_context():
        asks = wanted(many, FIELD)
    at = opened(client, verifier.link(signing, asks))
    page = page_of(client, at)
    assert page.count(PICK) == each
    assert 'id="more-licence"' in page
    assert str(many.id) not in page
    found = reply(client, at, answer="look", number=f" {number[:6]} {number[6:].lower()} ")
    assert found.status_code == 200
    assert f'id="licence-licence-{many.id}" value="{many.id}" checked' in found.text
    assert found.text.count(" checked") == 1
    assert number not in found.text
    assert number not in found.request.url
    assert approve(client, at, many).status_code == 303
    assert len(verifier.received) == 1


@pytest.mark.usefixtures("each")
def test_one_that_was_looked_up_for_what_may_be_left_out_is_picked_alone(
    app: Flask, holder: Holder, many: Licence, signing: Signing, verifier: Asking
) -> None:
    """Of two that are ticked a browser takes the last, which is to show none."""
    client = holder[0]
    with app.app_context():
        asks = wanted(many, FIELD)
        asks["credentials"].append({**asks["credentials"][0], "id": "other"})
        asks["credential_sets"] = [{"options": [["licence"]]}, {"options": [["other"]], "required": False}]
    at = opened(client, verifier.link(signing, asks))
    assert 'id="licence-other-none" value="" checked' in page_of(client, at)
    found = reply(client, at, answer="look", number=number_of(app, many), **{"licence-other": ""})
    assert f'id="licence-other-{many.id}" value="{many.id}" checked' in found.text
    assert 'id="licence-other-none" value="">' in found.text


@pytest.mark.parametrize("number", ["", "  ", "no such number", "长" * 500, "7\u202e"])
def test_what_is_no_number_of_the_wallet_is_not_found_and_the_request_stays(
    app: Flask, holder: Holder, many: Licence, signing: Signing, verifier: Asking, number: str
) -> None:
    client = holder[0]
    with app.app_context():
        at = opened(client, verifier.link(signing, wanted(many, FIELD)))
    answer = reply(client, at, answer="look", number=number)
    assert answer.status_code == 404
    assert 'id="fault"' in answer.text
    assert verifier.received == []
    assert 'id="approve"' in page_of(client, at)


@pytest.mark.usefixtures("each")
def test_a_licence_of_another_wallet_is_neither_found_nor_shown(
    app: Flask, holder: Holder, many: Licence, signing: Signing, verifier: Asking
) -> None:
    client, stranger = holder[0], someone(app)
    theirs = licensed(app, stranger.number, "driving-licence")[0]
    with app.app_context():
        at = opened(client, verifier.link(signing, wanted(many, FIELD)))
    assert reply(client, at, answer="look", number=number_of(app, theirs)).status_code == 404
    assert approve(client, at, theirs).status_code == 422
    assert verifier.received == []


@pytest.mark.usefixtures("each")
@pytest.mark.parametrize(("reaches", "is_found"), [("it", True), ("others", False)])
def test_whoever_acts_for_another_looks_up_only_what_their_mandate_reaches(app: Flask, holder: Holder, *, reaches: str, is_found: bool) -> None:
    licence, number = holder[1], number_of(app, holder[1])
    right = Right(frozenset({licence.type_code if reaches == "it" else "x"}), None, now(), None)
    mandate = Mandate(new_id(), parse_number(citizen_number()), "", HANDLER, right)
    viewer = SignedIn(new_id(), new_id(), licence.holder_id, now(), [], mandate)
    with writing(app) as session:
        found = sought.look_up(session, viewer, [number], now=now())
        assert [one.id for one in found] == ([licence.id] if is_found else [])


def test_one_that_the_request_names_by_its_number_is_offered_however_old(
    app: Flask, holder: Holder, many: Licence, signing: Signing, verifier: Asking
) -> None:
    client, number = holder[0], number_of(app, many)
    with app.app_context():
        at = opened(client, verifier.link(signing, wanted(many, "licence_number", licence_number=[number, 7, "x" * 400])))
    page = page_of(client, at)
    assert page.count(PICK) == 1
    assert str(many.id) in page


@pytest.mark.usefixtures("each")
def test_many_of_one_type_keep_none_of_another_from_being_found(
    app: Flask, holder: Holder, many: Licence, signing: Signing, verifier: Asking
) -> None:
    person = someone(app)
    degree, driving = licensed(app, person.number, "degree-certificate", "driving-licence")  # the degree is the older one
    with writing(app) as session:
        more_like(session, driving, MANY)
    client = signed_in_as(app, person)
    with app.app_context():
        asks = wanted(many, FIELD)
        asks["credentials"].append({"id": "degree", "format": "mso_mdoc", "meta": {"doctype_value": get_type("degree-certificate").doctype}})
    page = page_of(client, opened(client, verifier.link(signing, asks)))
    assert f'id="licence-degree-{degree.id}"' in page
    assert 'id="more-degree"' not in page


def test_a_request_takes_as_many_statements_and_rows_for_many_as_for_a_page(
    app: Flask, holder: Holder, signing: Signing, verifier: Asking, each: int
) -> None:
    client, licence = holder
    with app.app_context():
        at = opened(client, verifier.link(signing, wanted(licence, FIELD)))
    seen = []
    for more in (each, MANY):
        with writing(app) as session:
            more_like(session, licence, more)
        page_of(client, at)
        with counted(app) as sent:
            page = page_of(client, at)
        assert page.count(PICK) == each
        seen.append((len(sent.sent), sent.rows))
    assert seen[1] == seen[0]
