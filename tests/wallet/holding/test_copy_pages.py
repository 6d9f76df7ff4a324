import base64
import re
import threading
from collections import Counter
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import select, text, update
from werkzeug.test import TestResponse

from idp.signin import export
from idp.subjects import appointments
from runtime.clock import now
from runtime.database import engine
from runtime.ledger import LedgerEntry
from tests.idp.subjects.firms import new_firm
from tests.wallet.holding.test_wallet_pages import SLUG, licensed, signed_in, someone, writing
from tests.world_people import BROWSER, Person, act_for, csrf_token, post_form
from tests.world_verifying import new_browser, new_token
from tests.world_wallet import new_department, new_licence
from wallet.holding.copy_jobs import forget_copies
from wallet.holding.marked_copies import CopyState, MarkedCopy
from wallet.holding.uses import uses_of
from wallet.issuing import status_lists
from wallet.issuing.copy_marks import Marking
from wallet.issuing.documents import kept, sealed
from wallet.issuing.documents.kept import LicenceDocument
from wallet.issuing.life import revoke_licence
from wallet.register.licences import Licence

WANTED = {"made_for": "示例市住建局", "cause": "办理施工许可", "days": "30"}
MANY = 200
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pyhanko")


@pytest.fixture
def holder(app: Flask) -> Person:
    return someone(app)


@pytest.fixture
def licence(app: Flask, holder: Person) -> Licence:
    return licensed(app, holder.number, SLUG)[0]


@pytest.fixture
def browser(app: Flask, holder: Person, licence: Licence) -> FlaskClient:
    return signed_in(app, holder)


def asked(browser: FlaskClient, licence: Licence, form_at: str = "", **changes: str) -> TestResponse:
    path = f"/wallet/cards/{licence.id}/copies"
    return post_form(browser, path, {**WANTED, **changes}, form_at=form_at or path)


def link_of(browser: FlaskClient, answer: TestResponse) -> str:
    """The path of the link on the page that an answer leads to."""
    assert answer.status_code == 303, answer.text
    found = re.search(r"/copies/[A-Za-z0-9_-]{43}", browser.get(answer.location, headers=BROWSER).text)
    assert found is not None
    return found[0]


def made(browser: FlaskClient, licence: Licence, **changes: str) -> str:
    return link_of(browser, asked(browser, licence, **changes))


def copies(app: Flask, licence: Licence) -> list[MarkedCopy]:
    with writing(app) as session:
        return list(session.scalars(select(MarkedCopy).where(MarkedCopy.licence_id == licence.id)))


def revoke(app: Flask, licence: Licence) -> None:
    with writing(app) as session:
        found = session.get_one(Licence, (licence.holder_id, licence.id))
        revoke_licence(session, found, reason="测试", legal_basis="测试", department=licence.issuer_code, now=now())


def test_a_copy_is_made_handed_over_once_and_stands_in_the_history(app: Flask, browser: FlaskClient, licence: Licence, holder: Person) -> None:
    link, recipient = made(browser, licence), new_browser(app)
    page = recipient.get(link, headers=BROWSER)
    assert page.status_code == 200
    assert WANTED["made_for"] in page.text
    assert not [one for one in (holder.number, holder.name, holder.name[0] + "*", WANTED["cause"], licence.identifier) if one in page.text]
    assert recipient.get(link, headers=BROWSER).status_code == 200, "looking spends nothing"
    answer = recipient.post(link)
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "application/pdf", "no-store")
    named = f"filename=\"{SLUG}-marked-copy.pdf\"; filename*=UTF-8''{quote('机动车驾驶证（加注件）')}.pdf"
    assert answer.headers["Content-Disposition"] == f"attachment; {named}"
    reader = PdfFileReader(BytesIO(answer.data))
    assert len(reader.embedded_signatures) == 1
    assert (reader.trailer["/Info"]["/JZJZZZ"], reader.trailer["/Info"]["/JZJZZSY"]) == (holder.name, "办理施工许可（供示例市住建局使用）")
    assert {recipient.post(link).status_code, recipient.get(link, headers=BROWSER).status_code} == {410}
    (row,) = copies(app, licence)
    assert (row.state_at(now()), row.pdf_sealed) == (CopyState.FETCHED, None)
    with writing(app) as session:
        fetched, copied = uses_of(session, holder_id=licence.holder_id, licence_id=licence.id)
        acts = set(session.scalars(select(LedgerEntry.act).where(LedgerEntry.object_id.in_([str(row.id), str(licence.id)]))))
    assert (copied.way, fetched.way) == ("copy", "copy-fetched")
    assert {"holder_name", "holder_number"} < set(fetched.fields) == set(copied.fields)
    assert {"copy.made", "copy.fetched"} <= acts
    history = browser.get(f"/wallet/cards/{licence.id}", headers=BROWSER).text
    assert "您制作了加注件" in history
    assert "加注件已凭链接领取" in history
    assert "已领取" in browser.get(f"/wallet/cards/{licence.id}/copies", headers=BROWSER).text


def test_two_hundred_race_for_one_link_and_one_wins(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    link, begin, answers = made(browser, licence), threading.Barrier(20), []

    def knock() -> None:
        begin.wait(timeout=30)
        answers.extend(new_browser(app).post(link).status_code for _ in range(MANY // 20))

    threads = [threading.Thread(target=knock) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=60)
    assert Counter(answers) == {200: 1, 410: MANY - 1}
    with writing(app) as session:
        assert [one.way for one in uses_of(session, holder_id=licence.holder_id)].count("copy-fetched") == 1


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"made_for": ""}, "made_for"),
        ({"made_for": "  "}, "made_for"),
        ({"made_for": "长" * 61}, "made_for"),
        ({"made_for": "a\x1fb"}, "made_for"),
        ({"made_for": "a\nb"}, "made_for"),
        ({"cause": ""}, "cause"),
        ({"cause": "x" * 100_000}, "cause"),
        ({"cause": "\u0085"}, "cause"),
        ({"days": ""}, "days"),
        ({"days": "0"}, "days"),
        ({"days": "-1"}, "days"),
        ({"days": "3650"}, "days"),
        ({"days": "30; drop"}, "days"),
        ({"days": "三十"}, "days"),
    ],
)
def test_what_cannot_stand_on_a_copy_is_refused_beside_its_field(
    app: Flask, browser: FlaskClient, licence: Licence, changes: dict[str, str], at: str
) -> None:
    answer = asked(browser, licence, **changes)
    assert answer.status_code == 422
    assert f'id="{at}-error"' in answer.text
    assert copies(app, licence) == []


@pytest.mark.parametrize("odd", ["<script>alert(1)</script>", "𠮷\U0010fffd(){}\\", "x" * 60, "أ بـ"])
def test_odd_letters_are_written_down_as_they_are(app: Flask, browser: FlaskClient, licence: Licence, odd: str) -> None:
    link = made(browser, licence, made_for=odd, cause=odd)
    assert "<script>alert" not in new_browser(app).get(link, headers=BROWSER).text
    told = PdfFileReader(BytesIO(new_browser(app).post(link).data)).trailer["/Info"]["/JZJZZSY"]
    assert told == f"{odd}（供{odd}使用）"


@pytest.mark.parametrize("secret", ["nothing", "A" * 43, "A" * 42, "A" * 5000, "é" * 43, "A" * 42 + "="])
def test_a_link_that_never_was_is_over_like_any_other(app: Flask, secret: str) -> None:
    client = app.test_client()
    pages = [client.get(f"/copies/{secret}", headers=BROWSER), client.post(f"/copies/{secret}", headers=BROWSER)]
    assert {(one.status_code, "链接已失效" in one.text, 'id="check-it"' in one.text) for one in pages} == {(410, True, True)}
    problem = client.post(f"/copies/{secret}", headers={"Accept": "application/json"})
    assert (problem.status_code, problem.json and problem.json["code"]) == (410, "copy-link-over")


def test_a_link_is_withdrawn_before_its_use_and_not_after(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    first, second = asked(browser, licence), asked(browser, licence)
    link = link_of(browser, second)
    assert "撤回" in browser.get(first.location, headers=BROWSER).text
    withdrawal = second.location + "/withdrawal"
    assert post_form(browser, withdrawal, {}, form_at=second.location).status_code == 303
    assert new_browser(app).post(link).status_code == 410
    assert post_form(browser, withdrawal, {}, form_at="/account").status_code == 409
    waiting, withdrawn = sorted(copies(app, licence), key=lambda one: one.id)
    assert (withdrawn.state_at(now()), withdrawn.pdf_sealed, waiting.state_at(now())) == (CopyState.WITHDRAWN, None, CopyState.WAITING)
    assert waiting.pdf_sealed is not None
    third = asked(browser, licence)
    assert new_browser(app).post(link_of(browser, third)).status_code == 200
    assert post_form(browser, third.location + "/withdrawal", {}, form_at="/account").status_code == 409


@pytest.mark.parametrize("way", ["end-others", "end"])
def test_a_link_is_withdrawn_that_was_made_in_a_session_which_its_owner_ends_from_elsewhere(
    app: Flask, browser: FlaskClient, licence: Licence, holder: Person, way: str
) -> None:
    link, own = made(browser, licence), signed_in(app, holder)
    page = own.get("/account/devices", headers=BROWSER).text
    device = re.search(r'name="device" value="([0-9a-f-]{36})"', page)
    assert device is not None
    assert post_form(own, f"/account/devices/{way}", {"device": device[1]}, form_at="/account/devices").status_code == 303
    assert browser.get("/account", headers=BROWSER).status_code == 303
    assert new_browser(app).post(link).status_code == 410
    assert copies(app, licence)[0].pdf_sealed is None


def test_a_link_is_over_after_ten_minutes_and_its_document_is_forgotten(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    link = made(browser, licence)
    (row,) = copies(app, licence)
    assert row.link_ends_at - row.made_at == timedelta(minutes=10)
    with app.app_context():
        forget_copies()
    assert copies(app, licence)[0].pdf_sealed is not None, "it waits"
    with writing(app) as session:
        session.execute(update(MarkedCopy).where(MarkedCopy.id == row.id).values(link_ends_at=now()))
    assert new_browser(app).post(link).status_code == 410
    with app.app_context():
        forget_copies()
    (row,) = copies(app, licence)
    assert (row.pdf_sealed, row.state_at(now())) == (None, CopyState.OVER)
    assert "链接已过期" in browser.get(f"/wallet/cards/{licence.id}/copies", headers=BROWSER).text


def test_what_ends_the_licence_ends_its_copies(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    fetched, waiting = made(browser, licence), asked(browser, licence)
    assert new_browser(app).post(fetched).status_code == 200
    link = link_of(browser, waiting)
    revoke(app, licence)
    assert new_browser(app).post(link).status_code == 410
    assert asked(browser, licence, form_at="/account").status_code == 409
    with writing(app) as session:
        documents = session.scalars(select(LicenceDocument).where(LicenceDocument.licence_id == licence.id)).all()
        assert {status_lists.state_of(session, one.place) for one in documents} == {status_lists.INVALID}
    assert 'id="copy-form"' not in browser.get(f"/wallet/cards/{licence.id}/copies", headers=BROWSER).text


def test_no_transaction_is_open_while_a_copy_is_made(app: Flask, browser: FlaskClient, licence: Licence, monkeypatch: pytest.MonkeyPatch) -> None:
    make, open_while_made = sealed.make, []

    def watched(*args: Any, **rest: Any) -> bytes:
        open_while_made.append(engine().pool.checkedout())  # type: ignore[attr-defined]
        return make(*args, **rest)

    monkeypatch.setattr(sealed, "make", watched)
    made(browser, licence)
    assert open_while_made == [0]


def test_a_licence_that_ends_while_its_copy_is_made_has_none(
    app: Flask, browser: FlaskClient, licence: Licence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_it_ends(*_: Any, **__: Any) -> bytes:
        thread = threading.Thread(target=revoke, args=(app, licence))
        thread.start()
        thread.join(timeout=30)
        return b"%PDF"

    monkeypatch.setattr(sealed, "make", while_it_ends)
    assert asked(browser, licence).status_code == 409
    assert copies(app, licence) == []


@pytest.mark.parametrize("what", ["", "/{copy}", "/{copy}/withdrawal"])
def test_another_holders_copies_are_not_found(app: Flask, browser: FlaskClient, licence: Licence, what: str) -> None:
    theirs = licensed(app, (other := someone(app)).number, SLUG)[0]
    stranger = signed_in(app, other)
    copy = asked(browser, licence).location.rsplit("/", 1)[1]
    for card in (licence, theirs):
        path = f"/wallet/cards/{card.id}/copies" + what.format(copy=copy)
        if what.endswith("withdrawal"):
            assert post_form(stranger, path, {}, form_at="/account").status_code == 404
        elif what or card is licence:
            assert stranger.get(path, headers=BROWSER).status_code == 404
    assert copies(app, licence)[0].withdrawn_at is None


def test_the_link_is_shown_only_in_the_browser_that_made_it_and_rests_nowhere(
    app: Flask, browser: FlaskClient, licence: Licence, holder: Person
) -> None:
    answer = asked(browser, licence)
    secret = link_of(browser, answer).rsplit("/", 1)[1]
    assert 'data-copies="copy-link"' in browser.get(answer.location, headers=BROWSER).text, "nobody copies 70 letters from a telephone by hand"
    elsewhere = signed_in(app, holder)
    assert "/copies/" + secret not in elsewhere.get(answer.location, headers=BROWSER).text
    with writing(app) as session:
        row = str(session.execute(text("SELECT marked_copies::text FROM marked_copies WHERE licence_id = :id"), {"id": licence.id}).scalar())
        noted = str(session.scalars(select(LedgerEntry.detail).where(LedgerEntry.object_id == str(licence.id))).all())
    for plain in (secret, holder.name, holder.number, *WANTED.values()):
        if plain != "30":
            assert plain not in row + noted
            assert plain.encode().hex() not in row


def test_who_acts_for_an_organisation_makes_copies_within_the_mandate(app: Flask) -> None:
    with writing(app) as session:
        firm = new_firm(session)
        issuer = new_department(issue=["business-licence"])
        licence = new_licence(session, type="business-licence", department=issuer, number=firm.organisation.number)
        handler_id, mandate = firm.appoint(session)
        other_id, _ = firm.appoint(session, types={"11100000000013127D011"})
    handler, other = signed_in(app, firm.people[handler_id]), signed_in(app, firm.people[other_id])
    assert {act_for(one, firm.id).status_code for one in (handler, other)} <= {302, 303}
    link = made(handler, licence)
    assert asked(other, licence, form_at="/account").status_code == 403
    (row,) = copies(app, licence)
    assert (row.holder_id, row.person_id) == (firm.id, handler_id)
    boss = signed_in(app, firm.boss)
    act_for(boss, firm.id)
    of_boss = made(boss, licence)
    with writing(app) as session:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=mandate, now=now())
    assert new_browser(app).post(link).status_code == 410, "what they made ends with their mandate"
    told = PdfFileReader(BytesIO(new_browser(app).post(of_boss).data)).trailer["/Info"]
    assert told["/JZJZZZ"] == firm.organisation.name


def test_a_link_is_over_as_soon_as_the_mandate_ends_by_itself_that_it_was_made_under(app: Flask) -> None:
    ends = now() + timedelta(minutes=3)
    with writing(app) as session:
        firm = new_firm(session)
        issuer = new_department(issue=["business-licence"])
        licence = new_licence(session, type="business-licence", department=issuer, number=firm.organisation.number)
        handler_id, _ = firm.appoint(session, ends=ends)
    handler = signed_in(app, firm.people[handler_id])
    act_for(handler, firm.id)
    made(handler, licence)
    (row,) = copies(app, licence)
    assert row.link_ends_at == ends


def test_the_page_of_a_link_offers_nothing_that_cannot_be_fetched(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    link, visitor = made(browser, licence), new_browser(app)
    assert visitor.get(link, headers=BROWSER).status_code == 200
    revoke(app, licence)
    assert visitor.get(link, headers=BROWSER).status_code == 410
    assert visitor.post(link).status_code == 410


def test_a_form_without_its_token_makes_nothing(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    assert browser.post(f"/wallet/cards/{licence.id}/copies", data=WANTED, headers=BROWSER).status_code in (400, 403)
    assert copies(app, licence) == []


def test_the_download_of_all_data_has_the_copies(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    made(browser, licence)
    with writing(app) as session:
        (told,) = export.sections["marked_copies"](session, licence.holder_id, now())
    assert (told["made_for"], told["cause"], told["link"]) == (WANTED["made_for"], WANTED["cause"], "waiting")


def test_every_door_of_verification_says_for_whom_a_copy_was_made_and_when_it_is_over(app: Flask, browser: FlaskClient, licence: Licence) -> None:
    good, over = new_browser(app).post(made(browser, licence)).data, over_since_yesterday(app, licence)
    with app.app_context():
        system, department = new_browser(app), new_department(verify=[SLUG])
        token = new_token(system, department)

    def verified(pdf: bytes) -> Any:
        document = {"file": base64.b64encode(pdf).decode(), "cause": {"text": "核对"}, "binding": "none"}
        return system.post("/api/v1/verifications", json=document, headers={"Authorization": f"Bearer {token}"}).json

    def page(pdf: bytes) -> str:
        form = {"shown": "", "csrf_token": csrf_token(system.get("/check", headers=BROWSER).text), "file": (BytesIO(pdf), "a.pdf")}
        return system.post("/check", data=form, content_type="multipart/form-data", headers=BROWSER).text

    answer, (row,) = verified(good), copies(app, licence)
    assert (answer["verdict"], answer["marked_copy"]["made_for"], answer["marked_copy"]["cause"]) == ("valid", WANTED["made_for"], WANTED["cause"])
    assert datetime.fromisoformat(answer["marked_copy"]["ends_at"]) == row.ends_at
    assert [one["outcome"] for one in answer["checks"] if one["check"] == "marked_copy"] == ["passed"]
    answer = verified(over)
    failed = [(one["check"], one["reason"]) for one in answer["checks"] if one["outcome"] == "failed"]
    assert (answer["conclusion"], failed, answer["licence"]["state"]) == ("expired", [("marked_copy", "copy_expired")], "valid")
    assert (answer["marked_copy"]["made_for"], answer["fields"]) == ("示例市某局", {})
    for pdf, word, made_for in ((good, "verdict--valid", WANTED["made_for"]), (over, "已过期", "示例市某局")):
        shown = page(pdf)
        assert word in shown
        assert made_for in shown


def over_since_yesterday(app: Flask, licence: Licence) -> bytes:
    settings = app.extensions["kabao_settings"]
    with writing(app) as session:
        drafted = kept.draft(session, settings, licence, kind="a4", now=now())
        kept.keep(session, drafted, actor="test", now=now())
    marking = Marking("示例市某局", "办事", now() - timedelta(days=9), now() - timedelta(days=1), "某人")
    with app.app_context():
        return drafted.seal(settings, marking)
