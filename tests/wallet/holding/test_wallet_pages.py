import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from idp.subjects.directory import ensure_subject
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.world_people import BROWSER, Person, act_for, come_in, new_organisation, new_person, open_account, post_form
from tests.world_wallet import DEFINITIONS, new_department, new_licence
from wallet.holding.uses import Way, record_use
from wallet.issuing.life import revoke_licence
from wallet.register.licences import Licence, china_date

SLUG = "driving-licence"
INLINE = re.compile(r"\sstyle=|<style|\son[a-z]+=|javascript:|<script(?![^>]*\bsrc=)", re.IGNORECASE)


@contextmanager
def writing(app: Flask) -> Iterator[Session]:
    """A transaction in a context of its own: what a request leaves in `g` must not outlive it."""
    with app.app_context(), transaction() as session:
        yield session


def someone(app: Flask) -> Person:
    with writing(app) as session:
        person = new_person(session, name="欧阳思远")
        open_account(session, person)
    return person


def licensed(app: Flask, number: str, *slugs: str) -> list[Licence]:
    with writing(app) as session:
        department = new_department(issue=slugs)
        return [new_licence(session, type=slug, department=department, number=number) for slug in slugs]


def signed_in(app: Flask, person: Person) -> FlaskClient:
    return come_in(app.test_client(), person)


def get(client: FlaskClient, path: str, **query: str) -> str:
    answer = client.get(path, query_string=query, headers=BROWSER)
    assert answer.status_code == 200
    return answer.text


def test_an_empty_wallet_says_how_licences_come(app: Flask) -> None:
    client = signed_in(app, someone(app))
    page = get(client, "/wallet")
    assert "卡包里还没有证照" in page
    steps = re.findall(r'<li><a href="([^"]+)"', page.split('id="next-steps"', 1)[1].split("</ul>", 1)[0])
    assert [client.get(step, headers=BROWSER).status_code for step in steps] == [200, 200, 200, 200]
    assert "No licence here yet" in get(client, "/wallet", lang="en")
    assert "还没有使用记录" in get(client, "/wallet/history", lang="zh")


@pytest.mark.parametrize("path", ["/wallet", "/wallet/history", "/wallet/cards/{id}"])
def test_each_page_speaks_both_languages_under_its_headers_and_covers_names_and_numbers(app: Flask, path: str) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    client = signed_in(app, person)
    for choice, lang in (("zh", "zh-CN"), ("en", "en")):
        answer = client.get(path.format(id=licence.id), query_string={"lang": choice}, headers=BROWSER)
        assert answer.status_code == 200
        assert f'<html lang="{lang}">' in answer.text
        assert answer.text.count("<h1") == 1
        assert INLINE.search(answer.text) is None
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert answer.headers["Cache-Control"] == "no-store"
        assert person.number not in answer.text
        assert person.name not in answer.text
    assert not re.findall(r"[\u4e00-\u9fff]{5,}", re.sub(r"<script.*?</script>", "", answer.text)), "an English page holds no Chinese sentence"


@pytest.mark.parametrize("path", ["/wallet", "/wallet/history", "/wallet/cards/01a20000-0000-7000-8000-000000000000"])
def test_a_stranger_is_sent_to_sign_in_and_comes_back(client: FlaskClient, path: str) -> None:
    answer = client.get(path, headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/signin?next=")


def test_cards_are_grouped_by_family_with_their_state_in_words(app: Flask) -> None:
    person = someone(app)
    driving, degree = licensed(app, person.number, "driving-licence", "degree-certificate")
    with writing(app) as session:
        revoke_licence(session, session.merge(driving), reason="违法记分", legal_basis="测试", department=driving.issuer_code, now=now())
    page = get(signed_in(app, person), "/wallet")
    assert page.index("生活") < page.index("教育与职业")
    assert re.search(rf'licence--inactive(?:(?!</article>).)*{driving.id}(?:(?!</article>).)*state--revoked">吊销', page, re.DOTALL)
    assert re.search(rf'{degree.id}(?:(?!</article>).)*state--valid">有效', page, re.DOTALL)


@pytest.mark.parametrize(
    ("days", "told"),
    [(0, "今天到期"), (10, "还有 10 天到期"), (90, "还有 90 天到期"), (91, "有效期至")],
)
def test_an_expiry_in_sight_is_said(app: Flask, days: int, told: str) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    with writing(app) as session:
        session.merge(licence).valid_until = china_date(now()) + timedelta(days=days)
    page = get(signed_in(app, person), "/wallet")
    assert told in page
    assert "state--valid" in page


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"valid_until": date(2020, 1, 1), "valid_from": date(2019, 1, 1)}, "申请换发", id="expired"),
        pytest.param({"valid_from": date(2199, 1, 1), "valid_until": None}, "尚未生效", id="not yet valid"),
        pytest.param({"state": "suspended"}, "暂扣", id="suspended"),
        pytest.param({"state": "revoked"}, "已吊销", id="revoked"),
    ],
)
def test_a_card_that_is_not_in_force_says_why_and_cannot_be_shown(app: Flask, change: dict[str, Any], told: str) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    with writing(app) as session:
        row = session.merge(licence)
        for name, value in change.items():
            setattr(row, name, value)
    client = signed_in(app, person)
    page = get(client, f"/wallet/cards/{licence.id}")
    assert told in page
    assert 'id="show"' not in page


def test_a_card_opens_only_when_asked_and_by_post_alone(app: Flask) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    client = signed_in(app, person)
    address = f"/wallet/cards/{licence.id}"
    values = [str(one.example) for one in DEFINITIONS[SLUG].fields if one.type == "string"]
    for covered in (get(client, address), get(client, address, reveal="1")):
        assert not any(value in covered for value in values)
    opened = post_form(client, address, {}).text
    assert person.number in opened
    assert person.name in opened
    assert all(value in opened for value in values)
    assert licence.identifier in opened


def test_a_card_is_not_opened_without_the_token_of_its_form(app: Flask) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    answer = signed_in(app, person).post(f"/wallet/cards/{licence.id}", headers=BROWSER)
    assert answer.status_code == 400
    assert person.number not in answer.text


@pytest.mark.parametrize(("method", "suffix"), [("GET", "")])
def test_the_card_of_another_is_not_there(app: Flask, method: str, suffix: str) -> None:
    licence = licensed(app, someone(app).number, SLUG)[0]
    answer = signed_in(app, someone(app)).open(f"/wallet/cards/{licence.id}{suffix}", method=method, headers=BROWSER)
    assert answer.status_code == 404
    assert licence.identifier not in answer.text


@pytest.mark.parametrize("path", ["/wallet/cards/nonsense", "/wallet/cards/../account", "/wallet/cards/%00", "/wallet/history?before=nonsense"])
def test_nonsense_in_an_address_is_answered_calmly(app: Flask, path: str) -> None:
    assert signed_in(app, someone(app)).get(path, headers=BROWSER).status_code in (200, 400, 404)


def test_the_history_says_who_when_why_and_which_fields(app: Flask) -> None:
    person = someone(app)
    licence = licensed(app, person.number, SLUG)[0]
    receipt = new_id()
    with writing(app) as session:
        record_use(
            session,
            holder_id=licence.holder_id,
            licence_id=licence.id,
            department=licence.issuer_code,
            cause="办理<b>食品经营</b>许可",
            fields=["holder_name"],
            way=Way.PRESENTATION,
            verdict="valid",
            receipt_id=receipt,
            now=now(),
        )
    client = signed_in(app, person)
    for page in (get(client, "/wallet/history"), get(client, f"/wallet/cards/{licence.id}")):
        assert "办理&lt;b&gt;食品经营&lt;/b&gt;许可" in page
        assert str(receipt) in page
        assert "持证人" in page
        assert "示例市第" in page
        assert "只核对了证照是否有效" not in page


def test_acting_for_an_organisation_shows_its_wallet_and_says_so(app: Flask) -> None:
    person = someone(app)
    with writing(app) as session:
        organisation = new_organisation(session, representative=person)
    own = licensed(app, person.number, SLUG)[0]
    client = signed_in(app, person)
    licence = licensed(app, organisation.number, "business-licence")[0]
    with writing(app) as session:
        organisation_id = ensure_subject(session, parse_number(organisation.number), now=now()).id
    assert act_for(client, organisation_id).status_code == 303
    page = get(client, "/wallet")
    assert f"代表 <strong>{organisation.name}</strong>" in page
    assert str(licence.id) in page
    assert str(own.id) not in page
    assert client.get(f"/wallet/cards/{own.id}", headers=BROWSER).status_code == 404
