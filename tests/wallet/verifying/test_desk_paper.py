"""At the desk a licence is verified by what stands on paper: its identifier, and its number or its holder's."""

from html import unescape

import pytest
from flask.testing import FlaskClient

from runtime.database import transaction
from tests.wallet.verifying.test_desk_pages import BROWSER, desk
from tests.world_people import post_form
from tests.world_verifying import CAUSE, Counter
from wallet.holding.uses import Use, Way
from wallet.verifying import wording
from wallet.verifying.outcomes import Reason
from wallet.verifying.receipts import Receipt

__all__ = ["desk"]


def form_of(counter: Counter, **changes: str) -> dict[str, str]:
    paper = {"identifier": counter.licence.identifier, "number": counter.person.number}
    return {"presented": "", "cause": CAUSE["text"], "request_id": "", **paper, **changes}


def test_an_officer_learns_by_identifier_and_number_that_a_licence_holds_and_nothing_that_it_says(counter: Counter, desk: FlaskClient) -> None:
    identifier = counter.licence.identifier
    answer = post_form(desk, "/desk", form_of(counter, identifier=f" {identifier[:30]} {identifier[30:]} "))
    assert answer.status_code == 303
    page = desk.get(answer.location, headers=BROWSER).text
    assert 'data-verdict="valid"' in page
    assert "It proves the licence, and not who brought it." in page
    assert 'id="fields"' not in page
    assert counter.person.number not in page
    with transaction() as session:
        receipt = session.get(Receipt, answer.location.rpartition("/")[2])
        use = session.query(Use).filter(Use.receipt_id == receipt.id).one()
    assert (use.way, use.holder_id, use.licence_id) == (Way.BROUGHT.value, counter.holder_id, counter.licence.id)


@pytest.mark.parametrize("changes", [{"number": "379999199003070021"}, {"identifier": "1.2.156.3005.2.nothing"}], ids=["number", "identifier"])
def test_what_the_register_has_not_is_to_be_compared_letter_by_letter(counter: Counter, desk: FlaskClient, changes: dict[str, str]) -> None:
    answer = post_form(desk, "/desk", form_of(counter, **changes))
    page = unescape(desk.get(answer.location, headers=BROWSER).text)
    assert wording.REASONS[Reason.NOT_REGISTERED].en in page
    assert wording.NEXT_BY_REASON[Reason.NOT_REGISTERED].en in page
    assert "Driving licence" not in page.partition('id="verdict"')[2].partition("</section>")[0]


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"number": ""}, "number-error"),
        ({"identifier": ""}, "identifier-error"),
        ({"identifier": "1" * 200}, "identifier-error"),
        ({"number": "1\x07"}, "number-error"),
        ({"presented": "KABAO1:ABCD"}, "presented-error"),
        ({"identifier": "", "number": ""}, "presented-error"),
    ],
    ids=["no number", "no identifier", "too long", "unreadable", "two things", "nothing"],
)
def test_a_wrong_form_says_where(counter: Counter, desk: FlaskClient, changes: dict[str, str], at: str) -> None:
    answer = post_form(desk, "/desk", form_of(counter, **changes))
    assert (answer.status_code, f'id="{at}"' in answer.text) == (422, True)


def test_a_form_that_is_sent_twice_is_one_verification_and_another_name_under_its_number_is_refused(counter: Counter, desk: FlaskClient) -> None:
    form = form_of(counter, request_id="one-of-these")
    first, again = (post_form(desk, "/desk", form).location for _ in range(2))
    assert first == again
    assert post_form(desk, "/desk", {**form, "number": "379999199003070021"}).status_code != 303
