"""Whose a request is that was opened for an organisation: theirs alone who opened it, and nobody's any more once they may not act for it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from idp.subjects import appointments
from runtime.clock import now
from runtime.settings import Settings
from tests.idp.subjects.firms import Firm, new_firm
from tests.wallet.holding.test_wallet_pages import signed_in, writing
from tests.wallet.presenting.answering.steps import approve, open_link, opened, page_of, reply
from tests.world_asking import Asking, Signing, of_department, sd_jwt_query
from tests.world_people import BROWSER, act_for
from tests.world_wallet import new_department, new_licence
from wallet.issuing.contents import type_uri
from wallet.presenting.answering import asked as kept
from wallet.presenting.answering.asked import AskedRequest, Outcome, RequestOver
from wallet.register.catalogue import get_type
from wallet.register.licences import Licence

TYPE, NONCE = "business-licence", "n" * 43


@dataclass
class Office:
    """Two handlers of one organisation, each in a browser of their own, and somebody who asks for its licence."""

    firm: Firm
    mandates: list[UUID]
    browsers: list[FlaskClient]
    licence: Licence
    signing: Signing
    vct: str


@pytest.fixture
def office(app: Flask, settings: Settings) -> Office:
    with writing(app) as session:
        firm = new_firm(session)
        given = [firm.appoint(session) for _ in range(2)]
        issuer = new_department(issue=[TYPE])
        licence = new_licence(session, type=TYPE, department=issuer, number=firm.organisation.number)
    browsers = [signed_in(app, firm.people[person_id]) for person_id, _ in given]
    for browser in browsers:
        assert act_for(browser, firm.id).status_code == 303
    with app.app_context():
        return Office(firm, [one for _, one in given], browsers, licence, of_department(issuer), type_uri(settings, get_type(TYPE)))


def link(office: Office, verifier: Asking) -> str:
    """The same request each time."""
    return verifier.link(office.signing, sd_jwt_query(office.vct), nonce=NONCE)


def row_at(app: Flask, at: str) -> AskedRequest:
    with writing(app) as session:
        return session.scalars(select(AskedRequest).where(AskedRequest.id == UUID(at.rpartition("/")[2]))).one()


def test_what_a_colleague_opened_is_neither_seen_nor_answered_nor_taken_over(office: Office, verifier: Asking) -> None:
    one, other = office.browsers
    at = opened(one, link(office, verifier))
    assert other.get(at, headers=BROWSER).status_code == 404
    assert approve(other, at, office.licence).status_code == 404
    assert reply(other, at, answer="refuse").status_code == 404
    assert open_link(other, link(office, verifier)).status_code == 404
    assert f'href="{at}"' not in page_of(other, "/wallet/requests")
    assert verifier.received == []
    assert opened(one, link(office, verifier)) == at, "whoever opened it comes back to it"
    assert approve(one, at, office.licence).status_code == 303
    assert len(verifier.received) == 1


def test_it_is_over_with_the_mandate_also_for_an_answer_that_had_set_out_before(app: Flask, office: Office, verifier: Asking) -> None:
    row = row_at(app, opened(office.browsers[0], link(office, verifier)))
    set_out = now()
    with writing(app) as session:
        by = {"by": office.firm.boss_id, "organisation_id": office.firm.id}
        appointments.remove(session, **by, mandate_id=office.mandates[0], now=now())
    with writing(app) as session, pytest.raises(RequestOver):
        kept.spend(session, row, Outcome.SENDING, now=set_out)


def test_what_a_colleague_opened_goes_on_when_another_s_mandate_ends(app: Flask, office: Office, verifier: Asking) -> None:
    at = opened(office.browsers[1], link(office, verifier))
    with writing(app) as session:
        by = {"by": office.firm.boss_id, "organisation_id": office.firm.id}
        appointments.remove(session, **by, mandate_id=office.mandates[0], now=now())
    assert row_at(app, at).expires_at > now() + timedelta(minutes=1)
    assert approve(office.browsers[1], at, office.licence).status_code == 303
