from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from idp.signin import one_time_codes
from idp.signin.one_time_codes import SECOND, SIGNING_IN, OneTimeCode
from runtime.clock import now
from runtime.database import transaction
from runtime.ids import new_id
from tests.idp.signin.proofs_at_hand import jobs_named, reached
from tests.idp.signin.test_contacts import person_of


def issued(session: Session, *, purpose: str = SECOND, decoy: bool = False) -> tuple[UUID, str]:
    """Ask for a code in a new browser; return the browser and the code."""
    browser = new_id()
    contact = None if decoy else reached(session, person_of(session), "someone@example.cn")
    one_time_codes.issue(session, contact, bound_to=browser, purpose=purpose, now=now())
    row = session.scalars(select(OneTimeCode).where(OneTimeCode.bound_to == browser, OneTimeCode.spent_at.is_(None))).one()
    return browser, one_time_codes.code_of(row.id)


def another(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_a_code_is_good_once(session: Session) -> None:
    browser, code = issued(session)
    found = one_time_codes.redeem(session, f" {code[:3]} {code[3:]}", bound_to=browser, purpose=SECOND, now=now())
    assert found is not None
    assert found.contact_id is not None
    assert one_time_codes.redeem(session, code, bound_to=browser, purpose=SECOND, now=now()) is None


def test_five_tries_and_then_not_even_the_right_one(session: Session) -> None:
    browser, code = issued(session)
    for _ in range(5):
        assert one_time_codes.redeem(session, another(code), bound_to=browser, purpose=SECOND, now=now()) is None
    assert one_time_codes.redeem(session, code, bound_to=browser, purpose=SECOND, now=now()) is None


def test_the_fifth_try_may_still_be_right(session: Session) -> None:
    browser, code = issued(session)
    for _ in range(4):
        assert one_time_codes.redeem(session, another(code), bound_to=browser, purpose=SECOND, now=now()) is None
    assert one_time_codes.redeem(session, code, bound_to=browser, purpose=SECOND, now=now()) is not None


NOT_HEARD = ["after five minutes", "in another browser", "for another purpose", "once another was sent", "of nobody"]


@pytest.mark.parametrize("case", NOT_HEARD)
def test_a_code_is_not_heard(session: Session, case: str) -> None:
    browser, code = issued(session, decoy=case == "of nobody")
    if case == "once another was sent":
        one_time_codes.issue(session, None, bound_to=browser, purpose=SECOND, now=now())
    heard = {
        "bound_to": new_id() if case == "in another browser" else browser,
        "purpose": SIGNING_IN if case == "for another purpose" else SECOND,
        "now": now() + timedelta(minutes=5 if case == "after five minutes" else 0),
    }
    found = one_time_codes.redeem(session, code, **heard)  # type: ignore[arg-type]
    assert found is None or (case == "of nobody" and found.subject_id is None)


@pytest.mark.parametrize("code", ["", "12345", "abcdef", "9" * 100_000])
def test_anything_else_is_no_code(session: Session, code: str) -> None:
    browser, _ = issued(session)
    assert one_time_codes.redeem(session, code, bound_to=browser, purpose=SECOND, now=now()) is None


def test_of_twenty_at_once_one_redeems_it(app: Flask, context: None) -> None:
    with transaction() as session:
        browser, code = issued(session)

    def redeem(_: int) -> bool:
        with app.app_context(), transaction() as session:
            return one_time_codes.redeem(session, code, bound_to=browser, purpose=SECOND, now=now()) is not None

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(redeem, range(20))) == 1


def test_of_twenty_asked_for_at_once_one_is_open(app: Flask, context: None) -> None:
    browser = new_id()

    def ask(_: int) -> None:
        with app.app_context(), transaction() as session:
            one_time_codes.issue(session, None, bound_to=browser, purpose=SECOND, now=now())

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(ask, range(20)))
    with transaction() as session:
        assert len(session.scalars(select(OneTimeCode).where(OneTimeCode.bound_to == browser, OneTimeCode.spent_at.is_(None))).all()) == 1


@pytest.mark.parametrize("decoy", [False, True], ids=["of someone", "of nobody"])
def test_neither_the_row_nor_the_job_holds_the_code_or_the_address(session: Session, decoy: bool) -> None:
    browser, code = issued(session, decoy=decoy)
    row = session.scalars(text("SELECT row_to_json(r)::text FROM one_time_codes r WHERE bound_to = :id"), {"id": browser}).one()
    code_id = session.scalars(select(OneTimeCode.id).where(OneTimeCode.bound_to == browser)).one()
    (job,) = jobs_named(session, "send_code", code_id=str(code_id))
    assert set(job) == {"code_id"}
    for kept in (row.replace(str(code_id), "").replace(str(browser), ""), "".join(job).replace(str(code_id), "")):
        assert f'"{code}"' not in kept
        assert "example.cn" not in kept


def test_a_million_codes_are_spread_evenly(context: None) -> None:
    first = [one_time_codes.code_of(new_id())[0] for _ in range(2000)]
    assert all(120 < first.count(digit) < 290 for digit in "0123456789")


def test_codes_are_forgotten(context: None) -> None:
    with transaction() as session:
        browser, _ = issued(session)
    one_time_codes.forget(now=now() + timedelta(minutes=6))
    with transaction() as session:
        assert session.scalars(select(OneTimeCode).where(OneTimeCode.bound_to == browser)).all() == []
