"""An officer draws on authority: signed in by two factors, for a cause and a matter; a receipt, a line that is watched, and the holder sees it."""

import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from idp.signin import throttle
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.wallet.verifying.test_people_desk_pages import HTML, Someone, someone
from tests.world_people import Person, citizen_number, post_form
from tests.world_verifying import CAUSE, TYPE, Counter
from tests.world_wallet import make_officer, new_department
from wallet.holding.uses import uses_of
from wallet.verifying.draw_watch import DrawFlag, Drawn, Pattern
from wallet.verifying.receipts import Receipt

PAGE, HIRE = "/desk/draws/new", "CLZL-001"


@pytest.fixture
def officer(app: Flask, counter: Counter) -> Someone:
    return officer_of(app, counter.department)


def officer_of(app: Flask, department: str) -> Someone:
    found = someone(app)
    with transaction() as session:
        make_officer(session, department=department, person=found.person)
    found.strengthen()
    return found


def draw(officer: Someone, number: str, **more: str) -> tuple[int, str]:
    """Fill the form in; return the status, and where it leads or what it says."""
    posted = {"type": TYPE, "number": number, "matter": HIRE, "cause": CAUSE["text"], "request_id": "", **more}
    answer = post_form(officer.browser, PAGE, posted, form_at=f"{PAGE}?type={TYPE}")
    return answer.status_code, answer.headers.get("Location", answer.text)


def drawn(department: str, *, missed: bool = False) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Drawn).where(Drawn.department == department, Drawn.missed.is_(missed))) or 0


def test_an_officer_sees_what_the_matter_needs_and_nothing_else_and_the_holder_sees_the_officer_s_department(
    counter: Counter, officer: Someone
) -> None:
    asked = officer.browser.get(f"{PAGE}?type={TYPE}", headers=HTML).text
    assert "Hiring a car (Vehicle class, First issued, Record status)" in asked
    status, at = draw(officer, counter.person.number)
    assert status == 303, at
    page = officer.browser.get(at, headers=HTML).text
    assert 'id="desk-form"' not in page
    assert f'href="{PAGE}?type={TYPE}"' in page
    seen = re.findall(r"<dt>([^<]+)</dt>", page.split('id="fields"')[1].split("</dl>")[0])
    assert seen == ["Vehicle class", "First issued", "Record status"]
    assert "What was drawn" in page
    assert "Drawn on statutory authority" in page
    assert counter.person.number not in page
    with transaction() as session:
        (use,) = uses_of(session, holder_id=counter.holder_id)
        receipt = session.get_one(Receipt, UUID(at.rsplit("/", 1)[1]))
        assert (use.way, use.cause, use.department) == ("draw", CAUSE["text"], counter.department)
        assert receipt.claims["cause"] == {**CAUSE, "matter": HIRE, "matter_name": "车辆租赁"}
        assert (receipt.officer_id, receipt.department) == (officer.subject_id, counter.department)
        assert session.get_one(Drawn, receipt.id).system == str(officer.subject_id)


def test_another_matter_gives_what_holders_show_as_a_rule(counter: Counter, officer: Someone) -> None:
    _, at = draw(officer, counter.person.number, matter="")
    page = officer.browser.get(at, headers=HTML).text
    assert "Date of birth" in page
    assert "Address" not in page


def test_a_form_sent_twice_is_one_draw(counter: Counter, officer: Someone) -> None:
    key = str(new_id())
    first, again = (draw(officer, counter.person.number, request_id=key) for _ in range(2))
    assert first == again
    assert drawn(counter.department) == 1
    assert draw(officer, counter.person.number, request_id=key, cause="另一事由")[0] == 422


REFUSED = {
    "no number": ({"number": ""}, 422),
    "a number that is none": ({"number": "379999199003070021"}, 422),
    "a number of nobody": ({"number": citizen_number()}, 404),
    "no cause": ({"cause": " "}, 422),
    "a cause too long": ({"cause": "事" * 201}, 422),
    "a cause with a control character": ({"cause": "a\x07"}, 422),
    "a matter that there is not": ({"matter": "NO-SUCH-1"}, 422),
    "a type without authority": ({"type": "marriage-certificate"}, 422),
    "a type that there is not": ({"type": "no-such-type"}, 422),
}


@pytest.mark.parametrize(("more", "status"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_drawn_is_said_and_no_draw_is_left(counter: Counter, officer: Someone, more: dict[str, str], status: int) -> None:
    answered, page = draw(officer, **{"number": counter.person.number, **more})
    assert answered == status, page
    assert drawn(counter.department) == 0
    assert drawn(counter.department, missed=True) == (1 if status in (404, 409) else 0)
    with transaction() as session:
        assert list(uses_of(session, holder_id=counter.holder_id)) == []


def test_it_takes_an_officer_with_two_factors_and_a_department_with_authority(app: Flask, counter: Counter, officer: Someone) -> None:
    weak = someone(app)
    assert weak.browser.get(PAGE, headers=HTML).status_code == 403
    with transaction() as session:
        make_officer(session, department=counter.department, person=weak.person)
    led = weak.browser.get(PAGE, headers=HTML)
    assert (led.status_code, "/signin/step-up" in led.location) == (303, True), led.location
    other = officer_of(app, new_department(verify=[TYPE]))
    for path in (PAGE, f"{PAGE}?type={TYPE}"):
        page = other.browser.get(path, headers=HTML).text
        assert f'value="{TYPE}"' not in page
        assert 'id="draw-form"' not in page
    assert draw_without_form(other.browser, counter.person) == 422
    assert drawn(counter.department) == 0


def draw_without_form(browser: FlaskClient, person: Person) -> int:
    posted = {"type": TYPE, "number": person.number, "matter": HIRE, "cause": CAUSE["text"]}
    return post_form(browser, PAGE, posted, form_at="/desk/ask?type=driving-licence").status_code


def test_who_tries_number_after_number_is_slowed(counter: Counter, officer: Someone, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(throttle, "count", lambda session, one, *, now: tried.append(one))
    draw(officer, citizen_number())
    assert [(one.purpose, one.account) for one in tried] == [("draw", str(officer.subject_id))]


def test_a_department_sees_its_own_draws_and_what_was_flagged_of_them_and_no_other_s(app: Flask, counter: Counter, officer: Someone) -> None:
    _, at = draw(officer, counter.person.number)
    counter.draw()
    with transaction() as session:
        flag = {"pattern": Pattern.RATE.value, "key": str(new_id()), "day": now().date(), "types": [], "counted": 7, "threshold": 5}
        session.add(DrawFlag(id=new_id(), department=counter.department, system="x", flagged_at=now() - timedelta(minutes=1), **flag))
    page = officer.browser.get("/desk/draws", headers=HTML).text
    own = page.split('id="drawn"')[1].split("</ul>")[0]
    assert own.count("<li>") == 2
    assert f'href="{at}"' in own
    assert re.findall(r"</strong> · ([^<]+)<", own)[1] == "You"
    assert "7 times, threshold 5" in page.split('id="own-flags"')[1].split("</ul>")[0]
    assert "supervises no type" in page
    assert counter.person.number not in page
    other = officer_of(app, new_department(draw=[TYPE])).browser.get("/desk/draws", headers=HTML).text
    assert 'id="drawn"' not in other
    assert 'id="own-flags"' not in other
    assert 'id="new-draw"' in other
