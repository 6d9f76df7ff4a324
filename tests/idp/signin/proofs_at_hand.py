"""What a person has at hand to show who they are: the app on their phone, the codes that reach them, the jobs that send those."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from idp.signin import contacts, one_time_codes, totp
from idp.signin.contacts import Contact
from idp.signin.one_time_codes import OneTimeCode
from idp.subjects import directory
from idp.subjects.numbers import parse_number
from runtime.clock import now
from runtime.database import transaction
from tests.world_people import BROWSER, Person, csrf_token


def subject_of(app: Flask, person: Person) -> UUID:
    """Return the id of a person's subject."""
    with app.app_context(), transaction() as session:
        subject = directory.find_subject(session, parse_number(person.number))
        assert subject is not None
        return subject.id


def enrol(app: Flask, person: Person, *, name: str = "手机") -> str:
    """Give a person an authenticator, an hour ago, and return its secret."""
    subject_id, before = subject_of(app, person), now() - timedelta(hours=1)
    with app.app_context(), transaction() as session:
        authenticator = totp.begin(session, subject_id, name=name, now=before)
        secret = authenticator.secret
        assert totp.confirm(session, authenticator, pyotp.TOTP(secret).at(before), now=before)
    return secret


def reach(app: Flask, person: Person, address: str) -> UUID:
    """Give a person a verified address, an hour ago, and return its id."""
    with app.app_context(), transaction() as session:
        return reached(session, subject_of(app, person), address).id


def reached(session: Session, subject_id: UUID, address: str) -> Contact:
    """Give a person a verified address, an hour ago."""
    contact = contacts.add(session, subject_id, address, now=now() - timedelta(hours=1))
    contacts.verify(session, contact, now=now() - timedelta(hours=1))
    return contact


def app_shows(secret: str) -> str:
    """Return what the authenticator shows now."""
    return pyotp.TOTP(secret).at(now())


def code_that_reached(app: Flask, contact_id: UUID | None) -> str:
    """Return the newest code that was sent to an address."""
    with app.app_context(), transaction() as session:
        newest = select(OneTimeCode).where(OneTimeCode.contact_id == contact_id).order_by(OneTimeCode.id.desc())
        row = session.scalars(newest).first()
        assert row is not None
        return one_time_codes.code_of(row.id)


def jobs_named(session: Session, name: str, **arguments: str) -> list[dict[str, Any]]:
    """Return the arguments of the jobs of a name that wait, those with certain arguments."""
    query = text("SELECT args FROM procrastinate_jobs WHERE task_name = :name AND args @> CAST(:arguments AS jsonb) ORDER BY id")
    return list(session.scalars(query, {"name": f"kabao:{name}", "arguments": json.dumps(arguments)}))


def press(client: FlaskClient, url: str, *, form_at: str, **data: str) -> Any:
    """Press a button on a page."""
    page = client.get(form_at, headers=BROWSER).text
    return client.post(url, data={"csrf_token": csrf_token(page), **data}, headers=BROWSER)
