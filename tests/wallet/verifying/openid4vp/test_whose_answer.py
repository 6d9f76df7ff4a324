"""A request that was addressed to somebody is answered with what is theirs, and with nobody else's, in whichever form."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, current_app

from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.verifying.openid4vp.test_asking import FIELDS, read
from tests.wallet.verifying.openid4vp.wallets import MDOC, SD_JWT, VC_JWT, Wallet, asked, fetch_licence
from tests.world_people import new_person
from tests.world_verifying import Counter, new_browser, new_counter
from tests.world_wallet import DEFINITIONS, example_dates, example_fields, new_department
from wallet.issuing.holders import HolderRequest
from wallet.issuing.life import issue_licence
from wallet.issuing.requests import LicenceRequest
from wallet.presenting import statements
from wallet.presenting.statements import OVER_18, Question, Statement
from wallet.verifying.outcomes import Reason

MARRIAGE = "marriage-certificate"
FORMS = [SD_JWT, MDOC, VC_JWT]


def result_of(app: Flask, counter: Counter, form: str, number: str) -> dict[str, Any]:
    wallet = Wallet(app, fetch_licence(app, counter.licence, form))
    wanted = [{"type": "driving-licence", "fields": ["vehicle_class"], "formats": [form]}]
    made = asked(counter, credentials=wanted, holder={"number": number})
    got = wallet.get(made["link"])
    (query,) = got.payload["dcql_query"]["credentials"]
    assert wallet.answer(got, {query["id"]: [wallet.present(got, FIELDS)]}).status_code == 200
    found: dict[str, Any] = read(counter, made["id"])["result"]
    return found


@pytest.mark.parametrize("form", FORMS)
def test_what_was_asked_of_one_person_is_not_answered_with_another_s_licence(app: Flask, counter: Counter, form: str) -> None:
    with transaction() as session:
        other = new_person(session)
    result = result_of(app, counter, form, other.number)
    (one,) = result["presentations"]
    assert (result["verdict"], one["verdict"], one["fields"], one["conclusion"]) == ("invalid", "invalid", {}, "not_shown_by_holder")
    assert [(row["check"], row["reason"]) for row in one["checks"] if row["outcome"] == "failed"] == [("holder_binding", Reason.OTHER_HOLDER.value)]


@pytest.mark.parametrize("form", FORMS)
def test_whoever_was_asked_answers_with_their_own(app: Flask, counter: Counter, form: str) -> None:
    result = result_of(app, counter, form, counter.person.number)
    assert (result["verdict"], result["presentations"][0]["fields"]) == ("valid", {"vehicle_class": "C1"})


@pytest.mark.parametrize("which", [0, 1])
def test_either_of_two_answers_for_a_licence_that_both_hold(app: Flask, which: int) -> None:
    with app.app_context():
        counter = new_counter(new_browser(app), verify=(MARRIAGE,))
        with transaction() as session:
            other, settings = new_person(session), current_app.extensions["kabao_settings"]
            begins, ends = example_dates(DEFINITIONS[MARRIAGE])
            fields, both = example_fields(MARRIAGE), (HolderRequest(other.number),)
            request = LicenceRequest(MARRIAGE, counter.person.number, fields, begins, ends, co_holders=both)
            licence = issue_licence(session, settings, request, department=new_department(issue=[MARRIAGE]), now=now(), seconded=True)
        wallet = Wallet(app, fetch_licence(app, licence))
        made = asked(counter, credentials=[{"type": MARRIAGE}], holder={"number": (counter.person, other)[which].number})
        got = wallet.get(made["link"])
        (query,) = got.payload["dcql_query"]["credentials"]
        wallet.answer(got, {query["id"]: [wallet.present(got, ("licence_identifier",))]})
        assert read(counter, made["id"])["result"]["verdict"] == "valid"


@pytest.mark.parametrize("is_bound", [True, False])
def test_an_answer_of_yes_is_somebody_s_with_a_binding_or_without(app: Flask, counter: Counter, settings: Settings, is_bound: bool) -> None:
    """Without one only its `sub` tells whose it is, and that is looked at all the same."""
    one = {"id": "age", "format": SD_JWT, "meta": {"vct_values": ["urn:kabao:answer:over_18"]}, "require_cryptographic_holder_binding": is_bound}
    made = asked(counter, dcql_query={"credentials": [one]}, holder={"number": counter.person.number})
    wallet = Wallet(app, fetch_licence(app, counter.licence))
    got = wallet.get(made["link"])
    with app.app_context():
        bound = {"audience": got.payload["client_id"], "nonce": got.payload["nonce"], "now": now(), "lifetime": timedelta(minutes=5)}
        told = statements.make(settings, Statement(Question(OVER_18), True), holder_id=uuid4(), shown=[OVER_18], **bound)
    wallet.answer(got, {"age": [told if is_bound else told[: told.rindex("~") + 1]]})
    (found,) = read(counter, made["id"])["result"]["presentations"]
    assert (found["verdict"], [row["reason"] for row in found["checks"] if row["reason"]]) == ("invalid", ["other_holder"])
