"""An operator sees the keys and the departments, and what is done next; nobody else does, and nothing private is shown."""

import re

import pytest
from flask import Flask

from keys import certificates, ring
from runtime.clock import now
from runtime.database import transaction
from tests.idp.oauth.registration.test_client_pages import ONE_FACTOR, TWO_FACTORS, Desk, desk_of
from tests.world_people import BROWSER, new_person
from tests.world_verifying import new_browser
from tests.world_wallet import make_officer, new_department
from wallet.register import department_pages, departments
from wallet.register.catalogue import get_type
from wallet.register.departments import Action

PAGES = ("/admin/keys", "/admin/departments")


@pytest.fixture
def desk(app: Flask) -> Desk:
    return desk_of(app, amr=TWO_FACTORS)


def test_the_keys_of_the_service_are_shown_with_what_comes_next(app: Flask, desk: Desk) -> None:
    with app.app_context():
        department = new_department(issue=["driving-licence"])
        signer = ring.signer(ring.RECEIPT)
        of_department = ring.signer(certificates.department_use(department))
    page = desk.browser.get("/admin/keys").text
    assert signer.kid in page
    assert "核验回执" in page
    assert of_department.kid not in page, "it stands beside its department"
    assert 'id="steps"' in page
    for secret in ("wrapped", "-----BEGIN", '"d"'):
        assert secret not in page


def test_a_department_is_shown_with_what_it_may_do_now(app: Flask, desk: Desk) -> None:
    with app.app_context():
        code = new_department(issue=["driving-licence", "marriage-certificate"], verify=["driving-licence"])
        with transaction() as session:
            make_officer(session, department=code, person=new_person(session))
            departments.withdraw(session, department=code, type_code=get_type("marriage-certificate").code, action=Action.ISSUE, now=now())
    found = entry_of(desk, code)
    assert "签发1类证照、核验1类证照" in found
    assert "工作人员 1 名" in found
    assert "证书至" in found


def test_departments_are_listed_a_page_at_a_time(app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        first, _ = sorted(new_department() for _ in range(2))
    monkeypatch.setattr(department_pages, "PAGE", 1)
    page = desk.browser.get("/admin/departments", query_string={"after": first[:-1]}).text
    assert f'id="department-{first}"' in page
    assert f"after={first}" in page
    assert "没有权限" in page
    last = desk.browser.get("/admin/departments", query_string={"after": "~" * 200}).text
    assert 'id="none"' in last
    assert 'id="start"' in last


@pytest.mark.parametrize("path", PAGES)
def test_nobody_but_an_operator_with_two_factors_sees_them(app: Flask, path: str) -> None:
    assert new_browser(app).get(path, headers=BROWSER).status_code == 303
    for other in (desk_of(app, amr=TWO_FACTORS, runs_it=False), desk_of(app, amr=ONE_FACTOR)):
        answer = other.browser.get(path)
        assert answer.status_code in (303, 403)
        assert not {'id="keys"', 'id="departments"'} & set(re.findall(r'id="\w+"', answer.text))
    assert desk_of(app, amr=TWO_FACTORS).browser.get(path).status_code == 200


def entry_of(desk: Desk, code: str) -> str:
    page = desk.browser.get("/admin/departments", query_string={"after": code[:-1]}).text
    return page.split(f'id="department-{code}"', 1)[1].split("</li>", 1)[0]
