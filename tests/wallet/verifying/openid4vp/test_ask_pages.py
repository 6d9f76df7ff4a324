"""An officer asks at the desk: a code on the screen, and in its place what a wallet answered."""

import html
import re

import pytest
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.wallet.presenting.answering.steps import opened, page_of, reply
from tests.wallet.presenting.answering.test_our_own_doors import query_of
from tests.wallet.verifying.openid4vp.test_asking import FIELDS
from tests.wallet.verifying.openid4vp.wallets import MDOC, Wallet, fetch_licence
from tests.wallet.verifying.test_desk_pages import new_officer
from tests.world_people import citizen_number, open_account, post_form, sign_in
from tests.world_verifying import CAUSE, Counter, new_browser
from tests.world_wallet import new_department
from wallet.presenting import statements
from wallet.register.catalogue import get_type

ENGLISH = {"Accept": "text/html", "Accept-Language": "en"}
ASKED = {"type": "driving-licence", "chosen": "vehicle_class", "cause": CAUSE["text"], "basis": "consent", "request_id": ""}


@pytest.fixture
def desk(counter: Counter) -> FlaskClient:
    """A browser in which an officer of the counter's department is signed in."""
    browser = new_browser(counter.client.application)
    sign_in(browser, new_officer(counter.department))
    return browser


def ask(desk: FlaskClient, **more: str) -> tuple[str, str]:
    """Ask, and return the page's address and the link that its code holds."""
    told = {name: value for name, value in {**ASKED, **more}.items() if value}
    made = post_form(desk, "/desk/ask", told)
    assert made.status_code == 303, made.text
    page = desk.get(made.location, headers=ENGLISH).text
    return made.location, html.unescape(re.search(r'id="link">([^<]+)<', page)[1])  # type: ignore[index]


@pytest.mark.parametrize("place", [0, 1], ids=["SD-JWT VC", "mdoc"])
def test_a_code_turns_into_the_verdict(counter: Counter, desk: FlaskClient, wallet: Wallet, place: int) -> None:
    if place:
        wallet.held = fetch_licence(wallet.app, counter.licence, MDOC)
    at, link = ask(desk)
    assert desk.get(f"{at}/state?seen=waiting").get_json() == {"state": "waiting"}
    got = wallet.get(link)
    assert desk.get(f"{at}/state?seen=waiting").get_json() == {"state": "fetched"}
    waiting = desk.get(at, headers=ENGLISH).text
    assert "A wallet has taken the request" in waiting
    assert "qr-picture" not in waiting
    query = got.payload["dcql_query"]["credentials"][place]
    wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]})
    assert desk.get(f"{at}/state?seen=fetched").get_json() == {"state": "answered"}
    page = desk.get(at, headers=ENGLISH).text
    kind = get_type("driving-licence").find_field("vehicle_class")
    assert kind is not None
    for shown in ('data-verdict="valid"', kind.choices["C1"].en, CAUSE["text"]):
        assert shown in page
    receipt = re.search(r'href="(/desk/receipts/[^"]+)"', page)[1]  # type: ignore[index]
    assert counter.licence.identifier in desk.get(receipt, headers=ENGLISH).text


def test_what_the_holder_confirmed_stands_on_the_page_and_on_the_receipt(counter: Counter, desk: FlaskClient, wallet: Wallet) -> None:
    at, link = ask(desk, confirm="同意将车辆转移登记给李某")
    got = wallet.get(link)
    (query,) = got.payload["dcql_query"]["credentials"]
    wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]})
    page = desk.get(at, headers=ENGLISH).text
    receipt = re.search(r'href="(/desk/receipts/[^"]+)"', page)[1]  # type: ignore[index]
    for shown in (page, desk.get(receipt, headers=ENGLISH).text):
        assert "同意将车辆转移登记给李某" in shown


def test_a_refusal_and_a_wrong_answer_are_said_in_words(counter: Counter, desk: FlaskClient, wallet: Wallet) -> None:
    at, link = ask(desk)
    got = wallet.get(link)
    wallet.post(got, {"error": "access_denied", "state": got.payload["state"]})
    assert "The holder did not agree" in desk.get(at, headers=ENGLISH).text
    at, link = ask(desk)
    got = wallet.get(link)
    wallet.binding = {"nonce": "n" * 43}
    wallet.answer(got, {got.payload["dcql_query"]["credentials"][0]["id"]: [wallet.present(got, FIELDS)]})
    page = desk.get(at, headers=ENGLISH).text
    assert 'data-verdict="invalid"' in page
    assert "It was shown for another occasion." in page


def test_what_cannot_be_asked_for_is_said_beside_the_form(counter: Counter, desk: FlaskClient) -> None:
    for changes, status, said in (
        ({"cause": " "}, 422, "请填写请求事由"),
        ({"cause": "由" * 201}, 422, "最多200字"),
        ({"confirm": "字" * 501}, 422, "最多500字"),
        ({"number": "123"}, 422, "field__error"),
        ({"chosen": "no_such"}, 422, "请只勾选列出的内容"),
        ({"type": "marriage-certificate"}, 422, "type-form"),
        ({"type": "x"}, 422, "type-form"),
    ):
        answer = post_form(desk, "/desk/ask", {**ASKED, **changes})
        assert (answer.status_code, said in answer.text) == (status, True), changes


def test_a_form_sent_twice_is_one_request_and_another_officer_does_not_see_it(counter: Counter, desk: FlaskClient) -> None:
    first, second = (post_form(desk, "/desk/ask", {**ASKED, "request_id": "once"}).location for _ in range(2))
    assert first == second
    for department in (counter.department, new_department(verify=["driving-licence"])):
        other = new_browser(counter.client.application)
        sign_in(other, new_officer(department))
        assert other.get(first).status_code == 404
        assert other.get(f"{first}/state").status_code == 404


@pytest.mark.parametrize(
    ("question", "says"),
    [
        pytest.param("over_18", "yes", id="of age"),
        pytest.param("over_60", "no", id="not old: no is never shown as a pass"),
        pytest.param("holds:driving-licence", "yes", id="holds it"),
    ],
)
def test_an_officer_asks_for_a_yes_or_a_no(monkeypatch: pytest.MonkeyPatch, counter: Counter, desk: FlaskClient, question: str, says: str) -> None:
    monkeypatch.setitem(statements.AGES, statements.OVER_60, 150)  # whatever year the holder was invented in
    about = f"urn:kabao:answer:{question}"
    assert f'value="{about}"' in desk.get("/desk/ask", headers=ENGLISH).text
    form = desk.get("/desk/ask", query_string={"type": about}, headers=ENGLISH).text
    assert 'id="needed"' not in form
    at, link = ask(desk, type=about, chosen="", confirm="")
    with transaction() as session:
        open_account(session, counter.person)
    holder = new_browser(counter.client.application)
    assert sign_in(holder, counter.person).status_code == 303
    answer_at = opened(holder, link)
    name = query_of(page_of(holder, answer_at))
    reply(holder, answer_at, answer="approve", **{f"licence-{name}": question.replace(":", "-")})
    page = desk.get(at, headers=ENGLISH).text
    assert f'data-says="{says}"' in page
    assert ("verdict--valid" in page) == (says == "yes")
    assert counter.person.number not in page


def test_a_question_that_the_department_may_not_ask_is_none(desk: FlaskClient) -> None:
    for about in ("urn:kabao:answer:holds:marriage-certificate", "urn:kabao:answer:over_21", "urn:kabao:answer:"):
        assert "type-form" in desk.get("/desk/ask", query_string={"type": about}, headers=ENGLISH).text
    wrong = post_form(desk, "/desk/ask", {"cause": "x", "type": "urn:kabao:answer:represents", "organisation": "9137"})
    assert (wrong.status_code, "field__error" in wrong.text) == (422, True)


def test_for_a_matter_the_desk_offers_what_it_needs_and_no_more_passes(counter: Counter, desk: FlaskClient, wallet: Wallet) -> None:
    page = desk.get("/desk/ask?type=driving-licence&matter=CLZL-001", headers=ENGLISH).text
    ticked = re.findall(r'<input[^>]*checked[^>]*name="chosen"[^>]*value="(\w+)"', page)
    assert ticked == ["holder_name", "vehicle_class", "first_issued", "record_status"]
    assert 'value="address"' not in page
    for wrong in ({"chosen": "address"}, {"matter": "NO-SUCH-1"}):
        assert post_form(desk, "/desk/ask", {**ASKED, "matter": "CLZL-001", **wrong}).status_code == 422
    _, link = ask(desk, matter="CLZL-001")
    got = wallet.get(link)
    assert [one["path"][-1] for one in got.payload["dcql_query"]["credentials"][0]["claims"]] == ["licence_identifier", "vehicle_class"]
    assert "CLZL-001" in got.payload["verifier_info"][0]["data"].values()


def test_an_officer_reads_whether_it_waits_in_a_wallet(counter: Counter, desk: FlaskClient) -> None:
    for number, waits, told in (("", False, False), (counter.person.number, True, False), (citizen_number(), False, True)):
        page = desk.get(ask(desk, number=number)[0], headers=ENGLISH).text
        assert ("It waits in the holder&#39;s wallet" in page, 'id="no-inbox"' in page) == (waits, told)
