"""However much a wallet holds, a page of it shows a bounded number of rows, by as many statements as where there are five of them."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert
from sqlalchemy.orm import Session

from bench.statements import counted
from idp.signin.notices import Notice, tell
from runtime.clock import now
from runtime.ids import new_id
from tests.wallet.holding.test_wallet_pages import get, licensed, signed_in, someone, writing
from tests.world_people import BROWSER, post_form
from wallet.holding import favourites
from wallet.holding.uses import Use, Way, row_of_use
from wallet.register.licences import Licence, china_date, seal_details
from wallet.register.turns import LicenceTurn, first_turn

TYPES = ("driving-licence", "degree-certificate")
FEW, MANY = 5, 500
Fill = Callable[[int], tuple[FlaskClient, Licence]]
LINK = re.compile(r'href="/wallet/cards/([\w-]+)"')


def more_like(session: Session, licence: Licence, how_many: int) -> list[UUID]:
    """Let the holder have more licences like one of theirs, each a real one."""
    own = {column.key: getattr(licence, column.key) for column in Licence.__table__.columns}
    rows = []
    for each in range(how_many):
        licence_id = new_id()
        sealed = seal_details(licence_id, licence_number=f"测{each:06}", fields={"vehicle_class": "C1"})
        times = {"issued_at": now() - timedelta(days=each), "valid_from": china_date(now()) - timedelta(days=each)}
        rows.append({**own, "id": licence_id, "identifier": f"{licence.identifier}-{licence_id}", **sealed, **times})
    session.execute(insert(Licence), rows)
    session.execute(insert(LicenceTurn), [first_turn(row, actor="department:test") for row in rows])
    return [row["id"] for row in rows]


def more_uses(session: Session, licences: list[Licence], how_many: int) -> None:
    """Let licences be looked at, in turn, and something that is not issued yet."""
    for each in range(how_many):
        one = licences[each % len(licences)]
        seen = {"holder_id": one.holder_id, "licence_id": one.id if each % 7 else new_id(), "department": one.issuer_code}
        what = {"cause": "测试", "fields": ["holder_name"], "way": Way.DRAW, "verdict": "valid", "receipt_id": new_id()}
        session.execute(insert(Use).values(row_of_use(**seen, **what, now=now())))


@pytest.fixture(scope="module")
def filled(app: Flask) -> Fill:
    """People whose wallets hold so much of everything."""
    made: dict[int, tuple[FlaskClient, Licence]] = {}

    def fill(how_many: int) -> tuple[FlaskClient, Licence]:
        if how_many not in made:
            person = someone(app)
            driving, degree = licensed(app, person.number, *TYPES)
            with writing(app) as session:
                more = more_like(session, driving, how_many - 2)
                session.flush()
                licences = [driving, degree, *(session.get_one(Licence, (driving.holder_id, one)) for one in more[:60])]
                more_uses(session, licences, how_many)
                more_uses(session, [driving], how_many)
                for _ in range(how_many):
                    tell(session, driving.holder_id, "password-changed", now=now())
                for one in more[: how_many // 2]:
                    favourites.add(session, driving.holder_id, one, now=now())
            made[how_many] = (signed_in(app, person), driving)
        return made[how_many]

    return fill


PAGES = {
    "/wallet": ("<article", 96),  # those at hand, and the first of the others
    "/wallet?show=valid": ("<article", 48),
    "/wallet?show=favourite": ("<article", 48),
    "/wallet/timeline": ('class="moment ', 100),  # what happened, and what is to come
    "/wallet/timeline?order=newest": ('class="moment ', 100),
    "/wallet/history": ("timeline__who", 50),
    "/wallet/cards/{id}/history": ("timeline__who", 50),
    "/wallet/cards/{id}": ("timeline__who", 20),
    "/wallet/cards/{id}/show": ('name="also"', 30),
    "/wallet/kept.json": ('"is_valid"', 60),
    "/account/notices": ("timeline__who", 50),
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_makes_as_many_statements_for_five_hundred_as_for_five(app: Flask, filled: Fill, path: str) -> None:
    counts: dict[int, int] = {}
    mark, most = PAGES[path]
    for how_many in (FEW, MANY):
        client, licence = filled(how_many)
        client.get(address := path.format(id=licence.id), headers=BROWSER)  # what is read once a process is read
        for _ in range(3):  # or again, where only now it is heard that something of it changed
            with counted(app) as sent:
                answer = client.get(address, headers=BROWSER)
            assert answer.status_code == 200
            assert 0 < answer.text.count(mark) <= most
            counts[how_many] = min(len(sent.sent), counts.get(how_many, len(sent.sent)))
    assert counts[MANY] <= counts[FEW]


def walk(client: FlaskClient, path: str, link: str) -> list[str]:
    """Follow a list to its end, and return its pages."""
    pages, following = [], path
    while following:
        pages.append(client.get(following, headers=BROWSER).text)
        found = re.search(rf'id="{link}" href="([^"]+)"', pages[-1])
        following = found[1].replace("&amp;", "&") if found else ""
    return pages


@pytest.mark.parametrize(("path", "pages"), [("/wallet?show=valid", 11), ("/wallet?show=favourite", 6), ("/wallet?show=valid&family=life", 11)])
def test_every_card_stands_on_one_page(filled: Fill, path: str, pages: int) -> None:
    client, _ = filled(MANY)
    found = walk(client, path, "more")
    cards = [one for page in found for one in LINK.findall(page)]
    assert len(found) == pages
    assert len(cards) == len(set(cards)) == {"show=valid": MANY, "show=favourite": MANY // 2}.get(path.partition("?")[2], MANY - 1)
    assert '<a id="start" href="/wallet?show=' in found[1]
    assert not re.search(r'<h2 class="family"[^>]*>[^<]*<small>', found[1]), "a page says nothing of how many a family has"


@pytest.mark.parametrize("order", ["", "?order=newest"])
def test_a_whole_life_is_walked_page_by_page(filled: Fill, order: str) -> None:
    client, _ = filled(MANY)
    found = walk(client, f"/wallet/timeline{order}", "more")
    past = [re.sub(r'<section class="life__year life__year--ahead".*?</section>', "", page, flags=re.DOTALL) for page in found]
    cards = [one for page in past for one in LINK.findall(page)]
    days = [one for page in past for one in re.findall(r'<li class="moment.*?<time datetime="([\d-]+)"', page, re.DOTALL)]
    assert len(found) == MANY // 50
    assert len(cards) == len(set(cards)) == MANY
    assert days == sorted(days, reverse=bool(order))
    assert [page.count('id="ahead"') for page in found] == ([1] + [0] * 9 if order else [0] * 9 + [1])
    assert f"共 {MANY} 张" in found[3]


@pytest.mark.parametrize(("path", "count"), [("/wallet/history", 2 * MANY), ("/account/notices", MANY)])
def test_history_and_notices_are_walked_to_their_end(filled: Fill, path: str, count: int) -> None:
    client, _ = filled(MANY)
    found = walk(client, path, "older")
    assert count <= sum(page.count("timeline__who") for page in found) <= count + 5  # a sign-in is told, too
    assert len(found) - count // 50 in (0, 1)


def test_a_search_goes_over_all_and_its_pages_keep_the_words_out_of_addresses(filled: Fill) -> None:
    client, _ = filled(MANY)
    assert LINK.findall(post_form(client, "/wallet", {"words": "学位"}).text) != []
    page, cards = post_form(client, "/wallet", {"words": "驾驶"}).text, []
    while found := re.search(r'id="more" name="after" value="([^"]+)"', page):
        cards += LINK.findall(page)
        page = post_form(client, "/wallet", {"words": "驾驶", "after": found[1]}).text
    cards += LINK.findall(page)
    assert len(cards) == len(set(cards)) == MANY - 1
    assert not any("%E9%A9" in address or "驾驶" in address for address in re.findall(r'href="([^"]*)"', page))


@pytest.mark.parametrize(
    "after", ["", ".", "x", "0.0.", "0.2.01a20000-0000-7000-8000-000000000000", "99.0.x", "0.0." + "9" * 5000, "-1.0.1", "٣.0.1"]
)
@pytest.mark.parametrize("path", ["/wallet", "/wallet/timeline", "/wallet/history", "/account/notices"])
def test_a_place_that_is_none_is_the_first_page(filled: Fill, path: str, after: str) -> None:
    client, _ = filled(FEW)
    answer = client.get(path, query_string={"after": after, "before": after}, headers=BROWSER)
    assert answer.status_code == 200
    assert 'id="start"' not in answer.text


def test_the_place_of_another_wallet_shows_nothing_of_it(filled: Fill) -> None:
    client, _ = filled(FEW)
    _, theirs = filled(MANY)
    page = get(client, "/wallet", after=f"1.0.{theirs.id}")
    assert str(theirs.id) not in LINK.findall(page)


def test_two_hundred_cards_make_a_small_page(filled: Fill) -> None:
    client, _ = filled(MANY)
    assert len(get(client, "/wallet").encode()) < 100_000, "of which 100 kB are allowed in all"


def test_a_notice_of_a_kind_that_is_gone_ends_no_list(app: Flask, filled: Fill) -> None:
    client, licence = filled(FEW)
    with writing(app) as session:
        row = {"subject_id": licence.holder_id, "id": new_id(), "kind": "of yore", "values_sealed": b"", "link_sealed": None, "at": now()}
        session.execute(insert(Notice).values(row))
    assert "timeline__who" in get(client, "/account/notices")
