import threading
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from idp.signin import notices
from runtime.clock import now
from runtime.database import transaction
from tests.idp.subjects.firms import new_firm
from tests.wallet.holding.test_wallet_pages import SLUG, licensed, signed_in, someone, writing
from tests.world_people import BROWSER, Person, act_for, post_form
from tests.world_wallet import make_officer, new_department, new_licence
from wallet.holding import ratings
from wallet.holding.ratings import AlreadyRated, Rating
from wallet.holding.uses import Use, Way, record_use, uses_of
from wallet.register.licences import Licence

WORDS = "窗口排队两小时"


@pytest.fixture
def holder(app: Flask) -> Person:
    return someone(app)


@pytest.fixture
def licence(app: Flask, holder: Person) -> Licence:
    return licensed(app, holder.number, SLUG)[0]


@pytest.fixture
def department(app: Flask) -> str:
    with app.app_context():
        return new_department(verify=[SLUG])


@pytest.fixture
def browser(app: Flask, holder: Person, licence: Licence) -> FlaskClient:
    return signed_in(app, holder)


def used(app: Flask, licence: Licence, department: str, *, way: Way = Way.PRESENTATION, ago: timedelta = timedelta(0)) -> UUID:
    told = {"department": department, "cause": "办理登记", "fields": ["holder_name"], "verdict": "valid", "receipt_id": None}
    with writing(app) as session:
        record_use(session, holder_id=licence.holder_id, licence_id=licence.id, way=way, now=now() - ago, **told)
    with writing(app) as session:
        return uses_of(session, holder_id=licence.holder_id, limit=1)[0].id


def rate(browser: FlaskClient, use_id: UUID, score: object = 2, words: str = WORDS, form_at: str = "") -> TestResponse:
    path = f"/wallet/history/{use_id}/rating"
    return post_form(browser, path, {"score": str(score), "words": words}, form_at=form_at or path)


def at_desk(app: Flask, use_id: UUID) -> str:
    """The address at which a department answers what was said of a use."""
    with writing(app) as session:
        return f"/desk/ratings/{session.scalars(select(Rating.reference).where(Rating.id == use_id)).one()}"


def officer(app: Flask, department: str) -> FlaskClient:
    person = someone(app)
    with writing(app) as session:
        make_officer(session, department=department, person=person)
    return signed_in(app, person)


def test_a_use_is_rated_in_two_taps_answered_and_told(app: Flask, browser: FlaskClient, licence: Licence, department: str, holder: Person) -> None:
    use_id = used(app, licence, department)
    assert f"/wallet/history/{use_id}/rating" in browser.get("/wallet/history", headers=BROWSER).text, "the first tap"
    assert rate(browser, use_id).status_code == 303, "the second"
    assert "2/5<" in browser.get("/wallet/history", headers=BROWSER).text
    desk = officer(app, department)
    page = desk.get("/desk/ratings", headers=BROWSER).text
    assert WORDS in page
    assert "2.0" in page
    assert not [one for one in (holder.name, holder.number, licence.identifier, str(use_id)) if one in page]
    answered = post_form(desk, at_desk(app, use_id), {"answer": "已增设窗口"}, form_at="/desk/ratings")
    assert answered.status_code == 303
    assert "已增设窗口" in browser.get(f"/wallet/history/{use_id}/rating", headers=BROWSER).text
    with writing(app) as session:
        (told, *_) = notices.latest(session, licence.holder_id)
    assert told.kind == "rating.answered"
    for page in ("/account", "/account/notices"):
        assert f'<a href="/wallet/history/{use_id}/rating">查看答复' in browser.get(page, headers=BROWSER).text
    assert "我的评价 2/5，部门已答复" in browser.get("/wallet/history", headers=BROWSER).text
    late = post_form(desk, at_desk(app, use_id), {"answer": "同事的另一个答复"}, form_at="/account")
    assert (late.status_code, "您写的是：同事的另一个答复" in late.text) == (409, True), "what the later of two wrote is not lost"
    assert late.text.count("同事的另一个答复") == 1


def test_a_use_is_rated_once_even_by_many_at_once(app: Flask, browser: FlaskClient, licence: Licence, department: str) -> None:
    use_id, outcomes, begin = used(app, licence, department), [], threading.Barrier(12)

    def try_it(score: int) -> None:
        begin.wait(timeout=30)
        try:
            with app.app_context(), transaction() as session:
                use = session.get_one(Use, (licence.holder_id, use_id))
                ratings.rate(session, use, score=score, words="", person_id=licence.holder_id, now=now())
            outcomes.append("rated")
        except AlreadyRated:
            outcomes.append("already")

    threads = [threading.Thread(target=try_it, args=(at % 5 + 1,)) for at in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    assert Counter(outcomes) == {"rated": 1, "already": 11}
    assert rate(browser, use_id, form_at="/account").status_code == 409


def test_whoever_presses_twice_is_led_to_what_was_said_and_whoever_says_something_else_reads_that_it_came_late(
    app: Flask, browser: FlaskClient, licence: Licence, department: str
) -> None:
    use_id = used(app, licence, department)
    first, again = rate(browser, use_id), rate(browser, use_id, form_at="/account")
    assert (again.status_code, again.location) == (first.status_code, first.location) == (303, f"/wallet/history/{use_id}/rating")
    for score, words in ((5, WORDS), (2, "另一个窗口里写的")):
        late = rate(browser, use_id, score, words, form_at="/account")
        assert late.status_code == 409
        told = late.text.partition('id="late"')[2].partition("</div>")[0]
        assert "刚才的没有记下" in told
        assert words in told, "what the later one wrote is not lost"
        assert "2/5<" in late.text
        assert 'id="rating-form"' not in late.text
    assert scores(app, licence) == [2]


def used_together(app: Flask, licences: list[Licence], department: str, *, receipt_id: UUID | None) -> list[UUID]:
    """Use several licences of one holder at once; without a receipt they have but the moment in common."""
    holder_id, moment = licences[0].holder_id, now()
    told = {"department": department, "cause": "办理登记", "fields": ["holder_name"], "verdict": "valid", "receipt_id": receipt_id}
    with writing(app) as session:
        for one in licences:
            record_use(session, holder_id=holder_id, licence_id=one.id, way=Way.PRESENTATION, now=moment, **told)
    with writing(app) as session:
        return [one.id for one in uses_of(session, holder_id=holder_id, limit=len(licences))]


@pytest.mark.parametrize("receipt_id", [uuid4(), None], ids=["by one receipt", "at one moment"])
def test_licences_that_were_used_together_are_rated_once(app: Flask, holder: Person, department: str, receipt_id: UUID | None) -> None:
    licences, browser = licensed(app, holder.number, SLUG, "marriage-certificate", SLUG), signed_in(app, holder)
    several, alone = used_together(app, licences, department, receipt_id=receipt_id), used(app, licences[0], department)
    page = browser.get(f"/wallet/history/{several[1]}/rating", headers=BROWSER).text
    assert "机动车驾驶证、结婚证" in page
    assert "评价一次即可" in page
    assert rate(browser, several[1]).status_code == 303
    for use_id in several:
        assert rate(browser, use_id, 4, form_at="/account").status_code == 409
        assert WORDS in browser.get(f"/wallet/history/{use_id}/rating", headers=BROWSER).text
    assert scores(app, licences[0]) == [2]
    assert browser.get("/wallet/history", headers=BROWSER).text.count("2/5<") == len(several)
    assert rate(browser, alone).status_code == 303, "another use is another matter"


def test_of_licences_that_were_used_together_one_rating_counts_even_at_once(app: Flask, holder: Person, department: str) -> None:
    licences = licensed(app, holder.number, SLUG, SLUG, SLUG)
    several, outcomes, begin = used_together(app, licences, department, receipt_id=uuid4()), [], threading.Barrier(3)

    def try_it(use_id: UUID) -> None:
        begin.wait(timeout=30)
        try:
            with app.app_context(), transaction() as session:
                use = session.get_one(Use, (licences[0].holder_id, use_id))
                ratings.rate(session, use, score=1, words="", person_id=licences[0].holder_id, now=now())
            outcomes.append("rated")
        except AlreadyRated:
            outcomes.append("already")

    threads = [threading.Thread(target=try_it, args=(one,)) for one in several]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    assert Counter(outcomes) == {"rated": 1, "already": 2}


@pytest.mark.parametrize("score", ["", "0", "6", "-1", "5.0", "五", "5" * 99, "1e0"])
def test_a_score_that_is_none_is_refused(app: Flask, browser: FlaskClient, licence: Licence, department: str, score: str) -> None:
    use_id = used(app, licence, department)
    assert rate(browser, use_id, score).status_code in (400, 422)
    assert scores(app, licence) == []


@pytest.mark.parametrize("words", ["长" * 201, "x" * 90_000, "a\x1fb", "\u0085"])
def test_words_that_are_too_many_or_cannot_be_read_are_refused_beside_their_field(
    app: Flask, browser: FlaskClient, licence: Licence, department: str, words: str
) -> None:
    answer = rate(browser, used(app, licence, department), 5, words)
    assert answer.status_code == 422
    assert 'id="words-error"' in answer.text
    assert scores(app, licence) == []


def test_late_own_and_others_uses_are_not_rated(app: Flask, browser: FlaskClient, licence: Licence, department: str) -> None:
    late = used(app, licence, department, ago=timedelta(days=91))
    assert 'id="rating-form"' not in browser.get(f"/wallet/history/{late}/rating", headers=BROWSER).text
    refused = rate(browser, late, form_at="/account")
    assert (refused.status_code, refused.text.count("已超过90天"), 'id="rating-form"' in refused.text) == (409, 1, False)
    for way in (Way.DOCUMENT, Way.COPY, Way.COPY_FETCHED):
        assert rate(browser, used(app, licence, department, way=way), form_at="/account").status_code == 404
    theirs = licensed(app, someone(app).number, SLUG)[0]
    for use_id in (used(app, theirs, department), UUID(int=0)):
        assert rate(browser, use_id, form_at="/account").status_code == 404
        assert browser.get(f"/wallet/history/{use_id}/rating", headers=BROWSER).status_code == 404
    assert scores(app, licence) == scores(app, theirs) == []


@pytest.mark.parametrize("words", ["", "  ", "长" * 201, "a\x1fb"])
def test_an_answer_that_is_none_is_refused(app: Flask, browser: FlaskClient, licence: Licence, department: str, words: str) -> None:
    use_id = used(app, licence, department)
    rate(browser, use_id)
    answer = post_form(officer(app, department), at_desk(app, use_id), {"answer": words}, form_at="/desk/ratings")
    assert answer.status_code == 422
    assert 'id="answer-error"' in answer.text


def test_another_department_neither_reads_nor_answers_and_praise_waits_for_nothing(
    app: Flask, browser: FlaskClient, licence: Licence, department: str
) -> None:
    bad, good = used(app, licence, department), used(app, licence, department)
    rate(browser, bad), rate(browser, good, 5, "很好")
    with app.app_context():
        other = officer(app, new_department(verify=[SLUG]))
    assert WORDS not in other.get("/desk/ratings", headers=BROWSER).text
    assert post_form(other, at_desk(app, bad), {"answer": "不是我们"}, form_at="/account").status_code == 404
    own = officer(app, department)
    assert post_form(own, at_desk(app, good), {"answer": "谢谢"}, form_at="/account").status_code == 404
    assert "3.5" in own.get("/desk/ratings", headers=BROWSER).text
    assert browser.get("/desk/ratings", headers=BROWSER).status_code == 403


def test_words_and_answers_rest_sealed(app: Flask, browser: FlaskClient, licence: Licence, department: str) -> None:
    use_id = used(app, licence, department)
    rate(browser, use_id)
    post_form(officer(app, department), at_desk(app, use_id), {"answer": "已增设窗口"}, form_at="/desk/ratings")
    with writing(app) as session:
        row = str(session.execute(text("SELECT ratings::text FROM ratings WHERE id = :id"), {"id": use_id}).scalar())
    for plain in (WORDS, "已增设窗口"):
        assert plain not in row
        assert plain.encode().hex() not in row


def test_a_mandate_reaches_the_uses_of_its_types_alone(app: Flask, department: str) -> None:
    with writing(app) as session:
        firm = new_firm(session)
        issuer = new_department(issue=["business-licence"])
        licence = new_licence(session, type="business-licence", department=issuer, number=firm.organisation.number)
        handler_id, _ = firm.appoint(session)
        other_id, _ = firm.appoint(session, types={"11100000000013127D011"})
    use_id = used(app, licence, department)
    handler, other = signed_in(app, firm.people[handler_id]), signed_in(app, firm.people[other_id])
    for one in (handler, other):
        act_for(one, firm.id)
    assert rate(other, use_id, form_at="/account").status_code == 404
    assert rate(handler, use_id).status_code == 303
    with writing(app) as session:
        row = session.scalars(select(Rating).where(Rating.id == use_id)).one()
    assert (row.holder_id, row.person_id) == (firm.id, handler_id)


def test_who_acts_within_some_types_rates_what_they_may_see_of_a_use_and_reads_the_answer(app: Flask, department: str) -> None:
    with writing(app) as session:
        firm = new_firm(session)
        types = ("business-licence", "food-business-licence")
        issuer = new_department(issue=types)
        licences = [new_licence(session, type=one, department=issuer, number=firm.organisation.number) for one in types]
        handler_id, _ = firm.appoint(session, types={licences[1].type_code})
    several = sorted(used_together(app, licences, department, receipt_id=uuid4()))
    handler = signed_in(app, firm.people[handler_id])
    act_for(handler, firm.id)
    page = handler.get(f"/wallet/history/{several[1]}/rating", headers=BROWSER).text
    assert ("食品经营许可证" in page, "营业执照" in page) == (True, False)
    assert rate(handler, several[1]).status_code == 303
    with writing(app) as session:
        row = session.scalars(select(Rating).where(Rating.holder_id == firm.id)).one()
    assert (row.id, row.type_code) == (several[0], licences[1].type_code)
    post_form(officer(app, department), at_desk(app, row.id), {"answer": "已增设窗口"}, form_at="/desk/ratings")
    assert "已增设窗口" in handler.get(f"/wallet/history/{row.id}/rating", headers=BROWSER).text, "the notice leads there"


def test_the_operator_sees_figures_and_what_waits_and_no_words(app: Flask, browser: FlaskClient, licence: Licence, department: str) -> None:
    for score in (1, 5):
        rate(browser, used(app, licence, department), score)
    with writing(app) as session:
        session.execute(update(Rating).where(Rating.department == department, Rating.score == 1).values(at=now() - timedelta(days=9)))
    with writing(app) as session:
        found = next(one for one in ratings.overview(session, now=now()) if one.department == department)
    assert (found.figures.total, found.figures.average, found.waiting) == (2, 3.0, 1)
    assert found.waiting_since is not None
    assert browser.get("/admin/ratings", headers=BROWSER).status_code in (303, 403)


def scores(app: Flask, licence: Licence) -> list[int]:
    with writing(app) as session:
        return list(session.scalars(select(Rating.score).where(Rating.holder_id == licence.holder_id)))


def test_a_notice_leads_to_the_use_that_it_tells_of(app: Flask, browser: FlaskClient, licence: Licence, department: str) -> None:
    use_id, receipt_id = used(app, licence, department), UUID(int=now().microsecond + 1)
    with writing(app) as session:
        session.execute(update(Use).where(Use.id == use_id).values(receipt_id=receipt_id))
    assert browser.get(f"/wallet/history/receipts/{receipt_id}", headers=BROWSER).location == f"/wallet/history/{use_id}/rating"
    other = signed_in(app, someone(app))
    assert other.get(f"/wallet/history/receipts/{receipt_id}", headers=BROWSER).location == "/wallet/history"
