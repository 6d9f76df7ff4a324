"""A request that was addressed to somebody is answered with what is theirs, and with nobody else's, in whichever form."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask, current_app
from sqlalchemy import select

from idp.subjects import changes
from idp.subjects.directory import get_subject
from idp.subjects.history import Told
from idp.subjects.records import DECEASED
from runtime.clock import now
from runtime.database import transaction
from runtime.settings import Settings
from tests.wallet.verifying.openid4vp.test_asking import FIELDS, read
from tests.wallet.verifying.openid4vp.wallets import MDOC, SD_JWT, VC_JWT, Wallet, asked, fetch_licence
from tests.wallet.verifying.test_verification_batches_api import send
from tests.world_people import new_person
from tests.world_verifying import CAUSE, Counter, new_browser, new_counter
from tests.world_wallet import DEFINITIONS, example_dates, example_fields, new_department
from wallet.holding.uses import Use
from wallet.issuing import status_lists
from wallet.issuing.holders import HolderRequest
from wallet.issuing.life import issue_licence
from wallet.issuing.requests import LicenceRequest
from wallet.presenting import qr_codes, statements
from wallet.presenting.statements import OVER_18, Question, Statement
from wallet.register.licences import Licence, holder_ids_of, licence_number_of
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


@dataclass
class Couple:
    """Two who hold a licence together, and a counter."""

    app: Flask
    counter: Counter
    licence: Licence
    numbers: tuple[str, str]
    ids: tuple[UUID, UUID]

    def answer(self, shows: int, *, of: int) -> dict[str, Any]:
        """Have one of the two show it, from a wallet elsewhere, when one of them was asked; return what the counter reads."""
        wallet = Wallet(self.app, fetch_licence(self.app, self.licence, holder_id=self.ids[shows]))
        made = asked(self.counter, credentials=[{"type": MARRIAGE}], holder={"number": self.numbers[of]})
        got = wallet.get(made["link"])
        (query,) = got.payload["dcql_query"]["credentials"]
        wallet.answer(got, {query["id"]: [wallet.present(got, ("licence_identifier",))]})
        found: dict[str, Any] = read(self.counter, made["id"])["result"]
        return found

    def show(self, which: int) -> str:
        """Return what one of the two shows of it to whoever does not ask for a proof of the key."""
        return str(fetch_licence(self.app, self.licence, holder_id=self.ids[which]).credential)

    def let_die(self, which: int) -> None:
        with transaction() as session:
            changes.set_state(session, get_subject(session, self.ids[which]), DECEASED, told=Told("registry", now()))

    def uses(self) -> list[UUID]:
        """Return in whose history it was written that it was seen, in order."""
        with transaction() as session:
            return list(session.scalars(select(Use.holder_id).where(Use.licence_id == self.licence.id).order_by(Use.id)))


@pytest.fixture
def couple(app: Flask) -> Iterator[Couple]:
    with app.app_context():
        counter = new_counter(new_browser(app), verify=(MARRIAGE,))
        with transaction() as session:
            other, settings = new_person(session), current_app.extensions["kabao_settings"]
            begins, ends = example_dates(DEFINITIONS[MARRIAGE])
            fields, both = example_fields(MARRIAGE), (HolderRequest(other.number),)
            request = LicenceRequest(MARRIAGE, counter.person.number, fields, begins, ends, co_holders=both)
            licence = issue_licence(session, settings, request, department=new_department(issue=[MARRIAGE]), now=now(), seconded=True)
            first, second = holder_ids_of(session, licence)
        yield Couple(app, counter, licence, (counter.person.number, other.number), (first, second))


@pytest.mark.parametrize("which", [0, 1])
def test_either_of_two_answers_for_a_licence_that_both_hold_with_their_own(couple: Couple, which: int) -> None:
    assert couple.answer(which, of=which)["verdict"] == "valid"
    (other,) = couple.answer(1 - which, of=which)["presentations"]
    assert [row["reason"] for row in other["checks"] if row["reason"]] == [Reason.OTHER_HOLDER.value]
    assert couple.uses() == [couple.ids[which], couple.ids[1 - which]]


@pytest.mark.parametrize(("dead", "found"), [(0, ["not_in_force", "valid"]), (1, ["valid", "not_in_force"])])
def test_what_is_shown_from_elsewhere_goes_by_the_holder_whose_it_is_at_every_door(couple: Couple, dead: int, found: list[str]) -> None:
    couple.let_die(dead)
    answers = [couple.answer(which, of=which)["presentations"][0]["conclusion"] for which in (0, 1)]
    bodies = [{"presented": couple.show(which), "cause": {"text": "核对"}, "binding": "none"} for which in (0, 1)]
    alone = [couple.counter.post("verifications", body).json["conclusion"] for body in bodies]
    together = [line["verification"]["conclusion"] for line in send(couple.counter, bodies, key=f"both{dead}")[:2]]
    assert (answers, alone, together) == (found, found, found)
    assert couple.uses() == list(couple.ids) * 3


@pytest.mark.parametrize("renamed", [0, 1])
def test_of_two_the_one_who_was_renamed_is_said_to_have_been_at_every_door(couple: Couple, renamed: int) -> None:
    with transaction() as session:
        changes.rename(session, get_subject(session, couple.ids[renamed]), "欧阳新名", told=Told("registry", now()))
    bodies: list[dict[str, Any]] = [{"presented": couple.show(which), "cause": {"text": "核对"}, "binding": "none"} for which in (0, 1)]
    alone = ["holder" in couple.counter.post("verifications", body).json for body in bodies]
    together = ["holder" in line["verification"] for line in send(couple.counter, bodies, key=f"name{renamed}")[:2]]
    with transaction() as session:
        made = [qr_codes.create(session, holder_id=one, licence_id=couple.licence.id, fields=("holder_name",), now=now()) for one in couple.ids]
    by_code = ["holder" in couple.counter.verify(one.content).json for one in made]
    assert alone == together == by_code == [which == renamed for which in (0, 1)]


def test_a_licence_that_is_named_goes_by_the_holder_whose_number_is_given(couple: Couple) -> None:
    couple.let_die(0)
    numbers = (*couple.numbers, licence_number_of(couple.licence))
    bodies = [{"licence": {"identifier": couple.licence.identifier, "number": one}, "cause": CAUSE} for one in numbers]
    found = [couple.counter.post("verifications", body).json["conclusion"] for body in bodies]
    assert found == ["not_in_force", "valid", "valid"]
    assert couple.uses() == [couple.ids[0], couple.ids[1], couple.ids[1]]


@pytest.mark.parametrize("dead", [0, 1])
def test_what_a_holder_had_elsewhere_ends_with_them_and_what_the_other_has_stays(couple: Couple, dead: int) -> None:
    held = [fetch_licence(couple.app, couple.licence, holder_id=one) for one in couple.ids]
    couple.let_die(dead)
    with transaction() as session:
        states = [status_lists.state_of(session, one.place) for one in held]
    assert (states[dead], states[1 - dead]) == (status_lists.INVALID, status_lists.VALID)
    shown = {"presented": str(held[dead].credential), "cause": {"text": "核对"}, "binding": "none"}
    found = couple.counter.post("verifications", shown).json
    assert [row["reason"] for row in found["checks"] if row["reason"]] == [Reason.HOLDER_ENDED.value]


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
