from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from idp.signin import recovery_codes
from runtime.clock import now
from runtime.database import transaction
from tests.idp.signin.test_contacts import person_of


def test_ten_codes_each_good_once(session: Session) -> None:
    person = person_of(session)
    codes = recovery_codes.make(session, person, now=now())
    assert len(set(codes)) == 10
    assert [recovery_codes.spend(session, person, code, now=now()) for code in codes] == list(range(9, -1, -1))
    assert [recovery_codes.spend(session, person, code, now=now()) for code in codes] == [None] * 10


def test_a_code_is_taken_as_people_type_it(session: Session) -> None:
    person = person_of(session)
    codes = recovery_codes.make(session, person, now=now())
    assert recovery_codes.spend(session, person, codes[0].lower().replace("-", " "), now=now()) == 9
    assert recovery_codes.spend(session, person, codes[1].replace("0", "O").replace("1", "l"), now=now()) == 8


@pytest.mark.parametrize("code", ["", "-", "0000-0000-0000-0000", "x" * 100_000])
def test_anything_else_is_no_code(session: Session, code: str) -> None:
    person = person_of(session)
    recovery_codes.make(session, person, now=now())
    assert recovery_codes.spend(session, person, code, now=now()) is None


def test_anothers_code_and_one_made_before_are_worth_nothing(session: Session) -> None:
    person, other = person_of(session), person_of(session)
    before, others = recovery_codes.make(session, person, now=now()), recovery_codes.make(session, other, now=now())
    recovery_codes.make(session, person, now=now())
    assert recovery_codes.spend(session, person, before[0], now=now()) is None
    assert recovery_codes.spend(session, person, others[0], now=now()) is None


def test_of_twenty_at_once_one_spends_it(app: Flask, context: None) -> None:
    with transaction() as session:
        person = person_of(session)
        code = recovery_codes.make(session, person, now=now())[0]

    def spend(_: int) -> int | None:
        with app.app_context(), transaction() as session:
            return recovery_codes.spend(session, person, code, now=now())

    with ThreadPoolExecutor(20) as threads:
        assert [left for left in threads.map(spend, range(20)) if left is not None] == [9]


def test_no_code_is_stored(session: Session) -> None:
    person = person_of(session)
    codes = recovery_codes.make(session, person, now=now())
    rows = " ".join(session.scalars(text("SELECT row_to_json(r)::text FROM recovery_codes r WHERE subject_id = :id"), {"id": person}))
    assert not any(code in rows or code.replace("-", "").encode().hex() in rows for code in codes)


def test_only_codes_of_ones_own_make_a_file(session: Session) -> None:
    person = person_of(session)
    codes = recovery_codes.make(session, person, now=now())
    assert recovery_codes.are_all_of(session, person, codes)
    assert not recovery_codes.are_all_of(session, person, [*codes, "something else"])
    assert not recovery_codes.are_all_of(session, person, [])
