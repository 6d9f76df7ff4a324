import base64
import hashlib
import threading
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from idp.signin import sessions
from idp.subjects import appointments
from runtime import clock
from runtime.clock import now
from runtime.database import transaction
from tests.idp.subjects.firms import Firm, new_firm
from tests.world_verifying import Counter, new_counter
from tests.world_wallet import new_department, new_licence
from wallet.issuing import sd_jwt
from wallet.presenting import qr_codes
from wallet.presenting.qr_codes import CodeExpired, CodeSpent, CodeUnknown, FieldUnknown, Presentation, QrCode, Redeemed
from wallet.register.licences import LicenceNotFound

RACERS, ROUNDS = 200, 3


def create(counter: Counter, *fields: str) -> QrCode:
    with transaction() as session:
        return qr_codes.create(session, holder_id=counter.holder_id, licence_id=counter.licence.id, fields=fields, now=now())


def redeem(content: str) -> Redeemed:
    with transaction() as session:
        return qr_codes.redeem(session, content, now=now())


@dataclass(frozen=True, slots=True)
class Colleagues:
    """Two handlers of one organisation, each with a code that shows a licence of it."""

    firm: Firm
    handler: UUID
    mandate: UUID
    code: str
    other: UUID
    code_of_other: str


@pytest.fixture
def colleagues(context: None) -> Colleagues:
    """Each shows another licence, since a new code of a licence withdraws the one before."""
    kinds = ("business-licence", "food-business-licence")
    with transaction() as session:
        firm = new_firm(session)
        (handler, mandate), (other, _) = firm.appoint(session), firm.appoint(session)
        issuer, number = new_department(issue=kinds), firm.organisation.number
        licences = [new_licence(session, type=kind, department=issuer, number=number) for kind in kinds]
    with transaction() as session:
        codes = [
            qr_codes.create(session, holder_id=firm.id, person_id=who, licence_id=one.id, fields=(), now=now()).content
            for who, one in zip((handler, other), licences, strict=True)
        ]
    return Colleagues(firm, handler, mandate, codes[0], other, codes[1])


def test_a_code_stands_for_a_bound_presentation_of_the_chosen_fields_alone(counter: Counter) -> None:
    code = create(counter, "vehicle_class")
    redeemed = redeem(code.content)
    parts = sd_jwt.parse(redeemed.presented)
    assert [disclosure.name for disclosure in parts.disclosures] == ["vehicle_class"]
    assert parts.key_binding
    assert (redeemed.holder_id, redeemed.licence_id) == (counter.holder_id, counter.licence.id)
    assert redeemed.nonce == base64.urlsafe_b64encode(hashlib.sha256(code.content.encode()).digest()).rstrip(b"=").decode()


def test_a_code_fits_the_alphanumeric_mode_of_qr_and_holds_160_random_bits(counter: Counter) -> None:
    contents = {create(counter).content for _ in range(5)}
    assert len(contents) == 5
    assert all(set(content) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:") and len(content) == 39 for content in contents)


def test_nothing_need_be_shown(counter: Counter) -> None:
    assert sd_jwt.parse(redeem(create(counter).content).presented).disclosures == ()


def test_a_code_works_once(counter: Counter) -> None:
    code = create(counter, "vehicle_class")
    redeem(code.content)
    with pytest.raises(CodeSpent):
        redeem(code.content)


def test_a_code_lasts_five_minutes(counter: Counter) -> None:
    code = create(counter)
    assert timedelta(minutes=4, seconds=55) < code.expires_at - now() <= timedelta(minutes=5)
    with clock.shifted(timedelta(minutes=5)), pytest.raises(CodeExpired):
        redeem(code.content)
    assert redeem(code.content)


def test_a_new_code_of_a_licence_withdraws_the_one_before(counter: Counter) -> None:
    first, second = create(counter), create(counter)
    with pytest.raises(CodeExpired):
        redeem(first.content)
    assert redeem(second.content)


def test_codes_of_other_holders_are_left_alone(counter: Counter) -> None:
    other = new_counter(counter.client)
    theirs = create(other)
    create(counter)
    assert redeem(theirs.content)


def test_whoever_stops_acting_for_an_organisation_takes_along_their_own_codes_alone(colleagues: Colleagues) -> None:
    firm = colleagues.firm
    with transaction() as session:
        appointments.remove(session, by=firm.boss_id, organisation_id=firm.id, mandate_id=colleagues.mandate, now=now())
    with pytest.raises(CodeExpired):
        redeem(colleagues.code)
    assert redeem(colleagues.code_of_other).person_id == colleagues.other


def test_codes_end_that_were_made_in_a_session_which_its_owner_ends_from_elsewhere(colleagues: Colleagues) -> None:
    with transaction() as session:
        sessions.cut(session, colleagues.handler, now=now())
    with pytest.raises(CodeExpired):
        redeem(colleagues.code)
    assert redeem(colleagues.code_of_other).person_id == colleagues.other


def test_a_holder_may_withdraw_a_code_and_nobody_else(counter: Counter) -> None:
    code = create(counter)
    with transaction() as session:
        qr_codes.withdraw(session, code.id, holder_id=uuid4(), person_id=counter.holder_id, now=now())
    with transaction() as session:
        qr_codes.withdraw(session, create(counter).id, holder_id=counter.holder_id, person_id=counter.holder_id, now=now())
    with pytest.raises(CodeExpired):
        redeem(code.content)


def test_a_code_that_was_withdrawn_is_not_redeemed_by_whoever_had_set_out_before(counter: Counter) -> None:
    code, set_out = create(counter), now()
    with transaction() as session:
        qr_codes.withdraw(session, code.id, holder_id=counter.holder_id, person_id=counter.holder_id, now=now())
    with transaction() as session, pytest.raises(CodeExpired):
        qr_codes.redeem(session, code.content, now=set_out)
    with transaction() as session:
        assert isinstance(qr_codes.refusals_of(session, [code.content], now=set_out)[code.content], CodeExpired)


def test_what_is_withdrawn_after_its_use_stays_used(counter: Counter) -> None:
    code = create(counter)
    redeem(code.content)
    with transaction() as session:
        qr_codes.withdraw(session, code.id, holder_id=counter.holder_id, person_id=counter.holder_id, now=now())
    with pytest.raises(CodeSpent):
        redeem(code.content)


@pytest.mark.parametrize("fields", [["shoe_size"], ["vehicle_class", "iss"], ["cnf"], ["_sd"], [""]])
def test_a_field_that_the_licence_does_not_have_is_refused(counter: Counter, fields: list[str]) -> None:
    with pytest.raises(FieldUnknown):
        create(counter, *fields)


def test_nobody_shows_another_s_licence(counter: Counter) -> None:
    for holder_id, licence_id in ((uuid4(), counter.licence.id), (counter.holder_id, uuid4())):
        with transaction() as session, pytest.raises(LicenceNotFound):
            qr_codes.create(session, holder_id=holder_id, licence_id=licence_id, fields=[], now=now())


@pytest.mark.parametrize(
    "content", ["", "KABAO1:", "KABAO2:" + "A" * 32, "A" * 31, "A" * 33, "A" * 5000, "é" * 32, "9" * 32, "KABAO1:" + "A" * 32, "\x00", "'; --"]
)
def test_what_is_no_code_is_unknown(counter: Counter, content: str) -> None:
    with pytest.raises(CodeUnknown):
        redeem(content)


def test_digits_that_the_alphabet_lacks_are_read_as_the_letters_they_resemble(counter: Counter) -> None:
    code = create(counter)
    letters = code.content.removeprefix("KABAO1:").replace("O", "0").replace("I", "1").replace("B", "8")
    assert redeem(letters)


@given(st.text(max_size=60))
def test_no_text_makes_anything_but_a_refusal(content: str) -> None:
    try:
        assert len(qr_codes._secret_of(content)) == 32
    except CodeUnknown:
        return


def test_a_refusal_after_redeeming_leaves_the_code_unspent(counter: Counter) -> None:
    code = create(counter)
    with pytest.raises(LicenceNotFound), transaction() as session:  # noqa: PT012
        qr_codes.redeem(session, code.content, now=now())
        raise LicenceNotFound
    assert redeem(code.content)


def test_only_the_hash_of_a_code_is_kept_and_the_presentation_rests_sealed(counter: Counter) -> None:
    code = create(counter, "holder_name")
    with transaction() as session:
        row = session.scalars(select(Presentation).where(Presentation.id == code.id)).one()
    kept = repr(vars(row)).encode() + row.presented_sealed + row.code_hash
    for secret in (code.content, code.content.removeprefix("KABAO1:"), counter.person.name, "eyJ"):
        assert secret.encode() not in kept
    assert code.content not in repr(code)


def test_what_is_over_is_removed_a_day_later(counter: Counter) -> None:
    code = create(counter)
    with transaction() as session:
        qr_codes.prune(session, now=now() + timedelta(hours=23))
        assert session.get(Presentation, (counter.holder_id, code.id)) is not None
        assert qr_codes.prune(session, now=now() + timedelta(days=1, minutes=6)) >= 1
        session.expire_all()
        assert session.get(Presentation, (counter.holder_id, code.id)) is None


@pytest.mark.slow
def test_of_two_hundred_who_redeem_one_code_one_wins(app: Flask, counter: Counter) -> None:
    for _ in range(ROUNDS):
        code, winners, losers, begin = create(counter).content, [], [], threading.Barrier(RACERS)

        def race(code: str = code, winners: list[str] = winners, losers: list[str] = losers, begin: threading.Barrier = begin) -> None:
            with app.app_context():
                begin.wait()
                try:
                    winners.append(redeem(code).nonce)
                except CodeSpent:
                    losers.append("spent")

        threads = [threading.Thread(target=race) for _ in range(RACERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(losers)) == (1, RACERS - 1)
