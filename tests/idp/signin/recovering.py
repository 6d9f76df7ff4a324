"""What the tests of recovery do as people do it: ask, run the job behind it, read the notice, use the code."""

import re
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from idp.signin import notices
from idp.signin.notices import Notice
from idp.signin.recovery_requests import begin_recovery
from idp.subjects import directory, registry_import
from idp.subjects.numbers import parse_number
from runtime.database import transaction
from tests.world_people import Person, open_account, post_form

NEW = "新的密码，比原来的更长 staple"
ADDRESS = "海右市听涛区长风街18号3单元502室"
CODE = re.compile(r'id="recovery-code">([0-9A-Z-]+)<')


def new_resident(session: Session, person: Person, address: str = ADDRESS) -> None:
    """Give a person an address in the registry."""
    assert not registry_import.load_people(session, [{"number": person.number, "name": person.name, "address": address}])


def resident(app: Flask, person: Person) -> UUID:
    """Give someone who has an account an address in the registry, and return their subject id."""
    with app.app_context(), transaction() as session:
        new_resident(session, person)
        subject = directory.find_subject(session, parse_number(person.number))
        return subject.id if subject is not None else open_account(session, person)


def ask(client: FlaskClient, number: str, name: str, address: str = ADDRESS) -> TestResponse:
    """Ask for a recovery on the page."""
    return post_form(client, "/recover/registry", {"number": number, "name": name, "address": address})


def code_of(answer: TestResponse) -> str:
    """Return the code that the page shows."""
    found = CODE.search(answer.text)
    assert found is not None, answer.text
    return found[1]


def run_jobs(app: Flask) -> int:
    """Do what was deferred for `begin_recovery`, as a worker would, and return how many jobs that were."""
    with app.app_context():
        with transaction() as session:
            waiting = session.scalars(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'kabao:begin_recovery' ORDER BY id")).all()
            session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name = 'kabao:begin_recovery'"))
        for arguments in waiting:
            begin_recovery(**arguments)
    return len(waiting)


def begun(app: Flask, client: FlaskClient, person: Person) -> str:
    """Walk until a recovery is pending, and return its code."""
    resident(app, person)
    code = code_of(ask(client, person.number, person.name))
    run_jobs(app)
    return code


def use(client: FlaskClient, number: str, code: str, password: str = NEW) -> TestResponse:
    """Use a code on the page."""
    return post_form(client, "/recover/code", {"number": number, "code": code, "password": password})


def cancel_link(app: Flask, subject_id: UUID) -> str:
    """Return the link of the notice that was told last."""
    with app.app_context(), transaction() as session:
        row = session.scalars(
            select(Notice).where(Notice.subject_id == subject_id, Notice.link_sealed.is_not(None)).order_by(Notice.id.desc())
        ).first()
        assert row is not None
        told = notices.find(session, subject_id, row.id)
        assert told is not None
        assert told.link is not None
        return told.link


def told_kinds(app: Flask, subject_id: UUID) -> list[str]:
    """Return the kinds of what a person was told, the oldest first."""
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Notice.kind).where(Notice.subject_id == subject_id).order_by(Notice.id)))
