"""A card's page: what became of it, what came before and after it, and how it was used."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import now
from runtime.ids import new_id
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person, post_form
from wallet.holding.history import FIRST
from wallet.holding.uses import Way, record_use

WHY = {"reason": "测试理由", "legal_basis": "《测试法》第一条"}


@pytest.fixture
def person(app: Flask) -> Person:
    return someone(app)


def test_a_card_tells_its_turns_and_leads_to_what_came_after_and_before_it(app: Flask, client: FlaskClient, person: Person) -> None:
    desk = Desk(app, client)
    old = desk.issue(person)
    desk.post(f"/licences/{old['id']}/suspension", WHY)
    desk.post(f"/licences/{old['id']}/resumption", WHY)
    new = desk.post(f"/licences/{old['id']}/replacement", WHY).json["id"]
    browser = signed_in(app, person)
    page = get(browser, f"/wallet/cards/{old['id']}")
    turns = re.findall(r'class="timeline__who">([^<]+)<', page)
    assert turns == ["签发", "暂扣", "恢复", "补发"]
    assert re.search(rf"后续证照(?:(?!</ul>).)*{new}", page, re.DOTALL)
    assert WHY["reason"] not in page
    assert re.search(rf"以前的证照(?:(?!</ul>).)*{old['id']}", get(browser, f"/wallet/cards/{new}"), re.DOTALL)


def test_a_card_counts_what_was_downloaded(app: Flask, person: Person) -> None:
    licence = licensed(app, person.number, "driving-licence")[0]
    browser, address = signed_in(app, person), f"/wallet/cards/{licence.id}"
    assert "还没有" in re.findall(r'id="taken">(.*?)</dl>', get(browser, address), re.DOTALL)[0]
    assert post_form(browser, f"{address}/document", {"kind": "card"}, form_at=address).mimetype == "application/pdf"
    page = get(browser, address)
    assert "1 份，最近一份" in page
    assert "您取得了盖章文件" in page


def test_a_card_shows_its_last_uses_and_leads_to_all_of_them(app: Flask, person: Person) -> None:
    licence = licensed(app, person.number, "driving-licence")[0]
    with writing(app) as session:
        for number in range(FIRST + 3):
            use = {"holder_id": licence.holder_id, "licence_id": licence.id, "department": licence.issuer_code, "fields": [], "now": now()}
            record_use(session, **use, cause=f"事由{number:02}号", way=Way.DRAW, verdict="valid", receipt_id=new_id())
    browser = signed_in(app, person)
    page = get(browser, f"/wallet/cards/{licence.id}")
    assert "事由12号" in page
    assert "事由02号" not in page
    assert 'id="all-uses"' in page
    everything = get(browser, f"/wallet/cards/{licence.id}/history")
    assert all(f"事由{number:02}号" in everything for number in range(FIRST + 3))


def test_the_uses_of_another_s_card_are_not_there(app: Flask, person: Person) -> None:
    licence = licensed(app, someone(app).number, "driving-licence")[0]
    assert signed_in(app, person).get(f"/wallet/cards/{licence.id}/history", headers={"Accept": "text/html"}).status_code == 404
