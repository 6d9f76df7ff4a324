from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from runtime.clock import now
from tests.wallet.issuing.desks import Desk
from tests.world_people import Person
from tests.world_types import FIELDS, new_type
from wallet.register.catalogue import get_type
from wallet.register.departments import NoAuthority, check_authority, types_under
from wallet.register.licences import china_date
from wsgi import create_app


@pytest.fixture
def definer(app: Flask, client: FlaskClient) -> Desk:
    """A department that may grant, and has defined a type named `definer.slug`."""
    desk = Desk(app, client, scopes=("authorities", "licences:issue"))
    with app.app_context():
        desk.slug, _ = new_type(desk.department)  # type: ignore[attr-defined]
    return desk


@pytest.fixture
def other(app: Flask, client: FlaskClient) -> Desk:
    return Desk(app, client, scopes=("authorities", "licences:issue"))


def slug_of(definer: Desk) -> str:
    return str(definer.slug)  # type: ignore[attr-defined]


def grant(definer: Desk, other: Desk, **changes: Any) -> Any:
    body = {"department": other.department, "action": "issue", **changes}
    return definer.post(f"/licence-types/{slug_of(definer)}/authorities", body)


def issue(other: Desk, definer: Desk, person: Person) -> int:
    body = {"type": slug_of(definer), "holder": {"number": person.number}, "fields": FIELDS, "valid_from": "2024-02-01"}
    return int(other.post("/licences", body).status_code)


def test_the_department_that_defined_a_type_grants_and_withdraws_at_once(definer: Desk, other: Desk, person: Person) -> None:
    assert issue(other, definer, person) == 403
    granted = grant(definer, other)
    assert (granted.status_code, granted.json["holds"], granted.json["granted_by"]) == (201, True, f"department:{definer.department}")
    assert issue(other, definer, person) == 201
    path = f"/api/v1/licence-types/{slug_of(definer)}/authorities?department={other.department}&action=issue"
    assert definer.client.delete(path, headers=definer.headers).status_code == 204
    assert issue(other, definer, person) == 403
    gone = definer.client.delete(path, headers=definer.headers)
    assert (gone.status_code, gone.json["code"]) == (404, "grant-not-found")
    assert [one["holds"] for one in definer.get(f"/licence-types/{slug_of(definer)}/authorities").json["authorities"]] == [False]
    assert grant(definer, other).status_code == 201
    assert issue(other, definer, person) == 201


def test_a_withdrawal_is_heard_in_every_process(app: Flask, definer: Desk, other: Desk) -> None:
    grant(definer, other)
    elsewhere = create_app(app.extensions["kabao_settings"])
    try:
        with elsewhere.app_context():
            code = get_type(slug_of(definer)).code
            until = now() + timedelta(seconds=10)
            check_authority(department=other.department, type_code=code, action="issue", now=now())
            path = f"/api/v1/licence-types/{slug_of(definer)}/authorities?department={other.department}&action=issue"
            assert definer.client.delete(path, headers=definer.headers).status_code == 204
            while now() < until:
                try:
                    check_authority(department=other.department, type_code=code, action="issue", now=now())
                except NoAuthority:
                    return
            pytest.fail("the other process still believes in the grant")
    finally:
        elsewhere.extensions["kabao_cache"].stop()
        elsewhere.extensions["kabao_engine"].dispose()


def test_nobody_else_grants_withdraws_or_sees(definer: Desk, other: Desk) -> None:
    answers = [
        other.post(f"/licence-types/{slug_of(definer)}/authorities", {"department": other.department, "action": "issue"}),
        other.get(f"/licence-types/{slug_of(definer)}/authorities"),
        other.client.delete(
            f"/api/v1/licence-types/{slug_of(definer)}/authorities?department={other.department}&action=issue", headers=other.headers
        ),
    ]
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(403, "not-the-definer")}


def test_a_grant_may_be_for_some_acts_alone(definer: Desk, other: Desk, person: Person) -> None:
    assert grant(definer, other, acts=["suspend", "resume"]).json["acts"] == ["resume", "suspend"]
    assert issue(other, definer, person) == 403


def test_a_grant_begins_and_ends_on_its_days(definer: Desk, other: Desk, person: Person) -> None:
    tomorrow = china_date(now()) + timedelta(days=1)
    assert grant(definer, other, valid_from=str(tomorrow)).json["holds"] is False
    assert issue(other, definer, person) == 403
    assert grant(definer, other, valid_until=str(tomorrow)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        pytest.param({"action": "rule"}, 422, "action", id="an action that there is not"),
        pytest.param({"department": "1" * 18}, 404, "department", id="a department that there is not"),
        pytest.param({"department": "1"}, 422, "department", id="no department's code"),
        pytest.param({"acts": ["issue"], "action": "verify"}, 422, "acts", id="acts of another action"),
        pytest.param({"acts": []}, 422, "acts", id="no act at all"),
        pytest.param({"acts": ["celebrate"]}, 422, "acts.0", id="an act that there is not"),
        pytest.param({"valid_until": "2020-01-01"}, 422, "valid_until", id="a grant that is over"),
        pytest.param({"valid_from": "2999-01-02", "valid_until": "2999-01-01"}, 422, "valid_until", id="an end before the beginning"),
        pytest.param({"more": 1}, 422, "more", id="an unknown member"),
    ],
)
def test_a_faulty_grant_is_refused(definer: Desk, other: Desk, changes: dict[str, Any], status: int, field: str) -> None:
    answer = grant(definer, other, **changes)
    assert (answer.status_code, answer.json["field"]) == (status, field), answer.text


def test_what_a_type_opens_to_all_needs_no_grant(app: Flask, other: Desk) -> None:
    with app.app_context():
        slug, _ = new_type(open_to=["verify"])
        code = get_type(slug).code
        check_authority(department=other.department, type_code=code, action="verify", now=now())
        assert code in types_under(department=other.department, action="verify", now=now())
        with pytest.raises(NoAuthority):
            check_authority(department=other.department, type_code=code, action="draw", now=now())


def test_an_authority_until_the_last_day_that_there_is_has_no_end(definer: Desk, other: Desk) -> None:
    granted = grant(definer, other, valid_until="9999-12-31")
    assert (granted.status_code, granted.json["holds"], granted.json["valid_until"]) == (201, True, None)
