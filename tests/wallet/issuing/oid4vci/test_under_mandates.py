"""Wallets of people who act for another: they get what the mandate reaches to, and lose it with the mandate, however it ends."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.oauth.grantees import Grantee
from idp.subjects import appointments, directory
from idp.subjects.appointments import Appointment
from idp.subjects.mandates import HANDLER
from idp.subjects.numbers import parse_number
from idp.subjects.rights import Right
from runtime.clock import now, shifted
from runtime.database import transaction
from tests.wallet.issuing.oid4vci.test_elsewhere import rows_of, statuses_of
from tests.wallet.issuing.oid4vci.wallets import Holder, Wallet, error_of, proof, with_token
from tests.world_people import new_organisation, new_person, open_account
from tests.world_wallet import new_department, new_licence
from wallet.issuing import status_lists
from wallet.issuing.oid4vci import elsewhere, issuing
from wallet.issuing.oid4vci.pruning_jobs import end_outlived_credentials

TYPE, ANOTHER = "food-business-licence", frozenset({"11100000000013127D011"})


@dataclass
class Firm:
    """An organisation with a licence, whose representative gave a handler a mandate; `held` is the licence in the handler's hand."""

    app: Flask
    held: Holder
    boss_id: UUID
    mandate_id: UUID
    right: Right

    def change(self, **changes: Any) -> None:
        with self.app.app_context(), transaction() as session:
            about: dict[str, Any] = {"by": self.boss_id, "organisation_id": self.held.grantee.holder_id, "mandate_id": self.mandate_id}
            appointments.change(session, **about, wanted=Appointment(HANDLER, replace(self.right, **changes)), now=now())

    def remove(self) -> None:
        with self.app.app_context(), transaction() as session:
            appointments.remove(session, by=self.boss_id, organisation_id=self.held.grantee.holder_id, mandate_id=self.mandate_id, now=now())


def new_firm(app: Flask, **reach: Any) -> Firm:
    with app.app_context():
        department = new_department(issue=[TYPE])
    with app.app_context(), transaction() as session:
        boss, handler = new_person(session), new_person(session)
        handler_id = open_account(session, handler)
        organisation = new_organisation(session, representative=boss)
        boss_id, firm_id = (directory.ensure_subject(session, parse_number(one.number), now=now()).id for one in (boss, organisation))
        appointments.claim(session, person_id=boss_id, organisation_id=firm_id, now=now())
        right = replace(Right(None, None, now(), None), **reach)
        about: dict[str, Any] = {"by": boss_id, "organisation_id": firm_id, "number": parse_number(handler.number), "name": handler.name}
        mandate_id = appointments.appoint(session, **about, wanted=Appointment(HANDLER, right), now=now())
        licence = new_licence(session, type=TYPE, department=department, number=organisation.number)
    return Firm(app, Holder(handler, Grantee(firm_id, handler_id), licence, department), boss_id, mandate_id, right)


def ask(wallet: Wallet) -> Any:
    return wallet.ask(proof(wallet.nonce()), configuration=TYPE)


def test_who_acts_for_another_has_the_licence_until_the_mandate_is_taken(app: Flask, client: FlaskClient) -> None:
    firm = new_firm(app)
    wallet = with_token(app, client, firm.held)
    assert ask(wallet).status_code == 200
    firm.remove()
    assert statuses_of(app, firm.held) == [status_lists.INVALID]
    assert error_of(ask(wallet)) == (401, "invalid_token")


@pytest.mark.parametrize("ending", [Firm.remove, lambda firm: firm.change(types=frozenset({"11100000000013127D011"}))], ids=["taken", "narrowed"])
def test_a_mandate_that_ends_once_the_token_was_looked_at_reaches_the_request(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, ending: Callable[[Firm], None]
) -> None:
    firm = new_firm(app)
    wallet = with_token(app, client, firm.held)
    monkeypatch.setattr(issuing, "warm", lambda *_, **__: ending(firm))
    assert error_of(ask(wallet)) == (400, "credential_request_denied")
    assert rows_of(app, firm.held) == []


def test_what_is_issued_while_the_mandate_ends_ends_with_it(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = new_firm(app)
    wallet = with_token(app, client, firm.held)
    issue, ending = issuing.issue, threading.Thread(target=firm.remove)

    def while_it_ends(*args: Any, **named: Any) -> Any:
        ending.start()
        ending.join(timeout=1)
        return issue(*args, **named)

    monkeypatch.setattr(issuing, "issue", while_it_ends)
    assert ask(wallet).status_code == 200, "the mandate stood when it was asked after"
    ending.join()
    assert statuses_of(app, firm.held) == [status_lists.INVALID]


def test_what_was_fetched_ends_when_the_time_of_the_mandate_is_over(app: Flask, client: FlaskClient) -> None:
    firms = [new_firm(app, valid_until=now() + timedelta(days=days)) for days in (2, 4)]
    for firm in firms:
        assert ask(with_token(app, client, firm.held)).status_code == 200
    with app.app_context():
        end_outlived_credentials()
    assert [statuses_of(app, firm.held) for firm in firms] == [[status_lists.VALID]] * 2
    with shifted(timedelta(days=3)), app.app_context():
        end_outlived_credentials()
    assert [statuses_of(app, firm.held) for firm in firms] == [[status_lists.INVALID], [status_lists.VALID]]
    assert rows_of(app, firms[0].held)[0].ended_why == elsewhere.MANDATE_ENDED
