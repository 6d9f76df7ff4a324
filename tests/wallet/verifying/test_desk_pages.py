import re

import pytest
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.wallet.verifying.test_one_door import made
from tests.world_people import Person, csrf_token, new_person, open_account, post_form, sign_in
from tests.world_verifying import CAUSE, TYPE, Counter, new_browser, new_counter
from tests.world_wallet import make_officer
from wallet.holding.history import WAYS
from wallet.holding.uses import Way, uses_of
from wallet.register.catalogue import get_type
from wallet.verifying.ledger_jobs import seal_now

BROWSER = {"Accept": "text/html", "Accept-Language": "en"}


def new_officer(department: str) -> Person:
    with transaction() as session:
        officer = new_person(session)
        open_account(session, officer)
    with transaction() as session:
        make_officer(session, department=department, person=officer)
    return officer


@pytest.fixture
def desk(counter: Counter) -> FlaskClient:
    """A browser in which an officer of the counter's department is signed in."""
    browser = new_browser(counter.client.application)
    sign_in(browser, new_officer(counter.department))
    return browser


def verify(desk: FlaskClient, presented: str, cause: str = CAUSE["text"]) -> str:
    """Fill the form in, follow to the receipt, and return its page in English."""
    answer = post_form(desk, "/desk", {"presented": presented, "cause": cause, "request_id": ""})
    assert answer.status_code == 303, answer.text
    page = desk.get(answer.location, headers=BROWSER)
    assert page.status_code == 200
    return page.text


def test_an_officer_verifies_a_code_and_gets_a_receipt_to_print(counter: Counter, desk: FlaskClient) -> None:
    page = verify(desk, counter.code("vehicle_class", "holder_name"))
    assert 'data-verdict="valid"' in page
    kind = get_type(TYPE).find_field("vehicle_class").choices["C1"].en
    for shown in ("Verified", kind, counter.person.name, CAUSE["text"], counter.department, counter.licence.identifier, "js-print"):
        assert shown in page
    assert counter.person.number not in page


WHOEVER = "It proves the licence, and not who brought it."


@pytest.mark.parametrize("kind", ["compact", "jwt_vc_json"])
def test_what_anybody_could_have_brought_is_not_said_to_be_shown_by_its_holder(counter: Counter, desk: FlaskClient, kind: str) -> None:
    """Neither to the officer, who looks at the person then, nor to the holder, who may know nothing of it."""
    page = verify(desk, made(counter, kind))
    assert 'data-verdict="valid"' in page
    assert WHOEVER in page.partition('id="note"')[2].partition("</p>")[0]
    assert "Shown by its holder and verified" not in page
    with transaction() as session:
        (use,) = uses_of(session, holder_id=counter.holder_id)
    assert use.way == Way.BROUGHT.value
    assert "You showed it" not in WAYS[use.way].en


def test_of_what_its_holder_showed_nothing_is_left_open(counter: Counter, desk: FlaskClient) -> None:
    page = verify(desk, counter.code())
    assert "Shown by its holder and verified" in page
    assert WHOEVER not in page


def test_of_what_anybody_brought_and_is_false_it_is_not_said_what_it_proves(counter: Counter, desk: FlaskClient) -> None:
    page = verify(desk, made(counter, "compact")[:-1])
    assert 'data-verdict="invalid"' in page
    assert WHOEVER not in page


@pytest.mark.parametrize("typed", ["lower", "grouped", "hyphens", "full-width", "newlines", "bare"])
def test_a_code_may_be_typed_as_people_type(counter: Counter, desk: FlaskClient, typed: str) -> None:
    code = counter.code("vehicle_class")
    letters = code.removeprefix("KABAO1:")
    forms = {
        "lower": code.lower(),
        "grouped": "KABAO1: " + " ".join(re.findall("....", letters)),
        "hyphens": "-".join(re.findall("....", letters)),
        "full-width": "".join(chr(ord(one) + 0xFEE0) for one in code),
        "newlines": f"\r\n{code}\r\n",
        "bare": letters,
    }
    assert 'data-verdict="valid"' in verify(desk, forms[typed])


def test_what_was_refused_is_said_beside_what_was_typed(counter: Counter, desk: FlaskClient) -> None:
    code = counter.code()
    verify(desk, code)
    for presented, cause, status, said in (
        (code, "办证", 409, "The code was used before"),
        ("KABAO1:" + "A" * 32, "办证", 404, "There is no such code"),
        ("", "办证", 422, "Scan, paste or type"),
        (counter.code(), "  ", 422, "Say why"),
        (counter.code(), "由" * 201, 422, "At most 200"),
        (counter.code(), "a\x07b", 422, "At most 200"),
        ("A~" * 80_000, "办证", 422, "too long"),
    ):
        token = csrf_token(desk.get("/desk", headers=BROWSER).text)
        answer = desk.post("/desk", data={"csrf_token": token, "presented": presented, "cause": cause}, headers=BROWSER)
        assert answer.status_code == status, said
        assert said in answer.text


def test_a_form_sent_twice_is_one_verification(counter: Counter, desk: FlaskClient) -> None:
    page = desk.get("/desk", headers=BROWSER).text
    request_id = re.search(r'name="request_id"[^>]*value="([^"]+)"', page)
    assert request_id is not None
    form = {"csrf_token": csrf_token(page), "presented": counter.code(), "cause": "办证", "request_id": request_id[1]}
    first, second = desk.post("/desk", data=form, headers=BROWSER), desk.post("/desk", data=form, headers=BROWSER)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location


def test_something_that_is_no_licence_is_not_verified(counter: Counter, desk: FlaskClient) -> None:
    page = verify(desk, "这 不是 证照~")
    assert 'data-verdict="invalid"' in page
    assert "This check is on file." in page
    assert "the holder can see" not in page, "nobody knows of whom it is"
    assert "Not verified" in page
    assert "It is not an e-licence that can be read." in page


def test_the_desk_lists_the_officer_s_own_last_receipts(counter: Counter, desk: FlaskClient) -> None:
    assert "There is none yet" in desk.get("/desk", headers=BROWSER).text
    verify(desk, counter.code(), "第一次核验")
    verify(desk, counter.code(), "第二次核验")
    page = desk.get("/desk", headers=BROWSER).text
    assert page.index("第二次核验") < page.index("第一次核验")
    colleague = new_browser(counter.client.application)
    sign_in(colleague, new_officer(counter.department))
    assert "第一次核验" not in colleague.get("/desk", headers=BROWSER).text


def test_a_receipt_is_for_its_department_alone(counter: Counter, desk: FlaskClient) -> None:
    location = post_form(desk, "/desk", {"presented": counter.code(), "cause": "办证"}).location
    colleague, stranger = new_browser(counter.client.application), new_browser(counter.client.application)
    sign_in(colleague, new_officer(counter.department))
    sign_in(stranger, new_officer(new_counter(counter.client).department))
    assert colleague.get(location, headers=BROWSER).status_code == 200
    assert stranger.get(location, headers=BROWSER).status_code == 404


def test_the_desk_is_for_officers(counter: Counter) -> None:
    browser = new_browser(counter.client.application)
    assert browser.get("/desk", headers=BROWSER).status_code == 303
    with transaction() as session:
        person = new_person(session)
        open_account(session, person)
    sign_in(browser, person)
    assert browser.get("/desk", headers=BROWSER).status_code == 403
    assert browser.post("/desk", data={}, headers=BROWSER).status_code in (400, 403)


def test_the_desk_speaks_both_languages_and_needs_no_script(counter: Counter, desk: FlaskClient) -> None:
    chinese = desk.get("/desk", headers={"Accept": "text/html", "Accept-Language": "zh-CN"}).text
    for part in ('id="presented"', 'id="cause"', 'id="verify"', "autofocus", "核验事由", 'action="/desk"'):
        assert part in chinese
    assert "<script>" not in chinese


def test_anyone_may_check_a_receipt_on_a_page(counter: Counter) -> None:
    browser = new_browser(counter.client.application)
    jws = counter.verify(counter.code("holder_name")).json["receipt"]["jws"]
    assert "seals it within seconds" in post_form(browser, "/receipts/check?lang=en", {"receipt": jws}).text
    seal_now()
    page = post_form(browser, "/receipts/check", {"receipt": "\n".join(re.findall(".{1,60}", jws))}).text
    assert "Genuine" in page
    assert "in the ledger" in page
    assert counter.person.name not in page
    assert "Not a receipt of this service" in post_form(browser, "/receipts/check", {"receipt": jws[:-4] + "AAAA"}).text
    assert post_form(browser, "/receipts/check", {"receipt": ""}).status_code == 422
    assert post_form(browser, "/receipts/check", {"receipt": "x" * 20_000}).status_code == 422
