"""A holder makes a code that is checked without a network: only what was chosen is in it."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from keys import certificates, ring
from runtime.clock import now, shifted
from runtime.database import transaction
from runtime.ledger import LedgerEntry
from tests.wallet.holding.test_wallet_pages import SLUG, licensed, signed_in, someone
from tests.world_clients import bearer
from tests.world_people import BROWSER, post_form
from tests.world_verifying import new_browser, new_token
from tests.world_wallet import DEFINITIONS, new_department
from wallet.issuing import compact
from wallet.issuing.compact import NotCompact
from wallet.issuing.life import revoke_licence
from wallet.presenting import offline_pages, showing
from wallet.register.licences import Licence

NAMES = [one.name for one in DEFINITIONS[SLUG].fields]
Holder = tuple[FlaskClient, Licence]


@pytest.fixture
def holder(app: Flask) -> Holder:
    """Someone signed in, with one licence."""
    person = someone(app)
    return signed_in(app, person), licensed(app, person.number, SLUG)[0]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was put into pictures."""
    codes: list[str] = []
    draw = showing.picture_of
    monkeypatch.setattr(showing, "picture_of", lambda code: (codes.append(code), draw(code))[1])
    return codes


def make(client: FlaskClient, licence: Licence, **data: Any) -> Any:
    return post_form(client, f"/wallet/cards/{licence.id}/offline", data)


def read(app: Flask, code: str, *, at: Any = None) -> compact.Read:
    with app.app_context():
        return compact.read(
            code,
            keys_of=lambda department, _: [key.key for key in ring.verifying_keys(certificates.department_use(department)).values()],
            now=at or now(),
        )


@pytest.mark.parametrize(
    ("data", "fields"),
    [({"preset": "validity"}, set()), ({"preset": "own", "chosen": [NAMES[0], "holder_name"]}, {NAMES[0], "holder_name"})],
    ids=["only that it is valid", "one's own choice"],
)
def test_only_what_was_chosen_is_in_the_code(app: Flask, holder: Holder, shown: list[str], data: dict[str, Any], fields: set[str]) -> None:
    client, licence = holder
    page = make(client, licence, **data)
    assert page.status_code == 200
    (code,) = shown
    assert len(code) <= offline_pages.LONGEST
    said = read(app, code)
    assert (said.department, said.type, set(said.fields)) == (licence.issuer_code, SLUG, {*fields, "licence_identifier"})
    assert said.status is not None
    assert code not in page.text, "the code is in the picture alone"
    assert "证照标识" in page.text, "what goes along is said"
    with app.app_context(), transaction() as session:
        (row,) = session.scalars(select(LedgerEntry).where(LedgerEntry.act == "code.made", LedgerEntry.subject_id == licence.holder_id))
        assert set(row.detail["fields"]) == set(said.fields)


def test_the_form_says_that_it_makes_a_code_without_a_network(holder: Holder) -> None:
    client, licence = holder
    page = client.get(f"/wallet/cards/{licence.id}/offline").text
    assert "<title>选择离线码的内容" in page
    assert "让对方看到什么？" not in page
    assert "只答" not in page


def test_the_code_is_fresh_for_a_day(app: Flask, holder: Holder, shown: list[str]) -> None:
    make(*holder, preset="validity")
    with shifted(offline_pages.FRESH_FOR), pytest.raises(NotCompact):
        read(app, shown[0])


def test_a_code_that_is_over_a_day_old_is_not_called_a_licence_that_expired(app: Flask, holder: Holder, shown: list[str]) -> None:
    make(*holder, preset="validity")
    with app.app_context():
        department = new_department(verify=[SLUG])
        with shifted(offline_pages.FRESH_FOR):
            token = new_token(new_browser(app), department)
            asked = {"presented": shown[0], "binding": "none", "cause": {"text": "办理车辆年检"}}
            answer = new_browser(app).post("/api/v1/verifications", json=asked, headers=bearer(token)).get_json()
    (said,) = [row["detail"] for row in answer["checks"] if row["reason"] == "expired"]
    assert "离线码超过24小时" in said


def test_whoever_is_online_is_told_of_the_code_how_the_licence_stands(app: Flask, holder: Holder, shown: list[str]) -> None:
    """By the API, and on the page that anyone may ask: in force, and then revoked."""
    client, licence = holder
    make(client, licence, preset="validity")
    with app.app_context():
        department = new_department(verify=[SLUG])
        token = new_token(new_browser(app), department)

    def judged() -> tuple[str, str]:
        asked = {"presented": shown[0], "binding": "none", "cause": {"text": "办理车辆年检"}}
        answer = new_browser(app).post("/api/v1/verifications", json=asked, headers=bearer(token)).get_json()
        page = post_form(new_browser(app), "/check", {"shown": shown[0]}, form_at="/check").text
        return answer["conclusion"], next(word for word in ("属实，现行有效", "已吊销", "无法查明") if word in page)

    assert judged() == ("valid", "属实，现行有效")
    with app.app_context(), transaction() as session:
        revoke_licence(session, licence, department=licence.issuer_code, reason="伪造材料", legal_basis="行政许可法", now=now())
    assert judged() == ("revoked", "已吊销")


def test_the_code_of_one_who_acts_ends_with_their_right_and_with_the_licence(
    holder: Holder, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = now()
    content, hour, long = SimpleNamespace(expires_at=moment + timedelta(hours=2)), timedelta(hours=1), timedelta(days=300)
    for right, ends in ((None, content.expires_at), (moment + hour, moment + hour), (moment + long, content.expires_at)):
        monkeypatch.setattr(offline_pages, "g", SimpleNamespace(signed_in=SimpleNamespace(mandate=SimpleNamespace(valid_until=right))))
        assert offline_pages._until(content, moment) == ends  # type: ignore[arg-type]
    monkeypatch.setattr(offline_pages, "g", SimpleNamespace(signed_in=SimpleNamespace(mandate=None)))
    assert offline_pages._until(SimpleNamespace(expires_at=None), moment) == moment + offline_pages.FRESH_FOR  # type: ignore[arg-type]


def test_what_fits_no_picture_is_told(holder: Holder, shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline_pages, "LONGEST", 100)
    answer = make(*holder, preset="usual")
    assert answer.status_code == 422
    assert "请少选几项" in answer.text
    assert shown == []


@pytest.mark.parametrize("data", [{}, {"preset": "all"}, {"preset": "own"}, {"preset": "own", "chosen": ["no_such_field"]}])
def test_what_is_not_offered_is_refused(holder: Holder, shown: list[str], data: dict[str, Any]) -> None:
    assert make(*holder, **data).status_code == 422
    assert shown == []


def test_another_persons_card_has_no_code(app: Flask, holder: Holder) -> None:
    _, licence = holder
    stranger = signed_in(app, someone(app))
    assert stranger.get(f"/wallet/cards/{licence.id}/offline", headers=BROWSER).status_code == 404
